/* test_cli.c - the command line, flag by flag, and its refusals */
#include "cli.h"

#include "base/list.h"
#include "base/log.h"
#include "base/str.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define WORDS 12

static struct cli cli;
static struct err err;

/* Parse a line whose words are separated by one blank. */
static int parse(const char *line)
{
	static char copy[512];
	char *argv[WORDS] = { (char *)"/usr/bin/socast" };
	int argc = 1;

	strcpy(copy, line);
	for (char *w = strtok(copy, " "); w; w = strtok(NULL, " "))
		argv[argc++] = w;
	err = (struct err){ 0 };
	return cli_parse(&cli, argc, argv, &err);
}

#define GOOD(line, what)                                                                           \
	do {                                                                                       \
		if (parse(line) == -1)                                                             \
			fail_msg("%s: %s", line, err.text);                                        \
		assert_true(what);                                                                 \
	} while (0)

static void test_defaults(void **state)
{
	(void)state;
	GOOD("- TEXT:x", cli.action == CLI_RUN);
	assert_string_equal(cli.address[0], "-");
	assert_string_equal(cli.address[1], "TEXT:x");
	assert_int_equal(cli.set.block, 8192);
	assert_int_equal(cli.set.linger_ns, NSEC_PER_SEC / 2);
	assert_true(cli.set.idle_ns < 0);
	assert_true(cli.set.left_to_right && cli.set.right_to_left);
	assert_int_equal(cli.set.listen_ip, 4);
	assert_int_equal(cli.set.resolve_ip, 4);
	assert_int_equal(cli.signal_mask, 0x89de);
	assert_string_equal(log_name(), "socast");
}

static void test_doctor(void **state)
{
	(void)state;
	GOOD("--doctor", cli.action == CLI_DOCTOR && !cli.address[0] && !cli.json);
	GOOD("--doctor --wait=1.5 -b 99 --log=json UDP:a:1", cli.json && cli.block_given);
	assert_int_equal(cli.wait_ns, 3 * NSEC_PER_SEC / 2);
	assert_string_equal(cli.address[0], "UDP:a:1");
	assert_null(cli.address[1]);
	GOOD("--doctor --log=text - UDP:a:1", !cli.json && cli.address[1]);
	GOOD("--doctor -V", cli.action == CLI_VERSION);
	assert_int_equal(parse("--log=xml - -"), -1);
	assert_int_equal(parse("--doctor - - -"), -1);
	assert_int_equal(parse("--wait=1"), -1); /* addresses are needed without a doctor */
}

static void test_flags(void **state)
{
	(void)state;
	GOOD("-u - -", cli.set.left_to_right && !cli.set.right_to_left);
	GOOD("-U - -", !cli.set.left_to_right && cli.set.right_to_left);
	GOOD("-b 100 - -", cli.set.block == 100);
	GOOD("-b0x10 - -", cli.set.block == 16);
	GOOD("-t 1.5 - -", cli.set.linger_ns == 3 * NSEC_PER_SEC / 2);
	GOOD("-t0 - -", cli.set.linger_ns == 0);
	GOOD("-T 2 - -", cli.set.idle_ns == 2 * NSEC_PER_SEC);
	GOOD("-v -x - -", cli.set.dump_text && cli.set.dump_hex);
	GOOD("-r a -Rb - -", !strcmp(cli.set.sniff[0], "a") && !strcmp(cli.set.sniff[1], "b"));
	GOOD("-s -g -D - -", cli.set.sloppy && cli.set.any_group && cli.set.analyse);
	GOOD("-6 - -", cli.set.listen_ip == 6 && cli.set.resolve_ip == 6);
	GOOD("-0 - -", cli.set.listen_ip == 0 && cli.set.resolve_ip == 0);
	GOOD("-S 0x2 - -", cli.signal_mask == 2);
	GOOD("-L lock - -", !strcmp(cli.lockfile, "lock") && !cli.waitlock);
	GOOD("-Wlock - -", !strcmp(cli.waitlock, "lock") && !cli.lockfile);
	GOOD("--statistics --experimental --drain=3 - -",
	     cli.set.statistics && cli.set.experimental && cli.set.drain_ns == 3 * NSEC_PER_SEC);
	GOOD("--stats=0.5 --metrics=9100 - -", cli.set.stats_ns == NSEC_PER_SEC / 2 &&
						       strcmp(cli.set.metrics, "9100") == 0 &&
						       !cli.set.statistics);
	GOOD("-lp name - -", !strcmp(log_name(), "name"));
	GOOD("-V", cli.action == CLI_VERSION);
	GOOD("-h", cli.action == CLI_HELP && cli.help_level == 1);
	GOOD("-??", cli.action == CLI_HELP && cli.help_level == 2);
	GOOD("-hhh", cli.action == CLI_HELP && cli.help_level == 3);
	/* what begins like standard input is an address */
	GOOD("-,raw -!!-", !strcmp(cli.address[0], "-,raw") && !strcmp(cli.address[1], "-!!-"));
}

