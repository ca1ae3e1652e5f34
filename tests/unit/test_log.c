/* test_log.c - shape of a record, and limiting */
#include "base/log.h"

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
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(record), cmocka_unit_test(limit) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
