/* test_filter.c - line terminators, dumps, names of dump files, the escape character */
#include "flow/filter.h"

#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW_US 1795357615307613LL /* 2026/11/22 14:26:55.307613 UTC */

static const struct {
	enum eol from, to;
	const char *out;
} eols[] = {
	{ EOL_RAW, EOL_RAW, "a\nb\r\nc\rd\n" }, { EOL_RAW, EOL_CRNL, "a\r\nb\r\r\nc\rd\r\n" },
	{ EOL_CRNL, EOL_RAW, "a\nb\ncd\n" },    { EOL_RAW, EOL_CR, "a\rb\r\rc\rd\r" },
	{ EOL_CR, EOL_RAW, "a\nb\n\nc\nd\n" },  { EOL_CR, EOL_CRNL, "a\nb\r\n\nc\r\nd\n" },
	{ EOL_CRNL, EOL_CR, "a\rb\rcd\r" },
};

/* Cut anywhere into up to three blocks: the result does not depend on it. */
static void test_eol(void **state)
{
	static const char in[] = "a\nb\r\nc\rd\n";
	const size_t len = sizeof(in) - 1;
	const uint8_t *data = (const uint8_t *)in;
	(void)state;

	for (size_t e = 0; e < sizeof(eols) / sizeof(eols[0]); e++) {
		for (size_t i = 0; i <= len; i++) {
			for (size_t k = i; k <= len; k++) {
				struct str out = { 0 };

				eol_convert(eols[e].from, eols[e].to, data, i, &out);
				eol_convert(eols[e].from, eols[e].to, data + i, k - i, &out);
				eol_convert(eols[e].from, eols[e].to, data + k, len - k, &out);
				assert_string_equal(out.data, eols[e].out);
				str_done(&out);
			}
		}
	}
}

/* Option newline: behind what has no terminator, in the style of the side it comes from. */
static void test_complete(void **state)
{
	static const struct {
		enum eol eol;
		const char *in, *out;
	} rows[] = {
		{ EOL_RAW, "a", "a\n" },          { EOL_RAW, "a\n", "a\n" },
		{ EOL_RAW, "a\r", "a\r\n" },      { EOL_RAW, "\n", "\n" },
		{ EOL_CRNL, "a", "a\r\n" },       { EOL_CRNL, "a\r\n", "a\r\n" },
		{ EOL_CRNL, "a\nb", "a\nb\r\n" }, { EOL_CR, "a", "a\r" },
		{ EOL_CR, "a\r", "a\r" },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str out = { 0 };

		eol_complete(rows[i].eol, (const uint8_t *)rows[i].in, strlen(rows[i].in), &out);
		str_addc(&out, '\0');
		assert_string_equal(out.data, rows[i].out);
		str_done(&out);
	}
}

/* With a line end of its own at the destination the new one is converted too; streams are left
 * as they are, and so are empty datagrams. */
static void test_newline(void **state)
{
	static const struct {
		bool borders;
		enum eol to;
		const char *in, *out;
	} rows[] = {
		{ true, EOL_RAW, "one", "one\n" },    { true, EOL_RAW, "one\n", "one\n" },
		{ true, EOL_CRNL, "one", "one\r\n" }, { true, EOL_CR, "a\nb", "a\rb\r" },
		{ false, EOL_RAW, "one", "one" },     { true, EOL_RAW, "", "" },
	};
	struct settings set = { 0 };
	struct conf src, dst;
	struct err err;
	int rc;
	(void)state;

	conf_init(&src);
	conf_init(&dst);
	dst.flow.newline = true;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const uint8_t *data = (const uint8_t *)rows[i].in;
		size_t len = strlen(rows[i].in);
		struct filters *fs;

		dst.flow.eol = rows[i].to;
		fs = filters_new(&set, &src, &dst, true, rows[i].borders, &rc, &err);
		assert_true(fs || !rows[i].borders); /* streams are not looked at */
		if (fs)
			filters_apply(fs, &data, &len);
		assert_int_equal(len, strlen(rows[i].out));
		assert_memory_equal(data, rows[i].out, len);
		filters_free(fs);
	}
}

static const uint8_t sample[] = "Hello\tw\a\b\v\f\r\\\x01\x7f\x80\xff\"\n\nabc";

static void dump(bool text, bool hex, const void *data, size_t len, uint64_t offset, char mark,
		 const char *want)
{
	struct str out = { 0 };

	dump_format(&out, mark, text, hex, data, len, offset, NOW_US);
	assert_string_equal(out.data, want);
	str_done(&out);
}

