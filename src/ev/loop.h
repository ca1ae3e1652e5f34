/* loop.h - the event loop
 *
 * Level-triggered epoll, timers, signals and deferred calls for one thread. Watches, timers and
 * deferred calls are embedded in their owners: the loop allocates nothing per object and owns
 * nothing. Descriptors that epoll refuses (regular files, /dev/null) are always ready and served
 * round-robin. An owner must be freed only through loop_defer(): events that are already fetched
 * then never meet freed memory. A build with AddressSanitizer finds every owner that is freed
 * earlier, even when no event happens to meet it (loop_check.c). */
#ifndef EV_LOOP_H
#define EV_LOOP_H

#include "base/err.h"
#include "base/list.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct loop;

/* A descriptor somebody waits for. @events: EPOLLIN, EPOLLOUT; 0 when not waiting. */
struct watch {
	int fd;
	uint16_t events;
	bool always; /* epoll refused it */
	void (*fn)(struct watch *w, uint32_t events);
	struct list node; /* in loop->always if so, else, while it waits, in loop->watching */
};

/* Something that is ready though no descriptor says so: bytes in memory, a slot that has become
 * free. */
struct ready {
	void (*fn)(struct ready *r);
	struct list node; /* in the loop's list while it is queued */
};

/* A deadline. @due_ns is CLOCK_MONOTONIC. */
struct timer {
	int64_t due_ns;
	void (*fn)(struct timer *t);
	size_t index; /* place in the heap + 1; 0 when not set */
};

/* A call at the end of the turn. */
struct deferred {
	void (*fn)(struct deferred *d);
	struct deferred *next;
	bool queued;
};

typedef void loop_signal_fn(struct loop *loop, int sig, void *arg);

/* A fresh loop; NULL with @err when the kernel refuses. */
struct loop *loop_new(struct err *err);
void loop_free(struct loop *loop);

/* After fork() in the child: drop every watch, timer and deferred call of the parent, and events
 * that are already fetched, without touching what is shared with it, and start afresh (an epoll
 * set is never shared). Signals go on being delivered to the same functions. */
int loop_forked(struct loop *loop, struct err *err);

/* Run until loop_stop(). In each turn come, in this order: descriptors that are ready, what
 * loop_ready() has queued (three passes over the list), timers that are due, deferred calls. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* For unit tests: a loop whose clock stands still at one second, until loop_turn() moves it by
 * @ns. The turn takes what is ready at once and waits for nothing. */
struct loop *loop_new_by_hand(struct err *err);
void loop_turn(struct loop *loop, int64_t ns);

/* Monotonic time of the current turn, in nanoseconds; loop_clock() reads the clock anew. */
int64_t loop_now(const struct loop *loop);
int64_t loop_clock(struct loop *loop);

void watch_init(struct watch *w, void (*fn)(struct watch *w, uint32_t events));

/* Wait for @events on @fd; repeated calls change the set, 0 stops waiting. A watch keeps its
 * descriptor until it stops. One descriptor cannot be watched twice. Errors of the descriptor are
 * reported to fn as EPOLLERR or EPOLLHUP, and a descriptor that cannot be watched at all as
 * EPOLLERR. */
void loop_watch(struct loop *loop, struct watch *w, int fd, uint32_t events);

void timer_init(struct timer *t, void (*fn)(struct timer *t));

/* (Re)arm for the absolute monotonic time @due_ns; stop is harmless on an idle timer. One that is
 * armed for a time that has come, by a timer that fires, fires in the next turn: none can starve
 * the descriptors. */
void loop_timer(struct loop *loop, struct timer *t, int64_t due_ns);
void loop_timer_stop(struct loop *loop, struct timer *t);

void ready_init(struct ready *r, void (*fn)(struct ready *r));

/* Call @r->fn once, from the loop: behind the events of this turn, or in the next one, for which
 * nothing is waited. One that is called so may queue more, itself too: twice in the same turn, so
 * that who is always ready starves nobody. Never from within this call; queueing twice is harmless.
 * Its owner takes it back with loop_unready() before the memory goes. */
void loop_ready(struct loop *loop, struct ready *r);
void loop_unready(struct ready *r);

/* It is queued, and will be called. */
static inline bool loop_is_ready(const struct ready *r)
{
	return !list_empty(&r->node);
}

/* Call @d->fn once at the end of this turn. Queueing twice is harmless. */
void loop_defer(struct loop *loop, struct deferred *d, void (*fn)(struct deferred *d));

/* Who has sent the signal that is being delivered: a process, or 0 for the kernel. */
pid_t loop_signal_sender(const struct loop *loop);

/* Deliver @sig through the loop from now on (blocked for the process), to @fn; also where it is
 * ignored. */
int loop_signal(struct loop *loop, int sig, loop_signal_fn *fn, void *arg, struct err *err);

/* For a function of loop_signal(): the signal is no process's but the kernel's, that is, from a
 * terminal's keys or its end, and the whole process group has got it. */
bool loop_signal_by_kernel(const struct loop *loop);

#endif
