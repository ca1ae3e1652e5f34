/* internal.h - what the parts of the loop share with each other */
#ifndef EV_INTERNAL_H
#define EV_INTERNAL_H

#include "ev/loop.h"

#define LOOP_SIGNALS 64

struct loop {
	int epfd;
	bool stop;
	bool forked; /* in this turn: the events in hand are the parent's */
	unsigned forks; /* from the first process to this one */
	bool by_hand; /* its clock and its turns are a test's */
	bool firing; /* timers, now */
	int64_t now_ns;
	struct list always; /* watches that are always ready */
	struct list ready; /* of loop_ready(), for the next turn or the rest of this one */
	struct list watching; /* all others that wait */
	struct timer **heap;
	size_t nheap, heap_cap;
	struct deferred *deferred;
	struct deferred **deferred_end;
	struct watch **stopped; /* for loop_check.c: those that have stopped waiting in this turn */
	size_t nstopped, stopped_cap;
	struct {
		struct watch watch;
		sigset_t set;
		bool by_kernel; /* the one being delivered */
		pid_t sender; /* of the one being delivered */
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

/* Whoever has a watch, a timer or a deferred call lives to the end of the turn: in a build with
 * AddressSanitizer these look at the memory of all that is waiting or has waited in this turn; else
 * they do nothing (loop_check_none.c). */
void loop_check_stopped(struct loop *loop, struct watch *w);
void loop_check_turn(struct loop *loop);

void signals_init(struct loop *loop);
int signals_forked(struct loop *loop, struct err *err);
void signals_done(struct loop *loop);

#endif
