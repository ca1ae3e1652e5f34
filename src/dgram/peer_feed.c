/* peer_feed.c - the datagrams of a peer whose session is in another process, see peer_feed.h */
#include "dgram/peer_feed.h"

#include "base/log.h"
#include "dgram/dgram_end.h"

#include <errno.h>
#include <sys/socket.h>

#define TELLS_PER_TURN 16

/* It has sent something to the peer, or it has ended. */
static void on_told(struct watch *w, uint32_t events)
{
	struct peer *p = container_of(w, struct peer, told);
	char told;
	ssize_t n = -1;

	(void)events;
	for (int i = 0; i < TELLS_PER_TURN; i++) {
		n = recv(p->feed, &told, sizeof(told), MSG_DONTWAIT);
		if (n <= 0)
			break;
		peer_touch(p);
	}
	if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR))
		peer_forget(p);
}

void peer_feed_open(struct peer *p)
{
	struct dgram_ep *d = p->ep;
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd) == -1) {
		log_warn("socketpair(): %m; only the first datagram of this session is delivered");
		return;
	}
	p->feed = fd[0];
	dgram_ep_feed(d, fd[1]);
	d->on_close = d->on_sent = NULL; /* the peer stays when the endpoint goes over */
	p->ep = NULL;
	engine_fd_used(d->ep.addr->engine, fd[0] > fd[1] ? fd[0] : fd[1]);
	watch_init(&p->told, on_told);
	loop_watch(p->table->loop, &p->told, p->feed, EPOLLIN | EPOLLRDHUP);
}

bool peer_feed_send(struct peer *p, const void *data, size_t len)
{
	return send(p->feed, data, len, MSG_DONTWAIT | MSG_NOSIGNAL) != -1;
}
