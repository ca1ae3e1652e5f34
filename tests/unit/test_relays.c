/* test_relays.c - many relays in one engine: each has its own sessions, counters and status */
#include "base/log.h"
#include "relay/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "memory_end.h"

#define RELAYS 50

struct line {
	struct memory_relay m; /* its engine is unused: all share one */
	struct memory_side side[2];
	char text[2][32];
};

static struct {
	struct loop *loop;
	struct engine engine;
	struct line line[RELAYS];
} r;

/* One call in six finds nothing, as many bytes as there are else. */
static size_t dice(void *arg, size_t n)
{
	unsigned *calls = arg;

	return n == 6 ? ++*calls % 6 : n - 1;
}

static void begin(unsigned *calls)
{
	struct err err;

	memset(&r, 0, sizeof(r));
	r.loop = loop_new(&err);
	engine_init(&r.engine, r.loop);
	for (int k = 0; k < RELAYS; k++) {
		struct line *l = &r.line[k];

		memory_plan(&l->m);
		l->m.plan.set = (struct settings){ .block = 8192,
						   .linger_ns = NSEC_PER_SEC,
						   .idle_ns = -1,
						   .left_to_right = true,
						   .right_to_left = true };
		assert_int_equal(relay_init(&l->m.relay, &r.engine, &l->m.plan, &err), 0);
		for (int i = 0; i < 2; i++) {
			snprintf(l->text[i], sizeof(l->text[i]), "line %d, end %d", k, i);
			l->side[i] = (struct memory_side){ .in = (const uint8_t *)l->text[i],
							   .in_len = strlen(l->text[i]),
							   .dice = dice,
							   .arg = calls };
		}
	}
}

static void run_session(struct line *l)
{
	struct relay *relay = &l->m.relay;

	session_new(relay, memory_end_new(relay_address(relay, 1), &l->side[0]),
		    memory_end_new(relay_address(relay, 2), &l->side[1]), NULL, NULL);
}

static void end(void)
{
	for (int k = 0; k < RELAYS; k++) {
		struct line *l = &r.line[k];

		relay_done(&l->m.relay);
		for (int i = 0; i < 2; i++) {
			str_done(&l->side[i].out);
			conf_done(&l->m.plan.side[i].half[0].conf);
		}
	}
	engine_done(&r.engine);
	loop_free(r.loop);
}

static void check(struct line *l, bool whole)
{
	for (int i = 0; i < 2; i++) {
		const struct str *out = &l->side[1 - i].out;

		assert_int_equal(l->side[i].closes, 1);
		assert_int_equal(l->m.relay.total.bytes[i], out->len);
		if (!whole)
			continue;
		assert_int_equal(out->len, strlen(l->text[i]));
		assert_memory_equal(out->data, l->text[i], out->len);
	}
}

/* The loop stops when the last one has nothing left. */
static void test_fifty(void **state)
{
	unsigned calls = 0;

	(void)state;
	begin(&calls);
	for (int k = 0; k < RELAYS; k++)
		run_session(&r.line[k]);
	loop_run(r.loop);
	for (int k = 0; k < RELAYS; k++) {
		check(&r.line[k], true);
		assert_int_equal(r.line[k].m.relay.status, 0);
		assert_int_equal(relay_address(&r.line[k].m.relay, 1)->live, 0);
		assert_int_equal(relay_address(&r.line[k].m.relay, 2)->tally->sessions_total, 1);
	}
	end();
}

/* Every other one is ended by hand, with a status of its own; the others go on to their end. */
static void test_some_are_ended(void **state)
{
	unsigned calls = 0;

	(void)state;
	begin(&calls);
	for (int k = 0; k < RELAYS; k++)
		run_session(&r.line[k]);
	for (int k = 0; k < RELAYS; k += 2)
		relay_end(&r.line[k].m.relay, 100 + k);
	loop_run(r.loop);
	for (int k = 0; k < RELAYS; k++) {
		check(&r.line[k], k % 2);
		assert_int_equal(r.line[k].m.relay.status, k % 2 ? 0 : 100 + k);
	}
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fifty),
		cmocka_unit_test(test_some_are_ended),
	};

	log_threshold = LV_FATAL;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
