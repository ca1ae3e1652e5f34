/* test_timer.c - deadlines fire in order, once, and can be moved and stopped at any time */
#include "ev/internal.h"

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define MANY 500

struct entry {
	struct timer timer;
	int64_t due_ns; /* -1: stopped */
	bool fired;
};

static struct {
	struct loop *loop;
	int64_t last_ns;
	unsigned fired;
	struct entry entry[MANY];
} all;

static void on_due(struct timer *t)
{
	struct entry *e = container_of(t, struct entry, timer);

	assert_false(e->fired);
	assert_true(e->due_ns >= all.last_ns);
	assert_true(e->due_ns <= all.loop->now_ns);
	assert_int_equal(t->index, 0);
	e->fired = true;
	all.last_ns = e->due_ns;
	all.fired++;
}

/* Set, move and stop in a random order; then all that are set fire in the order of their time. */
static void test_order(void **state)
{
	struct err err;
	unsigned set = 0;
	(void)state;

	srand(7);
	all.loop = loop_new(&err);
	for (size_t i = 0; i < MANY; i++) {
		timer_init(&all.entry[i].timer, on_due);
		all.entry[i].due_ns = -1;
	}
	for (int i = 0; i < 20 * MANY; i++) {
		struct entry *e = &all.entry[rand() % MANY];

		e->due_ns = rand() % 4 ? 1000 + rand() % 100 : -1;
		if (e->due_ns >= 0)
			loop_timer(all.loop, &e->timer, e->due_ns);
		else
			loop_timer_stop(all.loop, &e->timer);
	}
	for (size_t i = 0; i < MANY; i++)
		set += all.entry[i].due_ns >= 0;
	assert_int_equal(all.loop->nheap, set);
	all.loop->now_ns = 1050;
	timers_fire(all.loop);
	assert_true(all.fired > 0 && all.fired < set);
	all.loop->now_ns = 2000;
	timers_fire(all.loop);
	assert_int_equal(all.fired, set);
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(all.entry[i].fired, all.entry[i].due_ns >= 0);
	loop_free(all.loop);
}

static void test_wait(void **state)
{
	struct err err;
	struct loop *loop = loop_new(&err);
	struct timer t;
	(void)state;

	timer_init(&t, on_due);
	loop_timer_stop(loop, &t);
	assert_int_equal(timers_wait_ms(loop), -1);
	loop->now_ns = 1000;
	loop_timer(loop, &t, 1001);
	assert_int_equal(timers_wait_ms(loop), 0); /* the next turn is later than that */
	loop_timer(loop, &t, 1000 + NSEC_PER_USEC);
	assert_int_equal(timers_wait_ms(loop), 1); /* rounded up: never too early */
	loop_timer(loop, &t, 1000 + 5 * NSEC_PER_MSEC);
	assert_int_equal(timers_wait_ms(loop), 5);
	loop_timer(loop, &t, 999);
	assert_int_equal(timers_wait_ms(loop), 0);
	loop_timer(loop, &t, INT64_MAX);
	assert_int_equal(timers_wait_ms(loop), INT32_MAX);
	loop_timer_stop(loop, &t);
	loop_free(loop);
}

/* A timer may set itself and stop others while it fires; for now means in the next turn. */
static struct timer twice, victim;
static int rounds;

static void on_twice(struct timer *t)
{
	loop_timer_stop(all.loop, &victim);
	if (++rounds < 3)
		loop_timer(all.loop, t, loop_now(all.loop));
}

static void on_victim(struct timer *t)
{
	(void)t;
	fail();
}

static void test_within(void **state)
{
	struct err err;
	(void)state;

	all.loop = loop_new(&err);
	timer_init(&twice, on_twice);
	timer_init(&victim, on_victim);
	all.loop->now_ns = 100;
	loop_timer(all.loop, &victim, 50);
	loop_timer(all.loop, &twice, 40);
	for (int i = 1; i <= 3; i++) {
		timers_fire(all.loop);
		assert_int_equal(rounds, i);
		all.loop->now_ns++;
	}
	assert_int_equal(all.loop->nheap, 0);
	loop_free(all.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_wait),
		cmocka_unit_test(test_within),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
