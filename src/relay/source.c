/* source.c - something that yields many endpoints, see source.h */
#include "relay/source.h"

#include "base/log.h"
#include "relay/dgram.h"
#include "relay/metrics_http.h"
#include "relay/proc.h"
#include "relay/progress.h"
#include "relay/session.h"
#include "sys/fd.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static void on_accept_timeout(struct timer *t)
{
	struct source *src = container_of(t, struct source, accept_timer);

	log_warn("accept: Connection timed out");
	log_notice("Waiting for child processes to terminate");
	source_close(src);
}

void source_init(struct source *src, const struct source_ops *ops, struct address *addr)
{
	src->ops = ops;
	src->addr = addr;
	list_init(&src->node);
	timer_init(&src->accept_timer, on_accept_timeout);
}

static void arm_accept_timer(struct source *src)
{
	if (src->addr->conf->listen.accept_timeout_ns > 0 && !src->closed && !src->paused)
		loop_timer(src->addr->engine->loop, &src->accept_timer,
			   loop_now(src->addr->engine->loop) +
				   src->addr->conf->listen.accept_timeout_ns);
}

void source_start(struct source *src)
{
	list_add_tail(&src->addr->relay->sources, &src->node);
	arm_accept_timer(src);
	src->ops->resume(src);
	relay_ready(src->addr->relay);
}

bool source_has_room(const struct source *src)
{
	int64_t max = src->addr->conf->listen.max_children;
	size_t n = src->nsessions + src->nopenings;

	/* sessions that could get no descriptors would lose what has arrived for them: the kernel
	 * keeps it until others have ended */
	return !src->closed && (max <= 0 || n < (size_t)max) && (!src->most || n < src->most) &&
	       (!n || engine_has_descriptors(src->addr->engine));
}

static void pause_if_full(struct source *src)
{
	unsigned hidden;

	if (source_has_room(src) || src->paused || src->closed)
		return;
	if (!engine_has_descriptors(src->addr->engine)) {
		if (log_limit_pass(&src->limit, 0, loop_now(src->addr->engine->loop), &hidden))
			log_warn("%zu sessions use all descriptors this process may have (ulimit "
				 "-n: %d), others wait",
				 src->nsessions, src->addr->engine->fds.limit);
	} else if (src->addr->conf->listen.max_children > 0 &&
		   src->nsessions + src->nopenings >=
			   (size_t)src->addr->conf->listen.max_children) {
		log_notice("maxchildren are active, waiting");
	}
	src->paused = true;
	loop_timer_stop(src->addr->engine->loop,
			&src->accept_timer); /* it is us who does not accept */
	src->ops->pause(src);
}

static void release(struct source *src)
{
	if (!src->released && src->ops->release)
		src->ops->release(src);
	src->released = true;
}

/* A relay in a forked session process: none of its sources, sessions and openings goes on. */
static void forget_relay(struct relay *relay)
{
	list_for_each_safe (node, tmp, &relay->sources) {
		struct source *src = container_of(node, struct source, node);

		list_del(&src->node);
		loop_timer_stop(relay->engine->loop, &src->accept_timer);
		src->closed = true;
		src->ops->close(src);
		release(src);
		if (src->other) /* shared by all sessions, its program is the parent's */
			src->other->proc = NULL;
		leftovers_remove(&src->left); /* the memory: the entry belongs to the parent */
	}
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
	proc_release(p, true);
	source_session_ended(src);
}

/* A process for this endpoint's session. Returns 1 in the parent, 0 in the child, -1 on failure (in
 * the child: of its process options). */
static int fork_session(struct source *src, struct endpoint *ep)
{
	struct relay *relay = src->addr->relay;
	struct child child;
	struct proc *p;
	struct err err;
	pid_t parent = getpid(), pid = fork();

	if (pid == -1) {
		err_set(&err, errno, "fork()");
		relay_tell(relay, LV_ERROR, &err);
		return -1;
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
			return -1;
		}
		return 0;
	}
	log_notice("forked off child process %d", (int)pid);
	if (child_watch(&child, pid, &err) == -1) {
		relay_tell(relay, LV_ERROR, &err);
		return -1;
	}
	p = proc_new(src->addr, PROC_SESSION, child);
	p->on_exit = on_session_process_end;
	p->arg = src;
	src->nsessions++;
	ep->caps |= EP_SHARED; /* the child goes on using the connection */
	relay->engine->forgetting = true;
	endpoint_free(ep);
	relay->engine->forgetting = false;
	if (relay->plan->set.fork_wait_s)
		sleep(relay->plan->set.fork_wait_s);
	return 1;
}

struct session *source_yield(struct source *src, struct endpoint *ep, const struct vars *vars)
{
	struct relay *relay = src->addr->relay;
	struct session *s;
	struct err err;

	arm_accept_timer(src);
	if (relay->plan->isolate) {
		switch (fork_session(src, ep)) {
		case 1:
			pause_if_full(src);
			return NULL;
		case -1:
			endpoint_free(ep);
			relay_check_idle(relay);
			return NULL;
		}
	} else {
		src->nsessions++;
		pause_if_full(src);
	}
	if (ep->addr->number == 1)
		return session_new_left(relay, ep, src, vars);
	s = NULL;
	if (src->other) {
		struct endpoint *left =
			src->other->ops->share ? src->other->ops->share(src->other, &err) : NULL;

		if (left) {
			s = session_new_pair(relay, left, ep, src, vars);
		} else {
			log_error("%s", src->other->ops->share
						? err.text
						: "this address cannot serve several "
						  "sessions");
			endpoint_free(ep);
			source_session_ended(src);
		}
	}
	return s;
}

static void free_now(struct deferred *d)
{
	struct source *src = container_of(d, struct source, free);

	vars_done(&src->vars);
	free(src);
}

/* Nobody needs it any more. */
static void free_if_unused(struct source *src)
{
	if (!src->closed || src->nsessions || src->nopenings || src->free.queued)
		return;
	list_del(&src->node);
	release(src);
	loop_defer(src->addr->engine->loop, &src->free, free_now);
	relay_check_idle(src->addr->relay);
}

/* There is one less of them. */
static void look_for_room(struct source *src)
{
	free_if_unused(src);
	if (src->paused && source_has_room(src)) {
		src->paused = false;
		log_info("still listening");
		arm_accept_timer(src);
		src->ops->resume(src);
	}
}

void source_session_ended(struct source *src)
{
	src->nsessions--;
	look_for_room(src);
}

void source_opening(struct source *src)
{
	src->nopenings++;
	pause_if_full(src);
}

void source_opened(struct source *src, struct endpoint *ep, const struct vars *vars)
{
	src->nopenings--;
	if (ep) { /* it came before the end of listening, if that has come meanwhile */
		source_yield(src, ep, vars);
		return;
	}
	look_for_room(src);
}

void source_fail(struct source *src, const struct err *err)
{
	log_err(LV_ERROR, err);
	src->addr->relay->status = 1;
	source_close(src);
}

void source_close(struct source *src)
{
	if (src->closed)
		return;
	/* The order: first nothing new begins, whatever the rest calls; then what has not begun
	 * goes (connections in the queue, waiting peers); then the name others find us by, and what
	 * sessions have copies of; last, if no session is left, what they have in common. */
	src->closed = true;
	loop_timer_stop(src->addr->engine->loop, &src->accept_timer);
	src->nsessions -= procs_give_up_places(src->addr->engine, src);
	src->ops->close(src);
	leftovers_remove(&src->left);
	endpoint_free(src->other);
	src->other = NULL;
	free_if_unused(src);
}
