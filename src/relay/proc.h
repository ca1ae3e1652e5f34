/* proc.h - a running program behind an endpoint
 *
 * Watches the program's end, collects its status, and ends it when its endpoint is closed. A
 * program outlives its endpoint here until it has been collected, so there are never zombies. */
#ifndef RELAY_PROC_H
#define RELAY_PROC_H

#include "ev/loop.h"
#include "sys/child.h"

#include <stdbool.h>

struct relay;

struct proc {
	struct relay *relay;
	struct child child;
	struct watch watch;
	struct list node; /* in relay->procs */
	struct deferred free;
	bool done;
	int status; /* waitpid(2)'s, when done */
	const char *command; /* SYSTEM: for its record; borrowed, or NULL */
	bool pass_hup, pass_int, pass_quit; /* options sighup, sigint, sigquit */
	unsigned number; /* 1 or 2, in records */
	bool released; /* no endpoint any more */
	bool session_process; /* a copy of ourselves serving one session, not a program */
	void (*on_exit)(struct proc *p, void *arg); /* called once, when it has ended */
	void *arg;
};

/* Take over a started program. */
struct proc *proc_new(struct relay *relay, struct child child);

/* The endpoint is gone: send SIGTERM if the program still runs (unless @leave) and forget it once
 * it has been collected. Its status no longer counts. */
void proc_release(struct proc *p, bool leave);

/* The program ends: forget all that are left, whether they still run or not. */
void procs_done(struct relay *relay);

/* Pass @sig on to all programs that asked for it; returns how many. */
int procs_pass_signal(struct relay *relay, int sig);

#endif
