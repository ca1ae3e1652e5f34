/* fd_end.c - ends that are plain descriptors, see fd_end.h */
#include "end/fd_end.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/* A terminal whose other side was closed says EIO. With sitout-eio that is a pause: true while it
 * lasts. The level-triggered hang-up would spin, so we look again in a while. */
static bool sits_out(struct endpoint *ep, uint32_t event)
{
	int64_t sitout = ep->addr->conf->pty.sitout_eio_ns, now = loop_now(ep->addr->engine->loop);

	if (sitout <= 0)
		return false;
	if (!ep->eio_since_ns) {
		ep->eio_since_ns = now;
		log_notice("xioread(fd=%d): EIO, sitting out %.2fs for recovery",
			   event == EPOLLIN ? ep->rfd : ep->wfd, (double)sitout / 1e9);
	}
	if (now - ep->eio_since_ns >= sitout)
		return false;
	endpoint_look_again(ep, 20 * NSEC_PER_MSEC);
	endpoint_mask(ep, ep->masked | event);
	return true;
}

/* What the reader of a terminal should see whose other side was closed: a pause or the end. */
static ssize_t terminal_eio(struct endpoint *ep, size_t len, struct err *err)
{
	if (sits_out(ep, EPOLLIN)) {
		errno = EAGAIN;
		return -1;
	}
	if (ep->addr->conf->pty.sitout_eio_ns > 0) {
		err_set(err, EIO, "read(%d, %p, %zu)", ep->rfd, (void *)ep, len);
		errno = EIO;
		return -1;
	}
	log_notice("read(%d, %p, %zu): Input/output error (probably PTY closed)", ep->rfd,
		   (void *)ep, len);
	/* whoever has seen the end does not mind what could not be written any more */
	ep->caps |= EP_QUIET_PIPE;
	return 0;
}

ssize_t ep_fd_read_failed(struct endpoint *ep, const void *buf, size_t len, struct err *err)
{
	if (errno == EAGAIN) {
		ep->eio_since_ns = 0; /* somebody has the terminal open again */
		return ep->drained_is_eof ? 0 : -1;
	}
	if (errno == EIO && ep->caps & EP_HUP_IS_EOF)
		return terminal_eio(ep, len, err);
	/* a program that ended with unread input resets the socket pair: its output is complete */
	if (errno == ECONNRESET && ep->caps & EP_QUIET_PIPE) {
		log_info("read(%d, %p, %zu): %m (the program did not read all its input)", ep->rfd,
			 buf, len);
		return 0;
	}
	err_set(err, errno, "read(%d, %p, %zu)", ep->rfd, buf, len);
	errno = err->code;
	return -1;
}

ssize_t ep_fd_read(struct endpoint *ep, void *buf, size_t len, struct err *err)
{
	ssize_t n = fd_read(ep->rfd, ep->rhow, buf, len);

	if (n == -1)
		return ep_fd_read_failed(ep, buf, len, err);
	ep->eio_since_ns = 0;
	return n;
}

/* Nobody has the other side of this terminal open. */
static bool terminal_left(const struct endpoint *ep)
{
	struct pollfd p = { .fd = ep->wfd };

	return ep->caps & EP_HUP_IS_EOF && poll(&p, 1, 0) == 1 && p.revents & POLLHUP;
}

/* As fd_writev(). A terminal that nobody has open takes some bytes all the same (Linux 6.18), and
 * is never full for epoll: a one-way writer, whom no end of file stops, would lose those, and
 * anybody would spin then. */
static ssize_t write_some(struct endpoint *ep, const struct iovec *iov, int niov)
{
	ssize_t n = -1;

	errno = EIO;
	if (ep->rfd >= 0 || !terminal_left(ep))
		n = fd_writev(ep->wfd, ep->whow, iov, niov);
	if (n == -1 && errno == EAGAIN && ep->caps & EP_HUP_IS_EOF)
		errno = terminal_left(ep) ? EIO : EAGAIN;
	return n;
}

ssize_t ep_fd_write(struct endpoint *ep, const struct iovec *iov, int niov, struct err *err)
{
	ssize_t n = write_some(ep, iov, niov);
	size_t len = 0;

	if (n >= 0)
		ep->eio_since_ns = 0;
	if (n == -1 && errno == EIO && ep->caps & EP_HUP_IS_EOF && sits_out(ep, EPOLLOUT))
		errno = EAGAIN;
	if (n >= 0 || errno == EAGAIN)
		return n;
	for (int i = 0; i < niov; i++)
		len += iov[i].iov_len;
	err_set(err, errno, "write(%d, %p, %zu)", ep->wfd, niov ? iov[0].iov_base : NULL, len);
	errno = err->code;
	return -1;
}

static void close_write(struct endpoint *ep)
{
	endpoint_want(ep, 0, EPOLLOUT);
	if (ep->wfd == ep->rfd) {
		endpoint_want(ep, 0, EPOLLIN);
		ep->rfd = -1;
	}
	if (!(ep->caps & EP_KEEP_OPEN))
		fd_close(&ep->wfd);
	ep->wfd = -1;
}

void ep_fd_shut_write(struct endpoint *ep)
{
	enum shut_how how = ep->addr->conf->flow.shut;

	if (ep->wfd == -1)
		return;
	switch (how == SHUT_DEFAULT ? ep->half_close : how) {
	case SHUT_DEFAULT:
	case SHUT_NONE:
		break;
	case SHUT_DOWN:
		log_info("shutdown(%d, %d)", ep->wfd, SHUT_WR);
		if (shutdown(ep->wfd, SHUT_WR) == -1)
			log_info("shutdown(%d, %d): %m", ep->wfd, SHUT_WR);
		break;
	case SHUT_CLOSE:
		close_write(ep);
		break;
	case SHUT_NULL:
		log_info("sending an empty packet on %d", ep->wfd);
		if (send(ep->wfd, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL) == -1)
			log_info("send(%d, \"\", 0): %m", ep->wfd);
		break;
	}
}

