/* loop.c - epoll, always-ready descriptors, deferred calls, see loop.h */
#include "ev/loop.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "ev/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define LOG_AGAIN_MS 200
#define EVENTS_PER_TURN 64
#define READY_PASSES 3 /* a turn: what is queued meanwhile seldom has to wait for epoll_wait(2) */

int64_t loop_clock(struct loop *loop)
{
	struct timespec ts;

	if (loop->by_hand)
		return loop->now_ns;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	loop->now_ns = ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
	return loop->now_ns;
}

int64_t loop_now(const struct loop *loop)
{
	return loop->now_ns;
}

static int start(struct loop *loop, struct err *err)
{
	loop->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epfd == -1)
		return err_set(err, errno, "epoll_create1()");
	loop->stop = false;
	loop->nheap = 0;
	list_init(&loop->always);
	list_init(&loop->watching);
	list_init(&loop->ready);
	loop->nstopped = 0;
	loop_clock(loop);
	return 0;
}

struct loop *loop_new(struct err *err)
{
	struct loop *loop = xcalloc(1, sizeof(*loop));

	if (start(loop, err) == -1) {
		free(loop);
		return NULL;
	}
	loop->deferred_end = &loop->deferred;
	signals_init(loop);
	return loop;
}

struct loop *loop_new_by_hand(struct err *err)
{
	struct loop *loop = loop_new(err);

	if (loop) {
		loop->by_hand = true;
		loop->now_ns = NSEC_PER_SEC;
	}
	return loop;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	signals_done(loop);
	close(loop->epfd);
	free(loop->heap);
	free(loop->stopped);
	free(loop);
}

/* They wait for nothing any more; what they are linked by must not be touched later. */
static void tell_idle(struct list *watches)
{
	while (!list_empty(watches)) {
		struct watch *w = container_of(watches->next, struct watch, node);

		list_del(&w->node);
		w->events = 0;
		w->always = false;
	}
}

int loop_forked(struct loop *loop, struct err *err)
{
	/* timers and watches stay in their owners' memory: tell them they are idle; what was to be
	 * freed at the end of this turn is to be freed here, too */
	for (size_t i = 0; i < loop->nheap; i++)
		loop->heap[i]->index = 0;
	tell_idle(&loop->always);
	tell_idle(&loop->watching);
	while (!list_empty(&loop->ready))
		list_del(loop->ready.next);
	loop->forked = true;
	loop->forks++;
	close(loop->epfd);
	return start(loop, err) == -1 ? -1 : signals_forked(loop, err);
}

void loop_stop(struct loop *loop)
{
	loop->stop = true;
}

void watch_init(struct watch *w, void (*fn)(struct watch *w, uint32_t events))
{
	*w = (struct watch){ .fd = -1, .fn = fn };
	list_init(&w->node);
}

/* A descriptor epoll does not take is served every turn; one that is not open is told so. */
static void watch_always(struct loop *loop, struct watch *w, uint32_t events)
{
	w->always = true;
	w->events = (uint16_t)events;
	list_del(&w->node);
	list_add_tail(&loop->always, &w->node);
}

void loop_watch(struct loop *loop, struct watch *w, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	if (w->events == events && w->fd == fd)
		return;
	if (!events) {
		list_del(&w->node);
		if (!w->always && w->events)
			epoll_ctl(loop->epfd, EPOLL_CTL_DEL, w->fd, &ev);
		loop_check_stopped(loop, w);
		w->events = 0;
		w->always = false;
		return;
	}
	if (w->events && w->fd != fd)
		loop_watch(loop, w, w->fd, 0);
	w->fd = fd;
	if (w->always) {
		w->events = (uint16_t)events;
		return;
	}
	if (epoll_ctl(loop->epfd, w->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &ev) == -1) {
		watch_always(loop, w, events | (errno == EPERM ? 0 : EPOLLERR));
		return;
	}
	if (!w->events)
		list_add_tail(&loop->watching, &w->node);
	w->events = (uint16_t)events;
}

