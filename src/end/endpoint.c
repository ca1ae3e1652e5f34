/* endpoint.c - a live end of a session, see endpoint.h
 *
 * Here: what all kinds have in common. How plain descriptors are read and written is in fd_end.c,
 * dual addresses are dual.c, ends in memory queue.c.
 *
 * States. Idle: it has no user. Used: watch_wanted() has the loop watch what the user wants, as the
 * layers and the transport translate it. Over: endpoint_free() has been called, nobody is told
 * anything more; with layers that still have something to say it is handed to linger_close(), which
 * calls flush_rest() until that is said and then close_flushed().
 *
 * Who calls what. The loop calls on_read_watch(), on_write_watch(), on_ready() and on_look(), and
 * they the user; where there are layers, these send first what they have kept. The end of output
 * goes down the stack one layer after the other (@telling, @untold): the next one is told when
 * those above it have nothing left.
 *
 * Ownership. The end owns its layers and what has been read too far; close_now() frees both. */
#include "end/endpoint.h"

#include "base/log.h"
#include "base/mem.h"
#include "end/layer.h"
#include "end/proc.h"
#include "end/relay.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

/* ---- the stack ---- */

void layer_push(struct endpoint *ep, struct layer *l, const struct layer_ops *ops)
{
	l->ops = ops;
	l->end = ep;
	l->below = ep->top;
	l->unread = NULL;
	ep->top = l;
}

/* Where the bytes are that have been read too far from @l, or from the transport. */
static struct unread **unread_of(struct endpoint *ep, struct layer *l)
{
	return l ? &l->unread : &ep->unread;
}

static ssize_t take_unread(struct endpoint *ep, struct unread **where, void *buf, size_t len)
{
	struct unread *u = *where;
	size_t n = u->len - u->off < len ? u->len - u->off : len;

	memcpy(buf, u->data + u->off, n);
	u->off += n;
	if (u->off == u->len) {
		free(u);
		*where = NULL;
		if (endpoint_is_bare(ep))
			ep->changed = true;
	}
	return (ssize_t)n;
}

static ssize_t read_from(struct endpoint *ep, struct layer *l, void *buf, size_t len,
			 struct err *err)
{
	struct unread **unread = unread_of(ep, l);

	if (*unread)
		return take_unread(ep, unread, buf, len);
	return l ? l->ops->read(l, buf, len, err) : ep->ops->read(ep, buf, len, err);
}

static ssize_t write_to(struct endpoint *ep, struct layer *l, const struct iovec *iov, int niov,
			struct err *err)
{
	return l ? l->ops->write(l, iov, niov, err) : ep->ops->write(ep, iov, niov, err);
}

static long recv_from(struct endpoint *ep, struct layer *l, struct batch *b, size_t max,
		      struct err *err)
{
	return l ? l->ops->recv(l, b, max, err) : ep->ops->recv_batch(ep, b, max, err);
}

static int send_to(struct endpoint *ep, struct layer *l, struct batch *b, struct err *err)
{
	return l ? l->ops->send(l, b, err) : ep->ops->send_batch(ep, b, err);
}

ssize_t endpoint_read(struct endpoint *ep, void *buf, size_t len, struct err *err)
{
	return read_from(ep, ep->top, buf, len, err);
}

ssize_t endpoint_write(struct endpoint *ep, const struct iovec *iov, int niov, struct err *err)
{
	return write_to(ep, ep->top, iov, niov, err);
}

long endpoint_recv(struct endpoint *ep, struct batch *b, size_t max, struct err *err)
{
	return recv_from(ep, ep->top, b, max, err);
}

int endpoint_send(struct endpoint *ep, struct batch *b, struct err *err)
{
	return send_to(ep, ep->top, b, err);
}

bool endpoint_holds(const struct endpoint *ep)
{
	for (const struct layer *l = ep->top; l; l = l->below) {
		if (l->unread || (l->ops->holds && l->ops->holds(l)))
			return true;
	}
	return ep->unread || (ep->ops->holds && ep->ops->holds(ep));
}

