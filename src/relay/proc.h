/* proc.h - a running program behind an endpoint
 *
 * Watches the program's end, collects its status, and ends it when its endpoint is closed, as
 * proc_end.h says. A program outlives its endpoint here until it has been collected, so there are
 * never zombies. */
#ifndef RELAY_PROC_H
#define RELAY_PROC_H

#include "ev/loop.h"
#include "relay/proc_end.h"
#include "sys/child.h"

#include <stdbool.h>

struct relay;

struct proc {
	struct relay *relay;
	enum proc_kind kind;
	struct child child;
	struct watch watch;
	struct list node; /* in relay->procs */
	struct deferred free;
	bool done;
	int status; /* waitpid(2)'s, when done */
	const char *command; /* SYSTEM: for its record; borrowed, or NULL */
	bool pass_hup, pass_int, pass_quit; /* options sighup, sigint, sigquit */
	unsigned number; /* 1 or 2, in records */
	int shutup; /* option children-shutup of its session */
	bool released; /* no endpoint any more */
	void (*on_exit)(struct proc *p, void *arg); /* called once, when it has ended */
	void *arg;
};

/* Take over a started program. */
struct proc *proc_new(struct relay *relay, enum proc_kind kind, struct child child);

/* The endpoint is gone: end the program if it still runs and is of a kind that is ended (and not
 * @leave), and forget it once it has been collected. Its status no longer counts. */
void proc_release(struct proc *p, bool leave);

/* Pass @sig on to all programs that asked for it; returns how many. */
int procs_pass_signal(struct relay *relay, int sig);

/* The loop has stopped: free what is left; the programs run on or have been told to end. */
void procs_forget(struct relay *relay);

#endif
