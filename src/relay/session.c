/* session.c - two endpoints and two flows, see session.h
 *
 * Here live the rules of a session's life: what the first end of file means, how long the other
 * direction may still talk (-t), what inactivity is (-T), who waits for a program to end, and what
 * becomes the exit status.
 *
 * States. NEW: the session has its first endpoint, or both, and is queued. start_session() gives it
 * a process of its own where the plan says so. OPENING: an opening of the right address is queued
 * or waits. begin_session() makes it RELAYING: it adopts both endpoints, starts a flow for each
 * direction that the flags and the descriptors allow, and runs each once. session_end() makes it
 * CLOSING: the flows stop, what could not be delivered is told, and the programs behind the
 * endpoints get their time. session_finish() closes the endpoints and frees the session at the end
 * of the turn.
 *
 * Who calls what. In NEW: on_again(), from the loop. In OPENING: on_right(), from the opening. In
 * RELAYING: on_endpoint(), when an endpoint is ready (a descriptor, or endpoint_ready());
 * on_again() and on_poll(), for a direction that waits for no descriptor; on_timer(), when -t or -T
 * may be over; on_program_exit(). In CLOSING: on_timer() and on_program_exit() only. Each calls
 * run_direction() for the directions that the event is about; that moves a bounded amount and says
 * what it waits for.
 *
 * Ends of a direction, all in run_direction(): end of file (the other endpoint is half-closed, and
 * -t begins), a reader that has gone and may (MOVE_QUIET), a failure (the session ends, with
 * status 1), and nothing to do any more. When neither direction is active the session ends.
 *
 * Ownership. The session owns its endpoints and flows. It borrows its sources, which count it as
 * one of theirs until it is finished, or until its program has ended. An endpoint of which copies
 * are shared (EP_SHARED) is closed without a word to its peer.
 *
 * What may not happen: an endpoint's user is called after session_finish(); a flow of a session
 * that is not RELAYING moves; the exit status of a relay with many sessions is one session's. */
#include "relay/session.h"

#include "base/log.h"
#include "base/mem.h"
#include "end/proc.h"
#include "flow/filter.h"
#include "flow/window.h"
#include "open/opening.h"
#include "relay/standing.h"
#include "stats/progress.h"
#include "sys/fdinfo.h"

#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define IGNOREEOF_NS NSEC_PER_SEC /* option ignoreeof looks again this often */
#define LATE_NS (2 * NSEC_PER_SEC) /* a program may begin to read so late before -t counts */

static void start_session(struct session *s);

void session_add_stats(struct stats *to, const struct session *s)
{
	for (int i = 0; i < 2; i++) {
		to->packets[i] += s->flow[i].packets;
		to->bytes[i] += s->flow[i].bytes;
	}
}

/* What the endpoints have refused or lost. */
void session_report(struct session *s)
{
	for (int i = 0; i < 2; i++) {
		if (session_endpoint(s, i))
			endpoint_report(session_endpoint(s, i));
	}
}

/* It is one of the sessions of address @i from now on. */
static void count_session(struct session *s, int i)
{
	if (s->counted[i])
		return;
	s->counted[i] = true;
	relay_address(s->relay, (unsigned)i + 1)->live++;
	tally_add(&relay_address(s->relay, (unsigned)i + 1)->tally->sessions_total, 1);
}

static int side_of(const struct session *s, const struct endpoint *ep)
{
	return ep == s->right;
}

/* The moment until which the session may stay silent, or 0. */
static int64_t silence_limit(const struct session *s)
{
	const struct settings *set = &s->relay->plan->set;

	if (s->eof_seen)
		return s->last_active_ns + set->linger_ns;
	return set->idle_ns >= 0 ? s->last_active_ns + set->idle_ns : 0;
}

static void arm_silence(struct session *s)
{
	int64_t due = silence_limit(s);

	/* activity moves the limit without touching the timer: it looks again when it fires */
	if (due && (!s->timer.index || due < s->timer.due_ns))
		loop_timer(s->relay->engine->loop, &s->timer, due);
}

static size_t bytes_in_hand(const struct session *s)
{
	return flow_pending(&s->flow[0]) + flow_pending(&s->flow[1]);
}

