/* test_opening.c - the step runner: order, waiting, retry, next address, giving up
 *
 * The address type is made here: its steps write down that they ran and do what the test says. A
 * watched opening runs on a loop by hand. */
#include "open/opening.h"

#include "base/log.h"
#include "spec/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/eventfd.h>

#include <cmocka.h>

#include "memory_end.h"

static struct {
	struct memory_relay m;
	struct addr_type type;
	struct memory_side memory;
	struct str trace;
	unsigned fails; /* so many runs of the last step fail */
	unsigned again; /* so many ask to be run again */
	int code; /* errno of the failures */
	bool opened;
	int taken; /* descriptor that the watcher takes; -1: none yet */
	char error[ERR_TEXT_LEN];
} r;

static size_t last(void *arg, size_t n)
{
	(void)arg;
	return n - 1;
}

static enum step_result step_a(struct opening *o, struct err *err)
{
	(void)err;
	str_addc(&r.trace, 'a');
	o->remote.n = 0;
	return STEP_DONE;
}

/* Three addresses: what fails behind this step is tried with the next. */
static enum step_result step_addresses(struct opening *o, struct err *err)
{
	(void)err;
	str_addc(&r.trace, 'n');
	o->remote.n = 3;
	return STEP_DONE;
}

static enum step_result step_wait(struct opening *o, struct err *err)
{
	(void)err;
	str_addc(&r.trace, 'w');
	opening_wait(o, -1, 0, loop_now(o->addr->engine->loop) + NSEC_PER_MSEC);
	return STEP_WAIT;
}

static enum step_result step_last(struct opening *o, struct err *err)
{
	str_addc(&r.trace, (char)('0' + o->remote_i));
	if (r.again) {
		r.again--;
		opening_wait(o, -1, 0, loop_now(o->addr->engine->loop) + NSEC_PER_MSEC);
		return STEP_AGAIN;
	}
	if (!r.fails)
		return STEP_DONE;
	r.fails--;
	err_set(err, r.code, "step %zu", o->remote_i);
	return STEP_FAIL;
}

static struct endpoint *make(struct opening *o, struct err *err)
{
	(void)err;
	str_addc(&r.trace, '!');
	return memory_end_new(o->addr, &r.memory);
}

static void done(struct opening *o, struct endpoint *ep, struct source *src, struct err *err)
{
	assert_ptr_equal(o->arg, &r);
	assert_null(src);
	assert_true(!ep != !err);
	r.opened = ep != NULL;
	if (err)
		memcpy(r.error, err->text, sizeof(r.error));
	endpoint_free(ep);
	loop_stop(r.m.loop);
}

static struct conf *set_up(const struct step *steps)
{
	struct side *side = &r.m.side[0];
	struct conf *conf = &side->half[0].conf;

	memset(&r, 0, sizeof(r));
	memory_plan(&r.m);
	r.memory.dice = last;
	r.code = ECONNREFUSED;
	r.type = (struct addr_type){
		.names = "TEST", .reads = true, .writes = true, .steps = steps, .make = make
	};
	side->half[0].type = &r.type;
	side->half[0].keyword = "TEST";
	conf->retry.interval_ns = NSEC_PER_MSEC;
	return conf;
}

static void tear_down(void)
{
	str_done(&r.trace);
	memory_relay_done(&r.m);
}

/* The opening is over; @error is empty if it was none. */
static void has_ended(const char *trace, const char *error)
{
	assert_true(list_empty(&r.m.relay.openings));
	assert_string_equal(r.trace.data, trace);
	assert_string_equal(r.error, error);
	assert_int_equal(r.opened, *error == '\0');
}

static void play(const char *trace, const char *error)
{
	memory_relay_start(&r.m);
	opening_start(relay_address(&r.m.relay, 1), MODE_RW, NULL, NULL, done, &r);
	loop_run(r.m.loop);
	has_ended(trace, error);
	assert_int_equal(r.memory.closes, r.opened);
	tear_down();
}

static const struct step plain[] = {
	{ .run = step_a }, { .run = step_wait }, { .run = step_last }, STEP_END
};
static const struct step names[] = { { .run = step_a },
				     { .run = step_addresses, .flags = STEP_NEXT_ADDRESS },
				     { .run = step_last },
				     STEP_END };

