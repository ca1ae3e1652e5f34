/* test_loop.c - watches, descriptors that are always ready, deferred calls, signals */
#include "ev/loop.h"

#include "base/str.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct loop *loop;

struct probe {
	struct watch watch;
	struct probe *other; /* its watch is ended by this one's event */
	unsigned calls, stop_after;
	uint32_t events;
};

static void on_event(struct watch *w, uint32_t events)
{
	struct probe *p = container_of(w, struct probe, watch);

	p->calls++;
	p->events = events;
	if (p->other)
		loop_watch(loop, &p->other->watch, p->other->watch.fd, 0);
	if (p->calls == p->stop_after)
		loop_stop(loop);
}

static void begin(void)
{
	struct err err;

	loop = loop_new(&err);
	assert_non_null(loop);
}

static void test_readiness(void **state)
{
	struct probe reader = { .stop_after = 3 }, writer = { 0 };
	int p[2];
	(void)state;

	begin();
	assert_int_equal(pipe2(p, O_NONBLOCK | O_CLOEXEC), 0);
	watch_init(&reader.watch, on_event);
	watch_init(&writer.watch, on_event);
	assert_int_equal(write(p[1], "x", 1), 1);
	loop_watch(loop, &reader.watch, p[0], EPOLLIN);
	loop_watch(loop, &writer.watch, p[1], EPOLLOUT);
	loop_run(loop);
	assert_int_equal(reader.events, EPOLLIN);
	assert_int_equal(writer.events, EPOLLOUT);
	assert_true(writer.calls >= 2);
	loop_watch(loop, &writer.watch, p[1], 0);
	loop_watch(loop, &writer.watch, p[1], 0);
	loop_watch(loop, &reader.watch, p[0], 0);
	close(p[0]);
	close(p[1]);
	loop_free(loop);
}

/* Two events are fetched together; the first handler ends the other watch: it is not called. */
static void test_ended_by_another(void **state)
{
	struct probe a = { .stop_after = 1 }, b = { .stop_after = 1 };
	int p[2][2];
	(void)state;

	begin();
	a.other = &b;
	b.other = &a;
	watch_init(&a.watch, on_event);
	watch_init(&b.watch, on_event);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pipe(p[i]), 0);
		assert_int_equal(write(p[i][1], "x", 1), 1);
		loop_watch(loop, i ? &b.watch : &a.watch, p[i][0], EPOLLIN);
	}
	loop_run(loop);
	assert_int_equal(a.calls + b.calls, 1);
	loop_free(loop);
	for (int i = 0; i < 2; i++) {
		close(p[i][0]);
		close(p[i][1]);
	}
}

/* Files are always ready: each gets its turn, and none starves a pipe or a timer. */
static void test_always_ready(void **state)
{
	struct probe file[3] = { { .stop_after = 0 } }, reader = { .stop_after = 50 };
	int p[2];
	(void)state;

	begin();
	for (int i = 0; i < 3; i++) {
		watch_init(&file[i].watch, on_event);
		loop_watch(loop, &file[i].watch, open("/dev/null", O_RDWR | O_CLOEXEC),
			   EPOLLIN | EPOLLOUT);
		assert_true(file[i].watch.always);
	}
	assert_int_equal(pipe(p), 0);
	assert_int_equal(write(p[1], "x", 1), 1);
	watch_init(&reader.watch, on_event);
	loop_watch(loop, &reader.watch, p[0], EPOLLIN);
	loop_run(loop);
	for (int i = 0; i < 3; i++) {
		assert_true(file[i].calls >= 49 && file[i].calls <= 51);
		assert_int_equal(file[i].events, EPOLLIN | EPOLLOUT);
		loop_watch(loop, &file[i].watch, file[i].watch.fd, 0);
		close(file[i].watch.fd);
	}
	close(p[0]);
	close(p[1]);
	loop_free(loop);
}