/* Something that has no end of its own, such as a group or a terminal, is always cut off. */
static bool endpoint_has_end(const struct endpoint *ep)
{
	const struct endpoint *now = endpoint_now(ep);

	return now && !(now->caps & EP_DGRAM_IN) &&
	       (now->proc || now->rkind == FD_SOCKET || now->rkind == FD_PIPE);
}

/* -t is over, and a side that may still have had something to say will not be heard. */
static void tell_cut_off(struct session *s)
{
	const struct settings *set = &s->relay->plan->set;

	if (!set->linger_ns) /* it was asked for */
		return;
	for (int i = 0; i < 2; i++) {
		const struct endpoint *from = session_endpoint(s, i),
				      *to = session_endpoint(s, 1 - i);
		double seconds = (double)set->linger_ns / 1e9;
		unsigned hidden;
		char more[80];

		if (!s->flow[i].active || !endpoint_has_end(from) || to->caps & EP_NO_WRITE ||
		    (to->proc && to->proc->done))
			continue;
		if (!log_limit_pass(&s->relay->shared->cuts, (uint64_t)i + 1,
				    loop_now(s->relay->engine->loop), &hidden))
			continue;
		log_at(set->classic ? LV_NOTICE : LV_WARN,
		       "socket %d had not ended, but said nothing for %g seconds after the end "
		       "of socket %d: it is cut off; -t SECONDS waits longer%s",
		       i + 1, seconds, 2 - i,
		       log_limit_text(&s->relay->shared->cuts, hidden, "side", more, sizeof(more)));
	}
}

static bool program_runs(const struct endpoint *ep)
{
	return ep->proc && !ep->proc->done;
}

/* Bytes that the program behind @ep has not read yet: it may not even have begun to run. -1: it has
 * read them, and works, or waits for a processor. 0: it waits for something else. */
static int left_to_program(const struct endpoint *ep)
{
	int n = 0;

	if (!program_runs(ep))
		return 0;
	if (ep->wfd != -1 && ioctl(ep->wfd, ep->wkind == FD_PIPE ? FIONREAD : SIOCOUTQ, &n) == 0 &&
	    n > 0)
		return n;
	return child_works(&ep->proc->child) ? -1 : 0;
}

/* Who has not taken the question cannot answer it: true as long as the peer of a socket takes some
 * of what it has been sent, and then for close-timeout; a program for two seconds. */
static bool peer_is_taking(struct session *s)
{
	int64_t now = loop_now(s->relay->engine->loop);

	for (int i = 0; i < 2; i++) {
		const struct endpoint *ep = endpoint_now(session_endpoint(s, i));
		bool lingers = ep && endpoint_lingers(ep);
		int left = lingers ? linger_unacknowledged(ep->wfd) : ep ? left_to_program(ep) : 0;
		int64_t limit = lingers ? ep->addr->conf->sock.close_timeout_ns : LATE_NS;

		if (!left || s->flow[1 - i].active)
			continue;
		if (left != s->left_to_take) {
			s->left_to_take = left;
			s->taken_ns = now;
		}
		if (now - s->taken_ns < limit)
			return true;
	}
	return false;
}

/* The silence is that of a reader who takes nothing: what waits for him is not dropped. */
static bool session_is_held_up(struct session *s)
{
	return (s->flow[0].active && s->flow[0].waiting & EPOLLOUT) ||
	       (s->flow[1].active && s->flow[1].waiting & EPOLLOUT) || peer_is_taking(s);
}

/* It can be read, though nobody may have said so yet. */
static bool endpoint_has_something(const struct endpoint *ep)
{
	struct pollfd p = { .fd = ep->rfd, .events = POLLIN };

	return endpoint_holds(ep) || poll(&p, 1, 0) > 0;
}

/* A process that has had no processor for a while finds its timers due before it has looked at what
 * has come meanwhile: that is no silence. True if there was something. */
static bool hears_after_all(struct session *s)
{
	bool found = false;

	for (int i = 0; i < 2; i++) {
		if (!s->flow[i].active || !(s->flow[i].waiting & EPOLLIN) ||
		    session_endpoint(s, i)->masked & EPOLLIN ||
		    !endpoint_has_something(session_endpoint(s, i)))
			continue;
		endpoint_ready(session_endpoint(s, i), EPOLLIN);
		found = true;
	}
	return found;
}

