/* timer.c - heap of deadlines
 *
 * A binary heap ordered by due time; each timer knows its place, so that re-arming and stopping
 * cost O(log n). */
#include "base/mem.h"
#include "base/str.h"
#include "ev/internal.h"

#include <limits.h>

static void place(struct loop *loop, size_t i, struct timer *t)
{
	loop->heap[i] = t;
	t->index = i + 1;
}

static void sift_up(struct loop *loop, size_t i, struct timer *t)
{
	while (i > 0 && loop->heap[(i - 1) / 2]->due_ns > t->due_ns) {
		place(loop, i, loop->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	place(loop, i, t);
}

static void sift_down(struct loop *loop, size_t i, struct timer *t)
{
	for (;;) {
		size_t kid = 2 * i + 1;

		if (kid >= loop->nheap)
			break;
		if (kid + 1 < loop->nheap && loop->heap[kid + 1]->due_ns < loop->heap[kid]->due_ns)
			kid++;
		if (loop->heap[kid]->due_ns >= t->due_ns)
			break;
		place(loop, i, loop->heap[kid]);
		i = kid;
	}
	place(loop, i, t);
}

void timer_init(struct timer *t, void (*fn)(struct timer *t))
{
	*t = (struct timer){ .fn = fn };
}

void loop_timer(struct loop *loop, struct timer *t, int64_t due_ns)
{
	loop_timer_stop(loop, t);
	/* one that is armed for now by a timer that fires waits for the next turn */
	t->due_ns = loop->firing && due_ns <= loop->now_ns ? loop->now_ns + 1 : due_ns;
	if (loop->nheap == loop->heap_cap) {
		loop->heap_cap = loop->heap_cap ? 2 * loop->heap_cap : 16;
		loop->heap = xrealloc(loop->heap, loop->heap_cap * sizeof(struct timer *));
	}
	sift_up(loop, loop->nheap++, t);
}

void loop_timer_stop(struct loop *loop, struct timer *t)
{
	size_t i = t->index;
	struct timer *last;

	if (!i)
		return;
	t->index = 0;
	last = loop->heap[--loop->nheap];
	if (last == t)
		return;
	i--;
	if (i > 0 && loop->heap[(i - 1) / 2]->due_ns > last->due_ns)
		sift_up(loop, i, last);
	else
		sift_down(loop, i, last);
}

void timers_fire(struct loop *loop)
{
	loop->firing = true;
	while (!loop->forked && loop->nheap && loop->heap[0]->due_ns <= loop->now_ns) {
		struct timer *t = loop->heap[0];

		loop_timer_stop(loop, t);
		t->fn(t);
	}
	loop->firing = false;
}

int timers_wait_ms(const struct loop *loop)
{
	int64_t left;

	if (!loop->nheap)
		return -1;
	left = loop->heap[0]->due_ns - loop->now_ns;
	if (left < NSEC_PER_USEC) /* epoll_wait() alone takes that long: due in the next turn */
		return 0;
	left = (left - 1) / NSEC_PER_MSEC + 1; /* rounded up */
	return left > INT_MAX ? INT_MAX : (int)left;
}
