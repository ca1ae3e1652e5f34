/* dgram_room.c - waiting until a datagram can be sent
 *
 * For most sockets that is EPOLLOUT of the socket. Not for UNIX datagrams: they go straight into
 * the receive queue of the peer, which is short, and a socket that is not connected is writable
 * although that queue is full (unix(7), net/unix/af_unix.c). A second socket, connected to the same
 * peer and used for nothing else, tells. */
#include "dgram/dgram.h"

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

/* Wait by @fd from now on; what was watched before is let go. */
static void wait_by(struct dgram_ep *d, int fd)
{
	if (fd == -1 || fd == d->ep.wfd)
		return;
	endpoint_want(&d->ep, 0, EPOLLOUT);
	d->ep.wfd = fd;
}

/* It says that there is room, and the kernel says no: the name belongs to another socket by now. */
static void drop_stale_observer(struct dgram_ep *d)
{
	if (d->observer == -1 || !is_writable(d->observer))
		return;
	if (d->ep.wfd == d->observer)
		wait_by(d, d->sock->fd);
	fd_close(&d->observer);
}

/* The socket itself; one that many sessions share is watched elsewhere, so it is a copy then. */
static int own(struct dgram_ep *d)
{
	if (!dgram_ep_shares_socket(d))
		return d->sock->fd;
	if (d->copy == -1)
		d->copy = fcntl(d->sock->fd, F_DUPFD_CLOEXEC, 3);
	return d->copy;
}

void dgram_ep_await_room(struct dgram_ep *d)
{
	bool by_queue = d->sock->kind.family == AF_UNIX && d->to.len && !d->sock->connected &&
			is_writable(d->sock->fd);

	if (by_queue) {
		drop_stale_observer(d);
		if (d->observer == -1)
			d->observer = observer(d);
	}
	/* without an observer the peer is gone, and sending again will tell */
	wait_by(d, by_queue && d->observer != -1 ? d->observer : own(d));
}
