/* endpoint.c - a live end of a session, see endpoint.h
 *
 * Here: what all kinds have in common. How plain descriptors are read and written is in fd_end.c,
 * dual addresses are dual.c, ends in memory queue.c. */
#include "end/endpoint.h"

#include "base/log.h"
#include "base/mem.h"
#include "end/proc.h"

#include <stdlib.h>

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

bool endpoint_lingers(const struct endpoint *ep)
{
	return ep->caps & EP_LINGERS && !(ep->caps & (EP_SHARED | EP_KEEP_OPEN)) && ep->wfd >= 0 &&
	       ep->parting.written_to && !ep->parting.told && !ep->addr->conf->flow.end_close;
}

struct endpoint *endpoint_share(struct endpoint *ep, struct err *err)
{
	if (ep->ops->share)
		return ep->ops->share(ep, err);
	err_set(err, 0, "this address cannot serve several sessions");
	return NULL;
}

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
