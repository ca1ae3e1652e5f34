/* test_log.c - shape of a record, and limiting */
#include "base/log.h"
#include "base/log_limit.h"

#include "base/json_escape.h"
#include "base/list.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void record(void **state)
{
	char path[] = "/tmp/test_log.XXXXXX", line[1024] = "", want[64];
	struct err err;
	FILE *f;
	(void)state;

	close(mkstemp(path));
	log_set_name("prog");
	assert_int_equal(log_set_sink(SINK_FILE, path, &err), 0);
	log_notice("silent");
	log_error("hello %d", 7);
	log_put(LV_ERROR, "%900s", "long");
	assert_int_equal(log_set_sink(SINK_STDERR, "", &err), 0);
	f = fopen(path, "r");
	assert_non_null(fgets(line, sizeof(line), f));
	snprintf(want, sizeof(want), " prog[%d] E hello 7\n", (int)getpid());
	assert_int_equal(strlen(line), 19 + strlen(want));
	assert_string_equal(line + 19, want);
	assert_non_null(fgets(line, sizeof(line), f));
	assert_int_equal(strlen(line), 512);
	fclose(f);
	unlink(path);
}

/* The record as JSON, in a file; what it says after "program". */
static void json_record(void **state)
{
	char path[] = "/tmp/test_log.XXXXXX", line[8192] = "", want[128];
	char bytes[2] = { 0 }, *text;
	struct err err;
	FILE *f;
	(void)state;

	close(mkstemp(path));
	log_set_name("pr\"og");
	log_set_form(LOG_JSON);
	assert_int_equal(log_set_sink(SINK_FILE, path, &err), 0);
	log_error("two\nlines");
	log_put(LV_WARN, "%s%900s", "\xff", "\x01");
	for (int c = 1; c < 256; c++) {
		bytes[0] = (char)c;
		log_put(LV_DEBUG, "%s", bytes);
	}
	assert_int_equal(log_set_sink(SINK_STDERR, "", &err), 0);
	log_set_form(LOG_CLASSIC);
	log_set_name("prog");
	f = fopen(path, "r");
	assert_non_null(fgets(line, sizeof(line), f));
	assert_memory_equal(line, "{\"time\":\"20", 11);
	snprintf(want, sizeof(want),
		 "Z\",\"program\":\"pr\\\"og\",\"pid\":%d,\"level\":\"error\",\"text\":\"two\\u000a"
		 "lines\"}\n",
		 (int)getpid());
	text = strchr(line, 'Z');
	assert_non_null(text);
	assert_int_equal(text - line, strlen("{\"time\":\"2026-11-22T13:31:05.204518"));
	assert_string_equal(text, want);
	assert_non_null(fgets(line, sizeof(line), f));
	assert_non_null(strstr(line, "\"warning\",\"text\":\"\\ufffd  "));
	for (int c = 1; c < 256; c++) {
		assert_non_null(fgets(line, sizeof(line), f));
		for (text = line; *text != '\n'; text++)
			assert_true(*text >= ' ' && *text < 0x7f);
	}
	assert_null(fgets(line, sizeof(line), f));
	fclose(f);
	unlink(path);
}

