/* internal.h - what the parts of the loop share with each other */
#ifndef EV_INTERNAL_H
#define EV_INTERNAL_H

#include "ev/loop.h"

#define LOOP_SIGNALS 64

struct loop {
	int epfd;
	bool stop;
	bool forked; /* in this turn: the events in hand are the parent's */
	int64_t now_ns;
	struct list ready; /* watches that are always ready */
	struct timer **heap;
	size_t nheap, heap_cap;
	struct deferred *deferred;
	struct deferred **deferred_end;
	struct {
		struct watch watch;
		sigset_t set;
		bool by_kernel; /* the one being delivered */
		struct {
			loop_signal_fn *fn;
			void *arg;
		} on[LOOP_SIGNALS];
	} sig;
};

/* Fire what is due at loop->now_ns. */
void timers_fire(struct loop *loop);

/* Milliseconds until the next deadline, rounded up; -1 when there is none. */
int timers_wait_ms(const struct loop *loop);

void signals_init(struct loop *loop);
int signals_forked(struct loop *loop, struct err *err);
void signals_done(struct loop *loop);

#endif
