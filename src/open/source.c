/* source.c - something that yields many endpoints, see source.h
 *
 * States. Listening: ops->resume() has been called last. Paused: ops->pause() has, because there is
 * no room (max-children, max-sessions, descriptors); a session that ends makes room, and
 * look_for_room() resumes. Closed: source_close(), whatever the reason; what has not begun is gone,
 * sessions go on. Released: ops->release(), behind the last session; then it is freed.
 *
 * Who calls what. The kind of source (listener, table of peers, dialer, queue) calls source_yield()
 * with an endpoint, or source_opening() when one is on its way and source_opened() when it is there
 * or will never be. Both count at once: nsessions and nopenings together are what the bounds are
 * about. The relay queues a session for what is yielded, by relay->yield; it begins from the loop,
 * here or in a process of its own, and source_session_ended() is called once for each.
 *
 * Bounds. max-children, a bound of the kind's own (@most), and descriptors are one question,
 * source_has_room(), asked behind everything that takes a place. Who waits for one stays where he
 * is: connections in the kernel's queue, datagrams in the socket, peers in their table. Only the
 * first session never waits for descriptors, so that a source can always end by a failure that is
 * told.
 *
 * Ownership. The relay links sources and does not own them: a source is freed at the end of the
 * turn in which it is closed and its last session or opening has gone. It owns the entry it is
 * found by (@left), and the end that the sessions of a right address share (@other). What it has
 * yielded belongs to the relay, and then to a session.
 *
 * In a session process sources are forgotten (source_forget()): closed for what they have open, but
 * kept, because the session counts in one of them.
 *
 * What may not happen: anything is yielded behind ops->release(); a place is given back twice;
 * accept-timeout ends a source that is full, where it is we who do not accept. source_close() may
 * be called from within ops->resume() or while the kind hands out a batch: what it iterates over
 * has to survive that. */
#include "open/source.h"

#include "base/log.h"
#include "end/proc.h"
#include "end/relay.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static void on_accept_timeout(struct timer *t)
{
	struct source *src = container_of(t, struct source, accept_timer);

	log_warn("accept: Connection timed out");
	log_notice("Waiting for child processes to terminate");
	source_close(src);
}

static void go_on_if_room(struct source *src);
static void arm_place_timer(struct source *src);

static void on_place_timer(struct timer *t)
{
	struct source *src = container_of(t, struct source, place_timer);

	go_on_if_room(src);
	if (src->paused)
		arm_place_timer(src);
}

void source_init(struct source *src, const struct source_ops *ops, struct address *addr)
{
	src->ops = ops;
	src->addr = addr;
	list_init(&src->node);
	timer_init(&src->accept_timer, on_accept_timeout);
	timer_init(&src->place_timer, on_place_timer);
	handshakes_init(&src->handshakes);
}

static void arm_accept_timer(struct source *src)
{
	if (src->addr->conf->listen.accept_timeout_ns > 0 && !src->closed && !src->paused)
		loop_timer(src->addr->engine->loop, &src->accept_timer,
			   loop_now(src->addr->engine->loop) +
				   src->addr->conf->listen.accept_timeout_ns);
}

void source_start(struct source *src)
{
	list_add_tail(&src->addr->relay->sources, &src->node);
	arm_accept_timer(src);
	src->ops->resume(src);
	relay_ready(src->addr->relay);
}

/* The unfinished have taken their half. */
static bool has_many_handshakes(const struct source *src)
{
	int64_t max = src->addr->conf->listen.max_children;
	size_t n = src->handshakes.n;

	return (max > 0 && n >= (size_t)(max + 1) / 2) ||
	       n > (size_t)src->addr->engine->fds.limit / 2;
}

static bool is_full(const struct source *src)
{
	int64_t max = src->addr->conf->listen.max_children;
	size_t n = src->nsessions + src->nopenings;

	/* sessions that could get no descriptors would lose what has arrived for them: the kernel
	 * keeps it until others have ended */
	return (max > 0 && n >= (size_t)max) || (src->most && n >= src->most) ||
	       has_many_handshakes(src) || (n && !engine_has_descriptors(src->addr->engine));
}

/* Who gives way to somebody who comes now, or NULL. */
static struct handshake *who_gives_way(const struct source *src)
{
	int64_t due;
	struct handshake *h = handshakes_next(&src->handshakes, &due);

	return h && due <= loop_now(src->addr->engine->loop) ? h : NULL;
}

bool source_has_room(const struct source *src)
{
	return !src->closed && (!is_full(src) || who_gives_way(src));
}

static void arm_place_timer(struct source *src)
{
	int64_t due;

	if (handshakes_next(&src->handshakes, &due))
		loop_timer(src->addr->engine->loop, &src->place_timer, due);
}

