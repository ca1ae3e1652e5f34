/* test_dalan.c - the binary data language (expectations are little endian, long of 8 bytes) */
#include "spec/dalan.h"

#include "base/list.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static void bytes(void **state)
{
	static const struct {
		const char *text, *want;
	} row[] = {
		{ "x0102", "x0102" },
		{ "xabCD", "xabcd" },
		{ "i1", "x01000000" },
		{ "i-1", "xffffffff" },
		{ "l1", "x0100000000000000" },
		{ "S1S2S3", "x010002000300" },
		{ "i010", "x0a000000" },
		{ "s65537", "x0100" },
		{ "1 2", "x0100000002000000" },
		{ "i1i2", "x0100000002000000" },
		{ "s1 2 b3", "x0100020003" },
		{ "x01 02", "x0102" },
		{ "x 01", "x01" },
		{ "\"a\\nb\\0\"", "x610a6200" },
		{ "'a'", "x61" },
		{ "0x10", "x0000000010" },
		{ "", "" },
		{ "b1", "x01" },
		{ "B300", "x2c" },
		{ "i", "x00000000" },
		{ "x", "" },
		{ "s1x0203", "x01000203" },
		{ "\"ab\"x0a", "x61620a" },
		{ "'\\e''\\0'", "x1b30" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		uint8_t out[64];
		struct str got = { 0 };
		struct err err;
		long n = dalan_parse(row[i].text, out, sizeof(out), &err);

		assert_true(n >= 0);
		str_adds(&got, "");
		dalan_format(out, (size_t)n, &got);
		assert_string_equal(got.data, row[i].want);
		str_done(&got);
	}
}

static void errors(void **state)
{
	static const struct {
		const char *text, *want;
	} row[] = {
		{ "z1", "syntax error in \"z1\"" },
		{ "i5z", "syntax error in \"z\"" },
		{ "x01z", "syntax error in \"z\"" },
		{ "x1", "syntax error in \"x1\": odd number of hexadecimal digits" },
		{ "x01 2", "syntax error in \"2\": odd number of hexadecimal digits" },
		{ "\"ab", "syntax error in \"\"ab\": unterminated string" },
		{ "\"ab\\", "syntax error in \"\"ab\\\": unterminated string" },
		{ "'", "syntax error in \"'\": unterminated character" },
		{ "'a", "syntax error in \"'a\": error in character termination" },
		{ "''", "syntax error in \"''\": error in character" },
		{ "\"a\\\n\"", "syntax error in \"\"a\\\n\"\": continuation line not implemented" },
		{ "i1i2i3", "data too long: \"i1i2i3\"" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		uint8_t out[8];
		struct err err;

		assert_int_equal(dalan_parse(row[i].text, out, sizeof(out), &err), -1);
		assert_string_equal(err.text, row[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(bytes), cmocka_unit_test(errors) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
