/* loop_check.c - nobody who has a watch or a timer is freed before the end of the turn
 *
 * For builds with AddressSanitizer. An event that meets freed memory is rare: it takes two events
 * of one turn, of which the first frees what the second is for. So at the end of each turn, just
 * before the deferred calls free anything, we look at every watch that has stopped in this turn,
 * and at some of those, and of the timers, that still wait: if the memory is gone, the sanitizer
 * says so, with the place where it was freed. */
#include "base/mem.h"
#include "ev/internal.h"

#define LOOKS_PER_TURN 256 /* at what still waits: a loop of thousands stays usable */

void loop_check_stopped(struct loop *loop, struct watch *w)
{
	if (loop->nstopped == loop->stopped_cap) {
		loop->stopped_cap = loop->stopped_cap ? 2 * loop->stopped_cap : 64;
		loop->stopped = xrealloc(loop->stopped, loop->stopped_cap * sizeof(*loop->stopped));
	}
	loop->stopped[loop->nstopped++] = w;
}

static void look_at(const void *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		(void)((const volatile uint8_t *)p)[i];
}

void loop_check_turn(struct loop *loop)
{
	int looks = 0;

	/* a child of fork(2) frees at once what it does not go on with, and drops the events */
	for (size_t i = 0; i < loop->nstopped && !loop->forked; i++)
		look_at(loop->stopped[i], sizeof(struct watch));
	loop->nstopped = 0;
	for (struct list *l = loop->watching.next; l != &loop->watching && looks < LOOKS_PER_TURN;
	     l = l->next, looks++)
		look_at(container_of(l, struct watch, node), sizeof(struct watch));
	/* the end of the list is looked at next time */
	if (looks == LOOKS_PER_TURN) {
		struct list *first = loop->watching.next;

		list_del(first);
		list_add_tail(&loop->watching, first);
	}
	for (size_t i = 0; i < loop->nheap && i < LOOKS_PER_TURN; i++)
		look_at(loop->heap[i], sizeof(struct timer));
}
