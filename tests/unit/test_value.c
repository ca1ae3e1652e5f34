/* test_value.c - every value type: what it accepts, what it prints, how it complains */
#include "base/list.h"
#include "opt/opt.h"
#include "opt/value_parts.h"
#include "spec/spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ANY "?" /* the sentence is not compared */

struct sample {
	enum value_type type;
	const char *text; /* NULL: no "=" */
	const char *printed; /* what value_format() makes of it, NULL: parsing fails */
	const char *error;
};

static const struct sample samples[] = {
	{ V_CONST, NULL, "", NULL },
	{ V_CONST, "1", NULL, "no value permitted for option \"opt\"" },
	{ V_BOOL, NULL, "1", NULL },
	{ V_BOOL, "0", "0", NULL },
	{ V_BOOL, "17", "1", NULL },
	{ V_BOOL, "0x100000000", "1", NULL },
	{ V_BOOL, "yes", NULL, "parseopts(): missing numerical value of option \"<rest>\"" },
	{ V_BOOL, "", NULL, "parseopts(): missing numerical value of option \"<rest>\"" },
	{ V_BOOL, "1x", NULL,
	  "parseopts(): trailing garbage in numerical arg of option \"<rest>\"" },
	{ V_BYTE, NULL, "1", NULL },
	{ V_BYTE, "0xff", "255", NULL },
	{ V_BYTE, "255", "255", NULL },
	{ V_BYTE, "256", NULL,
	  "parseopts(): option \"<rest>\": byte value exceeds limit (256 vs. 255), using max" },
	{ V_BYTE, "300", NULL,
	  "parseopts(): option \"<rest>\": byte value exceeds limit (300 vs. 255), using max" },
	{ V_INT, NULL, "1", NULL },
	{ V_INT, "010", "8", NULL },
	{ V_INT, "0x10", "16", NULL },
	{ V_INT, "-1", "-1", NULL },
	{ V_INT, "4294967297", "1", NULL },
	{ V_INT, "0x80000000", "-2147483648", NULL },
	{ V_INT, "99999999999999999999", "-1", NULL },
	{ V_INT_NULL, "", "", NULL },
	{ V_INT_NULL, NULL, "1", NULL },
	{ V_INT_NULL, "0", "0", NULL },
	{ V_UINT, "-1", "4294967295", NULL },
	{ V_USHORT, "65537", "1", NULL },
	{ V_LONG, "-5", "-5", NULL },
	{ V_SIZE, "18446744073709551615", "18446744073709551615", NULL },
	{ V_OFF32, "-3", "-3", NULL },
	{ V_OFF64, "0x100000000", "4294967296", NULL },
	{ V_STRING, "a,b", "a,b", NULL },
	{ V_STRING, "", "", NULL },
	{ V_STRING, NULL, NULL, "option \"<rest>\": value required" },
	{ V_FILENAME, NULL, NULL, "option \"<rest>\": value required" },
	{ V_FILENAME, "/x", "/x", NULL },
	{ V_STRING_NULL, NULL, "", NULL },
	{ V_STRING_NULL, "t", "t", NULL },
	{ V_UID, "42", "42", NULL },
	{ V_UID, "root", "0", NULL },
	{ V_UID, "no-such-one", NULL, "getpwnam(\"no-such-one\"): no such user" },
	{ V_UID, NULL, NULL, "option \"<rest>\": value required" },
	{ V_GID, "42", "42", NULL },
	{ V_GID, "root", "0", NULL },
	{ V_GID, "no-such-one", NULL, "getgrnam(\"no-such-one\"): no such group" },
	{ V_MODE, "644", "0644", NULL },
	{ V_MODE, "0640", "0640", NULL },
	{ V_MODE, "0x1", NULL,
	  "parseopts(): trailing garbage in numerical arg of option \"<rest>\"" },
	{ V_MODE, "u+r", NULL, "parseopts(): missing numerical value of option \"<rest>\"" },
	{ V_TIMEVAL, "1.5", "1.500000000", NULL },
	{ V_TIMEVAL, "-0.25", "-0.250000000", NULL },
	{ V_TIMEVAL, "1e400", NULL, "strtod(\"1e400\", NULL): Numerical result out of range" },
	{ V_TIMEVAL, NULL, NULL, "option \"<rest>\": value required" },
	{ V_TIMEVAL_NULL, "0.5", "0.500000000", NULL },
	{ V_TIMEVAL_NULL, NULL, "", NULL },
	{ V_TIMESPEC, "0.000000001", "0.000000001", NULL },
	{ V_TIMESPEC, "1x", NULL,
	  "parseopts(): trailing garbage in numerical arg of option \"<rest>\"" },
	{ V_LINGER, "5", "5", NULL },
	{ V_LINGER, NULL, NULL, "option \"<rest>\": value required" },
	{ V_BIN, "x0102", "x0102", NULL },
	{ V_BIN, "B1\"a\"", "x0161", NULL },
	{ V_BIN, "", "", NULL },
	{ V_BIN, "z1", NULL, "parseopts_table(): problem with \"z1\" data" },
	{ V_IP4NAME, "127.0.0.1", "127.0.0.1", NULL },
	{ V_IP4NAME, NULL, NULL, "option \"<rest>\": value required" },
	{ V_IP4SOCK, "127.0.0.1", "127.0.0.1:0", NULL },
	{ V_IP4SOCK, "127.0.0.1:5353", "127.0.0.1:5353", NULL },
	{ V_IP4SOCK, "[::1]:53", NULL, ANY },
	{ V_INT_INT, "80:24", "80:24", NULL },
	{ V_INT_INT, "80x24", "80:24", NULL },
	{ V_INT_INT, "80", NULL, "parseopts(): option \"opt\": 2 arguments required" },
	{ V_INT_INT, NULL, NULL, "option \"<rest>\": values required" },
	{ V_INT_INT, "80:", NULL, "parseopts(): missing numerical value of option \"<rest>\"" },
	{ V_INT_INTP, "1:-2", "1:-2", NULL },
	{ V_INT_ULONG, "3:0xffffffffffffffff", "3:18446744073709551615", NULL },
	{ V_INT_BIN, "5:x01", "5:x01", NULL },
	{ V_INT_BIN, "5", NULL,
	  "parseopts(): trailing garbage in numerical arg of option \"<rest>\"" },
	{ V_INT_STRING, "0x10:a:b", "16:a:b", NULL },
	{ V_INT_STRING, "5x", NULL,
	  "parseopts(): trailing garbage in numerical arg of option \"<rest>\"" },
	{ V_INT_INT_INT, "6:1:-1", "6:1:-1", NULL },
	{ V_INT_INT_INT, "6:1", NULL, "parseopts(): option \"opt\": 3 arguments required" },
	{ V_INT_INT_BIN, "6:1:i1", "6:1:x01000000", NULL },
	{ V_INT_INT_BIN, "6:1", NULL, "option \"opt\": 3 arguments required" },
	{ V_INT_INT_BIN, "6:1:z", NULL, "parseopts_table(): problem with \"z\" data" },
	{ V_INT_INT_STRING, "1:25:lo", "1:25:lo", NULL },
	{ V_INT_INT_STRING, "1", NULL, "parseopts(): option \"opt\": 3 arguments required" },
	{ V_INT3, NULL, "", NULL },
	{ V_MREQN, "224.1.2.3:lo", "224.1.2.3:lo", NULL },
	{ V_MREQN, NULL, NULL, "option \"<rest>\": value required" },
	{ V_MREQ_SOURCE, "a:b:c", "a:b:c", NULL },
	{ V_GROUP_SOURCE, "[a]:b:[c]", "[a]:b:[c]", NULL },
};