ssize_t layer_read(struct layer *l, void *buf, size_t len, struct err *err)
{
	return read_from(l->end, l->below, buf, len, err);
}

ssize_t layer_write(struct layer *l, const struct iovec *iov, int niov, struct err *err)
{
	return write_to(l->end, l->below, iov, niov, err);
}

long layer_recv(struct layer *l, struct batch *b, size_t max, struct err *err)
{
	return recv_from(l->end, l->below, b, max, err);
}

int layer_send(struct layer *l, struct batch *b, struct err *err)
{
	return send_to(l->end, l->below, b, err);
}

void endpoint_report(struct endpoint *ep)
{
	if (ep->ops->report)
		ep->ops->report(ep);
}

void endpoint_unread(struct endpoint *ep, const void *data, size_t n)
{
	struct unread **where = unread_of(ep, ep->top), *behind = *where, *u;
	size_t rest = behind ? behind->len - behind->off : 0;

	assert(n + rest <= UNREAD_MAX);
	if (!n)
		return;
	u = xmalloc(sizeof(*u) + n + rest);
	u->off = 0;
	u->len = n + rest;
	memcpy(u->data, data, n);
	if (rest)
		memcpy(u->data + n, behind->data + behind->off, rest);
	free(behind);
	*where = u;
}

/* ---- waiting ---- */

/* Watch what somebody waits for. */
static void watch_wanted(struct endpoint *ep)
{
	struct loop *loop = ep->addr->engine->loop;
	uint32_t want = ep->want & ~ep->masked;

	if (ep->over)
		return;
	for (const struct layer *l = ep->top; l; l = l->below)
		want = l->ops->poll ? l->ops->poll(l, want) : want;
	if (ep->ops->wants)
		want = ep->ops->wants(ep, want);
	if (ep->rfd == ep->wfd && ep->rfd >= 0) {
		loop_watch(loop, &ep->rwatch, ep->rfd, want);
		return;
	}
	if (ep->rfd >= 0)
		loop_watch(loop, &ep->rwatch, ep->rfd, want & EPOLLIN);
	if (ep->wfd >= 0)
		loop_watch(loop, &ep->wwatch, ep->wfd, want & EPOLLOUT);
}

void layer_repoll(struct layer *l)
{
	watch_wanted(l->end);
}

void endpoint_mask(struct endpoint *ep, uint32_t masked)
{
	ep->masked = masked;
	watch_wanted(ep);
}

void endpoint_want(struct endpoint *ep, uint32_t on, uint32_t off)
{
	uint32_t want = (ep->want | on) & ~off;

	if (want == ep->want)
		return;
	ep->want = want;
	watch_wanted(ep);
}

/* ---- what layers have kept, and are told ---- */

static bool flush_one(struct layer *l)
{
	return !l->ops->flush || l->ops->flush(l);
}

/* Lowest first: there has to be room for what comes from above. */
static bool make_room(struct layer *l)
{
	return !l || (make_room(l->below) && flush_one(l));
}

/* Send what layers have kept, also of what those above them have sent; true when nothing is left.
 */
static bool flush_layers(struct layer *top)
{
	bool done = make_room(top);

	for (struct layer *l = top; l && done; l = l->below)
		done = flush_one(l);
	return done;
}

/* What the peer has not acknowledged now is the session's, and what comes is farewells. */
static void look_what_is_taken(struct endpoint *ep)
{
	if (!ep->top || ep->wfd < 0 || ep->parting.counted)
		return;
	ep->parting.counted = true;
	ep->parting.all_taken = !linger_unacknowledged(ep->wfd);
}

static void begin_to_tell(struct endpoint *ep, enum telling what)
{
	if (what != TELL_NOTHING)
		look_what_is_taken(ep);
	ep->telling = what;
	ep->untold = ep->top;
}