static void pause_if_full(struct source *src)
{
	unsigned hidden;

	if (source_has_room(src) || src->paused || src->closed)
		return;
	if (!engine_has_descriptors(src->addr->engine)) {
		if (log_limit_pass(&src->limit, 0, loop_now(src->addr->engine->loop), &hidden))
			log_warn("%zu sessions use all descriptors this process may have (ulimit "
				 "-n: %d), others wait",
				 src->nsessions, src->addr->engine->fds.limit);
	} else if (src->addr->conf->listen.max_children > 0 &&
		   src->nsessions + src->nopenings >=
			   (size_t)src->addr->conf->listen.max_children) {
		log_notice("maxchildren are active, waiting");
	}
	src->paused = true;
	arm_place_timer(src);
	loop_timer_stop(src->addr->engine->loop,
			&src->accept_timer); /* it is us who does not accept */
	src->ops->pause(src);
}

bool source_is_open(struct source *src)
{
	pause_if_full(src);
	return !src->paused && !src->closed;
}

static void release_source(struct source *src)
{
	if (!src->released && src->ops->release)
		src->ops->release(src);
	src->released = true;
}

void source_forget(struct source *src)
{
	list_del(&src->node);
	loop_timer_stop(src->addr->engine->loop, &src->accept_timer);
	loop_timer_stop(src->addr->engine->loop, &src->place_timer);
	src->closed = true;
	src->ops->close(src);
	release_source(src);
	if (src->other) /* shared by all sessions, its program is the parent's */
		src->other->proc = NULL;
	leftovers_remove(&src->left); /* the memory: the entry belongs to the parent */
}

void source_yield(struct source *src, struct endpoint *ep, const struct vars *vars)
{
	assert(!src->released);
	arm_accept_timer(src);
	src->nsessions++;
	pause_if_full(src);
	src->addr->relay->yield(src, ep, vars);
}

static void free_source(struct deferred *d)
{
	struct source *src = container_of(d, struct source, free);

	vars_done(&src->vars);
	free(src);
}

/* Nobody needs it any more. */
static void free_if_unused(struct source *src)
{
	if (!src->closed || src->nsessions || src->nopenings || src->free.queued)
		return;
	list_del(&src->node);
	release_source(src);
	loop_defer(src->addr->engine->loop, &src->free, free_source);
	engine_settle(src->addr->engine);
}

/* There may be room now, or somebody who can give way. */
static void go_on_if_room(struct source *src)
{
	if (src->paused && source_has_room(src)) {
		src->paused = false;
		loop_timer_stop(src->addr->engine->loop, &src->place_timer);
		log_info("still listening");
		arm_accept_timer(src);
		src->ops->resume(src);
	}
}

/* There is one less of them. */
static void look_for_room(struct source *src)
{
	free_if_unused(src);
	go_on_if_room(src);
}

void sources_look_again(struct relay *relay)
{
	list_for_each_safe (node, tmp, &relay->sources)
		go_on_if_room(container_of(node, struct source, node));
}

void source_session_ended(struct source *src)
{
	assert(src->nsessions);
	src->nsessions--;
	look_for_room(src);
}

void source_make_room(struct source *src)
{
	struct handshake *h = is_full(src) ? who_gives_way(src) : NULL;

	if (h)
		h->give_way(h);
}

void source_opening(struct source *src)
{
	src->nopenings++;
	pause_if_full(src);
}

void source_opened(struct source *src, struct endpoint *ep, const struct vars *vars)
{
	assert(src->nopenings);
	src->nopenings--;
	if (ep) /* it came before the end of listening, if that has come meanwhile */
		source_yield(src, ep, vars);
	look_for_room(src); /* it has been one of the unfinished, too */
}

void source_fail(struct source *src, const struct err *err)
{
	log_err(LV_ERROR, err);
	src->addr->relay->status = 1;
	source_close(src);
}

void source_close(struct source *src)
{
	if (src->closed)
		return;
	/* The order: first nothing new begins, whatever the rest calls; then what has not begun
	 * goes (connections in the queue, waiting peers); then the name others find us by, and what
	 * sessions have copies of; last, if no session is left, what they have in common. */
	src->closed = true;
	loop_timer_stop(src->addr->engine->loop, &src->accept_timer);
	loop_timer_stop(src->addr->engine->loop, &src->place_timer);
	src->nsessions -= procs_give_up_places(src->addr->engine, src);
	src->ops->close(src);
	leftovers_remove(&src->left);
	endpoint_free(src->other);
	src->other = NULL;
	free_if_unused(src);
}
