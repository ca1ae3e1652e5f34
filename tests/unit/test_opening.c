/* test_opening.c - the step runner: order, waiting, retry, next address, giving up
 *
 * The address type is made here: its steps write down that they ran and do what the test says. */
#include "open/opening.h"

#include "base/log.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

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

static void play(const char *trace, const char *error)
{
	memory_relay_start(&r.m);
	opening_start(relay_address(&r.m.relay, 1), MODE_RW, NULL, NULL, done, &r);
	loop_run(r.m.loop);
	assert_string_equal(r.trace.data, trace);
	assert_string_equal(r.error, error);
	assert_int_equal(r.opened, *error == '\0');
	assert_int_equal(r.memory.closes, r.opened);
	assert_true(list_empty(&r.m.relay.openings));
	str_done(&r.trace);
	memory_relay_done(&r.m);
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
	str_done(&r.trace);
	memory_relay_done(&r.m);
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
	str_done(&r.trace);
	memory_relay_done(&r.m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order), cmocka_unit_test(test_next_address),
		cmocka_unit_test(test_retry), cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_dual),
	};

	log_threshold = LV_FATAL;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
