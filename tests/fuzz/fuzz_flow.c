/* fuzz_flow.c - a session whose ends behave as the input says
 *
 * Every byte decides how much the next read or write takes, or that nothing is possible. When the
 * input is used up the ends become tame, so that every run comes to its end. Bytes in = bytes out,
 * and no half-close comes too early. */
#include "../unit/memory_end.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct schedule {
	const uint8_t *data;
	size_t left;
};

static size_t next(void *arg, size_t n)
{
	struct schedule *s = arg;
	size_t value;

	if (s->left == 0)
		return n - 1;
	value = (size_t)*s->data++ * n / 256;
	s->left--;
	return value;
}

static void check(const struct memory_side *from, struct memory_side *to)
{
	if (to->out.len != from->in_len || to->late_write || to->closes != 1 || to->shuts > 1)
		abort();
	if (from->in_len && memcmp(to->out.data, from->in, from->in_len) != 0)
		abort();
	if (to->shuts && to->out_at_shut != from->in_len)
		abort();
	str_done(&to->out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t text[2 * 4096];
	struct schedule schedule = { data, size };
	struct memory_relay m;
	struct memory_side side[2] = { { 0 } };

	if (size < 4)
		return 0;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i * 31 + (i >> 8));
	for (int i = 0; i < 2; i++) {
		side[i].in = text + i * 4096;
		side[i].in_len = (size_t)data[i] * 16;
		side[i].dice = next;
		side[i].arg = &schedule;
	}
	memory_plan(&m);
	m.plan.set = (struct settings){ .linger_ns = 60 * NSEC_PER_SEC,
					.idle_ns = -1,
					.left_to_right = true,
					.right_to_left = true };
	m.plan.set.block = 1 + (size_t)data[2] * 32;
	m.plan.set.plain = data[3] & 1;
	schedule.data += 4;
	schedule.left -= 4;
	memory_relay_start(&m);
	session_new(&m.relay, memory_end_new(relay_address(&m.relay, 1), &side[0]),
		    memory_end_new(relay_address(&m.relay, 2), &side[1]), NULL, NULL);
	loop_run(m.loop);
	check(&side[0], &side[1]);
	check(&side[1], &side[0]);
	memory_relay_done(&m);
	return 0;
}
