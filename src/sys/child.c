/* child.c - start a program, see child.h */
#include "sys/child.h"

#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The sentence of a failed exec: program, then at most two arguments. */
static int exec_err(const struct child_setup *s, int code, struct err *err)
{
	struct str text = { 0 };
	int rc;

	str_addf(&text, "execvp(\"%s\"", s->file);
	for (int i = 0; s->argv[i]; i++) {
		if (i == 3) {
			str_adds(&text, ", ...");
			break;
		}
		str_addf(&text, ", \"%s\"", s->argv[i]);
	}
	rc = err_set(err, code, "%s)", text.data);
	str_done(&text);
	return rc;
}

/* Bring the descriptors into place. Sources that sit on a target of a later move are lifted out of
 * the way first, so that any permutation works. */
static int place_descriptors(const struct child_setup *s)
{
	int from[CHILD_MOVES_MAX];

	for (int i = 0; i < s->nmoves; i++) {
		from[i] = s->move[i].from;
		for (int j = 0; j < s->nmoves; j++) {
			if (j != i && s->move[j].to == from[i]) {
				from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 100);
				if (from[i] == -1)
					return -1;
				break;
			}
		}
	}
	for (int i = 0; i < s->nmoves; i++) {
		if (from[i] == s->move[i].to) {
			if (fcntl(from[i], F_SETFD, 0) == -1)
				return -1;
		} else if (dup2(from[i], s->move[i].to) == -1) {
			return -1;
		}
	}
	return 0;
}

static void reset_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++) {
		struct sigaction sa;

		if (sigaction(sig, NULL, &sa) == 0 && sa.sa_handler != SIG_DFL &&
		    sa.sa_handler != SIG_IGN) {
			sa.sa_handler = SIG_DFL;
			sigaction(sig, &sa, NULL);
		}
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* What is done with each file that it may be; -1 with errno. */
typedef int try_fn(const char *file, const struct child_setup *s);

static int try_exec(const char *file, const struct child_setup *s)
{
	return execve(file, s->argv, s->envp);
}

/* As execve(2) would find it. */
static int try_access(const char *file, const struct child_setup *s)
{
	struct stat st;

	(void)s;
	if (stat(file, &st) == -1)
		return -1;
	errno = EACCES;
	return S_ISREG(st.st_mode) ? faccessat(AT_FDCWD, file, X_OK, AT_EACCESS) : -1;
}

/* Try along @path until one goes well; else -1, and errno as execvp(3) leaves it. */
static int search(const struct child_setup *s, try_fn *attempt)
{
	char full[PATH_MAX];
	const char *dir = s->path ? s->path : "/usr/local/bin:/bin:/usr/bin";
	int code = ENOENT;

	if (strchr(s->file, '/') || !*s->file)
		return attempt(s->file, s);
	for (;;) {
		const char *end = strchrnul(dir, ':');
		int n = snprintf(full, sizeof(full), "%.*s%s%s", (int)(end - dir), dir,
				 end > dir ? "/" : "", s->file);

		if (n > 0 && (size_t)n < sizeof(full)) {
			if (attempt(full, s) == 0)
				return 0;
			if (errno != ENOENT && errno != ENOTDIR)
				code = errno;
		}
		if (!*end)
			break;
		dir = end + 1;
	}
	errno = code;
	return -1;
}

int child_check(const struct child_setup *setup, struct err *err)
{
	return search(setup, try_access) == 0 ? 0 : exec_err(setup, errno, err);
}

/* All that happens between fork and exec; async-signal-safe. Returns errno on failure. */
static int prepare(const struct child_setup *s, struct err *err)
{
	if (place_descriptors(s) == -1)
		return err_set(err, errno, "dup2()");
	if (s->nofile) {
		struct rlimit r;

		if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
			r.rlim_cur = s->nofile;
			setrlimit(RLIMIT_NOFILE, &r);
		}
	}
	if (s->ident && ident_apply(s->ident, ID_LATE, err) == -1)
		return -1;
	if (s->ctty >= 0) {
		/* warnings in classic; a program without its terminal still runs */
		(void)ioctl(s->ctty, TIOCSCTTY, 0);
		(void)tcsetpgrp(s->ctty, getpid());
	}
	return s->ident ? ident_apply(s->ident, ID_LATE2, err) : 0;
}

int child_become(const struct child_setup *setup, struct err *err)
{
	if (prepare(setup, err) == -1)
		return -1;
	reset_signals();
	(void)search(setup, try_exec);
	return exec_err(setup, errno, err);
}

/* The child writes into its parent's memory: what the parent reads afterwards must be volatile. */
struct shared {
	volatile int failed; /* 1: set-up, 2: exec */
	volatile int code;
};

/* Kept apart so that no other local variable is clobbered by the shared stack. */
static __attribute__((noinline)) pid_t start(const struct child_setup *s, struct shared *sh,
					     struct err *err)
{
	pid_t pid = vfork();

	if (pid != 0)
		return pid;
	if (s->wait_s)
		sleep(s->wait_s);
	if (prepare(s, err) == -1) {
		sh->failed = 1;
		_exit(1);
	}
	reset_signals();
	(void)search(s, try_exec);
	sh->code = errno;
	sh->failed = 2;
	_exit(1);
}

int child_start(struct child *out, const struct child_setup *setup, struct err *err)
{
	struct shared sh = { 0 };
	sigset_t all, old;
	pid_t pid;
	int code;

	/* no handler may run in the child while it shares our memory */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	pid = start(setup, &sh, err);
	code = errno;
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (pid == -1)
		return err_set(err, code, "fork()");
	if (sh.failed) {
		while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
			;
		return sh.failed == 1 ? -1 : exec_err(setup, sh.code, err);
	}
	return child_watch(out, pid, err);
}

int child_watch(struct child *out, pid_t pid, struct err *err)
{
	int code;

	*out = (struct child){ pid, (int)syscall(SYS_pidfd_open, pid, 0) };
	if (out->pidfd >= 0)
		return 0;
	code = errno;
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
		;
	return err_set(err, code, "pidfd_open(%d)", (int)pid);
}

bool child_reap(struct child *c, int *status)
{
	pid_t got;

	if (c->pidfd == -1)
		return false;
	do
		got = waitpid(c->pid, status, WNOHANG);
	while (got == -1 && errno == EINTR);
	if (got == 0)
		return false;
	if (got == -1)
		*status = 0; /* somebody else's SIGCHLD disposition swallowed it */
	close(c->pidfd);
	c->pidfd = -1;
	return true;
}

bool child_is_stopped(const struct child *c)
{
	siginfo_t si = { .si_pid = 0 };

	return waitid(P_PID, (id_t)c->pid, &si, WSTOPPED | WNOHANG | WNOWAIT) == 0 && si.si_pid;
}

bool child_works(const struct child *c)
{
	char path[32], text[512];
	const char *end;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)c->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	end = strrchr(text, ')'); /* the name before it may hold anything */
	return end && end[1] == ' ' && end[2] == 'R';
}
