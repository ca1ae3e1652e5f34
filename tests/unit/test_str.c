/* test_str.c - byte strings and numbers */
#include "base/str.h"

#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void strings(void **state)
{
	struct str s = { 0 };
	char *text;
	(void)state;

	text = str_take(&s);
	assert_string_equal(text, "");
	free(text);
	for (int i = 0; i < 100; i++)
		str_addf(&s, "%03d", i);
	assert_int_equal(s.len, 300);
	str_addf(&s, "%500s", "x");
	str_addc(&s, 'y');
	assert_string_equal(s.data + 798, " xy");
	str_done(&s);
	assert_null(s.data);
}

static void numbers(void **state)
{
	static const struct {
		const char *text;
		enum num_result rc;
		int64_t n;
	} row[] = {
		{ "10", NUM_OK, 10 },      { "0x10", NUM_OK, 16 },
		{ "010", NUM_OK, 8 },      { "-1", NUM_OK, -1 },
		{ "", NUM_MISSING, 0 },    { "abc", NUM_MISSING, 0 },
		{ "1x", NUM_TRAILING, 1 }, { "99999999999999999999", NUM_RANGE, -1 },
	};
	int64_t n;
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		assert_int_equal(num_parse(row[i].text, &n, NULL), row[i].rc);
		assert_int_equal(n, row[i].n);
	}
	assert_int_equal(num_parse_base("644", 8, &n, NULL), NUM_OK);
	assert_int_equal(n, 0644);
	assert_int_equal(seconds_parse("0.5", &n), NUM_OK);
	assert_int_equal(n, NSEC_PER_SEC / 2);
	assert_int_equal(seconds_parse("-1", &n), NUM_OK);
	assert_int_equal(n, -NSEC_PER_SEC);
	assert_int_equal(seconds_parse("1x", &n), NUM_TRAILING);
	assert_int_equal(seconds_parse("1s", &n), NUM_OK);
	assert_int_equal(n, NSEC_PER_SEC);
	assert_int_equal(seconds_parse("250ms", &n), NUM_OK);
	assert_int_equal(n, NSEC_PER_SEC / 4);
	assert_int_equal(seconds_parse("1.5m", &n), NUM_OK);
	assert_int_equal(n, 90 * NSEC_PER_SEC);
	assert_int_equal(seconds_parse("2h", &n), NUM_OK);
	assert_int_equal(n, 7200 * NSEC_PER_SEC);
	assert_int_equal(seconds_parse("", &n), NUM_MISSING);
	assert_int_equal(seconds_parse("9999999999", &n), NUM_OK);
	assert_int_equal(n, 4000000000 * NSEC_PER_SEC);
	assert_int_equal(seconds_parse("-1e99", &n), NUM_OK);
	assert_int_equal(n, -4000000000 * NSEC_PER_SEC);
	assert_int_equal(seconds_parse("1e400", &n), NUM_RANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(strings), cmocka_unit_test(numbers) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