static void tell_next(struct endpoint *ep)
{
	struct layer *l = ep->untold;
	bool ends = !l;

	if (!endpoint_kept(ep))
		ep->parting.only_farewells = true;
	if (!l && ep->telling != TELL_OVER)
		ep->ops->shut_write(ep);
	else if (l && ep->telling == TELL_SHUT)
		ends = l->ops->shut_write && !l->ops->shut_write(l);
	else if (l && l->ops->finish)
		l->ops->finish(l);
	if (!ends)
		ep->untold = l->below;
	else
		begin_to_tell(ep, ep->over && ep->telling == TELL_SHUT ? TELL_OVER : TELL_NOTHING);
}

/* Send what is kept, and tell on what is to be told. True when nothing is left. */
static bool flush(struct endpoint *ep)
{
	while (flush_layers(ep->top)) {
		if (ep->telling == TELL_NOTHING)
			return true;
		tell_next(ep);
	}
	return false;
}

/* Some of what was written to @l can never be sent. */
static bool has_lost(const struct layer *l, struct err *err)
{
	return l->ops->kept && l->ops->kept(l) && l->ops->broken && l->ops->broken(l, err);
}

int endpoint_settle(struct endpoint *ep, struct err *err)
{
	if (ep->top && endpoint_kept(ep))
		flush(ep);
	for (const struct layer *l = ep->top; l; l = l->below) {
		if (has_lost(l, err)) {
			errno = err->code ? err->code : EPIPE;
			return -1;
		}
	}
	errno = EAGAIN;
	if (ep->top && endpoint_kept(ep))
		return -1;
	return ep->ops->settle ? ep->ops->settle(ep, err) : 0;
}

int endpoint_verdict(struct endpoint *ep, struct err *err)
{
	for (struct layer *l = ep->top; l; l = l->below) {
		if (l->ops->verdict && l->ops->verdict(l, err) == -1)
			return -1;
	}
	return 0;
}

size_t endpoint_kept(const struct endpoint *ep)
{
	size_t n = ep->ops->kept ? ep->ops->kept(ep) : 0;

	for (const struct layer *l = ep->top; l; l = l->below)
		n += l->ops->kept ? l->ops->kept(l) : 0;
	return n;
}

static void tell(struct endpoint *ep, enum telling what)
{
	begin_to_tell(ep, what);
	flush(ep);
	if (ep->top)
		watch_wanted(ep);
}

void endpoint_shut_write(struct endpoint *ep)
{
	tell(ep, TELL_SHUT);
}

void endpoint_finish(struct endpoint *ep)
{
	tell(ep, TELL_FINISH);
}

static void free_layers(struct endpoint *ep)
{
	while (ep->top) {
		struct layer *l = ep->top;

		ep->top = l->below;
		free(l->unread);
		l->ops->free(l);
	}
	free(ep->unread);
	ep->unread = NULL;
}

/* ---- events ---- */

