/* dgram_sock.h - what a datagram socket is, for all that receives, judges and sends with it
 *
 * One socket can serve one endpoint (SENDTO, DATAGRAM, RECV, CONNECT) or many (the sessions of
 * LISTEN and RECVFROM). dgram.c makes it, and whoever uses it holds a reference (dgram.h). Used by
 * all families that have datagrams; nothing here knows UDP from UNIX beyond the offloads. */
#ifndef DGRAM_DGRAM_SOCK_H
#define DGRAM_DGRAM_SOCK_H

#include "dgram/admit.h"
#include "end/address.h"

#include <stdbool.h>
#include <stdint.h>

/* What a datagram socket is: the arguments of socket(2). */
struct dgram_kind {
	int family, type, protocol;
};

/* A datagram socket; counted, because many endpoints may send through it. */
struct dgram_sock {
	struct address *addr; /* whose socket it is */
	int fd;
	unsigned refs;
	struct dgram_kind kind;
	bool raw4; /* IPv4 raw: the kernel delivers the IP header */
	bool connected; /* class C: empty datagram is end of file, ICMP errors are ours */
	bool frames; /* of an interface: what it refuses is lost, and it may be down for a while */
	bool down; /* it is */
	bool errqueue; /* errors are queued with details (option ip-recverr) */
	bool no_gso;
	uint32_t gso_max; /* largest segment the kernel took, 0: not yet known to fail */
	struct admission admission;
	struct dst_rule *dst; /* option dst; owned, or NULL */
	struct dgram_seal *seal; /* option seal; counted, or NULL */
	bool answers; /* RECVFROM, LISTEN: what is sent answers what was received */
	struct netaddr bound; /* there: its own address */
	struct own_addrs *own; /* there: of this host, once they were asked for; owned */
	struct echo *echo; /* option no-echo: what was sent lately; owned, or NULL */
	struct membership *member; /* of MCAST: its group; owned, or NULL */
	struct groups *more; /* sockets that have joined for this one; counted, or NULL */
	struct list node; /* in engine->socks */
	struct forget forget;
	uint64_t drops_seen; /* last kernel counter, if this socket is ours alone */
	uint64_t *seen; /* &drops_seen, or, shared by sessions, the one in the tally; NULL: the
			 * process that forked us counts */
	struct {
		uint64_t kernel_drops, truncated, unsent, passed;
	} count;
};

/* The first datagram of somebody who has no session. */
struct dgram_greeting {
	struct dgram_sock *sock;
	const struct netaddr *peer, *local; /* local: where answers leave from, or len 0 */
	const void *data;
	size_t len;
};

#endif
