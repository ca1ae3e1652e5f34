/* test_child.c - programs start with the descriptors they were given, or with one clear sentence */
#include "sys/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char *const env[] = { (char *)"PATH=/usr/bin:/bin", (char *)"GREETING=hello", NULL };

static struct child_setup setup_of(char *const *argv)
{
	return (struct child_setup){
		.file = argv[0], .path = "/usr/bin:/bin", .argv = argv, .envp = env, .ctty = -1
	};
}

static int wait_for(struct child *c)
{
	struct pollfd p = { .fd = c->pidfd, .events = POLLIN };
	int status = -1;

	assert_int_equal(poll(&p, 1, 10000), 1);
	assert_true(child_reap(c, &status));
	assert_int_equal(c->pidfd, -1);
	assert_false(child_reap(c, &status));
	return status;
}

/* Run a shell command with its output (descriptor @as) in a pipe; returns what it wrote. */
static const char *shell(const char *command, int as, struct child_setup *extra)
{
	static char out[4096];
	char *const argv[] = { (char *)"sh", (char *)"-c", (char *)command, NULL };
	struct child_setup s = extra ? *extra : setup_of(argv);
	struct child c;
	struct err err;
	size_t len = 0;
	ssize_t n;
	int p[2];

	s.file = "sh";
	s.argv = argv;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	s.move[s.nmoves].from = p[1];
	s.move[s.nmoves++].to = as;
	if (child_start(&c, &s, &err) == -1)
		fail_msg("%s", err.text);
	close(p[1]);
	while ((n = read(p[0], out + len, sizeof(out) - 1 - len)) > 0)
		len += (size_t)n;
	out[len] = '\0';
	close(p[0]);
	assert_int_equal(wait_for(&c), 0);
	return out;
}

static void test_runs(void **state)
{
	(void)state;
	assert_string_equal(shell("echo $GREETING", 1, NULL), "hello\n");
	assert_string_equal(shell("echo x >&7", 7, NULL), "x\n"); /* fdout */
}

static void test_status(void **state)
{
	char *const code[] = { (char *)"sh", (char *)"-c", (char *)"exit 7", NULL };
	char *const killed[] = { (char *)"sh", (char *)"-c", (char *)"kill -9 $$", NULL };
	char *const sleeps[] = { (char *)"sleep", (char *)"30", NULL };
	struct child_setup s = setup_of(code);
	struct child c;
	struct err err;
	int status;
	(void)state;

	assert_int_equal(child_start(&c, &s, &err), 0);
	assert_int_equal(WEXITSTATUS(wait_for(&c)), 7);
	s = setup_of(killed);
	assert_int_equal(child_start(&c, &s, &err), 0);
	status = wait_for(&c);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	s = setup_of(sleeps);
	assert_int_equal(child_start(&c, &s, &err), 0);
	assert_false(child_reap(&c, &status));
	kill(c.pid, SIGTERM);
	assert_int_equal(WTERMSIG(wait_for(&c)), SIGTERM);
}

static void fails(const char *file, char *const *argv, const char *want)
{
	struct child_setup s = setup_of(argv);
	struct child c;
	struct err err;

	s.file = file;
	s.path = "/nonexist:/usr/bin:/bin";
	assert_int_equal(child_start(&c, &s, &err), -1);
	assert_string_equal(err.text, want);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left behind */
	assert_int_equal(errno, ECHILD);
}

static void test_exec_errors(void **state)
{
	char *const one[] = { (char *)"nope", NULL };
	char *const many[] = { (char *)"x", (char *)"a", (char *)"b", (char *)"c", NULL };
	char path[] = "/tmp/childXXXXXX", want[128];
	int fd = mkstemp(path);
	(void)state;

	fails("nope", one, "execvp(\"nope\", \"nope\"): No such file or directory");
	fails("/no/x", many,
	      "execvp(\"/no/x\", \"x\", \"a\", \"b\", ...): No such file or directory");
	snprintf(want, sizeof(want), "execvp(\"%s\", \"nope\"): Permission denied", path);
	fails(path, one, want);
	assert_int_equal(write(fd, "\177garbage", 8), 8);
	fchmod(fd, 0755);
	close(fd);
	snprintf(want, sizeof(want), "execvp(\"%s\", \"nope\"): Exec format error", path);
	fails(path, one, want);
	unlink(path);
	fails("", one, "execvp(\"\", \"nope\"): No such file or directory");
	fails("/tmp", one, "execvp(\"/tmp\", \"nope\"): Permission denied");
}