/* With layers nobody knows which of them can do what now: the user looks at all it wants. */
static void tell_user(struct endpoint *ep, uint32_t events)
{
	if (ep->top) {
		flush(ep);
		watch_wanted(ep);
		events |= ep->want;
	}
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

static void on_read_watch(struct watch *w, uint32_t events)
{
	tell_user(container_of(w, struct endpoint, rwatch), events);
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

	if (!ep->over)
		loop_timer(loop, &ep->look, loop_now(loop) + ns);
}

void endpoint_ready(struct endpoint *ep, uint32_t bits)
{
	if (ep->over)
		return;
	ep->is_ready |= bits;
	loop_ready(ep->addr->engine->loop, &ep->ready);
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

struct endpoint *endpoint_share(struct endpoint *ep, struct err *err)
{
	struct endpoint *twin;

	if (!ep->ops->share || ep->top) {
		err_set(err, 0, "this address cannot serve several sessions");
		return NULL;
	}
	twin = ep->ops->share(ep, err);
	if (twin) {
		twin->unread = ep->unread;
		ep->unread = NULL;
	}
	return twin;
}

/* ---- closing ---- */

bool endpoint_lingers(const struct endpoint *ep)
{
	return ep->caps & EP_LINGERS && !(ep->caps & (EP_SHARED | EP_KEEP_OPEN)) && ep->wfd >= 0 &&
	       (ep->parting.written_to || ep->parting.expected) && !ep->parting.told &&
	       !ep->addr->conf->flow.end_close;
}

static void free_now(struct deferred *d)
{
	free(container_of(d, struct endpoint, free));
}

/* What was written to it and its layers have not handed down is lost. */
static void tell_kept(struct endpoint *ep)
{
	size_t n = ep->top ? endpoint_kept(ep) : 0;
	struct err err;

	if (!n || !ep->parting.written_to || ep->parting.told || ep->parting.only_farewells ||
	    ep->caps & EP_SHARED)
		return;
	err_set(&err, 0, "%zu bytes read from socket %u could not be delivered to socket %u", n,
		3 - ep->addr->number, ep->addr->number);
	if (ep->addr->conf->flow.cool_write)
		relay_tell(ep->addr->relay, LV_WARN, &err);
	else
		relay_failed(ep->addr->relay, &err);
}

/* Nothing is said any more. */
static void close_now(struct endpoint *ep)
{
	tell_kept(ep);
	free_layers(ep);
	ep->ops->close(ep);
	if (ep->undo)
		leftovers_remove(&ep->undo->left);
	free(ep->undo);
	ep->undo = NULL;
	ep->free = (struct deferred){ 0 };
	loop_defer(ep->addr->engine->loop, &ep->free, free_now);
}

static bool flush_rest(void *arg)
{
	return flush(arg);
}

static size_t kept_rest(void *arg)
{
	return endpoint_kept(arg);
}

/* Another process goes on with it: nothing is to be shut down or put right. */
static void leave_to_others(struct endpoint *ep)
{
	ep->caps |= EP_SHARED;
	ep->proc = NULL;
	if (ep->undo) {
		ep->undo->left.owner = 0;
		ep->undo->tty[0].fd = ep->undo->tty[1].fd = -1;
	}
}

static void close_flushed(void *arg)
{
	struct endpoint *ep = arg;

	if (ep->addr->engine->forgetting)
		leave_to_others(ep);
	close_now(ep);
}

static void close_socket_flushed(void *arg)
{
	struct endpoint *ep = arg;

	ep->rfd = ep->wfd = -1; /* it lingers */
	close_flushed(ep);
}

/* Its descriptor for writing is not closed, or it never had one: it is in memory. */
static bool can_be_told(const struct endpoint *ep)
{
	return ep->wfd >= 0 || ep->rfd < 0;
}

/* Layers say their farewell. True: that takes a while, and the end goes behind it. */
static bool says_farewell(struct endpoint *ep)
{
	struct linger_layer rest = {
		.flush = flush_rest, .free = close_flushed, .kept = kept_rest, .arg = ep
	};

	ep->parting.expected = ep->top->below; /* the lower peer's farewell, which nobody reads */
	rest.closes = !endpoint_lingers(ep);
	if (!rest.closes)
		rest.free = close_socket_flushed;
	if (ep->telling == TELL_NOTHING)
		begin_to_tell(ep, TELL_OVER);
	if (flush(ep))
		return false;
	linger_close(ep->addr, ep->wfd, &ep->parting, &rest);
	return true;
}

void endpoint_free(struct endpoint *ep)
{
	if (!ep)
		return;
	endpoint_want(ep, 0, EPOLLIN | EPOLLOUT);
	loop_watch(ep->addr->engine->loop, &ep->rwatch, ep->rwatch.fd, 0); /* a layer's own wants */
	loop_watch(ep->addr->engine->loop, &ep->wwatch, ep->wwatch.fd, 0);
	loop_timer_stop(ep->addr->engine->loop, &ep->look);
	loop_unready(&ep->ready);
	ep->over = true;
	ep->user = NULL;
	if (ep->proc)
		proc_release(ep->proc, ep->caps & EP_SHARED || ep->addr->conf->flow.end_close);
	ep->proc = NULL;
	if (ep->top && !(ep->caps & EP_SHARED) && can_be_told(ep) && says_farewell(ep))
		return;
	close_now(ep);
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
	leave_to_others(ep);
	endpoint_free(ep);
	engine->forgetting = before;
}
