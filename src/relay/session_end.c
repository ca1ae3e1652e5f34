/* session_end.c - the end of a session: programs get their time, endpoints close; see session.h
 *
 * session_end() makes a session CLOSING: what could not be delivered is told, the flows stop, and
 * who is given time is told that nothing more comes. session_finish() is the only place where a
 * session's endpoints are closed; its memory goes at the end of the turn. */
#include "base/log.h"
#include "end/proc.h"
#include "end/proc_end.h"
#include "relay/session.h"

#include <errno.h>
#include <stdlib.h>

static void uncount_session(struct session *s)
{
	for (int i = 0; i < 2; i++)
		relay_address(s->relay, (unsigned)i + 1)->live -= s->counted[i];
}

int session_highest_fd(const struct session *s)
{
	int high = -1;

	for (int i = 0; i < 2; i++) {
		const struct endpoint *ep = session_endpoint(s, i);

		if (ep && ep->rfd > high)
			high = ep->rfd;
		if (ep && ep->wfd > high)
			high = ep->wfd;
	}
	return high;
}

/* Nothing moves any more, and nothing wakes it. */
static void be_still(struct session *s)
{
	struct loop *loop = s->relay->engine->loop;

	loop_timer_stop(loop, &s->timer);
	loop_timer_stop(loop, &s->poll);
	loop_unready(&s->again);
	flow_stop(&s->flow[0]);
	flow_stop(&s->flow[1]);
}

/* How long after the end of the session the program behind end @i may go on, 0: not at all. Behind
 * layers it has not ended its output: they have told the end of theirs, and it carries that. */
static int64_t program_time(const struct session *s, int i)
{
	const struct endpoint *ep = session_endpoint(s, i);
	const struct settings *set = &s->relay->plan->set;
	bool read_from = i ? set->right_to_left : set->left_to_right;

	if (!ep || !ep->proc || ep->proc->done || ep->addr->conf->flow.end_close ||
	    ep->caps & EP_SHARED)
		return 0;
	if (!endpoint_is_bare(ep))
		return proc_end_wait(ep->proc->kind, PROC_TOLD);
	return proc_end_wait(ep->proc->kind, s->drained[i] ? PROC_SPOKEN
					     : read_from   ? PROC_TALKING
							   : PROC_TOLD);
}

/* Each program has its own time; when nobody has any left, this is the end. */
void session_wait_for_programs(struct session *s)
{
	int64_t due = s->broken ? 0 : s->closing_ns + program_time(s, 0);

	if (!s->broken && s->closing_ns + program_time(s, 1) > due)
		due = s->closing_ns + program_time(s, 1);
	if (due <= loop_now(s->relay->engine->loop))
		session_finish(s);
	else
		loop_timer(s->relay->engine->loop, &s->timer, due);
}

bool session_awaits_verdict(struct session *s, int i)
{
	struct endpoint *ep = session_endpoint(s, i);
	struct loop *loop = s->relay->engine->loop;
	struct err err;

	if (s->drained[i] || ep->caps & EP_NO_READ || endpoint_verdict(ep, &err) == 0)
		return false;
	if (errno != EAGAIN) {
		ep->parting.told = true;
		relay_tell(s->relay, LV_ERROR, &err);
		s->failed = s->broken = true;
		return false;
	}
	if (!s->judged[i])
		loop_timer(loop, &s->timer, loop_now(loop) + s->relay->plan->set.linger_ns);
	s->judged[i] = true;
	endpoint_want(ep, EPOLLIN, 0);
	return true;
}

static void tell_pending(struct session *s)
{
	struct err err;

	for (int i = 0; i < 2; i++) {
		const struct endpoint *to = session_endpoint(s, 1 - i);
		size_t n = flow_pending(&s->flow[i]);

		if (to && to->parting.told) /* its layers have no use for what they have kept */
			n += endpoint_kept(to);
		if (n) {
			err_set(&err, 0,
				"%zu bytes read from socket %d could not be delivered to socket %d",
				n, i + 1, 2 - i);
			relay_tell(s->relay, LV_WARN, &err);
		}
		if (s->flow[i].dropped) {
			err_set(&err, 0,
				"%llu bytes from socket %d had nowhere to go: socket %d can only "
				"be "
				"read from",
				(unsigned long long)s->flow[i].dropped, i + 1, 2 - i);
			relay_tell(s->relay, LV_WARN, &err);
		}
	}
}