static void on_silence(struct session *s)
{
	const struct settings *set = &s->relay->plan->set;
	int64_t due = silence_limit(s), now = loop_now(s->relay->engine->loop);

	if (due > now) {
		s->asked_again = false;
		loop_timer(s->relay->engine->loop, &s->timer, due);
		return;
	}
	if (!s->asked_again && hears_after_all(s)) {
		s->asked_again = true;
		loop_timer(s->relay->engine->loop, &s->timer, now + NSEC_PER_MSEC);
		return;
	}
	if (s->eof_seen) {
		if (bytes_in_hand(s) || session_is_held_up(s)) {
			s->last_active_ns = now;
			loop_timer(s->relay->engine->loop, &s->timer,
				   now + (set->linger_ns > NSEC_PER_MSEC ? set->linger_ns
									 : NSEC_PER_MSEC));
			return;
		}
		log_info("poll timed out (no data within %.6f seconds)",
			 (double)set->linger_ns / 1e9);
		tell_cut_off(s);
		s->waited = true;
		session_end(s, "the other direction stayed silent");
	} else {
		log_notice("inactivity timeout triggered");
		s->waited = true;
		session_end(s, "inactivity");
	}
}

/* A program behind layers carries what others wait for: while it takes what it was given, its time
 * begins anew. */
static bool is_carrying(struct session *s)
{
	int left = 0, before = s->left_to_take;
	bool carries = false;

	for (int i = 0; i < 2; i++) {
		const struct endpoint *ep = session_endpoint(s, i);

		if (!ep || !ep->top || !program_runs(ep))
			continue;
		carries = true;
		left += left_to_program(ep);
	}
	s->left_to_take = left;
	return carries && left != before;
}

static void on_programs_late(struct session *s)
{
	if (is_carrying(s)) {
		s->closing_ns = loop_now(s->relay->engine->loop);
		session_wait_for_programs(s);
		return;
	}
	for (int i = 0; i < 2; i++) {
		struct endpoint *ep = session_endpoint(s, i);

		if (ep && program_runs(ep) && !s->drained[i])
			log_notice("program %d was only written to and still runs: %s",
				   (int)ep->proc->child.pid,
				   proc_end_signal(ep->proc->kind) ? "ending it now"
								   : "leaving it alone");
	}
	session_finish(s);
}

static void on_timer(struct timer *t)
{
	struct session *s = container_of(t, struct session, timer);
	int old = log_shutup(s->shutup);

	if (s->state == SESSION_CLOSING)
		on_programs_late(s);
	else if (s->judged[0] || s->judged[1])
		session_end(s, "nothing more has been heard");
	else
		on_silence(s);
	log_shutup(old);
}

static void say_eof(struct session *s, int i)
{
	struct endpoint *ep = session_endpoint(s, i);

	if (s->eof_said[i])
		return;
	s->eof_said[i] = true;
	log_notice("socket %d (fd %d) is at EOF", i + 1, ep->rfd);
}

/* The program behind end @i has ended, and its output as well: nobody is there to take any more.
 * Behind two pipes something that it has started may still read; and a program at the other end has
 * its time, though nobody hears it. */
static bool program_has_left(struct session *s, int i)
{
	const struct endpoint *ep = session_endpoint(s, i);

	return ep->proc && ep->proc->done && (ep->rfd == ep->wfd || ep->wfd == -1) &&
	       !program_runs(session_endpoint(s, 1 - i));
}

/* Run what waits for no descriptor after @delay_ns, or earlier where the other direction wants it.
 */
static void look_again_later(struct session *s, int64_t delay_ns)
{
	int64_t due = loop_now(s->relay->engine->loop) + delay_ns;

	if (!s->poll.index || due < s->poll.due_ns)
		loop_timer(s->relay->engine->loop, &s->poll, due);
}

