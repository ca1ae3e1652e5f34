/* test_source.c - a source: its places, its pauses, its end
 *
 * The kind of source is made here and counts how often it is called; the relay's yield is the
 * test's, which counts what it gets as sessions. */
#include "open/source.h"

#include "base/log.h"

#include <stdint.h>

#include "stage.h"

#define TIMEOUT_NS (5 * NSEC_PER_SEC)

struct fake {
	struct source src;
	unsigned number;
};

/* What the fake has seen: it outlives it. */
static struct {
	struct memory_relay m;
	struct fake *fake;
	struct source *src; /* the same */
	struct stage_side side, other;
	unsigned pauses, resumes, closes, releases, yields;
	void (*in_resume)(struct source *src);
	bool refuse; /* nothing comes of what is yielded */
} r;

static void pause_fake(struct source *src)
{
	assert_ptr_equal(src, r.src);
	assert_true(src->paused);
	r.pauses++;
}

static void resume_fake(struct source *src)
{
	assert_false(src->paused);
	r.resumes++;
	if (r.in_resume)
		r.in_resume(src);
}

static void close_fake(struct source *src)
{
	assert_true(src->closed); /* nothing new begins, whatever this calls */
	assert_int_equal(r.releases, 0);
	r.closes++;
}

static void release_fake(struct source *src)
{
	assert_int_equal(r.closes, 1);
	assert_int_equal(src->nsessions + src->nopenings, 0);
	r.releases++;
}

static const struct source_ops fake_ops = {
	.pause = pause_fake,
	.resume = resume_fake,
	.close = close_fake,
	.release = release_fake,
};

static void on_yield(struct source *src, struct endpoint *ep, const struct vars *vars)
{
	(void)vars;
	r.yields++;
	assert_true(src->nsessions > 0); /* it counts already */
	endpoint_free(ep);
	if (r.refuse)
		source_session_ended(src);
}

static struct conf *set_up(void)
{
	memset(&r, 0, sizeof(r));
	stage_plan(&r.m);
	return stage_conf(&r.m, 0);
}

static void start(void)
{
	stage_begin(&r.m);
	r.m.relay.yield = on_yield;
	r.fake = xcalloc(1, sizeof(*r.fake));
	r.src = &r.fake->src;
	source_init(r.src, &fake_ops, relay_address(&r.m.relay, 1));
	source_start(r.src);
}

static void start_with_room(unsigned sessions)
{
	set_up()->listen.max_children = sessions;
	start();
}

static void start_with_timeout(void)
{
	set_up()->listen.accept_timeout_ns = TIMEOUT_NS;
	start();
}

static struct endpoint *end_new(void)
{
	return stage_end_new(r.src->addr, &r.side);
}

static void yield(void)
{
	source_yield(r.src, end_new(), NULL);
}

static void calls(unsigned pauses, unsigned resumes, unsigned closes, unsigned releases)
{
	assert_int_equal(r.pauses, pauses);
	assert_int_equal(r.resumes, resumes);
	assert_int_equal(r.closes, closes);
	assert_int_equal(r.releases, releases);
}

/* It is gone: out of the relay, closed and released once. */
static void has_gone(void)
{
	assert_true(list_empty(&r.m.relay.sources));
	assert_true(stage_is_over(&r.m));
	stage_pass(&r.m, 0);
	assert_int_equal(r.closes, 1);
	assert_int_equal(r.releases, 1);
	stage_end(&r.m);
}

/* It has just gone: its memory is freed at the end of the turn, not before. */
static void is_gone(void)
{
	assert_int_equal(r.releases, 1);
	assert_true(r.src->free.queued); /* AddressSanitizer looks */
	assert_false(r.src->accept_timer.index);
	has_gone();
}

/* The last session ends, and with it the source, which is closed already. */
static void end_last_session(void)
{
	source_session_ended(r.src);
	is_gone();
}

/* There is more room than there was: that is seen when a session ends. */
static void see_room_and_end(void)
{
	yield();
	source_session_ended(r.src);
	calls(1, 2, 0, 0);
	source_session_ended(r.src);
	source_close(r.src);
	is_gone();
}

