/* proc.h - a running program behind an endpoint
 *
 * Watches the program's end, collects its status, and ends it when its endpoint is closed, as
 * proc_end.h says. A program outlives its endpoint here until it has been collected, so there are
 * never zombies. */
#ifndef END_PROC_H
#define END_PROC_H

#include "end/engine.h"
#include "end/proc_end.h"
#include "ev/loop.h"
#include "sys/child.h"

#include <stdbool.h>

struct address;
struct source;

#define PROC_PASS(sig) (UINT32_C(1) << (sig))

struct proc {
	struct address *addr; /* it was started for */
	enum proc_kind kind;
	struct child child;
	struct watch watch;
	struct list node; /* in engine->procs */
	struct forget forget;
	struct deferred free;
	bool done;
	int status; /* waitpid(2)'s, when done */
	const char *command; /* SYSTEM: for its record; borrowed, or NULL */
	uint32_t pass; /* signals the relay passes on to it: PROC_PASS() of each */
	int shutup; /* option children-shutup of its session */
	bool released; /* no endpoint any more */
	struct source *place[2]; /* it is still one of this source's sessions, or NULL */
	void (*free_place)(struct source *src);
	void (*on_exit)(struct proc *p, void *arg); /* called once, when it has ended */
	void *arg;
};

/* Take over a started program. */
struct proc *proc_new(struct address *addr, enum proc_kind kind, struct child child);

/* The endpoint is gone: end the program if it still runs and is of a kind that is ended (and not
 * @leave), and forget it once it has been collected. Its status no longer counts. */
void proc_release(struct proc *p, bool leave);

/* The session of @p is over and so is its place among those of @src (max-children, max-sessions),
 * but only when the program has ended: then @free_place is called. Before proc_release(). */
void proc_keep_place(struct proc *p, struct source *src, void (*free_place)(struct source *src));

/* @src is being closed and does not count any more; returns how many places were kept. */
size_t procs_give_up_places(struct engine *engine, const struct source *src);

/* Some have not ended yet. */
bool procs_run(const struct engine *engine);

/* Pass @sig on to all programs that shall have it; returns how many have it now. @by_terminal: our
 * process group has got it. */
int procs_pass_signal(struct engine *engine, int sig, bool by_terminal);

/* The loop has stopped: free what is left; the programs run on or have been told to end. */
void procs_forget(struct engine *engine);

#endif
