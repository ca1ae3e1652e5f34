/* dgram_room.c - waiting until a datagram can be sent
 *
 * For most sockets that is EPOLLOUT of the socket. Not for UNIX datagrams: they go straight into
 * the receive queue of the peer, which is short, and a socket that is not connected is writable
 * although that queue is full (unix(7), net/unix/af_unix.c). A second socket, connected to the same
 * peer and used for nothing else, tells. */
#include "dgram/dgram_room.h"

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

/* A socket whose EPOLLOUT means room in the queue of @peer, or -1. */
static int observer(const struct netaddr *peer)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0 && connect(fd, &peer->any, peer->len) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Wait by @fd from now on; what was watched before is let go. */
static void wait_by(struct endpoint *ep, int fd)
{
	if (fd == -1 || fd == ep->wfd)
		return;
	endpoint_want(ep, 0, EPOLLOUT);
	ep->wfd = fd;
}

/* It says that there is room, and the kernel says no: the name belongs to another socket by now. */
static void drop_stale_observer(struct dgram_room *room, struct endpoint *ep, int sock)
{
	if (room->observer == -1 || !is_writable(room->observer))
		return;
	if (ep->wfd == room->observer)
		wait_by(ep, sock);
	fd_close(&room->observer);
}

/* The socket itself; one that many sessions share is watched elsewhere, so it is a copy then. */
static int own(struct dgram_room *room, int sock, bool shared)
{
	if (!shared)
		return sock;
	if (room->copy == -1)
		room->copy = fcntl(sock, F_DUPFD_CLOEXEC, 3);
	return room->copy;
}

void dgram_room_await(struct dgram_room *room, struct endpoint *ep, const struct dgram_sock *sock,
		      const struct netaddr *to, bool shared)
{
	bool by_queue = sock->kind.family == AF_UNIX && to->len && !sock->connected &&
			is_writable(sock->fd);

	if (by_queue) {
		drop_stale_observer(room, ep, sock->fd);
		if (room->observer == -1)
			room->observer = observer(to);
	}
	/* without an observer the peer is gone, and sending again will tell */
	wait_by(ep,
		by_queue && room->observer != -1 ? room->observer : own(room, sock->fd, shared));
}

void dgram_room_init(struct dgram_room *room)
{
	room->observer = room->copy = -1;
}

void dgram_room_done(struct dgram_room *room)
{
	fd_close(&room->observer);
	fd_close(&room->copy);
}
