/* relay_run.c - the life of a relay, see relay_run.h
 *
 * States. Opening: relay_start() has queued an opening of the left address. Then on_left() gets an
 * end, and makes the one session there will be; or a source, which calls on_yield() for every
 * session; or an error, and the relay is idle. Stopping: relay_drain() has closed the sources and
 * ended what had not begun; sessions go on until the last one or until on_drain(). Ended:
 * relay_end() has finished all sessions and told session processes to end; the loop stops when
 * every relay of the engine is idle.
 *
 * Who calls what. relay_drain() and relay_end() come from signals, in main.c. on_yield() is called
 * by sources and only queues: sessions begin from the loop. Whatever goes calls engine_settle(),
 * and settle_engine() stops the loop when no relay has a session, a source or an opening left, no
 * socket lingers, and a session process has no program left. Session processes keep their source in
 * the list, so a relay that drains waits for them.
 *
 * Ownership. The relay owns its addresses, the shared counters, the metrics server and the line of
 * progress. Its sessions, sources and openings own themselves and are linked here.
 *
 * Which end first. The left address is opened, and the right one by each session that has its left
 * end (session.c), unless the left one stands (option reopen): then the session begins at once. An
 * end that a source of the right address yields gets a copy of the left one.
 *
 * The status is settled once, by who decides (relay.c); relay_end() sets it twice, because sessions
 * that it finishes may fail. In a session process the relay is the same one without what belongs to
 * others (forget_relay()): it shows no progress, serves no metrics, and tells no manager.
 *
 * What may not happen: a new session begins in a relay that is stopping; the status changes once it
 * is settled, but by relay_end(). */
#include "relay/relay_run.h"

#include "base/log.h"
#include "end/linger.h"
#include "end/proc.h"
#include "end/relay.h"
#include "open/source.h"
#include "relay/session.h"
#include "relay/session_process.h"
#include "relay/standing.h"
#include "stats/metrics.h"
#include "stats/metrics_http.h"
#include "stats/progress.h"
#include "sys/fd.h"
#include "sys/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool relay_is_idle(const struct relay *r)
{
	return r->ended ||
	       (list_empty(&r->sessions) && list_empty(&r->sources) && list_empty(&r->openings));
}

static bool relays_are_idle(const struct engine *engine)
{
	list_for_each (node, &engine->relays) {
		if (!relay_is_idle(container_of(node, struct relay, node)))
			return false;
	}
	return true;
}

static void settle_engine(struct engine *engine)
{
	/* who waits for a session process waits for its program */
	if (relays_are_idle(engine) && list_empty(&engine->lingering) &&
	    !(engine->session_process && procs_run(engine)))
		loop_stop(engine->loop);
}

static int digits(uint64_t n)
{
	return snprintf(NULL, 0, "%llu", (unsigned long long)n);
}

static int wider(const uint64_t n[2])
{
	return digits(n[0]) > digits(n[1]) ? digits(n[0]) : digits(n[1]);
}

static void classic_statistics(struct relay *relay)
{
	static const char *const name[] = { "left to right", "right to left" };
	const struct settings *set = &relay->plan->set;
	bool show[2] = { set->left_to_right, set->right_to_left };
	struct stats sum = relay->total;

	if (!relay->engine_started) {
		log_warn("transfer engine not yet started, statistics not available");
		return;
	}
	list_for_each (node, &relay->sessions)
		session_add_stats(&sum, container_of(node, struct session, node));
	log_put(LV_WARN, "statistics are experimental");
	for (int i = 0; i < 2; i++) {
		if (show[i])
			log_put(LV_INFO, "STATISTICS: %s: %*llu packets(s), %*llu byte(s)", name[i],
				wider(sum.packets), (unsigned long long)sum.packets[i],
				wider(sum.bytes), (unsigned long long)sum.bytes[i]);
	}
	list_for_each (node, &relay->sessions)
		session_report(container_of(node, struct session, node));
	list_for_each (node, &relay->sources) {
		struct source *src = container_of(node, struct source, node);

		if (src->ops->report)
			src->ops->report(src);
	}
}

void relay_statistics(struct relay *relay)
{
	classic_statistics(relay);
	metrics_log(relay);
}

void relay_final_statistics(struct relay *relay)
{
	if (!relay->engine->session_process)
		relay_tell_rest(relay);
	progress_end(relay->progress);
	if (relay->plan->set.statistics)
		classic_statistics(relay);
	if (relay->plan->set.statistics || relay->plan->set.stats_ns)
		metrics_log(relay);
}

static void on_rest(struct timer *t)
{
	relay_tell_rest(container_of(t, struct relay, rest));
}

static void on_stats(struct timer *t)
{
	struct relay *relay = container_of(t, struct relay, stats);
	int64_t now = loop_now(relay->engine->loop), due = t->due_ns + relay->plan->set.stats_ns;

	metrics_log(relay);
	loop_timer(relay->engine->loop, t, due > now ? due : now + relay->plan->set.stats_ns);
}

static void on_left(struct opening *o, struct endpoint *ep, struct source *src, struct err *err)
{
	struct relay *relay = o->arg;

	if (err) {
		relay_failed(relay, err);
		engine_settle(relay->engine);
		return;
	}
	if (src) {
		vars_copy(&src->vars, &o->vars);
		source_start(src);
		return;
	}
	session_new(relay, ep, NULL, NULL, &o->vars);
}