static void test_not_open(void **state)
{
	struct probe lost = { .stop_after = 1 };
	(void)state;

	begin();
	watch_init(&lost.watch, on_event);
	loop_watch(loop, &lost.watch, 999, EPOLLIN);
	loop_run(loop);
	assert_true(lost.events & EPOLLERR);
	loop_watch(loop, &lost.watch, 999, 0);
	loop_free(loop);
}

struct job {
	struct deferred deferred;
	char mark;
	struct job *next; /* queued by this one */
};

static struct str order;

static void on_job(struct deferred *d)
{
	struct job *j = container_of(d, struct job, deferred);

	str_addc(&order, j->mark);
	if (j->next)
		loop_defer(loop, &j->next->deferred, on_job);
	else
		loop_stop(loop);
}

static void test_deferred(void **state)
{
	struct job c = { .mark = 'c' }, b = { .mark = 'b' }, a = { .mark = 'a', .next = &c };
	(void)state;

	begin();
	b.next = &a; /* queued already: nothing happens */
	loop_defer(loop, &a.deferred, on_job);
	loop_defer(loop, &b.deferred, on_job);
	loop_defer(loop, &a.deferred, on_job);
	b.next = NULL;
	loop_run(loop);
	assert_string_equal(order.data, "abc");
	str_done(&order);
	loop_free(loop);
}

static int got_signal;

static void on_signal(struct loop *l, int sig, void *arg)
{
	got_signal = sig;
	assert_ptr_equal(arg, &got_signal);
	loop_stop(l);
}

static void test_signals(void **state)
{
	struct err err;
	(void)state;

	begin();
	assert_int_equal(loop_signal(loop, SIGUSR1, on_signal, &got_signal, &err), 0);
	assert_int_equal(loop_signal(loop, SIGUSR2, on_signal, &got_signal, &err), 0);
	kill(getpid(), SIGUSR2);
	loop_run(loop);
	assert_int_equal(got_signal, SIGUSR2);
	assert_int_equal(loop_signal(loop, 99, on_signal, NULL, &err), -1);
	assert_string_equal(err.text, "signal 99 is out of range 1..63");
	loop_free(loop);
}