/* Direction @i has delivered its last byte. */
static void direction_ended(struct session *s, int i, bool tell)
{
	flow_stop(&s->flow[i]);
	if (tell)
		endpoint_shut_write(session_endpoint(s, 1 - i));
	if (!s->flow[1 - i].active) {
		if (!session_awaits_verdict(s, 1 - i))
			session_end(s, "all directions have ended");
		return;
	}
	if (program_has_left(s, i)) {
		session_end(s, "the program has ended");
		return;
	}
	if (!s->flow[1 - i].waiting) /* with ignoreeof it may be at its end as well */
		loop_ready(s->relay->engine->loop, &s->again);
	if (!s->eof_seen) {
		s->eof_seen = true;
		s->last_active_ns = loop_clock(s->relay->engine->loop);
	}
	loop_timer_stop(s->relay->engine->loop, &s->timer);
	arm_silence(s);
}

static bool half_is_proxied(const struct half *half)
{
	for (size_t i = 0; i < half->nlayers; i++) {
		if (half->layer[i].type->has_target)
			return true;
	}
	return false;
}

/* Side @i is reached by way of a SOCKS server or HTTP proxy. */
static bool is_proxied(const struct session *s, int i)
{
	const struct address *a = relay_address(s->relay, (unsigned)i + 1);

	for (; a; a = a->dual) {
		if (half_is_proxied(a->half))
			return true;
	}
	return false;
}

/* Many proxies take the end of what we send for the end of the connection. */
static void tell_proxy(struct session *s, int i)
{
	const struct endpoint *ep = session_endpoint(s, i);
	struct err err;

	if (!is_proxied(s, i) || !s->drained[1 - i] || s->flow[i].bytes ||
	    address_write_conf(ep->addr)->flow.shut == SHUT_NONE)
		return;
	err_set(&err, 0,
		"the proxy has ended the connection without an answer when it was told that no "
		"more will be sent; option shut-none does not tell it");
	relay_tell(s->relay, LV_WARN, &err);
}

static void direction_at_eof(struct session *s, int i)
{
	struct endpoint *src = session_endpoint(s, i);
	bool escaped = s->flow[i].filters && s->flow[i].filters->escaped;

	if (src->addr->conf->flow.ignoreeof && !escaped && !s->eof_seen && !src->drained_is_eof &&
	    src->read_left) {
		log_debug("socket %d (fd %d) is at EOF, ignoring", i + 1, src->rfd);
		look_again_later(s, IGNOREEOF_NS);
		return;
	}
	if (src->read_left == 0)
		log_info("xioread(%d, ...): readbytes consumed, inserting EOF", src->rfd);
	s->drained[i] = true;
	tell_proxy(s, i);
	src->parting.ended = src->read_left && !escaped;
	say_eof(s, i);
	direction_ended(s, i, true);
}

static void direction_failed(struct session *s, int i)
{
	struct flow *f = &s->flow[i];
	bool soft = f->write_failed && (f->err->code == EPIPE || f->err->code == ECONNRESET) &&
		    f->dst->addr->conf->flow.cool_write;

	if (soft || s->relay->plan->set.sloppy) {
		if (soft)
			log_err(LV_NOTICE, f->err);
		else
			relay_tell(s->relay, LV_ERROR, f->err);
		log_notice("socket %d to socket %d is in error", i + 1, 2 - i);
		flow_stop(f);
		if (soft)
			session_end(s, "a write failed");
		else
			direction_ended(s, i, true);
		return;
	}
	(f->write_failed ? f->dst : f->src)->parting.told = true;
	relay_tell(s->relay, LV_ERROR, f->err);
	if (!f->write_failed)
		tell_proxy(s, i);
	s->failed = s->broken = true;
	session_end(s, "a transfer failed");
}

static void run_direction(struct session *s, int i)
{
	struct flow *f = &s->flow[i];
	enum move_result r;
	bool moved;

	if (!f->active || s->state != SESSION_RELAYING)
		return;
	r = flow_run(f, &moved);
	if (moved && f->path != &path_drop) /* what nobody gets keeps nobody here */
		s->last_active_ns = loop_clock(s->relay->engine->loop);
	switch (r) {
	case MOVE_END:
		direction_at_eof(s, i);
		break;
	case MOVE_QUIET:
		direction_ended(s, i, false);
		break;
	case MOVE_FAIL:
		direction_failed(s, i);
		break;
	case MOVE_NAP:
		look_again_later(s, s->flow[i].meter->nap_ns);
		break;
	case MOVE_AGAIN:
		loop_ready(s->relay->engine->loop, &s->again);
		break;
	default:
		break;
	}
}

