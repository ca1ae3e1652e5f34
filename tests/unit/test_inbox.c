/* test_inbox.c - datagrams in memory: order, shares, and one budget for all */
#include "dgram/inbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t big[70000];

static void test_order(void **state)
{
	struct inbox b = { 0 };
	size_t len, next = 0;
	(void)state;

	/* more go in than out, then the rest: the memory is reused and moved */
	for (size_t i = 0; i < 1000; i++) {
		assert_true(inbox_push(&b, &i, sizeof(i), INBOX_SHARE));
		if (i % 3 == 0) {
			assert_memory_equal(inbox_first(&b, &len), &next, sizeof(next));
			inbox_drop(&b);
			next++;
		}
	}
	assert_int_equal(inbox_count(&b), 1000 - next);
	for (; next < 1000; next++) {
		assert_memory_equal(inbox_first(&b, &len), &next, sizeof(next));
		assert_int_equal(len, sizeof(next));
		inbox_drop(&b);
	}
	assert_null(inbox_first(&b, &len));
	assert_null(b.data); /* silent sessions hold no buffer */
}

static void test_share(void **state)
{
	struct inbox b = { 0 };
	(void)state;

	assert_true(inbox_push(&b, big, 65507, INBOX_SHARE_EARLY));
	assert_false(inbox_push(&b, big, 65507, INBOX_SHARE_EARLY));
	assert_true(inbox_push(&b, big, 65507, INBOX_SHARE)); /* its session has begun */
	assert_int_equal(inbox_count(&b), 2);
	inbox_done(&b);
	assert_int_equal(inbox_count(&b), 0);
}

/* Greedy ones share the budget and leave room; a first small one is taken in any case. */
static void test_budget(void **state)
{
	struct inbox_budget all = { .max = 1 << 20 };
	struct inbox greedy[3] = { { .budget = &all }, { .budget = &all }, { .budget = &all } };
	struct inbox modest = { .budget = &all };
	(void)state;

	for (int i = 0; i < 3; i++) {
		while (inbox_push(&greedy[i], big, 1000, INBOX_SHARE))
			;
		assert_true(greedy[i].cap > 100000);
		assert_true(all.used <= all.max);
	}
	assert_true(inbox_push(&modest, big, 65507, INBOX_SHARE));
	inbox_done(&modest);
	all.max = all.used; /* nothing left at all */
	assert_true(inbox_push(&modest, big, INBOX_FIRST, INBOX_SHARE));
	assert_false(inbox_push(&modest, big, 1, INBOX_SHARE));
	inbox_done(&modest);
	for (int i = 0; i < 3; i++) {
		while (greedy[i].len)
			inbox_drop(&greedy[i]);
	}
	assert_int_equal(all.used, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
