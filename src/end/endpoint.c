/* endpoint.c - a live end of a session, see endpoint.h
 *
 * Here: the defaults for plain descriptors, waiting for readiness, and dual addresses. */
#include "end/endpoint.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "end/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mqueue.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

void endpoint_undo_later(struct endpoint *ep, const struct undo *undo)
{
	if (undo->left.owner || undo->tty[0].fd != -1 || undo->tty[1].fd != -1)
		ep->undo = xmemdup(undo, sizeof(*undo));
}

void endpoint_restore_tty(struct endpoint *ep)
{
	for (int i = 0; ep->undo && i < 2; i++)
		tty_restore(&ep->undo->tty[i]);
}

/* Watch what somebody waits for. */
static void watch_wanted(struct endpoint *ep)
{
	struct loop *loop = ep->addr->engine->loop;
	uint32_t want = ep->ops->wants ? ep->ops->wants(ep) : ep->want & ~ep->masked;

	if (ep->rfd == ep->wfd && ep->rfd >= 0) {
		loop_watch(loop, &ep->rwatch, ep->rfd, want);
		return;
	}
	if (ep->rfd >= 0)
		loop_watch(loop, &ep->rwatch, ep->rfd, want & EPOLLIN);
	if (ep->wfd >= 0)
		loop_watch(loop, &ep->wwatch, ep->wfd, want & EPOLLOUT);
}

void endpoint_mask(struct endpoint *ep, uint32_t masked)
{
	ep->masked = masked;
	watch_wanted(ep);
}

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

static void tell_user(struct endpoint *ep, uint32_t events)
{
	if (ep->user)
		ep->user->event(ep, events);
}