static void on_endpoint(struct endpoint *ep, uint32_t events)
{
	struct session *s = ep->owner;
	int side, old;
	uint32_t trouble = EPOLLERR | EPOLLHUP;

	if (s->state != SESSION_RELAYING)
		return;
	side = side_of(s, ep);
	old = log_shutup(s->shutup);
	if (s->judged[side] && !session_awaits_verdict(s, side))
		session_end(s, "all directions have ended");
	if ((s->flow[side].waiting & EPOLLIN && events & (EPOLLIN | trouble)) ||
	    (events & EPOLLERR && ep->ops->broken))
		run_direction(s, side);
	if (s->state == SESSION_RELAYING && s->flow[1 - side].waiting & EPOLLOUT &&
	    events & (EPOLLOUT | trouble))
		run_direction(s, 1 - side);
	log_shutup(old);
}

static void end_by_endpoint(struct endpoint *ep, const char *why)
{
	session_end(ep->owner, why);
}

static bool session_has_begun(const struct endpoint *ep)
{
	const struct session *s = ep->owner;

	return s->state == SESSION_RELAYING;
}

static const struct endpoint_user session_user = {
	.event = on_endpoint,
	.end = end_by_endpoint,
	.has_begun = session_has_begun,
};

static void run_what_waits_for_nothing(struct session *s)
{
	int old = log_shutup(s->shutup);

	for (int i = 0; i < 2; i++) {
		if (s->flow[i].active && !s->flow[i].waiting)
			run_direction(s, i);
	}
	log_shutup(old);
}

static void on_poll(struct timer *t)
{
	run_what_waits_for_nothing(container_of(t, struct session, poll));
}

static void on_again(struct ready *r)
{
	struct session *s = container_of(r, struct session, again);

	if (s->state == SESSION_NEW)
		start_session(s);
	else
		run_what_waits_for_nothing(s);
}

/* The program behind @ep has ended: how, and nothing more will come than what it has written. */
static void note_status(struct session *s, struct endpoint *ep)
{
	int status = ep->proc->status;
	bool carries_farewell = s->state == SESSION_CLOSING && ep->top && !ep->parting.written_to;

	if (!carries_farewell)
		s->failed |= WIFSIGNALED(status) || WEXITSTATUS(status);
	ep->drained_is_eof = true;
}

/* A program behind an endpoint has ended. What it wrote is still transferred. */
static void on_program_exit(struct proc *p, void *arg)
{
	struct endpoint *ep = arg;
	struct session *s = ep->owner;
	int side;

	(void)p;
	note_status(s, ep);
	if (s->state == SESSION_CLOSING) {
		session_wait_for_programs(s);
		return;
	}
	side = side_of(s, ep);
	run_direction(s, side);
	if (s->state == SESSION_RELAYING && !s->flow[side].active && !s->flow[1 - side].waiting)
		run_direction(s, 1 - side);
	/* nobody will take any more; one that was only written to has not ended its output */
	if (s->state == SESSION_RELAYING && !s->flow[side].active &&
	    (program_has_left(s, side) || (!s->eof_seen && !s->drained[side]))) {
		say_eof(s, side);
		session_end(s, "the program has ended");
	}
}

static void adopt_endpoint(struct session *s, struct endpoint *ep)
{
	ep->owner = s;
	ep->user = &session_user;
	if (!ep->proc)
		return;
	ep->proc->on_exit = on_program_exit;
	ep->proc->shutup = s->shutup;
	ep->proc->arg = ep;
	if (ep->proc->done) /* while the other end was being opened */
		note_status(s, ep);
}

/* Flag -D: what the descriptors are. */
static void analyse_ends(const struct session *s)
{
	char *text = NULL;
	size_t len = 0;
	struct fdinfo f = { .out = open_memstream(&text, &len) };

	if (!f.out)
		return;
	for (int i = 0; i < 2; i++) {
		const struct endpoint *ep = session_endpoint(s, i);

		fdinfo_print(&f, ep->rfd);
		if (ep->wfd != ep->rfd)
			fdinfo_print(&f, ep->wfd);
	}
	fclose(f.out);
	log_dump(text, len, !relay_is_crowded(s->relay));
	free(text);
}

