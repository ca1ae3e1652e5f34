/* pty.c - PTY: a new pseudo terminal; whoever opens its slave side talks to us
 *
 * Two manners. By default we keep the slave open ourselves: clients come and go, and that is no end
 * of file. With ptmx or wait-slave the last client's close is the end; then the slave is ours only
 * until the first client opens it. Until then what is written waits in the terminal, and a master
 * without any slave, which reports a hang-up all the time and refuses writes, is never watched.
 * Clients are noticed by inotify, so one that is gone at once counts as well; where the system
 * refuses that, we let go of the slave and look every pty-interval whether the hang-up has ended.
 */
#include "addr/addr.h"
#include "addr/program/ptypair.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "end/fd_end.h"
#include "end/relay.h"
#include "flow/forecast.h"
#include "sys/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

/* The pair while the address is being opened: the slave is target.fd, where options act. */
struct pty_opening {
	struct pty_pair pair; /* pair.slave: unused */
	int opened; /* inotify descriptor that tells of clients, -1: none */
};

struct pty_ep {
	struct endpoint ep;
	int slave; /* kept open by us, -1: not, or not any more */
	int opened; /* as above */
	bool away; /* nobody has it open, and inotify does not tell */
	struct watch watch; /* of opened */
	struct timer look; /* when away */
};

static bool ends_with_client(const struct conf *c)
{
	return c->prog.ptmx || c->pty.wait_slave;
}

static void impl_free(void *impl)
{
	struct pty_opening *p = impl;

	fd_close(&p->pair.master);
	fd_close(&p->opened);
	free(p);
}

/* Tell about opens from now on; our own have happened. -1 when the system refuses. */
static int watch_clients(const char *path)
{
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (fd == -1 || inotify_add_watch(fd, path, IN_OPEN) == -1) {
		log_info("clients of \"%s\" cannot be noticed by inotify (%m), looking for them",
			 path);
		fd_close(&fd);
	}
	return fd;
}

static enum step_result step_pair(struct opening *o, struct err *err)
{
	struct pty_opening *p = xcalloc(1, sizeof(*p));

	p->opened = -1;
	if (pty_pair_make(&p->pair, err) == -1) {
		free(p);
		return STEP_FAIL;
	}
	if (ends_with_client(o->addr->conf))
		p->opened = watch_clients(p->pair.name);
	o->target.fd = p->pair.slave;
	p->pair.slave = -1;
	o->impl = p;
	o->impl_free = impl_free;
	return STEP_DONE;
}

/* Behind the options, so that clients find the terminal as wished. */
static enum step_result step_publish(struct opening *o, struct err *err)
{
	struct pty_opening *p = o->impl;

	pty_announce(&p->pair);
	return pty_link(o, p->pair.name, err) == -1 ? STEP_FAIL : STEP_DONE;
}

/* A master whose slave nobody has open hangs up, and delivers what is left before that. */
static bool has_client(int master)
{
	struct pollfd p = { .fd = master, .events = POLLIN };

	return poll(&p, 1, 0) != 1 || !(p.revents & POLLHUP) || p.revents & POLLIN;
}

/* Option wait-slave. Without inotify the slave is closed and its hang-up polled, as in classic. */
static enum step_result step_wait_slave(struct opening *o, struct err *err)
{
	struct pty_opening *p = o->impl;
	bool again = o->waiting == STEP_AGAIN;

	(void)err;
	if (!o->addr->conf->pty.wait_slave)
		return STEP_DONE;
	if (!again)
		log_info("waiting for a client of \"%s\"", p->pair.name);
	relay_ready(o->addr->relay);
	if (p->opened >= 0) {
		opening_wait(o, p->opened, EPOLLIN, 0);
		return STEP_WAIT;
	}
	fd_close(&o->target.fd);
	if (again && has_client(p->pair.master))
		return STEP_DONE;
	opening_wait(o, -1, 0, loop_now(o->addr->engine->loop) + o->addr->conf->pty.interval_ns);
	return STEP_AGAIN;
}

/* ---- the endpoint ---- */

static void stop_watching(struct pty_ep *p)
{
	loop_watch(p->ep.addr->engine->loop, &p->watch, p->opened, 0);
	loop_timer_stop(p->ep.addr->engine->loop, &p->look);
	fd_close(&p->opened);
}