static void test_samples(void **state)
{
	bool seen[V_COUNT] = { false };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		const struct sample *s = &samples[i];
		const struct opt_row row = { .names = "opt alias", .type = s->type };
		const struct spec_opt spec = { .name = (char *)"alias",
					       .value = (char *)s->text,
					       .rest = "<rest>" };
		struct opt o = { .row = &row, .spec = &spec };
		struct str text = { 0 };
		struct err err = { 0 };
		int rc = value_parse(&o, &err);

		seen[s->type] = true;
		if (s->printed == NULL) {
			assert_int_equal(rc, -1);
			if (strcmp(s->error, ANY) != 0)
				assert_string_equal(err.text, s->error);
			continue;
		}
		if (rc == -1)
			fail_msg("\"%s\": %s", s->text ? s->text : "(none)", err.text);
		value_format(&o, &text);
		assert_string_equal(text.data ? text.data : "", s->printed);
		str_done(&text);
		value_done(&o.val);
	}
	for (int t = 0; t < V_COUNT; t++)
		if (!seen[t])
			fail_msg("no sample of type %s", value_type_name((enum value_type)t));
}

static void test_names(void **state)
{
	(void)state;
	for (int t = 0; t < V_COUNT; t++) {
		assert_non_null(value_type_name((enum value_type)t));
		assert_string_not_equal(value_type_name((enum value_type)t), "?");
	}
	assert_string_equal(value_type_name(V_FILENAME), "STRING");
	assert_string_equal(value_type_name(V_INT_NULL), "INT/NULL");
}

/* What dalan found wrong is told as the hint behind classic's sentence. */
static void test_hint(void **state)
{
	const struct opt_row row = { .names = "opt", .type = V_BIN };
	const struct spec_opt spec = { .name = (char *)"opt", .value = (char *)"x1", .rest = "" };
	struct opt o = { .row = &row, .spec = &spec };
	struct err err;

	(void)state;
	assert_int_equal(value_parse(&o, &err), -1);
	assert_non_null(strstr(err.hint, "syntax error"));
}

static void test_parts(void **state)
{
	struct value_parts p;
	struct err err;

	(void)state;
	assert_int_equal(value_parts_split(&p, "[ff15::1]:eth0:", 2, 3, &err), 0);
	assert_int_equal(p.n, 3);
	assert_string_equal(p.part[0], "[ff15::1]");
	assert_string_equal(p.part[1], "eth0");
	assert_string_equal(p.part[2], "");
	value_parts_done(&p);
	assert_int_equal(value_parts_split(&p, "one", 2, 3, &err), -1);
	assert_string_equal(err.text, "syntax in option one: missing ':'");
	assert_int_equal(value_parts_split(&p, "1:2:3:4", 2, 3, &err), -1);
	assert_string_equal(err.text, "syntax in option 1:2:3:4: trailing cruft");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_hint),
		cmocka_unit_test(test_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
