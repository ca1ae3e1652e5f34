/* test_ident.c - recording, applying and the ambient state; what lasts runs in a child */
#include "sys/ident.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void test_record(void **state)
{
	struct ident id;
	struct err err;

	(void)state;
	ident_init(&id);
	assert_int_equal(id.umask, -1);
	assert_false(ident_has(&id, ID_EARLY));
	assert_null(ident_user(&id));
	assert_int_equal(ident_add(&id, ID_EARLY, ID_CHROOT, "/", 0, &err), 0);
	assert_true(ident_has(&id, ID_EARLY));
	assert_false(ident_has(&id, ID_LATE));
	assert_int_equal(ident_add_user(&id, ID_LATE2, 0, &err), 0);
	assert_true(ident_has(&id, ID_LATE));
	assert_string_equal(ident_user(&id)->name, "root");
	assert_true(ident_user(&id)->ngroups >= 1);
	assert_int_equal(ident_add_user(&id, ID_LATE2, 4242424, &err), -1);
	assert_string_equal(err.text, "getpwuid(4242424): no such user");
	while (id.n < IDENT_MAX)
		assert_int_equal(ident_add(&id, ID_LATE, ID_SETSID, NULL, 0, &err), 0);
	assert_int_equal(ident_add(&id, ID_LATE, ID_SETSID, NULL, 0, &err), -1);
	ident_done(&id);
	assert_int_equal(id.n, 0);
}

/* Run @fn in a child and return its exit status. */
static int in_child(int (*fn)(void))
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int child_session(void)
{
	struct ident id;
	struct err err;

	ident_init(&id);
	ident_add(&id, ID_LATE, ID_SETSID, NULL, 0, &err);
	ident_add(&id, ID_LATE2, ID_CTTY, NULL, 0, &err); /* no terminal: must not fail */
	ident_add(&id, ID_LATE2, ID_SETPGID, NULL, 999999, &err);
	if (ident_apply(&id, ID_EARLY, &err) || ident_apply(&id, ID_LATE, &err) ||
	    ident_apply(&id, ID_LATE2, &err))
		return 1;
	return getsid(0) == getpid() ? 0 : 2;
}

/* The order written is user first, but the root changes before. */
static int child_root(void)
{
	struct ident id;
	struct err err;
	char cwd[PATH_MAX];

	ident_init(&id);
	ident_add(&id, ID_LATE, ID_SETGID, NULL, 65534, &err);
	ident_add(&id, ID_LATE, ID_SETUID, NULL, 65534, &err);
	ident_add(&id, ID_LATE, ID_CHROOT, "/tmp", 0, &err);
	if (ident_apply(&id, ID_LATE, &err) == -1) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	if (getuid() != 65534 || getgid() != 65534 || access("/etc/passwd", F_OK) == 0)
		return 2;
	return getcwd(cwd, sizeof(cwd)) && strcmp(cwd, "/") == 0 ? 0 : 3;
}

static int child_wrong_order(void)
{
	struct ident id;
	struct err err;

	ident_init(&id);
	ident_add(&id, ID_LATE2, ID_SETUID, NULL, 65534, &err);
	ident_add(&id, ID_LATE2, ID_SETGID, NULL, 65534, &err);
	if (ident_apply(&id, ID_LATE2, &err) == 0)
		return 1;
	return strcmp(err.text, "setgid(65534): Operation not permitted") == 0 ? 0 : 2;
}

static int child_user(void)
{
	struct ident id;
	struct err err;
	int rc;

	ident_init(&id);
	if (ident_add_user(&id, ID_LATE2, 65534, &err) == -1)
		return 0; /* no user nobody here */
	rc = ident_apply(&id, ID_LATE2, &err);
	if (rc == -1)
		fprintf(stderr, "%s\n", err.text);
	rc = rc == -1 || getuid() != 65534 || getgid() != ident_user(&id)->gid;
	ident_done(&id);
	return rc;
}

static void test_apply(void **state)
{
	struct ident id;
	struct err err;

	(void)state;
	assert_int_equal(in_child(child_session), 0);
	if (geteuid() == 0) {
		assert_int_equal(in_child(child_root), 0);
		assert_int_equal(in_child(child_wrong_order), 0);
		assert_int_equal(in_child(child_user), 0);
	}
	ident_init(&id);
	ident_add(&id, ID_EARLY, ID_CHROOT, "/nonexist", 0, &err);
	assert_int_equal(ident_apply(&id, ID_EARLY, &err), -1);
	if (geteuid() == 0)
		assert_string_equal(err.text, "chroot(\"/nonexist\"): No such file or directory");
}

static mode_t mask_now(void)
{
	mode_t m = umask(0);

	umask(m);
	return m;
}

static void test_ambient(void **state)
{
	struct ident id;
	struct ident_saved saved;
	struct err err;
	char before[PATH_MAX], now[PATH_MAX];

	(void)state;
	umask(022);
	assert_non_null(getcwd(before, sizeof(before)));
	ident_init(&id);
	id.cwd = "/tmp";
	id.umask = 0177;
	assert_int_equal(ident_enter(&id, &saved, &err), 0);
	assert_non_null(getcwd(now, sizeof(now)));
	assert_string_equal(now, "/tmp");
	assert_int_equal(mask_now(), 0177);
	ident_leave(&saved);
	assert_non_null(getcwd(now, sizeof(now)));
	assert_string_equal(now, before);
	assert_int_equal(mask_now(), 022);
	ident_leave(&saved); /* again: harmless */

	id.cwd = "/nonexist";
	assert_int_equal(ident_enter(&id, &saved, &err), -1);
	assert_string_equal(err.text, "chdir(\"/nonexist\"): No such file or directory");
	assert_int_equal(mask_now(), 022);
	id.netns = "nope";
	assert_int_equal(ident_enter(&id, &saved, &err), -1);
	assert_string_equal(err.text, "open(/run/netns/nope, O_RDONLY|O_CLOEXEC): "
				      "No such file or directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_apply),
		cmocka_unit_test(test_ambient),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
