/* test_flow.c - flows between awkward ends: short counts, EAGAIN, end of file, from a seed
 *
 * Whatever the ends do: what goes in comes out, each half-close comes behind the last byte, and
 * everything is closed once. */
#include "flow/filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "memory_end.h"
#include "relay/session.h"

#define SEEDS 1000
#define TEXT_MAX 40000

struct dice {
	uint64_t state;
};

static size_t throw(void *arg, size_t n)
{
	struct dice *d = arg;

	d->state = d->state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (size_t)(d->state >> 33) % n;
}

static size_t fill(struct dice *d, uint8_t *text)
{
	static const size_t most[] = { 1, 20, 3000, TEXT_MAX };
	size_t len = throw(d, most[throw(d, 4)] + 1);

	for (size_t i = 0; i < len; i++)
		text[i] = (uint8_t) "\r\nabcdefgh\0\377"[throw(d, 12)];
	return len;
}

struct rig {
	struct memory_relay m;
	struct memory_side side[2];
	uint8_t text[2][TEXT_MAX];
};

static void set_up(struct rig *r, struct dice *d)
{
	memset(r, 0, sizeof(*r));
	memory_plan(&r->m);
	r->m.plan.set = (struct settings){ .block = 1 + throw(d, 9000),
					   .linger_ns = 20 * NSEC_PER_SEC,
					   .idle_ns = -1,
					   .left_to_right = true,
					   .right_to_left = true };
	for (int i = 0; i < 2; i++) {
		r->side[i].in = r->text[i];
		r->side[i].in_len = fill(d, r->text[i]);
		r->side[i].dice = throw;
		r->side[i].arg = d;
	}
}

static void play(struct rig *r)
{
	struct relay *relay = &r->m.relay;

	memory_relay_start(&r->m);
	session_new(relay, memory_end_new(relay_address(relay, 1), &r->side[0]),
		    memory_end_new(relay_address(relay, 2), &r->side[1]), NULL, NULL);
	loop_run(r->m.loop);
	memory_relay_done(&r->m);
}

/* What should have come out of side @to. */
static void check(struct rig *r, int to, uint64_t seed)
{
	struct memory_side *m = &r->side[to], *src = &r->side[1 - to];
	const struct conf *from_conf = &r->m.plan.side[1 - to].half[0].conf;
	const struct conf *to_conf = &r->m.plan.side[to].half[0].conf;
	size_t len = src->in_len;
	struct str want = { 0 };

	if (from_conf->flow.readbytes && (size_t)from_conf->flow.readbytes < len)
		len = (size_t)from_conf->flow.readbytes;
	eol_convert(from_conf->flow.eol, to_conf->flow.eol, src->in, len, &want);
	if (m->out.len != want.len || (want.len && memcmp(m->out.data, want.data, want.len) != 0))
		fail_msg("seed %llu: %zu bytes became %zu", (unsigned long long)seed, want.len,
			 m->out.len);
	if (m->late_write || (m->shuts && m->out_at_shut != want.len))
		fail_msg("seed %llu: half-close before the last byte", (unsigned long long)seed);
	assert_int_equal(m->closes, 1);
	assert_true(m->shuts <= 1);
	assert_int_equal(r->m.relay.total.bytes[1 - to], want.len);
	str_done(&want);
	str_done(&m->out);
}

static void test_both_ways(void **state)
{
	static struct rig r;

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct dice d = { seed };

		set_up(&r, &d);
		if (seed % 4 == 1)
			r.m.plan.side[0].half[0].conf.flow.eol = EOL_CRNL;
		if (seed % 4 == 2)
			r.m.plan.side[1].half[0].conf.flow.eol = EOL_CR;
		if (seed % 5 == 3)
			r.m.plan.side[0].half[0].conf.flow.readbytes =
				1 + (int64_t) throw(&d, TEXT_MAX);
		play(&r);
		check(&r, 0, seed);
		check(&r, 1, seed);
		/* the first end of file is passed on as half-close; the second ends the session */
		if (r.side[0].shuts + r.side[1].shuts == 0)
			fail_msg("seed %llu: no half-close", (unsigned long long)seed);
		assert_int_equal(r.m.relay.status, 0);
	}
}

static void test_one_way(void **state)
{
	static struct rig r;

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS / 10; seed++) {
		struct dice d = { seed };

		set_up(&r, &d);
		r.m.plan.set.right_to_left = false;
		play(&r);
		check(&r, 1, seed);
		assert_int_equal(r.side[0].out.len, 0);
		assert_int_equal(r.side[1].in_off, 0);
		assert_int_equal(r.side[0].closes, 1);
	}
}

/* A direction that never ends does not keep the other one's end from being passed on. */
static size_t never(void *arg, size_t n)
{
	(void)arg;
	(void)n;
	return 0;
}

static void test_linger(void **state)
{
	static struct rig r;
	struct dice d = { 1 };
	struct timespec a, b;

	(void)state;
	set_up(&r, &d);
	r.m.plan.set.linger_ns = 100 * NSEC_PER_MSEC;
	r.side[1].in_len = 0;
	r.side[0].in_len = 0;
	r.side[1].dice = never; /* EAGAIN for ever */
	clock_gettime(CLOCK_MONOTONIC, &a);
	play(&r);
	clock_gettime(CLOCK_MONOTONIC, &b);
	assert_true((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000 >= 99);
	assert_int_equal(r.side[1].shuts, 1);
	assert_int_equal(r.side[0].closes, 1);
	assert_int_equal(r.side[1].closes, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ways),
		cmocka_unit_test(test_one_way),
		cmocka_unit_test(test_linger),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