/* What the child does with its loop does not reach the parent's. */
static void test_forked(void **state)
{
	struct probe reader = { .stop_after = 1 };
	struct timer t;
	struct err err;
	int p[2], status;
	pid_t pid;
	(void)state;

	begin();
	assert_int_equal(pipe(p), 0);
	watch_init(&reader.watch, on_event);
	timer_init(&t, NULL);
	loop_watch(loop, &reader.watch, p[0], EPOLLIN);
	loop_timer(loop, &t, INT64_MAX);
	pid = fork();
	if (pid == 0) {
		bool idle = loop_forked(loop, &err) == 0 && t.index == 0;

		watch_init(&reader.watch, on_event);
		loop_watch(loop, &reader.watch, p[0], EPOLLIN);
		loop_watch(loop, &reader.watch, p[0], 0);
		_exit(idle ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(write(p[1], "x", 1), 1);
	loop_run(loop);
	assert_int_equal(reader.calls, 1);
	loop_watch(loop, &reader.watch, p[0], 0);
	loop_timer_stop(loop, &t);
	loop_free(loop);
	close(p[0]);
	close(p[1]);
}

/* One watch frees the owner of another at once, though no event of that is in hand: only a build
 * with AddressSanitizer can tell, and always does. */
/* ---- ready without a descriptor, by hand ---- */

struct again {
	struct ready ready;
	struct timer timer;
	struct deferred deferred;
	int calls;
};

static char turns[32];

static void turn_note(char c)
{
	turns[strlen(turns)] = c;
}

static void on_ready(struct ready *r)
{
	struct again *a = container_of(r, struct again, ready);

	turn_note('r');
	if (a->calls++ < 3) {
		loop_ready(loop, r); /* never from within the call */
		loop_ready(loop, r);
	}
}

static void on_order_timer(struct timer *t)
{
	turn_note('t');
	if (strlen(turns) < 20)
		loop_timer(loop, t, loop_now(loop));
}

static void on_order_deferred(struct deferred *d)
{
	(void)d;
	turn_note('d');
}

/* The order of a turn; a clock that stands still. */
static void test_by_hand(void **state)
{
	struct err err;
	struct again a = { .calls = 0 };
	(void)state;

	loop = loop_new_by_hand(&err);
	ready_init(&a.ready, on_ready);
	timer_init(&a.timer, on_order_timer);
	memset(turns, 0, sizeof(turns));
	loop_timer(loop, &a.timer, loop_now(loop) + 10);
	loop_ready(loop, &a.ready);
	loop_defer(loop, &a.deferred, on_order_deferred);
	loop_turn(loop, 9);
	assert_string_equal(turns, "drrr"); /* three passes, no more */
	loop_turn(loop, 1);
	assert_string_equal(turns, "drrrrt");
	loop_turn(loop, 0);
	assert_string_equal(turns, "drrrrt"); /* its time is a nanosecond later */
	loop_turn(loop, 1);
	assert_string_equal(turns, "drrrrtt");
	loop_ready(loop, &a.ready);
	loop_unready(&a.ready);
	loop_unready(&a.ready);
	loop_timer_stop(loop, &a.timer);
	loop_turn(loop, NSEC_PER_SEC);
	assert_string_equal(turns, "drrrrtt");
	loop_free(loop);
}

static void free_probe(struct deferred *d)
{
	free(container_of(d, struct again, deferred));
}

/* Between two turns no event is in hand: what has stopped there is gone before the next one. */
static void test_stopped_by_hand(void **state)
{
	struct {
		struct again a; /* first: it is freed */
		struct watch watch;
	} *w = calloc(1, sizeof(*w));
	struct err err;
	int p[2];
	(void)state;

	loop = loop_new_by_hand(&err);
	assert_int_equal(pipe(p), 0);
	watch_init(&w->watch, on_event);
	loop_watch(loop, &w->watch, p[0], EPOLLIN);
	loop_turn(loop, 0);
	loop_watch(loop, &w->watch, p[0], 0);
	loop_defer(loop, &w->a.deferred, free_probe);
	loop_turn(loop, 0);
	close(p[0]);
	close(p[1]);
	loop_free(loop);
}

#ifdef __SANITIZE_ADDRESS__
static void on_event_free(struct watch *w, uint32_t events)
{
	struct probe *p = container_of(w, struct probe, watch);

	on_event(w, events);
	free(p->other);
	p->other = NULL;
}

static void test_freed_too_early(void **state)
{
	struct probe reader = { .stop_after = 1, .other = calloc(1, sizeof(reader)) };
	int p[2], quiet[2], status;
	pid_t pid;
	(void)state;

	assert_int_equal(pipe(p), 0);
	assert_int_equal(pipe(quiet), 0);
	assert_int_equal(write(p[1], "x", 1), 1);
	pid = fork();
	if (pid == 0) {
		begin();
		close(2);
		watch_init(&reader.watch, on_event_free);
		watch_init(&reader.other->watch, on_event);
		loop_watch(loop, &reader.watch, p[0], EPOLLIN);
		loop_watch(loop, &reader.other->watch, quiet[0], EPOLLIN);
		loop_run(loop);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_not_equal(status, 0);
	free(reader.other);
	close(p[0]);
	close(p[1]);
	close(quiet[0]);
	close(quiet[1]);
}
#else
static void test_freed_too_early(void **state)
{
	(void)state;
	skip();
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_freed_too_early),  cmocka_unit_test(test_readiness),
		cmocka_unit_test(test_ended_by_another), cmocka_unit_test(test_always_ready),
		cmocka_unit_test(test_not_open),         cmocka_unit_test(test_deferred),
		cmocka_unit_test(test_signals),          cmocka_unit_test(test_forked),
		cmocka_unit_test(test_by_hand),          cmocka_unit_test(test_stopped_by_hand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
