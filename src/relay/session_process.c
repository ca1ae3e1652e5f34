/* session_process.c - a process for one session, see session_process.h
 *
 * States. The session is NEW and from a source, which counts it. fork() makes two of it. In the
 * child it goes on, with the engine it has inherited, once engine_forget() has dropped all that
 * belongs to others: each module that owns something has registered how (engine_on_fork()). In the
 * parent it is forgotten, and a struct proc of kind PROC_SESSION stands for it: the source counts
 * that until on_session_process_end(), a drain waits for it, and relay_end() ends it.
 *
 * Who calls what. start_session() calls relay->apart, which is session_process_fork(): from the
 * loop, so that nothing of a batch or of an accept queue is in hand in two processes. True is
 * returned in the child alone, and there the caller goes on as if nothing had been. A failure
 * (no process, no pidfd, an identity that is refused) is one sentence, and the session is finished.
 *
 * Time. The loop's clock stands still while a turn goes on, and a turn may fork many; the child
 * looks at the clock anew, so that its limits count from its own beginning.
 *
 * Ownership. The session's ends are the child's; in the parent they are abandoned
 * (session_forget(), endpoint_abandon()), which closes descriptors and says nothing. The place in
 * the source is the parent's, and goes with the struct proc, as do entries of the file system that
 * the source is found by. Counters lie in memory that both have (shared.h).
 *
 * What may not happen: anything is written to the session's end in the parent, or to the ends of
 * others in the child; a child begins another session, as its sources are closed. */
#include "relay/session_process.h"

#include "base/log.h"
#include "end/proc.h"
#include "open/source.h"
#include "relay/session.h"
#include "sys/ident.h"

#include <errno.h>
#include <unistd.h>

static void on_session_process_end(struct proc *p, void *arg)
{
	struct source *src = arg;

	log_info("number of children decreased to %zu", src->nsessions - 1);
	engine_fd_freed(src->addr->engine, p->child.pidfd);
	relay_tell_rest_later(src->addr->relay);
	proc_release(p, true);
	source_session_ended(src);
}

/* In the child: nothing is left but the session, which is in no list. */
static int become_session(struct session *s, pid_t parent, struct err *err)
{
	struct relay *relay = s->relay;
	struct engine *engine = relay->engine;
	struct source *src = session_source(s);
	const struct ident *ident = &src->addr->conf->ident;

	if (loop_forked(engine->loop, err) == -1) {
		log_error("%s", err->text);
		_exit(1); /* without a loop nothing can be cleaned up */
	}
	(void)loop_clock(engine->loop); /* others have been forked in this turn */
	engine->session_process = true;
	engine->parent = parent;
	engine_forget(engine);
	src->nsessions = 1; /* this one */
	src->nopenings = 0;
	log_info("just born: child process %d", (int)getpid());
	if (relay->plan->set.fork_wait_s)
		sleep(relay->plan->set.fork_wait_s);
	if (ident_apply(ident, ID_LATE, err) == -1 || ident_become(ident, ID_LATE2, err) == -1)
		return -1;
	list_add_tail(&relay->sessions, &s->node);
	return 0;
}

/* In the parent: watch the child, which counts in place of the session. */
static int watch_session(struct session *s, pid_t pid, struct err *err)
{
	struct source *src = session_source(s);
	struct child child;
	struct proc *p;

	log_notice("forked off child process %d", (int)pid);
	if (child_watch(&child, pid, err) == -1)
		return -1;
	p = proc_new(src->addr, PROC_SESSION, child);
	p->on_exit = on_session_process_end;
	p->arg = src;
	session_forget(s);
	if (s->relay->plan->set.fork_wait_s)
		sleep(s->relay->plan->set.fork_wait_s);
	return 0;
}

bool session_process_fork(struct session *s)
{
	struct err err;
	pid_t parent = getpid(), pid;
	int rc;

	list_del(&s->node); /* all that is in it is forgotten in the child */
	pid = fork();
	if (pid == 0)
		rc = become_session(s, parent, &err);
	else if (pid > 0)
		rc = watch_session(s, pid, &err);
	else
		rc = err_set(&err, errno, "fork()");
	if (rc == 0)
		return pid == 0;
	relay_tell(s->relay, LV_ERROR, &err);
	if (pid == 0)
		s->relay->status = 1;
	list_add_tail(&s->relay->sessions, &s->node);
	session_finish(s);
	return false;
}