void session_is_whole(struct session *s)
{
	if (s->promised)
		engine_fds_kept(s->relay->engine);
	s->promised = false;
}

/* A session that ends does not wait for its right address. */
static void stop_opening(struct session *s)
{
	if (s->opening)
		opening_cancel(s->opening);
	s->opening = NULL;
	session_is_whole(s);
}

/* Who is given time is told that nothing more comes. */
static void tell_programs(struct session *s)
{
	for (int i = 0; i < 2; i++) {
		struct endpoint *ep = session_endpoint(s, i);

		if (program_time(s, i) > 0 && (s->flow[1 - i].active || ep->top))
			endpoint_finish(ep);
	}
}

void session_end(struct session *s, const char *why)
{
	if (s->state == SESSION_CLOSING)
		return;
	log_debug("session ends: %s", why);
	s->state = SESSION_CLOSING;
	stop_opening(s);
	tell_pending(s);
	if (!s->broken)
		tell_programs(s);
	s->left_to_take = NOT_LOOKED; /* so a program that carries layers is looked at twice */
	be_still(s);
	s->closing_ns = loop_now(s->relay->engine->loop);
	session_wait_for_programs(s);
}

static void free_session(struct deferred *d)
{
	struct session *s = container_of(d, struct session, free);

	vars_done(&s->vars);
	free(s);
}

/* A program behind it that has not ended yet, or NULL. */
static struct proc *running_program(const struct session *s)
{
	for (int i = 0; i < 2; i++) {
		const struct endpoint *ep = session_endpoint(s, i);

		if (ep && ep->proc && !ep->proc->done && !(ep->caps & EP_SHARED))
			return ep->proc;
	}
	return NULL;
}

/* The sources have room again: at once, or when a program that still runs has ended. */
static void give_places_back(struct session *s, struct proc *program)
{
	for (int i = 0; i < 2; i++) {
		struct source *src = s->source[i];

		if (src && program && !src->closed)
			proc_keep_place(program, src, source_session_ended);
		else if (src)
			source_session_ended(src);
	}
}

void session_forget(struct session *s)
{
	struct loop *loop = s->relay->engine->loop;

	be_still(s);
	list_del(&s->node);
	session_is_whole(s);
	window_leave(&s->window, loop);
	endpoint_abandon(s->left);
	endpoint_abandon(s->right);
	s->left = s->right = NULL;
	loop_defer(loop, &s->free, free_session);
}

void session_finish(struct session *s)
{
	struct relay *relay = s->relay;
	struct proc *program = running_program(s);

	if (s->free.queued)
		return;
	if (s->state != SESSION_CLOSING)
		tell_pending(s);
	s->state = SESSION_CLOSING;
	stop_opening(s);
	be_still(s);
	session_add_stats(&relay->total, s);
	if (s->failed && !relay_is_settled(relay) && !relay->status)
		relay->status = 1;
	list_del(&s->node);
	uncount_session(s);
	window_leave(&s->window, relay->engine->loop);
	engine_fd_freed(relay->engine, session_highest_fd(s));
	if (relay->plan->set.statistics)
		session_report(s);
	for (int i = 0; i < 2; i++) {
		if (session_endpoint(s, i) && !s->waited && !s->broken)
			session_endpoint(s, i)->parting.grace_ns = relay->plan->set.linger_ns;
		endpoint_free(session_endpoint(s, i));
	}
	s->left = s->right = NULL;
	loop_defer(relay->engine->loop, &s->free, free_session);
	give_places_back(s, program);
	engine_settle(relay->engine);
}
