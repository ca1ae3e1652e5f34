/* test_plan.c - address texts become types and options; who needs a process of its own */
#include "plan_make.h"

#include "base/list.h"
#include "base/log.h"
#include "open/opening.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct plan plan;
static struct err err;

static int make(const char *left, const char *right)
{
	struct cli cli;
	char *const argv[] = { (char *)"socast", (char *)left, (char *)right };

	err = (struct err){ 0 };
	assert_int_equal(cli_parse(&cli, 3, argv, &err), 0);
	return plan_make(&plan, &cli, &err);
}

static void test_types(void **state)
{
	static const struct {
		const char *text, *type, *param;
	} rows[] = {
		{ "-", "STDIO", NULL },
		{ "stdio", "STDIO", NULL },
		{ "3", "FD", "3" },
		{ "/dev/null", "GOPEN", "/dev/null" },
		{ "./x,creat", "GOPEN", "./x" },
		{ "udp4-datagram:1.2.3.4:5", "UDP4-DATAGRAM", "1.2.3.4" },
		{ "EXEC:cat", "EXEC", "cat" },
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t len = strlen(rows[i].type);
		const struct half *h;

		if (make(rows[i].text, "-") == -1)
			fail_msg("%s: %s", rows[i].text, err.text);
		h = &plan.side[0].half[0];
		if (strncmp(h->type->names, rows[i].type, len) ||
		    (h->type->names[len] && h->type->names[len] != ' '))
			fail_msg("%s became %s", rows[i].text, h->type->names);
		if (rows[i].param)
			assert_string_equal(h->param[0], rows[i].param);
		plan_done(&plan);
	}
	assert_int_equal(make("TEXT:a!!-,null-eof", "-"), 0);
	assert_int_equal(plan.side[0].nhalves, 2);
	assert_false(plan.side[0].half[0].conf.sock.null_eof);
	assert_true(plan.side[0].half[1].conf.sock.null_eof);
	plan_done(&plan);
}

static void test_refusals(void **state)
{
	static const struct {
		const char *text, *error;
	} rows[] = {
		{ "NOSUCHTHING:x", "unknown device/address \"NOSUCHTHING\"" },
		{ "STDOI", "unknown device/address \"STDOI\"; did you mean \"STDIO\"?" },
		{ "FD", "FD: wrong number of parameters (0 instead of 1)" },
		{ "UDP4-RECV:1:2", "UDP4-RECV: wrong number of parameters (2 instead of 1): usage: "
				   "UDP4-RECV:<port>" },
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(make(rows[i].text, "-"), -1);
		assert_string_equal(err.text, rows[i].error);
		plan_done(&plan);
	}
	assert_int_equal(make("-", "TEXT:x,nosuchoption"), -1);
	plan_done(&plan);
}

static void test_isolation(void **state)
{
	static const struct {
		const char *left, *right, *why; /* NULL: sessions share one process */
	} rows[] = {
		{ "-", "EXEC:cat", NULL },
		{ "UDP-LISTEN:1,fork", "-", NULL },
		{ "UDP-LISTEN:1,fork", "EXEC:cat", NULL },
		{ "UDP-LISTEN:1,fork", "EXEC:cat,su=root", NULL }, /* the program's own affair */
		{ "UDP-LISTEN:1,fork,isolate", "-", "option isolate" },
		{ "UDP-LISTEN:1,fork", "EXEC:cat,nofork", "option nofork" },
		{ "UDP-LISTEN:1,fork", "/dev/null,chroot-early=/",
		  "an option that changes user, root directory or session" },
		{ "UDP-LISTEN:1,chroot-early=/,fork", "-", NULL }, /* once, before it listens */
		{ "-", "EXEC:cat,nofork", NULL },
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (make(rows[i].left, rows[i].right) == -1)
			fail_msg("%s %s: %s", rows[i].left, rows[i].right, err.text);
		if (plan.isolate != (rows[i].why != NULL))
			fail_msg("%s %s: %s", rows[i].left, rows[i].right,
				 plan.isolate_why ? plan.isolate_why : "shared");
		if (rows[i].why)
			assert_string_equal(plan.isolate_why, rows[i].why);
		plan_done(&plan);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_isolation),
	};

	log_threshold = LV_ERROR;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
