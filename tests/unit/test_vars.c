/* test_vars.c - variables of a session and the environment of its programs */
#include "end/vars.h"

#include "base/log.h"
#include "opt/opt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *get(char **env, const char *name)
{
	const char *found = NULL;
	size_t len = strlen(name);

	for (; *env; env++) {
		if (strncmp(*env, name, len) == 0 && (*env)[len] == '=') {
			assert_null(found); /* no variable twice */
			found = *env + len + 1;
		}
	}
	return found;
}

static void test_list(void **state)
{
	struct vars a = { 0 }, b = { 0 };
	(void)state;

	vars_set(&a, "PEERADDR", "%s", "1.2.3.4");
	vars_set(&a, "PEERPORT", "%d", 80);
	vars_set(&a, "PEERADDR", "%s", "::1");
	vars_set(&a, "PEER", "x");
	assert_int_equal(a.n, 3);
	vars_set(&b, "PEERPORT", "%d", 1);
	vars_copy(&b, &a);
	assert_int_equal(b.n, 3);
	assert_string_equal(b.text[0], "PEERPORT=80");
	assert_string_equal(b.text[1], "PEERADDR=::1");
	vars_done(&a);
	vars_done(&a);
	vars_done(&b);
}

static void test_environ(void **state)
{
	struct vars v = { 0 };
	struct conf conf;
	char **env;
	(void)state;

	conf_init(&conf);
	setenv("KEEP_ME", "a=b", 1);
	setenv("SOCAT_PEERADDR", "stale", 1);
	vars_set(&v, "PEERADDR", "10.0.0.1");
	log_set_name("socast");
	env = vars_environ(&v, &conf);
	assert_string_equal(get(env, "SOCAST_PEERADDR"), "10.0.0.1");
	assert_string_equal(get(env, "SOCAT_PEERADDR"), "10.0.0.1");
	assert_string_equal(get(env, "SOCAT_VERSION"), COMPAT_VERSION);
	assert_non_null(get(env, "SOCAST_PID"));
	assert_string_equal(get(env, "KEEP_ME"), "a=b");
	vars_free_environ(env);

	log_set_name("my-relay"); /* option -lp: its name is the only prefix */
	conf.prog.path = "/only/here";
	env = vars_environ(&v, &conf);
	assert_string_equal(get(env, "MY-RELAY_PEERADDR"), "10.0.0.1");
	assert_string_equal(get(env, "SOCAT_PEERADDR"), "stale");
	assert_string_equal(get(env, "PATH"), "/only/here");
	vars_free_environ(env);
	/* our own environment stays what it was */
	assert_string_equal(getenv("SOCAT_PEERADDR"), "stale");
	assert_null(getenv("SOCAST_PEERADDR"));
	vars_done(&v);
	conf_done(&conf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_environ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
