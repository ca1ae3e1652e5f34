/* test_progress.c - numbers as people read them */
#include "stats/progress.h"

#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void bytes(void **state)
{
	static const struct {
		double n;
		const char *want;
	} rows[] = {
		{ 0, "0 B" },
		{ 1, "1 B" },
		{ 1023, "1023 B" },
		{ 1023.6, "1.00 KiB" },
		{ 1024, "1.00 KiB" },
		{ 10234, "9.99 KiB" },
		{ 10240, "10.0 KiB" },
		{ 102350, "100 KiB" },
		{ 1048000, "1023 KiB" },
		{ 1048575, "1.00 MiB" },
		{ 1.5 * 1024 * 1024 * 1024, "1.50 GiB" },
		{ 18446744073709551615.0, "16.0 EiB" },
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct str out = { 0 };

		progress_add_bytes(&out, rows[i].n);
		assert_string_equal(out.data, rows[i].want);
		str_done(&out);
	}
}

static void seconds(void **state)
{
	static const struct {
		double s;
		const char *want;
	} rows[] = {
		{ -1, "0:00" },      { 0, "0:00" },         { 0.4, "0:00" },
		{ 0.5, "0:01" },     { 59.4, "0:59" },      { 59.5, "1:00" },
		{ 754, "12:34" },    { 3599, "59:59" },     { 3599.6, "1:00:00" },
		{ 3753, "1:02:33" }, { 1e300, "99:00:00" },
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct str out = { 0 };

		progress_add_time(&out, rows[i].s);
		assert_string_equal(out.data, rows[i].want);
		str_done(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(bytes), cmocka_unit_test(seconds) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