static void test_levels(void **state)
{
	static const struct {
		const char *flags;
		enum log_level level;
	} rows[] = {
		{ "-d0", LV_ERROR },     { "-d1", LV_WARN },
		{ "-d", LV_WARN },       { "-d -d", LV_NOTICE },
		{ "-dd", LV_NOTICE },    { "-ddd", LV_INFO },
		{ "-d3", LV_INFO },      { "-d4", LV_DEBUG },
		{ "-dddd", LV_DEBUG },   { "-d -d -d -d -d", LV_DEBUG },
		{ "-d4 -d0", LV_ERROR }, { "-d5", LV_DEBUG },
	};
	char line[64];
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(line, sizeof(line), "%s - -", rows[i].flags);
		GOOD(line, true);
		if (log_threshold != rows[i].level)
			fail_msg("%s: level %d", rows[i].flags, (int)log_threshold);
	}
	log_threshold = LV_WARN;
}

static void test_refusals(void **state)
{
	static const struct {
		const char *line, *text;
	} rows[] = {
		{ "", "exactly 2 addresses required (there are 0); use option \"-h\" for help" },
		{ "-", "exactly 2 addresses required (there are 1); use option \"-h\" for help" },
		{ "- - -",
		  "exactly 2 addresses required (there are 3); use option \"-h\" for help" },
		{ "-z - -", "unknown option \"-z\"; use option \"-h\" for help" },
		{ "-lz - -", "unknown log option \"-lz\"; use option \"-h\" for help" },
		{ "--nonsense - -", "unknown option \"--nonsense\"; use option \"-h\" for help" },
		{ "-u -U - -", "-U and -u must not be combined" },
		{ "-L a -W b - -", "only one -L and -W option allowed" },
		{ "-b", "option -b requires an argument; use option \"-h\" for help" },
		{ "-bx - -", "parseopts(): missing numerical value of option \"-b\"" },
		{ "-b1x - -", "parseopts(): trailing garbage in numerical arg of option \"-b\"" },
		{ "-t 1x - -", "parseopts(): trailing garbage in numerical arg of option \"-t\"" },
		{ "-t -1 - -", "option -t: -1 is negative; use 0 for no wait" },
		{ "--stats=x - -", "parseopts(): missing numerical value of option \"--stats\"" },
		{ "--stats=0 - -", "option --stats: 0 is too short; use 0.001 or more" },
		{ "--stats=-1 - -", "option --stats: -1 is too short; use 0.001 or more" },
		{ "-uv - -", "" }, /* bundled: told on stderr */
	};
	int saved = dup(2), null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int rc;

		dup2(null, 2);
		rc = parse(rows[i].line);
		dup2(saved, 2);
		assert_int_equal(rc, -1);
		assert_string_equal(err.text, rows[i].text);
	}
	close(null);
	close(saved);
}

static void test_environment(void **state)
{
	(void)state;
	setenv("SOCAT_DEFAULT_LISTEN_IP", "6", 1);
	setenv("SOCAT_PREFERRED_RESOLVE_IP", "0", 1);
	setenv("SOCAST_FASTPATH", "0", 1);
	GOOD("- -", cli.set.listen_ip == 6 && cli.set.resolve_ip == 0 && cli.set.plain);
	unsetenv("SOCAT_DEFAULT_LISTEN_IP");
	unsetenv("SOCAT_PREFERRED_RESOLVE_IP");
	unsetenv("SOCAST_FASTPATH");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_doctor),
		cmocka_unit_test(test_flags),    cmocka_unit_test(test_levels),
		cmocka_unit_test(test_refusals), cmocka_unit_test(test_environment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