void loop_defer(struct loop *loop, struct deferred *d, void (*fn)(struct deferred *d))
{
	if (d->queued)
		return;
	d->queued = true;
	d->fn = fn;
	d->next = NULL;
	*loop->deferred_end = d;
	loop->deferred_end = &d->next;
}

static void run_deferred(struct loop *loop)
{
	struct deferred *d;

	while ((d = loop->deferred)) {
		loop->deferred = d->next;
		if (!loop->deferred)
			loop->deferred_end = &loop->deferred;
		d->queued = false;
		d->fn(d);
	}
}

/* Each always-ready watch gets one call a turn, however many come and go meanwhile. */
static void run_always(struct loop *loop)
{
	struct list batch;

	list_take_all(&batch, &loop->always);
	while (!loop->forked && !list_empty(&batch)) {
		struct watch *w = container_of(batch.next, struct watch, node);

		list_del(&w->node);
		list_add_tail(&loop->always, &w->node);
		w->fn(w, w->events);
	}
	tell_idle(&batch);
}

void ready_init(struct ready *r, void (*fn)(struct ready *r))
{
	r->fn = fn;
	list_init(&r->node);
}

void loop_ready(struct loop *loop, struct ready *r)
{
	if (list_empty(&r->node))
		list_add_tail(&loop->ready, &r->node);
}

void loop_unready(struct ready *r)
{
	list_del(&r->node);
}

/* What is queued so far. What is left when one of them forks is the parent's. */
static void run_ready_pass(struct loop *loop)
{
	unsigned forks = loop->forks;
	struct list batch;

	list_take_all(&batch, &loop->ready);
	while (!list_empty(&batch)) {
		struct ready *r = container_of(batch.next, struct ready, node);

		list_del(&r->node);
		if (loop->forks == forks)
			r->fn(r);
	}
}

static void run_ready(struct loop *loop)
{
	for (int i = 0; i < READY_PASSES && !list_empty(&loop->ready); i++)
		run_ready_pass(loop);
}

/* Deadlines below a millisecond need epoll_pwait2() (Linux 5.11); an older kernel rounds them up.
 */
static int wait_for_events(struct loop *loop, struct epoll_event *ev)
{
	int64_t due = loop->nheap ? loop->heap[0]->due_ns - loop->now_ns : 0;
	bool idle = list_empty(&loop->always) && list_empty(&loop->ready);
	int wait = idle && !loop->by_hand ? timers_wait_ms(loop) : 0;

	/* a log that nobody reads is looked at now and then */
	if (!log_flush() && (wait < 0 || wait > LOG_AGAIN_MS))
		wait = LOG_AGAIN_MS;

	if (wait > 0 && loop->nheap && due < NSEC_PER_MSEC) {
		struct timespec ts = { .tv_nsec = due };
		int n = (int)syscall(SYS_epoll_pwait2, loop->epfd, ev, EVENTS_PER_TURN, &ts, NULL,
				     (size_t)0);

		if (n != -1 || errno != ENOSYS)
			return n;
	}
	return epoll_wait(loop->epfd, ev, EVENTS_PER_TURN, wait);
}

static void turn(struct loop *loop)
{
	struct epoll_event ev[EVENTS_PER_TURN];
	int n = wait_for_events(loop, ev);

	loop_clock(loop);
	loop->forked = false;
	for (int i = 0; i < n && !loop->forked; i++) {
		struct watch *w = ev[i].data.ptr;
		uint32_t got = ev[i].events & (w->events | EPOLLERR | EPOLLHUP);

		/* an earlier event of this turn may have ended the watch */
		if (w->events && got)
			w->fn(w, got);
	}
	run_always(loop);
	run_ready(loop);
	timers_fire(loop);
	loop_check_turn(loop);
	run_deferred(loop);
	loop->nstopped = 0; /* no event is in hand: what has been freed since was free to go */
}

void loop_turn(struct loop *loop, int64_t ns)
{
	loop->now_ns += ns;
	loop->nstopped = 0;
	run_deferred(loop);
	turn(loop);
}

void loop_run(struct loop *loop)
{
	loop->nstopped = 0;
	run_deferred(loop);
	while (!loop->stop)
		turn(loop);
	run_deferred(loop);
}
