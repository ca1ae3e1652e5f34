/* destination.h - option dst: only datagrams that were sent to this host, to a group, to everybody,
 * or to certain addresses are heard */
#ifndef DGRAM_DESTINATION_H
#define DGRAM_DESTINATION_H

#include "base/err.h"
#include "data/packet.h"

#include <stdbool.h>

/* Option dst: types and networks, any of which will do. */
struct dst_rule;

/* Parse "multicast+192.168.10.0/24" for sockets of @family: words, addresses, prefixes joined by
 * '+'; IPv6 in brackets. NULL with @err: 'option "dst=x": …'. Freed by free(3). */
struct dst_rule *dst_rule_new(const char *text, int family, struct err *err);

struct dst_rule *dst_rule_copy(const struct dst_rule *r);

/* True if the destination of @m fits. Without packet information: true. */
bool dst_rule_permits(const struct dst_rule *r, const struct message *m);

#endif
