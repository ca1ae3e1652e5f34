/* relay.c - what all sessions of a process share: start, end, counters; see session.h */
#include "base/log.h"
#include "base/mem.h"
#include "relay/metrics.h"
#include "relay/metrics_http.h"
#include "relay/proc.h"
#include "relay/progress.h"
#include "relay/session.h"
#include "sys/fd.h"
#include "sys/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Descriptors kept for opening a session (its ends, a program, a look-up): as many as a session may
 * need while it is opened, and more where there are many, because several open at a time. */
#define SPARE_MIN 6
#define SPARE_MAX 32
#define PER_SESSION 8 /* more than any uses */

void relay_check_idle(struct relay *relay)
{
	/* who waits for a session process waits for its program */
	if (list_empty(&relay->sessions) && list_empty(&relay->sources) &&
	    list_empty(&relay->openings) && list_empty(&relay->lingering) &&
	    !(relay->session_process && procs_run(relay)))
		loop_stop(relay->loop);
}

bool relay_has_descriptors(struct relay *relay)
{
	int spare = relay->fd_limit / 8, used, left;

	if (relay->fds_sure > 0)
		return true;
	spare = spare < SPARE_MIN ? SPARE_MIN : spare > SPARE_MAX ? SPARE_MAX : spare;
	used = fd_count();
	left = relay->fd_limit - spare - (used > 0 ? used : relay->newest_fd + 1);
	relay->fds_sure = left / PER_SESSION;
	return left > 0;
}

void relay_fd_used(struct relay *relay, int fd)
{
	relay->newest_fd = fd;
	relay->fds_sure--;
}

void relay_fd_freed(struct relay *relay, int fd)
{
	if (fd >= 0 && fd <= relay->newest_fd)
		relay->newest_fd = fd - 1;
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
	progress_end(relay->progress);
	if (relay->plan->set.statistics)
		classic_statistics(relay);
	if (relay->plan->set.statistics || relay->plan->set.stats_ns)
		metrics_log(relay);
}

static void on_stats(struct timer *t)
{
	struct relay *relay = container_of(t, struct relay, stats);
	int64_t now = loop_now(relay->loop), due = t->due_ns + relay->plan->set.stats_ns;

	metrics_log(relay);
	loop_timer(relay->loop, t, due > now ? due : now + relay->plan->set.stats_ns);
}

void relay_tell(struct relay *relay, enum log_level level, const struct err *err)
{
	struct log_limit *limit = &relay->failures[level == LV_ERROR];
	char more[80];

	if (!relay->many) {
		log_err(level, err);
	} else if (level >= log_threshold && log_limit_turn(limit, loop_now(relay->loop))) {
		log_at(level, "%s%s", err->text, log_limit_text(limit, 0, "", more, sizeof(more)));
		log_hint(err);
	}
}

void relay_failed(struct relay *relay, const struct err *err)
{
	if (err->over)
		return;
	relay_tell(relay, LV_ERROR, err);
	if (!relay->many)
		relay->status = err->status ? err->status : 1;
}

static void on_left(struct opening *o, struct endpoint *ep, struct source *src, struct err *err)
{
	struct relay *relay = o->arg;

	if (err) {
		relay_failed(relay, err);
		relay_check_idle(relay);
		return;
	}
	if (src) {
		relay->many = true;
		vars_copy(&src->vars, &o->vars);
		source_start(src);
		return;
	}
	session_new_left(relay, ep, NULL, &o->vars);
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

void relay_ready(struct relay *relay)
{
	if (!relay->ready)
		notify_send(relay->notify_fd, "READY=1");
	relay->ready = true;
}

static void say_stopping(struct relay *relay)
{
	if (!relay->stopping)
		notify_send(relay->notify_fd, "STOPPING=1");
	relay->stopping = true;
}

int relay_init(struct relay *relay, struct loop *loop, const struct plan *plan, struct err *err)
{
	*relay = (struct relay){ .loop = loop,
				 .plan = plan,
				 .notify_fd = reach_manager(plan->set.notify) };
	list_init(&relay->sessions);
	list_init(&relay->sources);
	list_init(&relay->openings);
	list_init(&relay->procs);
	list_init(&relay->lingering);
	list_init(&relay->socks);
	relay->fd_limit = (int)fd_limit();
	relay->pool.fd_limit = relay->fd_limit / 4 * 3;
	timer_init(&relay->drain, on_drain);
	timer_init(&relay->stats, on_stats);
	relay->start_seconds = (double)time(NULL);
	relay->tally = tally_new(err);
	if (!relay->tally)
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

	if (plan->set.stats_ns)
		loop_timer(relay->loop, &relay->stats, loop_now(relay->loop) + plan->set.stats_ns);
	opening_start(relay, &plan->side[0], plan_mode(&plan->set, 0), 1, NULL, NULL, on_left,
		      relay);
}

static void stop_accepting(struct relay *relay)
{
	say_stopping(relay);
	list_for_each_safe (node, tmp, &relay->sources)
		source_close(container_of(node, struct source, node));
	/* sessions that have not begun will not; this ends their openings as well */
	list_for_each_safe (node, tmp, &relay->sessions) {
		struct session *s = container_of(node, struct session, node);

		if (s->state == SESSION_OPENING)
			session_finish(s);
	}
	list_for_each_safe (node, tmp, &relay->openings)
		opening_cancel(container_of(node, struct opening, node));
}

void relay_end(struct relay *relay, int status)
{
	relay->status = status;
	relay->ending = true;
	stop_accepting(relay);
	lingers_end(relay);
	while (!list_empty(&relay->sessions))
		session_finish(container_of(relay->sessions.next, struct session, node));
	/* session processes end with us */
	list_for_each_safe (node, tmp, &relay->procs) {
		struct proc *p = container_of(node, struct proc, node);

		if (p->kind != PROC_SESSION)
			continue;
		proc_release(p, false);
		source_session_ended(p->arg); /* nobody waits for it */
	}
	relay->status = status;
	loop_stop(relay->loop);
}

void relay_drain(struct relay *relay, int status)
{
	stop_accepting(relay);
	relay->status = status;
	relay->many = true; /* the status is settled */
	loop_timer(relay->loop, &relay->drain, loop_now(relay->loop) + relay->plan->set.drain_ns);
	relay_check_idle(relay);
}

struct relay_share *relay_share_of(struct relay *relay, const struct half *half)
{
	struct relay_share *s;

	for (s = relay->shares; s; s = s->next) {
		if (s->half == half)
			return s;
	}
	s = xcalloc(1, sizeof(*s));
	s->half = half;
	s->next = relay->shares;
	relay->shares = s;
	return s;
}

void relay_shares_done(struct relay *relay)
{
	while (relay->shares) {
		struct relay_share *s = relay->shares;

		relay->shares = s->next;
		if (s->data)
			s->free(s->data);
		hosts_done(&s->hosts);
		free(s);
	}
}

void relay_done(struct relay *relay)
{
	say_stopping(relay);
	fd_close(&relay->notify_fd);
	relay_shares_done(relay);
	procs_forget(relay);
	pool_done(&relay->pool);
	metrics_http_free(relay->http);
	progress_free(relay->progress);
	tally_free(relay->tally);
}