static void test_max_children(void **state)
{
	(void)state;
	start_with_room(2);
	calls(0, 1, 0, 0);
	yield();
	assert_true(source_has_room(r.src));
	calls(0, 1, 0, 0);
	yield();
	assert_false(source_has_room(r.src));
	calls(1, 1, 0, 0);
	yield(); /* it had that in hand already: no second pause */
	calls(1, 1, 0, 0);
	source_session_ended(r.src); /* still full */
	calls(1, 1, 0, 0);
	source_session_ended(r.src);
	calls(1, 2, 0, 0);
	source_session_ended(r.src); /* it listens already */
	calls(1, 2, 0, 0);
	yield();
	yield();
	calls(2, 2, 0, 0);
	assert_int_equal(r.yields, 5);
	source_close(r.src);
	source_session_ended(r.src); /* room, but nothing new begins */
	calls(2, 2, 1, 0);
	end_last_session();
}

/* A bound of the kind's own (a table of peers), beside max-children. */
static void test_most(void **state)
{
	(void)state;
	start_with_room(5);
	r.src->most = 1;
	yield();
	calls(1, 1, 0, 0);
	r.src->most = 2;
	see_room_and_end();
}

/* What is on its way has a place, and gives it back when nothing comes of it. */
static void test_openings(void **state)
{
	(void)state;
	start_with_room(2);
	source_opening(r.src);
	source_opening(r.src);
	calls(1, 1, 0, 0);
	source_opened(r.src, end_new(), NULL); /* from one to the other: still full */
	assert_int_equal(r.src->nsessions, 1);
	assert_int_equal(r.src->nopenings, 1);
	calls(1, 1, 0, 0);
	source_opened(r.src, NULL, NULL);
	calls(1, 2, 0, 0);
	source_opening(r.src);
	calls(2, 2, 0, 0);
	source_opened(r.src, NULL, NULL);
	source_session_ended(r.src);
	source_close(r.src);
	is_gone();
}

/* No process can be had for its session: the place it had as an opening is free again. */
static void test_yielded_in_vain(void **state)
{
	(void)state;
	start_with_room(1);
	source_opening(r.src);
	calls(1, 1, 0, 0);
	r.refuse = true;
	source_opened(r.src, end_new(), NULL);
	calls(1, 2, 0, 0);
	source_opening(r.src);
	source_close(r.src);
	calls(2, 2, 1, 0);
	source_opened(r.src, end_new(), NULL);
	is_gone();
}

/* The first session is tried whatever is counted; with others alive, the next one waits. */
static void test_descriptors(void **state)
{
	(void)state;
	set_up();
	start();
	r.m.engine.fds.limit = 1;
	r.m.engine.fds.sure = 0;
	assert_true(source_has_room(r.src));
	yield();
	calls(1, 1, 0, 0);
	r.m.engine.fds.limit = 10000;
	see_room_and_end();
}

static void test_accept_timeout(void **state)
{
	(void)state;
	start_with_timeout();
	stage_pass(&r.m, TIMEOUT_NS - 1);
	assert_false(r.src->closed);
	stage_pass(&r.m, 1);
	has_gone();
}

/* It counts from the last one that came, and stands still while none is accepted. */
static void test_accept_timeout_waits(void **state)
{
	struct conf *conf = set_up();

	(void)state;
	conf->listen.accept_timeout_ns = TIMEOUT_NS;
	conf->listen.max_children = 2;
	start();
	stage_pass(&r.m, TIMEOUT_NS - 1);
	yield();
	stage_pass(&r.m, TIMEOUT_NS - 1);
	assert_false(r.src->closed);
	yield();
	assert_true(r.src->paused);
	yield(); /* it had that in hand already */
	stage_pass(&r.m, 100 * TIMEOUT_NS);
	assert_false(r.src->closed);
	source_session_ended(r.src);
	source_session_ended(r.src);
	stage_pass(&r.m, TIMEOUT_NS - 1);
	assert_false(r.src->closed);
	stage_pass(&r.m, 1);
	calls(1, 2, 1, 0); /* it waits for its session */
	assert_false(stage_is_over(&r.m));
	assert_int_equal(r.m.relay.status, 0);
	end_last_session();
}