/* A server that has just been connected to has rarely said anything yet: its readiness will tell.
 * A FIFO that had no writer yet reads as if it were at its end; its readiness knows better. */
static bool waits_first(const struct session *s, int i)
{
	const struct endpoint *ep = session_endpoint(s, i);
	struct pollfd p = { .fd = ep->rfd, .events = POLLIN };

	if (ep->rkind == FD_PIPE) /* what layers hold no descriptor tells */
		return endpoint_is_bare(ep) && poll(&p, 1, 0) <= 0;
	return i && ep->rkind == FD_SOCKET && !ep->ops->holds && endpoint_is_bare(ep) &&
	       ep->rfd == ep->wfd && !ep->proc;
}

/* A flow for each direction that the flags want, if there is something to read it from. -1 with
 * relay->engine->err: there is none, or it cannot be dumped as the flags want. */
static int start_directions(struct session *s)
{
	const struct settings *set = &s->relay->plan->set;
	bool wanted[2] = { set->left_to_right, set->right_to_left };

	for (int i = 0; i < 2; i++) {
		struct endpoint *src = session_endpoint(s, i), *dst = session_endpoint(s, 1 - i);

		if (!wanted[i] || src->caps & EP_NO_READ)
			continue;
		if (flow_init(&s->flow[i], s->relay, src, dst, i == 0) == -1)
			return -1;
		src->parting.read_from = true;
		dst->parting.written_to = !(dst->caps & EP_NO_WRITE);
	}
	if (!s->flow[0].active && !s->flow[1].active) {
		err_set(&s->relay->engine->err, 0,
			"%s open for writing only: there is nothing to transfer%s",
			wanted[0] && wanted[1] ? "both addresses are"
			: wanted[0]            ? "the left address is"
					       : "the right address is",
			wanted[0] && wanted[1] ? ""
			: wanted[0]            ? " (-U transfers from right to left)"
					       : " (-u transfers from left to right)");
		return -1;
	}
	s->flow[0].one_way = !s->flow[1].active;
	s->flow[1].one_way = !s->flow[0].active;
	return 0;
}

/* A pipe that ends where it begins: PIPE without a name. */
static bool gives_back(const struct endpoint *ep)
{
	struct stat in, out;

	return ep->rkind == FD_PIPE && ep->rfd != ep->wfd && fstat(ep->rfd, &in) == 0 &&
	       fstat(ep->wfd, &out) == 0 && in.st_dev == out.st_dev && in.st_ino == out.st_ino;
}

/* A group that answers itself never stops once somebody has said something. */
static void warn_of_circle(struct session *s)
{
	struct err err;

	for (int i = 0; i < 2; i++) {
		const struct endpoint *ep = session_endpoint(s, i);

		if (!ep->ops->hears_itself || !gives_back(session_endpoint(s, 1 - i)) ||
		    !s->flow[0].active || !s->flow[1].active || !ep->ops->hears_itself(ep))
			continue;
		err_set(&err, 0,
			"socket %d hears what it sends, and the pipe gives it back: a datagram "
			"goes round for ever; add option no-echo",
			i + 1);
		relay_tell(s->relay, LV_WARN, &err);
	}
}

