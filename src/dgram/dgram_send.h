/* dgram_send.h - sending datagrams */
#ifndef DGRAM_DGRAM_SEND_H
#define DGRAM_DGRAM_SEND_H

#include "data/packet.h"
#include "dgram/dgram_sock.h"

/* Send b->packet[b->next...] to @to (len 0: connected), from the local address @from where that is
 * set. Runs of equal size go out in one system call where the kernel can segment. Advances b->next;
 * 0 when all are gone, -1 with errno and, but for EAGAIN, @err. */
int dgram_send(struct dgram_sock *sock, struct batch *b, const struct netaddr *to,
	       const struct netaddr *from, struct err *err);

#endif
