/* listen.c - sockets that connections come to, see listen.h
 *
 * A struct listener is a listening socket with what it admits. It is made by step_listen() or
 * step_listening() and has one of two owners. Without fork the opening keeps it (o->impl):
 * step_accept() waits for the one connection, and closes it behind that. With fork it becomes a
 * struct listen_source.
 *
 * States of the source: watching (the socket is in epoll), napping (the system is short of
 * descriptors or memory: the timer looks again, because the socket would be readable all the time),
 * paused (source.c has no room), closed.
 *
 * Who calls what. on_readable() takes at most ls->burst connections; the burst grows while the
 * queue is never empty, so that one connection costs one accept4(2) and a flood does not keep the
 * loop. Each connection that is admitted starts an opening of its type's conn_steps, which counts
 * for the source at once; on_connection() hands over what comes of it.
 *
 * What may not happen: a refused peer gets a word; a socket of somebody else (ACCEPT-FD) stays
 * non-blocking behind us. */
#include "open/listen.h"

#include "base/log.h"
#include "base/log_limit.h"
#include "base/mem.h"
#include "dgram/admit.h"
#include "end/fd_end.h"
#include "end/relay.h"
#include "open/dgram_open.h"
#include "open/source.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS_PER_TURN 16
#define SHORT_OF_NS (100 * NSEC_PER_MSEC) /* pause when the system is short of something */

struct listener {
	int fd;
	struct address *addr;
	enum open_mode mode;
	struct admission admission;
	struct log_limit limit;
	int64_t due_ns; /* accept-timeout of the one connection, 0: none */
	pid_t borrower; /* this process made a socket of others non-blocking, and undoes it; or 0 */
};

/* A listener that yields connection after connection. */
struct listen_source {
	struct source src;
	struct listener *l;
	struct watch watch;
	struct timer nap;
	int burst; /* connections to take in the next turn: more while the queue is never empty */
};

static void listener_close(struct listener *l)
{
	if (l->fd >= 0 && l->borrower == getpid())
		fd_block(l->fd);
	fd_close(&l->fd);
}

static void listener_free(void *impl)
{
	listener_close(impl);
	free(impl);
}

static void say_listening(const struct listener *l)
{
	struct netaddr local = { .len = sizeof(local.raw) };
	char text[NETADDR_TEXT_LEN];

	log_switch("starting accept loop", true);
	if (log_threshold > LV_NOTICE)
		return;
	getsockname(l->fd, &local.any, &local.len);
	log_notice("listening on %s", netaddr_text(&local, text));
}

enum step_result step_check_listening(struct opening *o, struct err *err)
{
	if (!o->addr->conf->sock.dst)
		return STEP_DONE;
	err_set(err, 0, "option dst is for datagrams; connections have bind");
	return STEP_FAIL;
}

static enum step_result begin(struct opening *o, struct err *err)
{
	const struct conf *c = o->addr->conf;
	struct listener *l = xcalloc(1, sizeof(*l));

	l->fd = o->target.fd;
	o->target.fd = -1;
	o->impl = l;
	o->impl_free = listener_free;
	l->addr = o->addr;
	l->mode = o->mode;
	if (step_check_listening(o, err) == STEP_FAIL)
		return STEP_FAIL;
	if (admission_init(&l->admission, c, o->target.family, 0, &o->addr->hosts, err) == -1)
		return STEP_FAIL;
	l->admission.total = o->addr->tally->refused;
	l->admission.limit = o->addr->limit;
	if (c->listen.accept_timeout_ns > 0)
		l->due_ns = loop_now(o->addr->engine->loop) + c->listen.accept_timeout_ns;
	return STEP_DONE;
}

enum step_result step_listening(struct opening *o, struct err *err)
{
	bool blocking = fd_nonblock(o->target.fd);
	enum step_result r = begin(o, err);

	if (blocking)
		((struct listener *)o->impl)->borrower = getpid();
	return r;
}

enum step_result step_listen(struct opening *o, struct err *err)
{
	const struct conf *c = o->addr->conf;
	int backlog = c->listen.backlog >= 0 ? (int)c->listen.backlog : SOMAXCONN;

	if (listen(o->target.fd, backlog) == -1) {
		err_set(err, errno, "listen(%d, %d)", o->target.fd, backlog);
		return STEP_FAIL;
	}
	return begin(o, err);
}

enum accepted { ACCEPTED, ACCEPT_NOBODY, ACCEPT_AGAIN, ACCEPT_SHORT, ACCEPT_FAILED };

/* Another holder has shut it down. TCP sockets say EINVAL then, UNIX sockets that nobody is there,
 * and are readable for ever. */
static bool is_shut(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1 && p.revents & POLLHUP;
}

/* What an errno of accept4(2) means. Linux also hands on errors that the network has met. */
static enum accepted accept_error(struct listener *l, struct err *err)
{
	char more[80];
	unsigned hidden;
	int code = errno;

