/* child.h - start a program from a recorded set-up
 *
 * Everything the child has to do before exec is data, prepared by the parent; the child shares the
 * parent's memory until exec (vfork), so starting costs the same however much memory the relay
 * uses. A failing exec comes back to the parent as an error sentence. */
#ifndef SYS_CHILD_H
#define SYS_CHILD_H

#include "base/err.h"
#include "sys/ident.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CHILD_MOVES_MAX 3

struct child_setup {
	const char *file; /* program; looked up in @path when it has no slash */
	const char *path; /* PATH to search */
	char *const *argv;
	char *const *envp;
	struct {
		int from, to; /* dup2(from, to); targets may collide with sources */
	} move[CHILD_MOVES_MAX];
	int nmoves;
	int ctty; /* descriptor to make the controlling terminal, or -1 */
	const struct ident *ident; /* late stages carried out in the child; may be NULL */
	uint64_t nofile; /* soft limit of descriptors to restore; 0: leave */
	unsigned wait_s; /* sleep before exec, for a debugger; the caller waits as well */
};

struct child {
	pid_t pid;
	int pidfd; /* readable when the program has ended; -1 when none */
};

/* Start the program. Signals are at their defaults in it, except SIGPIPE, which stays ignored.
 * Only the descriptors of @move and inherited ones without close-on-exec are open in it. Returns 0
 * and fills @out, or -1 with the error: 'execvp("nope", "nope"): No such file or directory'. */
int child_start(struct child *out, const struct child_setup *setup, struct err *err);

/* Would the program be found, and may this process execute it? Nothing is started. 0, or -1 with
 * the error of child_start(). */
int child_check(const struct child_setup *setup, struct err *err);

/* Carry out the set-up in this process and replace it (option nofork). Returns only on failure. */
int child_become(const struct child_setup *setup, struct err *err);

/* Watch the forked process @pid: fills @out. Returns 0, or -1 with the error, and then the process
 * has been killed and collected, as nobody could wait for it. */
int child_watch(struct child *out, pid_t pid, struct err *err);

/* Collect the status if the program has ended; true then, with waitpid(2)'s status. */
bool child_reap(struct child *c, int *status);

/* A signal has stopped it (SIGSTOP, SIGTTIN …), and it has not gone on since. */
bool child_is_stopped(const struct child *c);

/* It runs, or would if it had a processor (state R of proc(5)); false where there is no /proc. */
bool child_works(const struct child *c);

#endif
