/* dgram.h - datagram sockets: made, shared, received from
 *
 * Every datagram is judged when it is received, never once per session. */
#ifndef DGRAM_DGRAM_H
#define DGRAM_DGRAM_H

#include "data/packet.h"
#include "dgram/dgram_sock.h"

/* Of what @sock has joined, the part that others hold for it is @more now; takes it. -1 with @err
 * if the socket would not hear it. */
int dgram_take_groups(struct dgram_sock *sock, struct groups **more, struct err *err);

/* Take over a bound socket of @kind: parse range, switch the drop counter on, and, unless it is one
 * of many short-lived ones, make its receive buffer as large as is allowed (unless option rcvbuf)
 * and let the kernel merge what it receives. @target_port as in admission_init(). NULL with @err;
 * @fd stays the caller's then. */
struct dgram_sock *dgram_sock_new(struct address *addr, int fd, struct dgram_kind kind,
				  unsigned target_port, struct err *err);

/* Each datagram that @sock receives may begin a session: its queue is no longer than what can be
 * served within a tenth of a second (unless option rcvbuf), because who is honest waits behind a
 * flood. */
void dgram_serves_many(struct dgram_sock *sock);

/* What @sock sends answers what it has received: note its address, so that nobody can make it
 * answer itself. */
void dgram_answers(struct dgram_sock *sock);

/* @sock hears only what was sent to @dst, as option dst says it, which must not have been given. 0,
 * or -1 with @err. */
int dgram_hear_only(struct dgram_sock *sock, const char *dst, struct err *err);

/* @sock is a member of a group, and hears only what came for it. Takes @m. */
void dgram_member(struct dgram_sock *sock, struct membership *m);

/* How the seal sees @sock. */
struct seal_socket dgram_seal_socket(const struct dgram_sock *sock);

void dgram_sock_ref(struct dgram_sock *sock);
void dgram_sock_unref(struct dgram_sock *sock); /* the last one closes */

/* batch_recv() from @sock, with senders and ancillary data. Where errors are queued, the queue is
 * emptied into info records when there is no datagram: epoll reports it until it is empty. */
long dgram_recv(struct dgram_sock *sock, struct batch *b, size_t max);

/* Judge what is in @b: refused packets are marked, drops and cut datagrams counted and said, raw
 * headers removed. @peer: only its datagrams pass (NULL: all). Returns how many remain. */
size_t dgram_judge(struct dgram_sock *sock, struct batch *b, const struct netaddr *peer);

#endif