	switch (code) {
	case EAGAIN:
		if (!is_shut(l->fd))
			return ACCEPT_NOBODY;
		err_set(err, 0, "accept(%d): the socket has been shut down", l->fd);
		return ACCEPT_FAILED;
	case EINTR:
		return ACCEPT_AGAIN;
	case ECONNABORTED:
	case EPROTO:
	case ENETDOWN:
	case ENOPROTOOPT:
	case EHOSTDOWN:
	case ENONET:
	case EHOSTUNREACH:
	case EOPNOTSUPP:
	case ENETUNREACH:
	case EPERM: /* a packet filter */
		log_notice("accept(%d): %m", l->fd);
		return ACCEPT_AGAIN;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		if (log_limit_pass(&l->limit, (uint64_t)code, loop_now(l->addr->engine->loop),
				   &hidden))
			log_warn("accept(%d): %s; connections wait until there is room%s", l->fd,
				 strerror(code),
				 log_limit_text(&l->limit, hidden, "error", more, sizeof(more)));
		return ACCEPT_SHORT;
	default:
		err_set(err, errno, "accept(%d, %p, {%zu})", l->fd, (void *)l,
			sizeof(struct sockaddr_storage));
		return ACCEPT_FAILED;
	}
}

/* Who is connected to whom, for programs. UNIX names have no port, but the kernel knows whose
 * process it is. */
static void set_vars(struct vars *vars, int fd, const struct netaddr *peer,
		     const struct netaddr *local)
{
	char text[NETADDR_TEXT_LEN];
	struct ucred cred;
	socklen_t len = sizeof(cred);

	vars_set(vars, "SOCKADDR", "%s", netaddr_host_text(local, text));
	vars_set(vars, "PEERADDR", "%s", netaddr_host_text(peer, text));
	if (local->any.sa_family == AF_UNIX) {
		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0)
			vars_set_peer(vars, &cred);
		return;
	}
	vars_set(vars, "SOCKPORT", "%u", netaddr_port(local));
	vars_set(vars, "PEERPORT", "%u", netaddr_port(peer));
}

/* Take one connection from the queue. ACCEPTED: @fd, of @peer, is permitted; @vars are filled if
 * programs are going to read them. */
static enum accepted take_one(struct listener *l, int *fd, struct netaddr *peer, struct vars *vars,
			      struct err *err)
{
	bool programs = l->addr->relay->plan->programs;
	struct netaddr local = { .len = sizeof(local.raw) };
	char a[NETADDR_TEXT_LEN], b[NETADDR_TEXT_LEN];
	bool need_local = programs || l->addr->conf->wrap.on || log_threshold <= LV_NOTICE;

	peer->len = sizeof(peer->raw);
	*fd = accept4(l->fd, &peer->any, &peer->len, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (*fd == -1)
		return accept_error(l, err);
	engine_fd_used(l->addr->engine, *fd);
	if (need_local)
		getsockname(*fd, &local.any, &local.len);
	log_info("accept(%d, {%d, %s}, %u) -> %d", l->fd, peer->any.sa_family,
		 netaddr_text(peer, a), (unsigned)peer->len, *fd);
	log_notice("accepting connection from %s on %s", netaddr_text(peer, a),
		   netaddr_text(&local, b));
	if (!admit(&l->admission, peer, need_local ? &local : NULL,
		   loop_now(l->addr->engine->loop))) {
		shutdown(*fd, SHUT_RDWR);
		fd_close(fd);
		return ACCEPT_AGAIN;
	}
	log_info("permitting connection from %s", netaddr_text(peer, a));
	if (programs)
		set_vars(vars, *fd, peer, &local);
	return ACCEPTED;
}

enum step_result step_accept(struct opening *o, struct err *err)
{
	struct listener *l = o->impl;
	int64_t now = loop_now(o->addr->engine->loop), due;
	enum accepted r = ACCEPT_AGAIN;
	int fd;

	if (o->target.fd != -1)
		return STEP_DONE;
	if (o->waiting != STEP_AGAIN) {
		say_listening(l);
		relay_ready(o->addr->relay);
	}
	/* a flood of refused connections must not keep us from everything else */
	for (int i = 0; i < ACCEPTS_PER_TURN && r == ACCEPT_AGAIN; i++)
		r = take_one(l, &fd, &o->peer, &o->vars, err);
	if (r == ACCEPTED) {
		o->target.fd = fd;
		listener_free(l);
		o->impl = NULL;
		return STEP_DONE;
	}
	if (r == ACCEPT_FAILED)
		return STEP_FAIL;
	if (l->due_ns && now >= l->due_ns) {
		log_warn("accept: Connection timed out");
		err_over(err);
		return STEP_FAIL;
	}
	due = l->due_ns;
	if (r == ACCEPT_SHORT && (!due || due > now + SHORT_OF_NS))
		due = now + SHORT_OF_NS;
	opening_wait(o, r == ACCEPT_SHORT ? -1 : l->fd, EPOLLIN, due);
	return STEP_AGAIN;
}

/* ---- with fork ---- */

/* The connection's options are set (and a handshake is over): it begins its session. */
static void on_connection(struct opening *o, struct endpoint *ep, struct source *none,
			  struct err *err)
{
	struct source *src = o->arg;