static void test_close(void **state)
{
	(void)state;
	start_with_timeout();
	source_close(r.src); /* listening, nobody there */
	source_close(r.src);
	is_gone();

	set_up();
	start();
	yield();
	source_close(r.src); /* a session lives */
	source_close(r.src);
	calls(0, 1, 1, 0);
	assert_int_equal(stage_count(&r.m.relay.sources), 1);
	assert_false(stage_is_over(&r.m));
	end_last_session();

	start_with_room(1);
	yield();
	source_close(r.src); /* paused: it is not resumed any more */
	source_session_ended(r.src);
	calls(1, 1, 1, 1);
	is_gone();
}

/* What is on its way when listening ends still becomes a session, or does not. */
static void test_close_with_openings(void **state)
{
	(void)state;
	set_up();
	start();
	source_opening(r.src);
	source_opening(r.src);
	source_close(r.src);
	calls(0, 1, 1, 0);
	source_opened(r.src, NULL, NULL);
	calls(0, 1, 1, 0);
	source_opened(r.src, end_new(), NULL);
	assert_int_equal(r.yields, 1);
	calls(0, 1, 1, 0);
	end_last_session();
}

static void close_at_second(struct source *src)
{
	if (r.resumes == 2)
		source_close(src);
}

static void test_close_within_resume(void **state)
{
	(void)state;
	set_up();
	r.in_resume = source_close; /* at once, by its start */
	start();
	calls(0, 1, 1, 1);
	is_gone();

	set_up()->listen.max_children = 1;
	r.in_resume = close_at_second; /* when a session makes room */
	start();
	yield();
	source_session_ended(r.src);
	calls(1, 2, 1, 1);
	is_gone();
}

/* A batch: resume hands out more than there is room for, and is paused in the middle of it. */
static void yield_three(struct source *src)
{
	for (int i = 0; i < 3 && !src->paused; i++)
		yield();
}

static void test_pause_within_resume(void **state)
{
	(void)state;
	set_up()->listen.max_children = 2;
	r.in_resume = yield_three;
	start();
	calls(1, 1, 0, 0);
	assert_int_equal(r.src->nsessions, 2);
	source_session_ended(r.src);
	calls(2, 2, 0, 0);
	assert_int_equal(r.src->nsessions, 2);
	source_close(r.src);
	source_session_ended(r.src);
	end_last_session();
}

static void test_fail(void **state)
{
	struct err err;

	(void)state;
	set_up();
	start();
	yield();
	err_set(&err, 0, "the socket is lost");
	source_fail(r.src, &err);
	assert_int_equal(r.m.relay.status, 1);
	calls(0, 1, 1, 0);
	end_last_session();
}

/* Of a source on the right: the left end all sessions share goes with the end of listening. */
static void test_other(void **state)
{
	(void)state;
	set_up();
	start();
	r.src->other = stage_end_new(relay_address(&r.m.relay, 2), &r.other);
	yield();
	assert_int_equal(r.other.m.closes, 0);
	source_close(r.src);
	assert_int_equal(r.other.m.closes, 1);
	assert_null(r.src->other);
	end_last_session();
}

/* In a session's process: nothing of it is the process's but its memory. */
static void test_forget(void **state)
{
	(void)state;
	start_with_timeout();
	yield();
	source_session_ended(r.src);
	source_forget(r.src);
	assert_false(r.src->accept_timer.index);
	assert_true(list_empty(&r.m.relay.sources));
	calls(0, 1, 1, 1);
	r.src->nsessions = 1; /* its one session, as session_process.c says */
	stage_pass(&r.m, TIMEOUT_NS);
	end_last_session();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_max_children),
		cmocka_unit_test(test_most),
		cmocka_unit_test(test_openings),
		cmocka_unit_test(test_yielded_in_vain),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_accept_timeout),
		cmocka_unit_test(test_accept_timeout_waits),
		cmocka_unit_test(test_close),
		cmocka_unit_test(test_close_with_openings),
		cmocka_unit_test(test_close_within_resume),
		cmocka_unit_test(test_pause_within_resume),
		cmocka_unit_test(test_fail),
		cmocka_unit_test(test_other),
		cmocka_unit_test(test_forget),
	};

	log_threshold = LV_FATAL;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
