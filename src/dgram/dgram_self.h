/* dgram_self.h - who would talk to itself */
#ifndef DGRAM_DGRAM_SELF_H
#define DGRAM_DGRAM_SELF_H

#include "data/packet.h"
#include "dgram/dgram_sock.h"

/* Does @m say that @sock itself has sent it? Its answer would come back, and so on for ever. */
bool dgram_is_self(struct dgram_sock *sock, const struct message *m);

/* Does @sock receive what it sends to the group, or to all, @to? Groups it has joined are not
 * looked at: to be warned for nothing is better than not at all. */
bool dgram_hears_itself(const struct dgram_sock *sock, const struct netaddr *to);

#endif