	(void)none;
	if (err)
		relay_tell(src->addr->relay, LV_ERROR, err);
	source_opened(src, ep, &o->vars); /* NULL after a failure */
}

static void accept_some(struct listen_source *ls)
{
	struct source *src = &ls->src;
	struct netaddr peer;
	struct err err;
	int fd;

	for (int i = 0; i < ls->burst && source_is_open(src); i++) {
		struct vars vars = { 0 };

		switch (take_one(ls->l, &fd, &peer, &vars, &err)) {
		case ACCEPTED:
			opening_start_single(src, ls->l->mode, fd, NULL, &vars, on_connection)
				->peer = peer;
			vars_done(&vars);
			break;
		case ACCEPT_AGAIN:
			break;
		case ACCEPT_NOBODY:
			ls->burst = 1;
			return;
		case ACCEPT_SHORT:
			loop_watch(src->addr->engine->loop, &ls->watch, ls->l->fd, 0);
			loop_timer(src->addr->engine->loop, &ls->nap,
				   loop_now(src->addr->engine->loop) + SHORT_OF_NS);
			return;
		case ACCEPT_FAILED:
			source_fail(src, &err);
			return;
		}
	}
	if (ls->burst < ACCEPTS_PER_TURN)
		ls->burst++;
}

static void on_readable(struct watch *w, uint32_t events)
{
	(void)events;
	accept_some(container_of(w, struct listen_source, watch));
}

static void on_nap_over(struct timer *t)
{
	struct listen_source *ls = container_of(t, struct listen_source, nap);

	loop_watch(ls->src.addr->engine->loop, &ls->watch, ls->l->fd, EPOLLIN);
}

static void pause_listening(struct source *src)
{
	struct listen_source *ls = container_of(src, struct listen_source, src);

	loop_timer_stop(src->addr->engine->loop, &ls->nap);
	loop_watch(src->addr->engine->loop, &ls->watch, ls->l->fd, 0);
}

static void resume_listening(struct source *src)
{
	struct listen_source *ls = container_of(src, struct listen_source, src);

	loop_watch(src->addr->engine->loop, &ls->watch, ls->l->fd, EPOLLIN);
	say_listening(ls->l);
}

static void close_listening(struct source *src)
{
	struct listen_source *ls = container_of(src, struct listen_source, src);

	pause_listening(src);
	listener_close(ls->l);
}

static void release(struct source *src)
{
	listener_free(container_of(src, struct listen_source, src)->l);
}

static void report(struct source *src)
{
	struct listen_source *ls = container_of(src, struct listen_source, src);
	struct str text = { 0 };

	admission_report(&ls->l->admission, &text);
	if (text.len)
		log_put(LV_INFO, "COUNTERS: socket %u connections: %s", src->addr->number,
			text.data);
	str_done(&text);
}

static const struct source_ops ops = {
	.pause = pause_listening,
	.resume = resume_listening,
	.close = close_listening,
	.release = release,
	.report = report,
};

struct source *listen_source(struct opening *o, struct err *err)
{
	struct listen_source *ls = xcalloc(1, sizeof(*ls));

	(void)err;
	source_init(&ls->src, &ops, o->addr);
	ls->l = o->impl;
	ls->burst = 1;
	o->impl = NULL;
	watch_init(&ls->watch, on_readable);
	timer_init(&ls->nap, on_nap_over);
	return &ls->src;
}

/* clang-format off */
const struct step accepted_steps[] = {
	{ .run = step_accept, .after = PH_FD, .flags = STEP_WAITS_FOR_PEER },
	{ .after = PH_PASTSOCKET },
	{ .after = PH_CONNECTED },
	STEP_END,
};
/* clang-format on */

struct endpoint *make_stream(struct opening *o, struct err *err)
{
	struct endpoint *ep = endpoint_socket_new(o->addr, o->target.fd);

	(void)err;
	return ep;
}

struct endpoint *make_connection(struct opening *o, struct err *err)
{
	int type = o->socktype;
	socklen_t len = sizeof(type);

	if (!type)
		(void)getsockopt(o->target.fd, SOL_SOCKET, SO_TYPE, &type, &len);
	if (type == SOCK_DGRAM || type == SOCK_SEQPACKET)
		return dgram_make_packets(o, type, err);
	return make_stream(o, err);
}