static void final_shutdown(struct endpoint *ep, int fd)
{
	if (fd == -1 || ep->final != FINAL_SHUTDOWN || ep->caps & EP_SHARED ||
	    ep->addr->conf->flow.end_close)
		return;
	log_info("shutdown(%d, %d)", fd, SHUT_RDWR);
	if (shutdown(fd, SHUT_RDWR) == -1)
		log_info("shutdown(%d, %d): %m", fd, SHUT_RDWR);
}

void ep_fd_close(struct endpoint *ep)
{
	bool same = ep->rfd == ep->wfd;

	endpoint_restore_tty(ep);
	if (endpoint_lingers(ep)) {
		linger_close(ep->addr, ep->wfd, &ep->parting, NULL);
		ep->rfd = ep->wfd = -1;
		return;
	}
	final_shutdown(ep, ep->wfd);
	if (!(ep->caps & EP_KEEP_OPEN)) {
		fd_close(&ep->wfd);
		if (!same)
			fd_close(&ep->rfd);
	}
	ep->rfd = ep->wfd = -1;
}

struct endpoint *ep_fd_share(struct endpoint *ep, struct err *err)
{
	int rfd = ep->rfd, wfd = ep->wfd;
	struct endpoint *twin;

	if (rfd >= 0 && (rfd = fcntl(ep->rfd, F_DUPFD_CLOEXEC, 3)) == -1) {
		err_set(err, errno, "dup(%d)", ep->rfd);
		return NULL;
	}
	if (ep->wfd == ep->rfd) {
		wfd = rfd;
	} else if (wfd >= 0 && (wfd = fcntl(ep->wfd, F_DUPFD_CLOEXEC, 3)) == -1) {
		err_set(err, errno, "dup(%d)", ep->wfd);
		fd_close(&rfd);
		return NULL;
	}
	twin = endpoint_fd_new(ep->addr, rfd, wfd);
	twin->rhow = ep->rhow;
	twin->whow = ep->whow;
	twin->rkind = ep->rkind;
	twin->wkind = ep->wkind;
	twin->caps = (ep->caps & ~(unsigned)EP_KEEP_OPEN) | EP_SHARED;
	twin->half_close = SHUT_NONE;
	return twin;
}

const struct endpoint_ops ep_fd_ops = {
	.read = ep_fd_read,
	.write = ep_fd_write,
	.shut_write = ep_fd_shut_write,
	.close = ep_fd_close,
	.share = ep_fd_share,
};

/* Sockets and pipes can be spliced; so can files, but for a terminal it makes no sense. */
bool endpoint_kind_splices(enum fd_kind kind)
{
	return kind == FD_FILE || kind == FD_PIPE || kind == FD_SOCKET;
}

static bool can_splice(int fd)
{
	enum fd_kind kind = fd_kind(fd);
	socklen_t len = sizeof(int);
	int type = 0;

	if (kind != FD_SOCKET)
		return endpoint_kind_splices(kind);
	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

/* EP_NO_READ or EP_NO_WRITE, by the access mode of @fd. */
static unsigned fd_access(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags == -1) /* a use of it will fail, and say so */
		return 0;
	if (flags &
	    O_PATH) /* standard input that was closed when we started: nothing comes from it */
		return EP_NO_READ;
	switch (flags & O_ACCMODE) {
	case O_RDONLY:
		return EP_NO_WRITE;
	case O_WRONLY:
		return EP_NO_READ;
	default:
		return 0;
	}
}

unsigned endpoint_fd_caps(int rfd, int wfd)
{
	unsigned caps = 0;

	if (rfd >= 0)
		caps |= fd_access(rfd) & EP_NO_READ;
	if (wfd >= 0)
		caps |= fd_access(wfd) & EP_NO_WRITE;
	if (rfd >= 0 && can_splice(rfd))
		caps |= EP_SPLICE_IN;
	/* splice refuses files in append mode */
	if (wfd >= 0 && can_splice(wfd) && !(fcntl(wfd, F_GETFL) & O_APPEND))
		caps |= EP_SPLICE_OUT;
	return caps;
}

void endpoint_probe(struct endpoint *ep)
{
	bool same = ep->wfd == ep->rfd;

	if (ep->rfd >= 0) {
		ep->rhow = fd_how(ep->rfd);
		ep->rkind = fd_kind(ep->rfd);
	}
	if (ep->wfd >= 0) {
		ep->whow = same ? ep->rhow : fd_how(ep->wfd);
		ep->wkind = same ? ep->rkind : fd_kind(ep->wfd);
	}
	ep->caps |= endpoint_fd_caps(ep->rfd, ep->wfd);
}

struct endpoint *endpoint_fd_new(struct address *addr, int rfd, int wfd)
{
	struct endpoint *ep = xmalloc(sizeof(*ep));

	endpoint_init(ep, &ep_fd_ops, addr, rfd, wfd);
	endpoint_probe(ep);
	return ep;
}

struct endpoint *endpoint_socket_new(struct address *addr, int fd)
{
	struct endpoint *ep = xmalloc(sizeof(*ep));

	endpoint_init(ep, &ep_fd_ops, addr, fd, fd);
	ep->rkind = ep->wkind = FD_SOCKET;
	ep->caps = EP_SPLICE_IN | EP_SPLICE_OUT | EP_LINGERS;
	ep->half_close = SHUT_DOWN; /* and close(2) at the end: nobody else has this socket */
	return ep;
}
