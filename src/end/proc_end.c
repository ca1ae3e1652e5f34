/* proc_end.c - who is signalled when a session ends, when, and why; see proc_end.h
 *
 * Neither the channel (socket pair, pipes, terminal) nor fork and isolate make a difference. Beside
 * the signals here a terminal has its own: the kernel sends SIGHUP to the session it controls when
 * our end is closed. Option end-close leaves the program alone at once (endpoint.c); options
 * sighup, sigint and sigquit, and nofork, pass on what the relay itself gets (proc.c). */
#include "end/proc_end.h"

#include "base/str.h"

#include <signal.h>

/* a program that is only written to may finish its work */
#define FINISH_NS NSEC_PER_SEC
/* from the end of its output to its exit status */
#define STATUS_NS (250 * NSEC_PER_MSEC)

static const struct {
	int sig;
	int64_t wait_ns[PROC_STAGES];
	bool awaited; /* nofork */
} rule[PROC_KINDS] = {
	[PROC_EXEC] = { SIGTERM, { [PROC_TOLD] = FINISH_NS, [PROC_SPOKEN] = STATUS_NS }, false },
	[PROC_SHELL] = { SIGTERM, { [PROC_TOLD] = FINISH_NS, [PROC_SPOKEN] = STATUS_NS }, false },
	/* In classic a waiting process stands between: it is that which gets the signal, and the
	 * shell goes on until its work is done. */
	[PROC_SYSTEM] = { 0, { [PROC_TOLD] = FINISH_NS, [PROC_SPOKEN] = STATUS_NS }, true },
	[PROC_SESSION] = { SIGTERM, { 0 }, false },
};

int64_t proc_end_wait(enum proc_kind kind, enum proc_stage stage)
{
	return rule[kind].wait_ns[stage];
}

int proc_end_signal(enum proc_kind kind)
{
	return rule[kind].sig;
}

bool proc_end_is_awaited(enum proc_kind kind)
{
	return rule[kind].awaited;
}
