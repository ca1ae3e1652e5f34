/* dial.c - connecting again and again, see dial.h
 *
 * States. Before the first resume: @first is what the opening of the address has connected. Then
 * one of: dialing (@opening), waiting (@timer), due (the interval is over while the source is
 * paused: resume_dialing() dials). Closed: neither.
 *
 * Who calls what. Each connection is handed over by source_opened() and begins the interval, so the
 * next dial is an interval behind the last success, whatever becomes of the session. A failure that
 * retry and forever do not cover ends the source, with status 1.
 *
 * Ownership. @first is ours until it is handed over; @opening owns itself, and is cancelled when
 * the source is closed. */
#include "open/dial.h"

#include "base/mem.h"
#include "open/source.h"

struct dialer {
	struct source src;
	enum open_mode mode;
	struct endpoint *first; /* connected by the opening, not yet a session */
	struct opening *opening; /* of the next connection, or NULL */
	struct timer timer; /* the interval */
	bool due; /* the interval is over; the source was paused */
};

static void wait_interval(struct dialer *d)
{
	struct loop *loop = d->src.addr->engine->loop;

	loop_timer(loop, &d->timer, loop_now(loop) + d->src.addr->conf->retry.interval_ns);
}

static void yield(struct dialer *d, struct endpoint *ep, const struct vars *vars)
{
	wait_interval(d); /* first: the session may end the source */
	source_opened(&d->src, ep, vars);
}

static void on_connected(struct opening *o, struct endpoint *ep, struct source *none,
			 struct err *err)
{
	struct dialer *d = container_of((struct source *)o->arg, struct dialer, src);

	(void)none;
	d->opening = NULL;
	if (err) {
		source_opened(&d->src, NULL, NULL);
		source_fail(&d->src, err);
		return;
	}
	yield(d, ep, &o->vars);
}

static void dial(struct dialer *d)
{
	struct source *src = &d->src;

	d->due = false;
	d->opening = opening_start_single(src, d->mode, -1, NULL, NULL, on_connected);
}

static void on_timer(struct timer *t)
{
	struct dialer *d = container_of(t, struct dialer, timer);

	d->due = true;
	if (!d->src.paused)
		dial(d);
}

static void pause_dialing(struct source *src)
{
	(void)src; /* the timer may go on: it looks at src->paused */
}

static void resume_dialing(struct source *src)
{
	struct dialer *d = container_of(src, struct dialer, src);
	struct endpoint *first = d->first;

	d->first = NULL;
	if (first) {
		src->nopenings++; /* as if it had just been made */
		yield(d, first, NULL);
	} else if (d->due) {
		dial(d);
	}
}

static void close_dialing(struct source *src)
{
	struct dialer *d = container_of(src, struct dialer, src);

	loop_timer_stop(src->addr->engine->loop, &d->timer);
	if (d->opening)
		opening_cancel(d->opening);
	d->opening = NULL;
	endpoint_free(d->first);
	d->first = NULL;
}

static const struct source_ops ops = {
	.pause = pause_dialing,
	.resume = resume_dialing,
	.close = close_dialing,
};

struct source *dial_source(struct opening *o, struct err *err)
{
	struct endpoint *first =
		o->end ? opening_take_end(o, err) : o->addr->half->type->make(o, err);
	struct dialer *d;

	if (!first)
		return NULL;
	d = xcalloc(1, sizeof(*d));
	source_init(&d->src, &ops, o->addr);
	d->mode = o->mode;
	d->first = first;
	timer_init(&d->timer, on_timer);
	return &d->src;
}
