/* dgram_room.c - waiting until a datagram can be sent
 *
 * For most sockets that is EPOLLOUT of the socket. Not for UNIX datagrams: they go straight into
 * the receive queue of the peer, which is short, and a socket that is not connected is writable
 * although that queue is full (unix(7), net/unix/af_unix.c). A second socket, connected to the same
 * peer and used for nothing else, tells. */
#include "relay/dgram.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static bool is_writable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	return poll(&p, 1, 0) > 0;
}

/* A socket whose EPOLLOUT means room in the queue of @d's peer, or -1. */
static int observer(const struct dgram_ep *d)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0 && connect(fd, &d->to.any, d->to.len) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

void dgram_ep_await_room(struct dgram_ep *d)
{
	bool by_queue = d->sock->kind.family == AF_UNIX && d->to.len && !d->sock->connected &&
			is_writable(d->sock->fd);
	int fd = d->sock->fd;

	if (by_queue) {
		if (d->observer == -1)
			d->observer = observer(d);
		fd = d->observer;
	} else if (d->ep.caps & EP_QUEUED) {
		/* a socket many sessions share is watched elsewhere: wait on a copy */
		if (d->copy == -1)
			d->copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		fd = d->copy;
	}
	if (fd == -1 || fd == d->ep.wfd)
		return;
	endpoint_want(&d->ep, 0, EPOLLOUT); /* of the one that was waited for before */
	d->ep.wfd = fd;
}