/* A source has an end for a session. */
static void on_yield(struct source *src, struct endpoint *ep, const struct vars *vars)
{
	struct endpoint *left;
	struct err err;

	if (src->addr->number == 1) {
		session_new(src->addr->relay, ep, NULL, src, vars);
		return;
	}
	/* on the right of an end that all sessions share; if that has gone, so has this one */
	left = src->other ? endpoint_share(src->other, &err) : NULL;
	if (left) {
		session_new(src->addr->relay, left, ep, src, vars);
		return;
	}
	if (src->other)
		log_err(LV_ERROR, &err);
	endpoint_free(ep);
	source_session_ended(src);
}

static void on_drain(struct timer *t)
{
	struct relay *relay = container_of(t, struct relay, drain);

	relay_end(relay, relay->status);
}

/* A manager that was named and does not hear us ends us soon: say why. */
static int reach_manager(bool asked)
{
	struct err err;
	int fd = notify_open(asked, &err);

	if (err.text[0])
		log_warn("%s", err.text);
	return fd;
}

static void relay_says_stopping(struct relay *relay)
{
	if (!relay->stopping)
		notify_send(relay->notify_fd, "STOPPING=1");
	relay->stopping = true;
}

/* In a session process. Its sessions are those of others: who forks has taken out its own. */
static void forget_relay(struct forget *f)
{
	struct relay *relay = container_of(f, struct relay, forget);

	list_for_each_safe (node, tmp, &relay->sources)
		source_forget(container_of(node, struct source, node));
	list_for_each_safe (node, tmp, &relay->sessions)
		session_forget(container_of(node, struct session, node));
	list_for_each_safe (node, tmp, &relay->openings)
		opening_forget(container_of(node, struct opening, node));
	metrics_http_free(relay->http);
	relay->http = NULL;
	progress_free(relay->progress); /* the one whose processes we are shows it */
	relay->progress = NULL;
	relay->total = (struct stats){ 0 };
	fd_close(&relay->notify_fd); /* the service is the parent */
}

int relay_init(struct relay *relay, struct engine *engine, const struct plan *plan, struct err *err)
{
	struct shared *shared = shared_new(plan->nsides, err);

	relay_make(relay, engine, plan, shared);
	relay->yield = on_yield;
	relay->apart = session_process_fork;
	relay->notify_fd = reach_manager(plan->set.notify);
	relay->start_seconds = (double)time(NULL);
	list_add_tail(&engine->relays, &relay->node);
	engine_on_fork(engine, &relay->forget, forget_relay);
	engine->settle = settle_engine;
	timer_init(&relay->drain, on_drain);
	timer_init(&relay->stats, on_stats);
	timer_init(&relay->rest, on_rest);
	if (!shared)
		return -1;
	if (plan->set.progress)
		relay->progress = progress_new(relay);
	if (plan->set.metrics && !(relay->http = metrics_http_new(relay, plan->set.metrics, err)))
		return -1;
	return 0;
}

void relay_start(struct relay *relay)
{
	const struct plan *plan = relay->plan;
	struct address *left = relay_address(relay, 1);
	enum open_mode mode = plan_mode(&plan->set, 0);

	if (plan->set.stats_ns)
		loop_timer(relay->engine->loop, &relay->stats,
			   loop_now(relay->engine->loop) + plan->set.stats_ns);
	if (standing_is_wanted(left))
		session_new(relay, standing_new(left, mode, NULL, NULL), NULL, NULL, NULL);
	else
		opening_start(left, mode, NULL, NULL, on_left, relay);
}

static void relay_stops_accepting(struct relay *relay)
{
	relay_says_stopping(relay);
	list_for_each_safe (node, tmp, &relay->sources)
		source_close(container_of(node, struct source, node));
	/* sessions that have not begun will not; this ends their openings as well */
	list_for_each_safe (node, tmp, &relay->sessions) {
		struct session *s = container_of(node, struct session, node);

		if (s->state <= SESSION_OPENING)
			session_finish(s);
	}
	list_for_each_safe (node, tmp, &relay->openings) {
		struct opening *o = container_of(node, struct opening, node);

		if (!o->of_session)
			opening_cancel(o);
	}
}

void relay_end(struct relay *relay, int status)
{
	relay->status = status;
	relay->ending = true;
	relay_stops_accepting(relay);
	lingers_end(relay);
	while (!list_empty(&relay->sessions))
		session_finish(container_of(relay->sessions.next, struct session, node));
	/* session processes end with us */
	list_for_each_safe (node, tmp, &relay->engine->procs) {
		struct proc *p = container_of(node, struct proc, node);

		if (p->kind != PROC_SESSION || p->addr->relay != relay || p->released)
			continue; /* released: a second signal, and its place is given back */
		proc_release(p, false);
		source_session_ended(p->arg); /* nobody waits for it */
	}
	relay->status = status;
	relay->ended = true;
	if (relays_are_idle(relay->engine))
		loop_stop(relay->engine->loop);
}

void relay_drain(struct relay *relay, int status)
{
	relay_stops_accepting(relay);
	relay->status = status;
	relay->settled = true;
	loop_timer(relay->engine->loop, &relay->drain,
		   loop_now(relay->engine->loop) + relay->plan->set.drain_ns);
	engine_settle(relay->engine);
}

void relay_done(struct relay *relay)
{
	relay_says_stopping(relay);
	fd_close(&relay->notify_fd);
	list_del(&relay->node);
	list_del(&relay->forget.node);
	if (list_empty(&relay->engine->relays)) /* programs run on, or have been told to end */
		procs_forget(relay->engine);
	relay_free_addresses(relay);
	metrics_http_free(relay->http);
	progress_free(relay->progress);
	shared_free(relay->shared);
}