static void on_look(struct timer *t)
{
	struct endpoint *ep = container_of(t, struct endpoint, look);
	uint32_t masked = ep->masked;

	endpoint_mask(ep, 0);
	tell_user(ep, masked | EPOLLIN);
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

bool endpoint_lingers(const struct endpoint *ep)
{
	return ep->caps & EP_LINGERS && !(ep->caps & (EP_SHARED | EP_KEEP_OPEN)) && ep->wfd >= 0 &&
	       ep->parting.written_to && !ep->parting.told && !ep->addr->conf->flow.end_close;
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

struct endpoint *endpoint_share(struct endpoint *ep, struct err *err)
{
	if (ep->ops->share)
		return ep->ops->share(ep, err);
	err_set(err, 0, "this address cannot serve several sessions");
	return NULL;
}

const struct endpoint_ops ep_fd_ops = {
	.read = ep_fd_read,
	.write = ep_fd_write,
	.shut_write = ep_fd_shut_write,
	.close = ep_fd_close,
	.share = ep_fd_share,
};

static void on_read_watch(struct watch *w, uint32_t events)
{
	struct endpoint *ep = container_of(w, struct endpoint, rwatch);

	if (ep->ops->wants) /* it knows what stands for what: both directions look */
		events |= ep->want;
	tell_user(ep, events);
}

static void on_write_watch(struct watch *w, uint32_t events)
{
	struct endpoint *ep = container_of(w, struct endpoint, wwatch);

	tell_user(ep, events & (EPOLLERR | EPOLLHUP) ? EPOLLOUT | EPOLLERR : events);
}

static void on_ready(struct ready *r)
{
	struct endpoint *ep = container_of(r, struct endpoint, ready);
	uint32_t bits = ep->is_ready;

	ep->is_ready = 0;
	tell_user(ep, bits);
}

void endpoint_look_again(struct endpoint *ep, int64_t ns)
{
	struct loop *loop = ep->addr->engine->loop;

	loop_timer(loop, &ep->look, loop_now(loop) + ns);
}

void endpoint_ready(struct endpoint *ep, uint32_t bits)
{
	ep->is_ready |= bits;
	loop_ready(ep->addr->engine->loop, &ep->ready);
}

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

unsigned endpoint_fd_access(int fd)
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
		caps |= endpoint_fd_access(rfd) & EP_NO_READ;
	if (wfd >= 0)
		caps |= endpoint_fd_access(wfd) & EP_NO_WRITE;
	if (rfd >= 0 && can_splice(rfd))
		caps |= EP_SPLICE_IN;
	/* splice refuses files in append mode */
	if (wfd >= 0 && can_splice(wfd) && !(fcntl(wfd, F_GETFL) & O_APPEND))
		caps |= EP_SPLICE_OUT;
	return caps;
}

void endpoint_init(struct endpoint *ep, const struct endpoint_ops *ops, struct address *addr,
		   int rfd, int wfd)
{
	int64_t bytes = addr->conf->flow.readbytes;

	*ep = (struct endpoint){
		.ops = ops,
		.addr = addr,
		.rfd = rfd,
		.wfd = wfd,
		.half_close = SHUT_NONE,
		.rkind = FD_OTHER,
		.wkind = FD_OTHER,
		.read_left = bytes > 0 ? (uint64_t)bytes : UINT64_MAX,
	};
	watch_init(&ep->rwatch, on_read_watch);
	watch_init(&ep->wwatch, on_write_watch);
	timer_init(&ep->look, on_look);
	ready_init(&ep->ready, on_ready);
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

void endpoint_want(struct endpoint *ep, uint32_t on, uint32_t off)
{
	uint32_t want = (ep->want | on) & ~off;

	if (want == ep->want)
		return;
	ep->want = want;
	watch_wanted(ep);
}

void endpoint_rewatch(struct endpoint *ep)
{
	watch_wanted(ep);
}

static void free_now(struct deferred *d)
{
	free(container_of(d, struct endpoint, free));
}

void endpoint_free(struct endpoint *ep)
{
	if (!ep)
		return;
	endpoint_want(ep, 0, EPOLLIN | EPOLLOUT);
	loop_timer_stop(ep->addr->engine->loop, &ep->look);
	loop_unready(&ep->ready);
	ep->user = NULL;
	if (ep->proc)
		proc_release(ep->proc, ep->caps & EP_SHARED || ep->addr->conf->flow.end_close);
	ep->proc = NULL;
	ep->ops->close(ep);
	if (ep->undo)
		leftovers_remove(&ep->undo->left);
	free(ep->undo);
	ep->undo = NULL;
	ep->free = (struct deferred){ 0 };
	loop_defer(ep->addr->engine->loop, &ep->free, free_now);
}

void endpoint_abandon(struct endpoint *ep)
{
	struct engine *engine;
	bool before;

	if (!ep)
		return;
	engine = ep->addr->engine;
	before = engine->forgetting;
	engine->forgetting = true;
	ep->caps |= EP_SHARED;
	ep->proc = NULL;
	if (ep->undo) {
		ep->undo->left.owner = 0;
		ep->undo->tty[0].fd = ep->undo->tty[1].fd = -1;
	}
	endpoint_free(ep);
	engine->forgetting = before;
}

/* A dual address: reads go to one endpoint, writes to another. */
struct dual {
	struct endpoint ep;
	struct endpoint *in, *out;
};

static ssize_t dual_read(struct endpoint *ep, void *buf, size_t len, struct err *err)
{
	struct endpoint *in = ((struct dual *)ep)->in;

	in->drained_is_eof |= ep->drained_is_eof;
	return in->ops->read(in, buf, len, err);
}

static ssize_t dual_write(struct endpoint *ep, const struct iovec *iov, int niov, struct err *err)
{
	struct endpoint *out = ((struct dual *)ep)->out;

	return out->ops->write(out, iov, niov, err);
}

static long dual_recv(struct endpoint *ep, struct batch *b, size_t max, struct err *err)
{
	struct endpoint *in = ((struct dual *)ep)->in;

	return in->ops->recv_batch(in, b, max, err);
}

static int dual_send(struct endpoint *ep, struct batch *b, struct err *err)
{
	struct endpoint *out = ((struct dual *)ep)->out;
	int rc = out->ops->send_batch(out, b, err), code = errno;

	if (ep->wfd != out->wfd) { /* it waits for room by another descriptor now */
		endpoint_want(ep, 0, EPOLLOUT);
		ep->wfd = out->wfd;
	}
	errno = code;
	return rc;
}

static void dual_shut(struct endpoint *ep)
{
	struct endpoint *out = ((struct dual *)ep)->out;

	endpoint_want(ep, 0, EPOLLOUT);
	out->ops->shut_write(out);
	ep->wfd = out->wfd;
}

static void dual_close(struct endpoint *ep)
{
	struct dual *d = (struct dual *)ep;

	/* each half was used in one direction */
	d->in->parting = d->out->parting = ep->parting;
	d->in->parting.written_to = d->out->parting.read_from = d->out->parting.ended = false;
	if (ep->addr->engine->forgetting) {
		endpoint_abandon(d->in);
		endpoint_abandon(d->out);
		return;
	}
	endpoint_free(d->in);
	endpoint_free(d->out);
}

static bool dual_holds(const struct endpoint *ep)
{
	const struct endpoint *in = ((const struct dual *)ep)->in;

	return in->ops->holds && in->ops->holds(in);
}

static void dual_report(struct endpoint *ep)
{
	struct dual *d = (struct dual *)ep;

	if (d->in->ops->report)
		d->in->ops->report(d->in);
	if (d->out->ops->report)
		d->out->ops->report(d->out);
}

static struct endpoint *dual_share(struct endpoint *ep, struct err *err)
{
	struct dual *d = (struct dual *)ep;
	struct endpoint *in = endpoint_share(d->in, err), *out;

	if (!in)
		return NULL;
	out = endpoint_share(d->out, err);
	if (!out) {
		endpoint_free(in);
		return NULL;
	}
	ep = endpoint_dual_new(in, out);
	ep->caps |= EP_SHARED;
	return ep;
}

static const struct endpoint_ops dual_ops = {
	.read = dual_read,
	.write = dual_write,
	.recv_batch = dual_recv,
	.send_batch = dual_send,
	.shut_write = dual_shut,
	.close = dual_close,
	.holds = dual_holds,
	.report = dual_report,
	.share = dual_share,
};

struct endpoint *endpoint_dual_new(struct endpoint *in, struct endpoint *out)
{
	struct dual *d = xcalloc(1, sizeof(*d));
	unsigned in_caps = EP_DGRAM_IN | EP_SPLICE_IN | EP_HUP_IS_EOF | EP_NO_READ;
	unsigned out_caps = EP_DGRAM_OUT | EP_SPLICE_OUT | EP_NEVER_WRITABLE | EP_NO_WRITE;

	endpoint_init(&d->ep, &dual_ops, in->addr, in->rfd, out->wfd);
	d->in = in;
	d->out = out;
	d->ep.rhow = in->rhow;
	d->ep.whow = out->whow;
	d->ep.rkind = in->rkind;
	d->ep.wkind = out->wkind;
	d->ep.caps = (in->caps & in_caps) | (out->caps & out_caps) |
		     ((in->caps | out->caps) & EP_QUIET_PIPE);
	d->ep.read_left = in->read_left;
	/* the session watches one program per end: the one that is read from first */
	d->ep.proc = in->proc ? in->proc : out->proc;
	*(in->proc ? &in->proc : &out->proc) = NULL;
	return &d->ep;
}