static void test_order(void **state)
{
	(void)state;
	set_up(plain);
	play("aw0!", "");
	set_up(plain);
	r.again = 3; /* the same step, until it is content */
	play("aw0000!", "");
}

static void test_next_address(void **state)
{
	(void)state;
	set_up(names);
	r.fails = 2;
	play("an012!", "");
	set_up(names);
	r.fails = 3;
	play("an012", "step 2: Connection refused");
}

static void test_retry(void **state)
{
	(void)state;
	set_up(plain)->retry.retry = 2;
	r.fails = 2;
	play("aw0aw0aw0!", "");
	set_up(plain)->retry.retry = 2;
	r.fails = 9;
	play("aw0aw0aw0", "step 0: Connection refused");
	set_up(plain)->retry.forever = true;
	r.fails = 5;
	play("aw0aw0aw0aw0aw0aw0!", "");
	/* all addresses of a name before the next round */
	set_up(names)->retry.retry = 1;
	r.fails = 4;
	play("an012an01!", "");
	/* what no time mends is not tried again */
	set_up(plain)->retry.retry = 2;
	r.code = 0;
	r.fails = 1;
	play("aw0", "step 0");
}

static void test_cancel(void **state)
{
	(void)state;
	set_up(plain);
	memory_relay_start(&r.m);
	opening_start(relay_address(&r.m.relay, 1), MODE_RW, NULL, NULL, done, &r);
	assert_int_equal(r.trace.len, 0); /* not before it has returned */
	loop_turn(r.m.loop, 0);
	assert_string_equal(r.trace.data, "aw");
	opening_cancel(container_of(r.m.relay.openings.next, struct opening, node));
	loop_stop(r.m.loop);
	loop_run(r.m.loop); /* frees what was deferred */
	assert_string_equal(r.trace.data, "aw");
	assert_false(r.opened);
	assert_string_equal(r.error, "");
	tear_down();
}

/* "A!!A": both halves, the second one for writing; closing closes both. */
static void test_dual(void **state)
{
	(void)state;
	set_up(plain);
	r.m.plan.side[0].nhalves = 2;
	r.m.plan.side[0].half[1] = r.m.plan.side[0].half[0];
	memory_relay_start(&r.m);
	opening_start(relay_address(&r.m.relay, 1), MODE_RW, NULL, NULL, done, &r);
	loop_run(r.m.loop);
	assert_string_equal(r.trace.data, "aw0!aw0!");
	assert_true(r.opened);
	assert_int_equal(r.memory.closes, 2);
	tear_down();
}

/* ---- watched ---- */

static void on_option(struct opening *o, const struct opt *opt, const struct err *err)
{
	assert_ptr_equal(o->arg, &r);
	str_addf(&r.trace, " %s:%s ", opt->row->names, err ? err->text : "ok");
}

static bool stop_before(const struct opening *o, const struct step *step)
{
	assert_ptr_equal(o->step, step);
	return step->flags & STEP_WAITS_FOR_PEER;
}

static void ended(struct opening *o, const struct err *err)
{
	str_addc(&r.trace, '.');
	r.opened = !err;
	if (err)
		memcpy(r.error, err->text, sizeof(r.error));
	if (r.taken == -1) {
		r.taken = o->target.fd;
		o->target.fd = -1;
	}
}

static const struct opening_watcher watcher = { on_option, stop_before, ended };

static int take(struct target *t, const struct opt *o, struct err *err)
{
	(void)t;
	(void)o;
	(void)err;
	return 0;
}

static int refuse(struct target *t, const struct opt *o, struct err *err)
{
	(void)o;
	return err_set(err, 0, "not %s", t->fd == -1 ? "yet" : "this");
}

static enum step_result step_descriptor(struct opening *o, struct err *err)
{
	(void)err;
	str_addc(&r.trace, 'd');
	o->target.fd = eventfd(0, EFD_CLOEXEC);
	return STEP_DONE;
}

