/* session_process.c - a process for one session, see session_process.h
 *
 * The child goes on with the engine it has inherited, after it has forgotten everything that
 * belongs to others: sources, sessions, openings, lingering sockets, programs, the service manager,
 * the metrics. Forgetting closes descriptors and frees memory; it shuts nothing down, signals
 * nobody and removes no entry, because all that is still in use in the parent. */
#include "relay/session_process.h"

#include "base/log.h"
#include "dgram/dgram.h"
#include "end/linger.h"
#include "end/proc.h"
#include "open/opening.h"
#include "open/source.h"
#include "relay/session.h"
#include "stats/metrics_http.h"
#include "stats/progress.h"
#include "sys/fd.h"
#include "sys/ident.h"

#include <errno.h>
#include <unistd.h>

/* A relay in a forked session process: none of its sources, sessions and openings goes on. */
static void forget_relay(struct relay *relay)
{
	list_for_each_safe (node, tmp, &relay->sources)
		source_forget(container_of(node, struct source, node));
	/* descriptors of other sessions: close only, no shutdown, no signal to their programs */
	list_for_each_safe (node, tmp, &relay->sessions) {
		struct session *s = container_of(node, struct session, node);
		struct endpoint *ep[2] = { s->left, s->right };

		list_del(&s->node);
		for (int i = 0; i < 2; i++) {
			if (!ep[i])
				continue;
			ep[i]->caps |= EP_SHARED;
			ep[i]->proc = NULL;
			ep[i]->want = 0;
			ep[i]->ops->close(ep[i]);
		}
	}
	list_for_each_safe (node, tmp, &relay->openings)
		opening_forget(container_of(node, struct opening, node));
	metrics_http_free(relay->http);
	relay->http = NULL;
	progress_free(relay->progress); /* the one whose processes we are shows it */
	relay->progress = NULL;
	fd_close(&relay->notify_fd); /* the service is the parent */
}

/* What a forked session process keeps of its parent: its one session, nothing else. */
static void forget_others(struct engine *engine)
{
	engine->forgetting = true;
	dgram_forget_drops(engine);
	lingers_forget(engine);
	list_for_each (node, &engine->relays)
		forget_relay(container_of(node, struct relay, node));
	procs_forget(engine);
	engine->forgetting = false;
}

static void on_session_process_end(struct proc *p, void *arg)
{
	struct source *src = arg;

	log_info("number of children decreased to %zu", src->nsessions - 1);
	engine_fd_freed(src->addr->engine, p->child.pidfd);
	relay_tell_rest_later(src->addr->relay);
	proc_release(p, true);
	source_session_ended(src);
}

enum forked session_process_fork(struct source *src, struct endpoint *ep)
{
	struct relay *relay = src->addr->relay;
	struct child child;
	struct proc *p;
	struct err err;
	pid_t parent = getpid(), pid = fork();

	if (pid == -1) {
		err_set(&err, errno, "fork()");
		relay_tell(relay, LV_ERROR, &err);
		return FORKED_FAILED;
	}
	if (pid == 0) {
		if (loop_forked(relay->engine->loop, &err) == -1) {
			log_error("%s", err.text);
			_exit(1); /* without a loop nothing can be cleaned up */
		}
		relay->many = false;
		relay->engine->session_process = true;
		relay->engine->parent = parent;
		relay->total = (struct stats){ 0 };
		relay->engine->fds.promised = 0;
		ep->want = 0;
		forget_others(relay->engine);
		src->nsessions = 1; /* this one */
		src->nopenings = 0;
		log_info("just born: child process %d", (int)getpid());
		if (relay->plan->set.fork_wait_s)
			sleep(relay->plan->set.fork_wait_s);
		if (ident_apply(&ep->addr->conf->ident, ID_LATE, &err) == -1 ||
		    ident_become(&ep->addr->conf->ident, ID_LATE2, &err) == -1) {
			relay_tell(relay, LV_ERROR, &err);
			relay->status = 1;
			return FORKED_FAILED;
		}
		return FORKED_CHILD;
	}
	log_notice("forked off child process %d", (int)pid);
	if (child_watch(&child, pid, &err) == -1) {
		relay_tell(relay, LV_ERROR, &err);
		return FORKED_FAILED;
	}
	p = proc_new(src->addr, PROC_SESSION, child);
	p->on_exit = on_session_process_end;
	p->arg = src;
	source_session_begins(src);
	ep->caps |= EP_SHARED; /* the child goes on using the connection */
	relay->engine->forgetting = true;
	endpoint_free(ep);
	relay->engine->forgetting = false;
	if (relay->plan->set.fork_wait_s)
		sleep(relay->plan->set.fork_wait_s);
	return FORKED_PARENT;
}