/* Three files behind three descriptors, moved onto each other in every possible way. */
static void test_permutations(void **state)
{
	static const int perm[][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
				       { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
	int fd[3];
	(void)state;

	for (int i = 0; i < 3; i++) {
		char path[] = "/tmp/childXXXXXX";
		int temp = mkstemp(path);

		unlink(path);
		fd[i] = 6 + i; /* single digits: all that every shell knows */
		assert_int_equal(dup3(temp, fd[i], O_CLOEXEC), fd[i]);
		close(temp);
		dprintf(fd[i], "%c", 'a' + i);
	}
	for (size_t k = 0; k < sizeof(perm) / sizeof(perm[0]); k++) {
		char want[4] = "";
		char *const argv[] = { (char *)"sh", NULL };
		struct child_setup s = setup_of(argv);

		/* the output pipe needs the last place: only two of the three are moved */
		s.nmoves = 2;
		for (int i = 0; i < 2; i++) {
			s.move[i].from = fd[perm[k][i]];
			s.move[i].to = fd[i];
		}
		for (int i = 0; i < 3; i++)
			lseek(fd[i], 0, SEEK_SET);
		snprintf(want, sizeof(want), "%c%c", 'a' + perm[k][0], 'a' + perm[k][1]);
		assert_string_equal(shell("cat <&6; cat <&7", 1, &s), want);
	}
	for (int i = 0; i < 3; i++)
		close(fd[i]);
}

/* Permuted standard descriptors: input on 1, output on 0. */
static void test_swapped(void **state)
{
	char *const argv[] = { (char *)"sh", (char *)"-c", (char *)"cat 3<&1 >&0 0<&3", NULL };
	struct child_setup s = setup_of(argv);
	struct child c;
	struct err err;
	int in[2], out[2];
	char got[8] = "";
	(void)state;

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(write(in[1], "swap", 4), 4);
	close(in[1]);
	s.nmoves = 2;
	s.move[0].from = in[0];
	s.move[0].to = 1;
	s.move[1].from = out[1];
	s.move[1].to = 0;
	assert_int_equal(child_start(&c, &s, &err), 0);
	close(out[1]);
	assert_int_equal(wait_for(&c), 0);
	assert_int_equal(read(out[0], got, sizeof(got)), 4);
	assert_string_equal(got, "swap");
	close(in[0]);
	close(out[0]);
}

/* Nothing of ours is open in the program, and its signals are as at login. */
static void test_clean(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	unsigned long long ignored;
	sigset_t set;
	(void)state;

	/* whoever runs the tests may ignore signals: that is inherited, and not our subject */
	for (int sig = 1; sig < 32; sig++)
		signal(sig, sig == SIGPIPE ? SIG_IGN : SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	assert_true(fd > 2);
	assert_non_null(
		strstr(shell("grep SigBlk /proc/self/status", 1, NULL), "0000000000000000"));
	ignored = strtoull(shell("sed -n s/SigIgn:.//p /proc/self/status", 1, NULL), NULL, 16);
	/* signals 1 to 31: those above belong to the C library and to whoever runs the tests */
	assert_int_equal(ignored & 0x7fffffff, 1 << (SIGPIPE - 1));
	assert_int_equal(dup3(fd, 9, O_CLOEXEC), 9);
	assert_string_equal(shell("test -e /proc/self/fd/9 || echo closed", 1, NULL), "closed\n");
	close(9);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	close(fd);
}

/* Who is stopped is known as long as it is, and asking takes nothing away from who waits. */
static void test_stopped(void **state)
{
	char *const argv[] = { (char *)"sh", (char *)"-c", (char *)"kill -STOP $$", NULL };
	struct child_setup setup = setup_of(argv);
	struct child c;
	struct err err;

	(void)state;
	assert_int_equal(child_start(&c, &setup, &err), 0);
	for (int i = 0; i < 1000 && !child_is_stopped(&c); i++)
		usleep(10000);
	assert_true(child_is_stopped(&c));
	assert_true(child_is_stopped(&c));
	kill(c.pid, SIGCONT);
	assert_int_equal(wait_for(&c), 0);
	assert_false(child_is_stopped(&c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runs),        cmocka_unit_test(test_status),
		cmocka_unit_test(test_exec_errors), cmocka_unit_test(test_permutations),
		cmocka_unit_test(test_swapped),     cmocka_unit_test(test_clean),
		cmocka_unit_test(test_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
