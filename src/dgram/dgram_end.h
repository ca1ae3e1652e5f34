/* dgram_end.h - an end of a session that is made of datagrams
 *
 * It has its socket for itself, or is one of many whose datagrams somebody hands over. */
#ifndef DGRAM_DGRAM_END_H
#define DGRAM_DGRAM_END_H

#include "dgram/dgram_room.h"
#include "dgram/dgram_sock.h"
#include "dgram/inbox.h"
#include "end/endpoint.h"
#include "end/vars.h"

#include <stdbool.h>
#include <stdint.h>

/* How received datagrams are chosen, beyond the options. */
enum dgram_accept {
	ACCEPT_ANY, /* whoever passes the checks */
	ACCEPT_PEER, /* the peer only, silently (SENDTO, CONNECT) */
};

/* An endpoint on a datagram socket. */
struct dgram_ep {
	struct endpoint ep;
	struct dgram_sock *sock;
	struct netaddr to; /* where writes go; len 0: nowhere or connected */
	struct netaddr from; /* source address of replies, or len 0 */
	enum dgram_accept accept;
	struct dgram_room room;
	int feed; /* own process: datagrams come through this, from the one with the table; or -1 */
	bool one_shot; /* end of file after the inbox (RECVFROM) */
	bool nameless; /* its peer is a UNIX socket without a name: nothing can be sent to it */
	bool end; /* an end-of-file datagram is in the inbox behind everything else */
	struct inbox inbox; /* datagrams handed over */
	int64_t told_ns; /* own process: when the one with the table heard that we send */
	int icmp; /* error of an earlier packet that a send has met, for the reader */
	uint64_t overflow; /* datagrams dropped because the inbox was full */
	void (*on_close)(struct dgram_ep *d, void *arg); /* before the socket goes, or NULL */
	void (*on_sent)(struct dgram_ep *d, void *arg); /* something has been sent; or NULL */
	void *arg;
};

/* An endpoint that uses @sock, which it takes a reference of. */
struct dgram_ep *dgram_ep_new(struct dgram_sock *sock, const struct netaddr *to);

/* Whom @ep sends to, or nobody (len 0), where it is connected or something else than these. */
const struct netaddr *dgram_ep_peer(const struct endpoint *ep);

/* The endpoint of one datagram: end of file follows it, answers go to its sender. */
void dgram_ep_one_shot(struct dgram_ep *d);

/* The socket of the datagram endpoint @ep. */
struct dgram_sock *dgram_ep_sock(struct endpoint *ep);

/* @d is one of many on its socket, which is watched by others: who gets a datagram for it calls
 * dgram_ep_push() and endpoint_ready(). From then on, until dgram_ep_feed(). */
void dgram_ep_share_socket(struct dgram_ep *d);

/* Its datagrams come through @fd from now on (own process); takes it. */
void dgram_ep_feed(struct dgram_ep *d, int fd);

/* Hand a datagram over (copied); false when the inbox is full (counted). */
bool dgram_ep_push(struct dgram_ep *d, const void *data, size_t len);

/* Variables PEERADDR, PEERPORT of @peer (port: UDP only, as classic), and ancillary data. */
void dgram_peer_vars(const struct dgram_sock *sock, const struct netaddr *peer, struct vars *vars);

#endif