static void test_dump(void **state)
{
	(void)state;
	dump(true, false, sample, 23, 0, '>',
	     "> 2026/11/22 14:26:55.307613  length=23 from=0 to=22\n"
	     "Hello\tw\\a\\b\\v\\f\\r\\\\....\"\n\nabc");
	dump(false, true, "abcd", 4, 0, '<',
	     "< 2026/11/22 14:26:55.307613  length=4 from=0 to=3\n 61 62 63 64\n");
	dump(true, true, sample, 23, 100, '>',
	     "> 2026/11/22 14:26:55.307613  length=23 from=100 to=122\n"
	     " 48 65 6c 6c 6f 09 77 07 08 0b 0c 0d 5c 01 7f 80  Hello.w.....\\...\n"
	     " ff 22 0a                                         .\".\n"
	     " 0a                                               .\n"
	     " 61 62 63                                         abc\n"
	     "--\n");
	/* a line feed as the sixteenth byte of a row ends it like any other byte */
	dump(true, true, "0123456789abcde\nx", 17, 0, '>',
	     "> 2026/11/22 14:26:55.307613  length=17 from=0 to=16\n"
	     " 30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 0a  0123456789abcde.\n"
	     " 78                                               x\n"
	     "--\n");
	dump(true, false, "\0", 1, 5, '>', "> 2026/11/22 14:26:55.307613  length=1 from=5 to=5\n.");
}

static void test_names(void **state)
{
	static const struct {
		const char *pattern, *name;
	} rows[] = {
		{ "plain", "plain" },
		{ "", "" },
		{ "$PROGNAME.log", "prog.log" },
		{ "a-$TIMESTAMP.$MICROS", "a-20261122T142655.307613" },
		{ "$T_VAR1/x", "val/x" },
		{ "${T_VAR1}x", "valx" },
		{ "$T_UNSET|", "|" },
		{ "$T_VAR1$T_VAR1", "valval" },
		{ "\\$T_VAR1", "$T_VAR1" },
		{ "a\\b\\\\", "a\\b\\\\" },
		{ "end$", "end$" },
		{ "$-x", "$-x" },
		{ "$1", "$1" },
		{ "${T_VAR1", "${T_VAR1" },
		{ "${}", "${}" },
	};
	char want[32], *name;
	(void)state;

	log_set_name("prog");
	setenv("T_VAR1", "val", 1);
	unsetenv("T_UNSET");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		name = sniff_name(rows[i].pattern, NOW_US);
		assert_string_equal(name ? name : "", rows[i].name);
		free(name);
	}
	snprintf(want, sizeof(want), "x%dy", (int)getpid());
	name = sniff_name("x$$y", NOW_US);
	assert_string_equal(name, want);
	free(name);
}

static void test_chain(void **state)
{
	char dir[] = "/tmp/filterXXXXXX", path[64], got[128] = "";
	struct settings set = { 0 };
	struct conf src, dst;
	struct filters *fs;
	const uint8_t *data = (const uint8_t *)"ab\ncd\x1b"
					       "ef";
	size_t len = 8;
	struct err err;
	int rc;
	FILE *f;
	(void)state;

	conf_init(&src);
	conf_init(&dst);
	assert_null(filters_new(&set, &src, &dst, true, false, &rc, &err));
	assert_int_equal(rc, 0);
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/raw", dir);
	set.sniff[0] = path;
	src.flow.escape = 0x1b;
	dst.flow.eol = EOL_CRNL;
	assert_null(filters_new(&(struct settings){ 0 }, &dst, &dst, false, false, &rc, &err));
	fs = filters_new(&set, &src, &dst, true, false, &rc, &err);
	assert_non_null(fs);
	filters_apply(fs, &data, &len);
	assert_int_equal(len, 6);
	assert_memory_equal(data, "ab\r\ncd", 6);
	assert_true(fs->escaped);
	filters_free(fs);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fread(got, 1, sizeof(got), f), 6);
	assert_string_equal(got, "ab\r\ncd");
	fclose(f);
	unlink(path);
	rmdir(dir);

	fs = filters_new(&set, &src, &dst, true, false, &rc, &err);
	assert_int_equal(rc, -1);
	snprintf(got, sizeof(got), "option -r \"%s\": No such file", path);
	assert_memory_equal(err.text, got, strlen(got));
	filters_free(fs);
	filters_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_complete), cmocka_unit_test(test_newline),
		cmocka_unit_test(test_eol),      cmocka_unit_test(test_dump),
		cmocka_unit_test(test_names),    cmocka_unit_test(test_chain),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
