/* test_escape.c - foreign text that people and terminals can take */
#include "base/escape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

static void text(void **state)
{
	static const struct {
		const char *in;
		size_t len;
		const char *want;
	} rows[] = {
		{ "plain \\ text \"x\"", 16, "plain \\ text \"x\"" },
		{ "admin\0.mallory", 14, "admin\\0.mallory" },
		{ "a\nb\tc\rd", 7, "a\\nb\\tc\\rd" },
		{ "\x1b[31m\x7f", 6, "\\x1B[31m\\x7F" },
		{ "\xc2\x9b\xc2\xa0", 4, "\\xC2\\x9B\xc2\xa0" },
		{ "\x80\x9f\xa0\xff", 4, "\\x80\\x9F\xa0\xff" },
		{ "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9,
		  "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "a\xe2\x80\xae"
		  "b\xe2\x80\xa8\xef\xbb\xbf\xd8\x9c",
		  13, "a\\xE2\\x80\\xAEb\\xE2\\x80\\xA8\\xEF\\xBB\\xBF\\xD8\\x9C" },
		{ "\xe2\x80\x93", 3, "\xe2\x80\x93" }, /* a dash */
		{ "\xe2\x82", 2, "\xe2\\x82" }, /* cut short */
		{ "\xc2", 1, "\xc2" },
		{ "", 0, "" },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct str once = { 0 }, twice = { 0 };
		char buf[64] = "";

		escape_add(&once, rows[i].in, rows[i].len);
		assert_string_equal(once.data ? once.data : "", rows[i].want);
		escape_add(&twice, once.data ? once.data : "", once.len);
		assert_string_equal(twice.data ? twice.data : "", rows[i].want);
		buf[escape_text(buf, sizeof(buf) - 1, rows[i].in, rows[i].len)] = '\0';
		assert_string_equal(buf, rows[i].want);
		str_done(&once);
		str_done(&twice);
	}
}

/* No escape and no character in part. */
static void cut(void **state)
{
	char buf[8];
	(void)state;

	assert_int_equal(escape_text(buf, 4, "ab\x1b", 3), 2);
	assert_int_equal(escape_text(buf, 6, "ab\x1b", 3), 6);
	assert_int_equal(escape_text(buf, 2, "a\xc3\xa9", 3), 1);
	assert_int_equal(escape_text(buf, 0, "a", 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text),
		cmocka_unit_test(cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