/* The first client is there, or was: from now on the terminal is its own. */
static void on_opened(struct watch *w, uint32_t events)
{
	struct pty_ep *p = container_of(w, struct pty_ep, watch);

	(void)events;
	log_info("a client has opened the pseudo terminal");
	stop_watching(p);
	fd_close(&p->slave);
}

static void on_look(struct timer *t)
{
	struct pty_ep *p = container_of(t, struct pty_ep, look);
	struct loop *loop = p->ep.addr->engine->loop;

	if (!has_client(p->ep.rfd >= 0 ? p->ep.rfd : p->ep.wfd)) {
		loop_timer(loop, &p->look, loop_now(loop) + p->ep.addr->conf->pty.interval_ns);
		return;
	}
	p->away = false;
	endpoint_mask(&p->ep, 0);
	endpoint_ready(&p->ep, EPOLLIN | EPOLLOUT);
}

static ssize_t pty_read(struct endpoint *ep, void *buf, size_t len, struct err *err)
{
	if (((struct pty_ep *)ep)->away) {
		errno = EAGAIN;
		return -1;
	}
	return ep_fd_read(ep, buf, len, err);
}

static ssize_t pty_write(struct endpoint *ep, const struct iovec *iov, int niov, struct err *err)
{
	if (((struct pty_ep *)ep)->away) {
		errno = EAGAIN;
		return -1;
	}
	return ep_fd_write(ep, iov, niov, err);
}

static void pty_close(struct endpoint *ep)
{
	struct pty_ep *p = (struct pty_ep *)ep;

	stop_watching(p);
	fd_close(&p->slave);
	ep_fd_close(ep);
}

static const struct endpoint_ops pty_ops = {
	.read = pty_read,
	.write = pty_write,
	.shut_write = ep_fd_shut_write,
	.close = pty_close,
	.share = ep_fd_share,
};

/* When the address ends with its client: let go of the slave as soon as there is one. */
static void await_client(struct pty_ep *p)
{
	struct loop *loop = p->ep.addr->engine->loop;

	if (p->ep.addr->conf->pty.wait_slave) { /* it is there */
		fd_close(&p->slave);
		stop_watching(p);
	} else if (p->opened >= 0) {
		loop_watch(loop, &p->watch, p->opened, EPOLLIN);
	} else {
		fd_close(&p->slave);
		p->away = true;
		endpoint_mask(&p->ep, EPOLLIN | EPOLLOUT);
		loop_timer(loop, &p->look, loop_now(loop) + p->ep.addr->conf->pty.interval_ns);
	}
}

/* It may have nobody at its slave side: every read and write looks. */
static void forecast(const struct half *half, enum open_mode mode, struct forecast *f)
{
	(void)half;
	(void)mode;
	f->in = f->out = (struct path_end){ 0, FD_TTY, false };
}

static struct endpoint *make(struct opening *o, struct err *err)
{
	struct pty_opening *from = o->impl;
	struct pty_ep *p = xcalloc(1, sizeof(*p));
	int rfd = o->mode == MODE_WRITE ? -1 : from->pair.master;
	int wfd = o->mode == MODE_READ ? -1 : from->pair.master;

	(void)err;
	endpoint_init(&p->ep, &pty_ops, o->addr, rfd, wfd);
	endpoint_probe(&p->ep);
	p->ep.caps |= EP_HUP_IS_EOF;
	p->slave = o->target.fd;
	p->opened = from->opened;
	watch_init(&p->watch, on_opened);
	timer_init(&p->look, on_look);
	free(from);
	if (ends_with_client(o->addr->conf))
		await_client(p);
	return &p->ep;
}

static const struct step steps[] = {
	{ .run = step_pair, .after = PH_FD },
	{ .run = step_publish },
	{ .run = step_wait_slave },
	STEP_END,
};

static const struct addr_type types[] = {
	{ .names = "PTY",
	  .syntax = "",
	  .help = "a new pseudo terminal; whoever opens its slave side is connected",
	  .groups = G_FD | G_NAMED | G_TERMIOS | G_PTY,
	  .reads = true,
	  .writes = true,
	  .flags = TYPE_TRANSPARENT,
	  .steps = steps,
	  .forecast = forecast,
	  .make = make },
};

const struct addr_family pty_family = { types, ARRAY_SIZE(types) };