/* Turn the loop until the opening is over. */
static void play_watched(const struct step *steps, const char *trace, const char *error)
{
	static const struct opt_row row[] = {
		{ .names = "one", .phase = PH_PREOPEN, .set = refuse },
		{ .names = "two", .phase = PH_FD, .set = take },
		{ .names = "three", .phase = PH_FD, .set = refuse },
		{ .names = "four", .phase = PH_FD, .set = take },
	};
	char name[] = "any";
	const struct spec_opt spec = { .name = name };
	struct opt opt[ARRAY_SIZE(row)];
	int fd;

	for (size_t i = 0; i < ARRAY_SIZE(row); i++)
		opt[i] = (struct opt){ .row = &row[i], .spec = &spec };
	r.type.steps = steps;
	r.m.plan.side[0].half[0].opts = (struct opts){ .opt = opt, .n = ARRAY_SIZE(row) };
	r.taken = -1;
	memory_relay_start_by_hand(&r.m);
	opening_start_watched(relay_address(&r.m.relay, 1), MODE_RW, &watcher, &r);
	assert_int_equal(r.trace.len, 0); /* not before it has returned */
	for (int i = 0; i < 20 && !list_empty(&r.m.relay.openings); i++)
		loop_turn(r.m.loop, NSEC_PER_MSEC);
	has_ended(trace, error);
	fd = r.taken;
	assert_true(fd == -1 || fcntl(fd, F_GETFD) != -1); /* what is taken is the watcher's */
	if (fd != -1)
		close(fd);
	tear_down();
}

/* Each option is told, behind its step; what is refused stops nobody, and nothing is built. */
static void test_watched(void **state)
{
	static const struct step steps[] = { { .run = step_a, .after = PH_PREOPEN },
					     { .run = step_wait },
					     { .run = step_descriptor, .after = PH_FD },
					     { .run = step_last },
					     STEP_END };

	(void)state;
	set_up(NULL);
	r.again = 1;
	play_watched(steps, "a one:not yet wd two:ok  three:not this  four:ok 00.", "");
}

static void test_watched_stops(void **state)
{
	static const struct step steps[] = {
		{ .run = step_a },
		{ .run = step_descriptor },
		{ .run = step_last, .flags = STEP_WAITS_FOR_PEER, .after = PH_FD },
		STEP_END
	};

	(void)state;
	set_up(NULL)->retry.retry = 2;
	play_watched(steps, "ad.", "");
}

/* Nobody else may wait for what is only looked at. */
static void test_watched_claims_nothing(void **state)
{
	static const struct step steps[] = { { .run = step_a, .flags = STEP_CLAIMS },
					     { .run = step_last, .after = PH_FD },
					     STEP_END };

	(void)state;
	set_up(NULL)->flow.lockfile = "/nowhere/a-lock";
	play_watched(steps, "0 two:ok  three:not yet  four:ok .", "");
}

/* No next address, no retry; what the steps have made is still there. */
static void test_watched_fails_once(void **state)
{
	static const struct step steps[] = { { .run = step_descriptor },
					     { .run = step_addresses, .flags = STEP_NEXT_ADDRESS },
					     { .run = step_last },
					     STEP_END };

	(void)state;
	set_up(NULL)->retry.forever = true;
	r.fails = 9;
	play_watched(steps, "dn0.", "step 0: Connection refused");
}

/* What is not taken is undone, as when it is cancelled: ended() is not called then. */
static void test_watched_cancel(void **state)
{
	static const struct step steps[] = { { .run = step_a }, { .run = step_wait }, STEP_END };
	struct opening *o;

	(void)state;
	set_up(steps);
	memory_relay_start_by_hand(&r.m);
	o = opening_start_watched(relay_address(&r.m.relay, 1), MODE_RW, &watcher, &r);
	loop_turn(r.m.loop, 0);
	opening_cancel(o);
	loop_turn(r.m.loop, NSEC_PER_SEC);
	assert_string_equal(r.trace.data, "aw");
	assert_true(list_empty(&r.m.relay.openings));
	tear_down();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_next_address),
		cmocka_unit_test(test_retry),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_dual),
		cmocka_unit_test(test_watched),
		cmocka_unit_test(test_watched_stops),
		cmocka_unit_test(test_watched_claims_nothing),
		cmocka_unit_test(test_watched_fails_once),
		cmocka_unit_test(test_watched_cancel),
	};

	log_threshold = LV_FATAL;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
