/* test_lock.c - lock files: taken once, held by whoever was first */
#include "open/lock.h"

#include <dirent.h>
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

static char dir[] = "/tmp/lockXXXXXX";
static char name[64];

static unsigned entries(void)
{
	DIR *d = opendir(dir);
	unsigned n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void test_lock(void **state)
{
	char text[32] = "", want[32];
	struct stat st;
	struct err err;
	FILE *f;
	(void)state;

	assert_int_equal(lock_take(name, &err), LOCK_TAKEN);
	assert_int_equal(lock_take(name, &err), LOCK_HELD);
	assert_int_equal(stat(name, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(st.st_nlink, 1);
	f = fopen(name, "r");
	assert_int_equal(fread(text, 1, sizeof(text) - 1, f) > 1, 1);
	fclose(f);
	snprintf(want, sizeof(want), "%d\n", (int)getpid());
	assert_string_equal(text, want);
	assert_int_equal(entries(), 1); /* no temporary file stays */
	unlink(name);
	/* whatever stands there counts as held, even a dangling link */
	assert_int_equal(symlink("nowhere", name), 0);
	assert_int_equal(lock_take(name, &err), LOCK_HELD);
	unlink(name);
}

static void test_fails(void **state)
{
	struct err err;
	(void)state;

	assert_int_equal(lock_take("/nonexist/x", &err), LOCK_FAILED);
	assert_string_equal(err.text, "mkstemp(\"/nonexist/x.XXXXXX\"): No such file or directory");
}

/* Of many processes at the same moment exactly one gets it. */
static void test_race(void **state)
{
	int start[2], winners = 0, status;
	struct err err;
	char c;
	(void)state;

	assert_int_equal(pipe(start), 0);
	for (int i = 0; i < 16; i++) {
		if (fork() == 0) {
			close(start[1]);
			if (read(start[0], &c, 1) != 0)
				_exit(9);
			_exit(lock_take(name, &err) == LOCK_TAKEN ? 0 : 1);
		}
	}
	close(start[0]);
	close(start[1]);
	for (int i = 0; i < 16; i++) {
		assert_true(wait(&status) > 0);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
		winners += WEXITSTATUS(status) == 0;
	}
	assert_int_equal(winners, 1);
	assert_int_equal(entries(), 1);
	unlink(name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lock),
		cmocka_unit_test(test_fails),
		cmocka_unit_test(test_race),
	};
	int rc;

	if (!mkdtemp(dir))
		return 1;
	snprintf(name, sizeof(name), "%s/lock", dir);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	return rc;
}