/* Both ends are there: start the flows. */
static void begin_session(struct session *s)
{
	const struct settings *set = &s->relay->plan->set;
	struct relay *relay = s->relay;

	assert(s->state <= SESSION_OPENING && s->left && s->right && !s->opening);
	adopt_endpoint(s, s->left);
	adopt_endpoint(s, s->right);
	count_session(s, 0);
	count_session(s, 1);
	log_info("resolved and opened all sock addresses");
	log_switch("", false);
	if (set->transfer_wait_s) {
		log_info("before starting data transfer loop: sleeping %us "
			 "(env:SOCAT_TRANSFER_WAIT)",
			 set->transfer_wait_s);
		sleep(set->transfer_wait_s);
	}
	if (set->analyse)
		analyse_ends(s);
	log_notice("starting data transfer loop with FDs [%d,%d] and [%d,%d]", s->left->rfd,
		   s->left->wfd, s->right->rfd, s->right->wfd);
	relay->engine_started = true;
	relay_ready(relay);
	engine_fd_used(relay->engine, session_highest_fd(s));
	s->state = SESSION_RELAYING;
	s->last_active_ns = loop_clock(relay->engine->loop); /* a turn may have taken long */
	if (start_directions(s) == -1) {
		relay_tell(relay, LV_ERROR, &relay->engine->err);
		s->failed = s->broken = true;
		session_end(s, "nothing can be transferred");
		return;
	}
	warn_of_circle(s);
	progress_session(relay->progress, s->flow);
	window_follow(&s->window, relay->engine->loop, s->left, s->right);
	arm_silence(s);
	for (int i = 0; i < 2; i++) {
		if (s->flow[i].active && waits_first(s, i))
			flow_wait(&s->flow[i]);
		else
			run_direction(s, i);
	}
	for (int i = 0; i < 2 && s->state == SESSION_RELAYING; i++) {
		struct proc *p = session_endpoint(s, i)->proc;

		if (p && p->done) /* while the other end was being opened */
			on_program_exit(p, session_endpoint(s, i));
	}
}

/* The right address is open for a session. */
static void on_right(struct opening *o, struct endpoint *ep, struct source *src, struct err *err)
{
	struct session *s = o->arg;
	int old;

	assert(s->state == SESSION_OPENING);
	s->opening = NULL;
	session_is_whole(s);
	if (err) {
		old = log_shutup(s->shutup);
		relay_failed(s->relay, err);
		log_shutup(old);
		s->failed = !err->over;
		session_end(s, "the right address could not be opened");
		return;
	}
	if (src) { /* the right address forks: this session's left end is shared by all of its */
		src->other = s->left;
		src->other->user = NULL;
		src->other->owner = NULL;
		src->other->caps |= EP_LENT;
		s->left = NULL;
		vars_copy(&src->vars, &s->vars);
		source_start(src);
		session_end(s, "the right address yields sessions");
		return;
	}
	s->right = ep;
	vars_copy(&s->vars, &o->vars);
	begin_session(s);
}

static void open_right(struct session *s)
{
	struct relay *relay = s->relay;

	struct address *addr = relay_address(relay, 2);
	enum open_mode mode = plan_mode(&relay->plan->set, 1);

	if (standing_is_wanted(addr)) {
		s->right = standing_new(addr, mode, s->left, &s->vars);
		session_is_whole(s);
		begin_session(s);
		return;
	}
	s->state = SESSION_OPENING;
	if (s->source[0])
		count_session(s, 0);
	s->opening = opening_start(addr, mode, &s->vars, s->left, on_right, s);
	/* who feeds the end from memory is to know that somebody still has to look at it */
	if (endpoint_holds(s->left))
		endpoint_ready(s->left, EPOLLIN);
}

/* From the loop, behind the event that has brought the first endpoint. */
static void start_session(struct session *s)
{
	int old;

	assert(s->state == SESSION_NEW);
	if (session_source(s) && s->relay->plan->isolate && !s->relay->apart(s))
		return;
	old = log_shutup(s->shutup);
	if (s->right)
		begin_session(s);
	else
		open_right(s);
	log_shutup(old);
}

struct session *session_new(struct relay *relay, struct endpoint *left, struct endpoint *right,
			    struct source *source, const struct vars *vars)
{
	struct session *s = xcalloc(1, sizeof(*s));

	s->relay = relay;
	s->left = left;
	s->right = right;
	for (int i = 0; i < 2; i++) {
		if (!session_endpoint(s, i))
			continue;
		session_endpoint(s, i)->owner = s;
		session_endpoint(s, i)->user = &session_user;
	}
	timer_init(&s->timer, on_timer);
	timer_init(&s->poll, on_poll);
	ready_init(&s->again, on_again);
	list_add_tail(&relay->sessions, &s->node);
	if (source) {
		s->source[source->addr->number - 1] = source;
		s->shutup = (int)source->addr->conf->listen.children_shutup;
		vars_copy(&s->vars, &source->vars);
	}
	if (vars)
		vars_copy(&s->vars, vars);
	s->promised = !right;
	if (s->promised)
		engine_fds_promise(relay->engine);
	loop_ready(relay->engine->loop, &s->again);
	return s;
}