/* However long the text is, the record is complete and fits one write to a pipe. */
static void json_cut(void **state)
{
	char path[] = "/tmp/test_log.XXXXXX", line[8192] = "", longest[1023];
	struct err err;
	FILE *f;
	(void)state;

	memset(longest, 1, sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	close(mkstemp(path));
	log_set_form(LOG_JSON);
	assert_int_equal(log_set_sink(SINK_FILE, path, &err), 0);
	log_error("%s", longest);
	assert_int_equal(log_set_sink(SINK_STDERR, "", &err), 0);
	log_set_form(LOG_CLASSIC);
	f = fopen(path, "r");
	assert_non_null(fgets(line, sizeof(line), f));
	assert_in_range(strlen(line), 4080, 4096);
	assert_string_equal(line + strlen(line) - strlen("\\u0001\"}\n"), "\\u0001\"}\n");
	fclose(f);
	unlink(path);
}

static void escape(void **state)
{
	static const struct {
		const char *text, *want;
		size_t cap;
	} rows[] = {
		{ "", "", 99 },
		{ "plain", "plain", 99 },
		{ "say \"a\\b\"", "say \\\"a\\\\b\\\"", 99 },
		{ "\t\r\n\x1f\x7f", "\\u0009\\u000d\\u000a\\u001f\\u007f", 99 },
		{ "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
		  99 },
		{ "\xc2\x9b", "\\u009b", 99 }, /* terminals obey these, too */
		{ "\xff\x80", "\\ufffd\\ufffd", 99 },
		{ "\xc0\xaf", "\\ufffd\\ufffd", 99 }, /* longer than needed */
		{ "\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd", 99 }, /* half of a surrogate pair */
		{ "\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd", 99 }, /* beyond U+10FFFF */
		{ "caf\xc3", "caf\\ufffd", 99 },
		{ "ab\ncd", "ab", 7 }, /* no character in part */
		{ "ab\ncd", "ab\\u000a", 8 },
		{ "\xe2\x82\xac", "", 2 },
		{ "x", "", 0 },
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char buf[128];
		size_t n = json_escape(buf, rows[i].cap, rows[i].text);

		assert_int_equal(n, strlen(rows[i].want));
		assert_memory_equal(buf, rows[i].want, n);
	}
}

static void limit(void **state)
{
	struct log_limit l = { 0 };
	unsigned n = 9;
	(void)state;

	assert_true(log_limit_pass(&l, 3, NSEC_PER_SEC, &n));
	assert_int_equal(n, 0);
	assert_false(log_limit_pass(&l, 3, 2 * NSEC_PER_SEC, &n));
	assert_true(log_limit_pass(&l, 5, 2 * NSEC_PER_SEC, &n));
	assert_false(log_limit_pass(&l, 3, 60 * NSEC_PER_SEC, &n));
	assert_true(log_limit_pass(&l, 3, 61 * NSEC_PER_SEC, &n));
	assert_int_equal(n, 2);
	assert_false(log_limit_pass(&l, 3, 62 * NSEC_PER_SEC, &n));
	assert_true(log_limit_pass(&l, 3, 121 * NSEC_PER_SEC, &n));
	assert_int_equal(n, 1); /* the count began anew */
}

/* Each record of another kind, as forged addresses make them: ten a second, the rest is counted. */
static void limit_for_all(void **state)
{
	struct log_limit l = { 0 };
	unsigned written = 0, n;
	char text[80];
	(void)state;

	for (uint64_t key = 0; key < 3000; key++)
		written +=
			log_limit_pass(&l, 2 * key, NSEC_PER_SEC * (1 + (int64_t)key / 1000), &n);
	assert_int_equal(written, 3 * LOG_LIMIT_PER_SECOND);
	assert_true(log_limit_pass(&l, 8000, 5 * NSEC_PER_SEC, &n));
	assert_string_equal(log_limit_text(&l, n, "host", text, sizeof(text)),
			    " (and 2970 of others)");
	assert_string_equal(log_limit_text(&l, 3, "host", text, sizeof(text)),
			    " (3 more of this host since)");
	written = 0;
	for (int i = 0; i < 100; i++)
		written += log_limit_turn(&l, 7 * NSEC_PER_SEC);
	assert_int_equal(written, LOG_LIMIT_PER_SECOND);
	assert_string_equal(log_limit_text(&l, 0, "", text, sizeof(text)), " (and 90 of others)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(record),   cmocka_unit_test(json_record),
		cmocka_unit_test(json_cut), cmocka_unit_test(escape),
		cmocka_unit_test(limit),    cmocka_unit_test(limit_for_all)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
