/* test_names.c - rows with several names, and the name that was probably meant */
#include "base/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_have(void **state)
{
	const char *names = "tcp-nodelay nodelay TCP_nodelay";
	(void)state;

	assert_true(names_have(names, "tcp-nodelay"));
	assert_true(names_have(names, "NoDelay"));
	assert_true(names_have(names, "tcp_nodelay"));
	assert_false(names_have(names, "nodela"));
	assert_false(names_have(names, "nodelayx"));
	assert_false(names_have(names, "tcp-nodelay nodelay"));
	assert_false(names_have(names, "delay"));
}

static void test_get(void **state)
{
	char buf[8];
	(void)state;

	assert_string_equal(names_get("one two three", 0, buf, sizeof(buf)), "one");
	assert_string_equal(names_get("one two three", 2, buf, sizeof(buf)), "three");
	assert_null(names_get("one two three", 3, buf, sizeof(buf)));
	assert_string_equal(names_get("much-too-long x", 0, buf, sizeof(buf)), "much-to");
	assert_null(names_get("one", 0, buf, 0));
}

static const char *nearest(const char *name)
{
	static const char *const rows[] = { "reuseaddr so-reuseaddr",
					    "broadcast so-broadcast",
					    "ip-add-membership add-membership",
					    "range",
					    "fork",
					    "retry" };
	static char buf[40];
	struct names_near n;

	names_near_begin(&n, name);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		names_near_offer(&n, rows[i]);
	return names_near_end(&n, buf, sizeof(buf));
}

static void test_near(void **state)
{
	(void)state;
	assert_string_equal(nearest("reuseadr"), "reuseaddr");
	assert_string_equal(nearest("REUSEADDDR"), "reuseaddr");
	assert_string_equal(nearest("brodcats"), "broadcast");
	assert_string_equal(nearest("add-member"), "add-membership");
	assert_string_equal(nearest("fokr"), "fork"); /* neighbours swapped: one mistake */
	assert_string_equal(nearest("frok"), "fork");
	assert_null(nearest("xyzzy"));
	assert_null(nearest("f"));
	assert_null(nearest("a-name-that-is-much-longer-than-any-typing-error"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_have),
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_near),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
