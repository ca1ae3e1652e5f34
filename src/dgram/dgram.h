/* dgram.h - datagram sockets and the endpoints on them
 *
 * One socket can serve one endpoint (SENDTO, DATAGRAM, RECV, CONNECT) or many (the sessions of
 * LISTEN and RECVFROM). Every datagram is judged when it is received, never once per session. Used
 * by all families that have datagrams; nothing here knows UDP from UNIX beyond the offloads. */
#ifndef DGRAM_DGRAM_H
#define DGRAM_DGRAM_H

#include "data/packet.h"
#include "dgram/admit.h"
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

/* Of what @sock has joined, the part that others hold for it is @more now; takes it. -1 with @err
 * if the socket would not hear it. */
int dgram_take_groups(struct dgram_sock *sock, struct groups **more, struct err *err);

/* Take over a bound socket of @kind: parse range, switch the drop counter on, and, unless it is one
 * of many short-lived ones, make its receive buffer as large as is allowed (unless option rcvbuf)
 * and let the kernel merge what it receives. @target_port as in admission_init(). NULL with @err;
 * @fd stays the caller's then. */
struct dgram_sock *dgram_sock_new(struct address *addr, int fd, struct dgram_kind kind,
				  unsigned target_port, struct err *err);

/* Linux tells what a datagram was sent to only when asked; refused by sockets of the other version.
 */
void dgram_ask_destination(int fd);

/* Each datagram that @sock receives may begin a session: its queue is no longer than what can be
 * served within a tenth of a second (unless option rcvbuf), because who is honest waits behind a
 * flood. */
void dgram_serves_many(struct dgram_sock *sock);

/* What @sock sends answers what it has received: note its address, so that nobody can make it
 * answer itself. */
void dgram_answers(struct dgram_sock *sock);

/* Does @m say that @sock itself has sent it? Its answer would come back, and so on for ever. */
bool dgram_is_self(struct dgram_sock *sock, const struct message *m);

/* Does @sock receive what it sends to the group, or to all, @to? Groups it has joined are not
 * looked at: to be warned for nothing is better than not at all. */
bool dgram_hears_itself(const struct dgram_sock *sock, const struct netaddr *to);

/* The kernel's counter of drops is @total now, or was when a datagram came in: count its news. */
void dgram_drops_are(struct dgram_sock *sock, uint32_t total);

/* Ask the kernel for it. */
void dgram_ask_for_drops(struct dgram_sock *sock);

/* @sock gets twins with descriptors of the same socket: its news are to be counted once. */
void dgram_share_drops(struct dgram_sock *sock);

/* How the seal sees @sock. */
struct seal_socket dgram_seal_socket(const struct dgram_sock *sock);

/* Ask for losses that no later datagram has told of: of all sockets. */
void dgram_count_drops(struct engine *engine);

/* @sock is one of its engine's, from now on and no longer. In a session process what was open
 * before is counted by the process that forked it. */
void dgram_sock_enlist(struct dgram_sock *sock);
void dgram_sock_delist(struct dgram_sock *sock);

void dgram_sock_ref(struct dgram_sock *sock);
void dgram_sock_unref(struct dgram_sock *sock); /* the last one closes */

/* batch_recv() from @sock, with senders and ancillary data. Where errors are queued, the queue is
 * emptied into info records when there is no datagram: epoll reports it until it is empty. */
long dgram_recv(struct dgram_sock *sock, struct batch *b, size_t max);

/* Judge what is in @b: refused packets are marked, drops and cut datagrams counted and said, raw
 * headers removed. @peer: only its datagrams pass (NULL: all). Returns how many remain. */
size_t dgram_judge(struct dgram_sock *sock, struct batch *b, const struct netaddr *peer);

/* Send b->packet[b->next...] to @to (len 0: connected), from the local address @from where that is
 * set. Runs of equal size go out in one system call where the kernel can segment. Advances b->next;
 * 0 when all are gone, -1 with errno and, but for EAGAIN, @err. */
int dgram_send(struct dgram_sock *sock, struct batch *b, const struct netaddr *to,
	       const struct netaddr *from, struct err *err);

/* An endpoint on a datagram socket. */
struct dgram_ep {
	struct endpoint ep;
	struct dgram_sock *sock;
	struct netaddr to; /* where writes go; len 0: nowhere or connected */
	struct netaddr from; /* source address of replies, or len 0 */
	enum dgram_accept accept;
	int observer, copy; /* extra descriptors to wait for room by (dgram_room.c), or -1 */
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

/* A send has met EAGAIN: choose the descriptor, ep->wfd, whose EPOLLOUT tells that there is room.
 */
void dgram_ep_await_room(struct dgram_ep *d);

/* @d is one of many on its socket, which is watched by others: who gets a datagram for it calls
 * dgram_ep_push() and endpoint_ready(). From then on, until dgram_ep_feed(). */
void dgram_ep_share_socket(struct dgram_ep *d);
bool dgram_ep_shares_socket(const struct dgram_ep *d);

/* Its datagrams come through @fd from now on (own process); takes it. */
void dgram_ep_feed(struct dgram_ep *d, int fd);

/* Hand a datagram over (copied); false when the inbox is full (counted). */
bool dgram_ep_push(struct dgram_ep *d, const void *data, size_t len);

/* The datagram endpoint @ep hears only what was sent to @dst, as option dst says it, which must not
 * have been given. 0, or -1 with @err. */
int dgram_hear_only(struct endpoint *ep, const char *dst, struct err *err);

/* The datagram endpoint @ep is a member of a group, and hears only what came for it. Takes @m. */
void dgram_member(struct endpoint *ep, struct membership *m);

/* The first datagram of somebody who has no session. */
struct dgram_greeting {
	struct dgram_sock *sock;
	const struct netaddr *peer, *local; /* local: where answers leave from, or len 0 */
	const void *data;
	size_t len;
};

/* The records that say that LISTEN or RECVFROM waits. */
void dgram_say_waiting(const struct dgram_sock *sock, bool listens);

/* Variables PEERADDR, PEERPORT of @peer (port: UDP only, as classic), and ancillary data. */
void dgram_peer_vars(const struct dgram_sock *sock, const struct netaddr *peer, struct vars *vars);

#endif
