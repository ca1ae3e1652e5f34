/* test_tty.c - pseudo terminal pairs, collected settings, restoring */
#include "sys/tty.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void test_pair(void **state)
{
	char name[TTY_NAME_LEN];
	struct err err;
	char byte = 0;
	int m, s;

	(void)state;
	assert_int_equal(tty_pair(&m, &s, name, &err), 0);
	assert_int_equal(strncmp(name, "/dev/", 5), 0);
	assert_true(isatty(s));
	assert_true(fcntl(m, F_GETFL) & O_NONBLOCK);
	assert_false(fcntl(s, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(m, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(s, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(m, "a\n", 2), 2);
	assert_int_equal(read(s, &byte, 1), 1);
	assert_int_equal(byte, 'a');
	close(m);
	close(s);
}

static void test_edit(void **state)
{
	char name[TTY_NAME_LEN], want[128];
	struct tty_edit edit = { 0 };
	struct termios tio;
	struct err err;
	int m, s, pipes[2];

	(void)state;
	assert_int_equal(tty_pair(&m, &s, name, &err), 0);
	assert_int_equal(tty_store(&edit, s, &err), 0); /* nothing loaded */
	assert_int_equal(tty_load(&edit, s, &err), 0);
	edit.now.c_lflag &= ~(tcflag_t)ECHO;
	assert_int_equal(tty_load(&edit, s, &err), 0); /* keeps the change */
	tcgetattr(s, &tio);
	assert_true(tio.c_lflag & ECHO);
	assert_int_equal(tty_store(&edit, s, &err), 0);
	assert_false(edit.loaded);
	tcgetattr(s, &tio);
	assert_false(tio.c_lflag & ECHO);

	assert_int_equal(tty_load(&edit, s, &err), 0);
	edit.now.c_cflag &= ~(tcflag_t)CREAD;
	assert_int_equal(tty_store(&edit, s, &err), -1);
	snprintf(want, sizeof(want), "tcsetattr(%d, TCSADRAIN, %p): Invalid argument", s,
		 (void *)&edit.now);
	assert_string_equal(err.text, want);
	assert_false(edit.loaded);

	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(tty_load(&edit, pipes[0], &err), -1);
	snprintf(want, sizeof(want), "tcgetattr(%d, %p): Inappropriate ioctl for device", pipes[0],
		 (void *)&edit.now);
	assert_string_equal(err.text, want);
	close(pipes[0]);
	close(pipes[1]);
	close(m);
	close(s);
}

static void test_restore(void **state)
{
	char name[TTY_NAME_LEN];
	struct tty_saved saved;
	struct termios tio;
	struct err err;
	int m, s, pipes[2];

	(void)state;
	assert_int_equal(tty_pair(&m, &s, name, &err), 0);
	tty_save(&saved, s);
	tcgetattr(s, &tio);
	tio.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(s, TCSANOW, &tio);
	tty_restore(&saved);
	tcgetattr(s, &tio);
	assert_true(tio.c_lflag & ECHO);
	tty_restore(&saved); /* forgotten: harmless */
	assert_int_equal(saved.fd, -1);
	assert_int_equal(pipe(pipes), 0);
	tty_save(&saved, pipes[0]);
	assert_int_equal(saved.fd, -1);
	close(pipes[0]);
	close(pipes[1]);
	close(m);
	close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pair),
		cmocka_unit_test(test_edit),
		cmocka_unit_test(test_restore),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
