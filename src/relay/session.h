/* session.h - two endpoints and two flows
 *
 * A session is made when its first endpoint is there: NEW (queued, the loop begins it), OPENING
 * (the right endpoint is on its way), RELAYING, then CLOSING (a program is given time to end). One
 * function ends it. */
#ifndef RELAY_SESSION_H
#define RELAY_SESSION_H

#include "base/list.h"
#include "end/endpoint.h"
#include "end/relay.h"
#include "end/vars.h"
#include "ev/loop.h"
#include "flow/flow.h"
#include "flow/window.h"
#include "open/opening.h"
#include "open/source.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

enum session_state { SESSION_NEW, SESSION_OPENING, SESSION_RELAYING, SESSION_CLOSING };

#define NOT_LOOKED INT_MIN /* left_to_take, before anybody has */

struct session {
	struct relay *relay;
	struct list node;
	enum session_state state;
	int shutup; /* children-shutup */
	struct endpoint *left, *right;
	struct opening *opening; /* of the right address, while it goes on */
	struct flow flow[2]; /* 0: left to right */
	struct timer timer; /* -t, -T, or a program's time to end */
	struct timer poll; /* look again: ignoreeof, dense datagrams */
	struct ready again; /* it begins, or looks again behind others */
	int64_t last_active_ns;
	bool eof_seen; /* one direction has ended: -t counts */
	bool eof_said[2];
	bool drained[2]; /* that side delivered its end of file */
	bool waited; /* the silence of -t or -T has passed */
	bool asked_again; /* whether it was one: see hears_after_all() */
	bool judged[2]; /* all is written to that end, which nobody reads: will it be refused? */
	bool failed; /* its exit status */
	bool promised; /* descriptors, until its right end is there */
	bool broken; /* a transfer has failed: nothing is waited for */
	bool counted[2]; /* it is among the sessions of that address */
	int left_to_take; /* bytes that a peer had not taken when somebody looked last, */
	union {
		int64_t taken_ns; /* and since when it is so many */
		int64_t closing_ns; /* SESSION_CLOSING: when it began to be */
	};
	struct window window; /* the terminals of the user and of the program */
	struct source *source[2]; /* where left and right came from, or NULL */
	struct vars vars;
	struct deferred free;
};

/* A session between @left and @right, or, where that is NULL, what the right address is opened to;
 * it begins from the loop, in a process of its own if the plan says so. @source: which of the two
 * it comes from and counts it, or NULL. @vars: what is known of the peer (copied), or NULL. Takes
 * both ends. */
struct session *session_new(struct relay *relay, struct endpoint *left, struct endpoint *right,
			    struct source *source, const struct vars *vars);

/* Its end @i: 0 left, 1 right; or NULL. */
static inline struct endpoint *session_endpoint(const struct session *s, int i)
{
	return i ? s->right : s->left;
}

/* The source that it comes from, or NULL. */
static inline struct source *session_source(const struct session *s)
{
	return s->source[0] ? s->source[0] : s->source[1];
}

/* The highest descriptor of its ends, or -1. */
int session_highest_fd(const struct session *s);

/* CLOSING: each program has its own time; when nobody has any left, the session is finished. */
void session_wait_for_programs(struct session *s);

/* End it: flows stop, programs get their time, endpoints close. @why is logged at debug level. */
void session_end(struct session *s, const char *why);

/* All directions have ended, the last one at end @i: wait, as long as -t, if the other side has not
 * taken us for good. False: there is nothing to wait for, or it has failed. */
bool session_awaits_verdict(struct session *s, int i);

/* Its right end is there, or will never be. */
void session_is_whole(struct session *s);

/* End it at once; the only place where a session's endpoints are freed. */
void session_finish(struct session *s);

/* In the process of another session: this one goes on in the process that has forked. */
void session_forget(struct session *s);

/* Add its counters to @to; print what its endpoints have refused or lost. */
void session_add_stats(struct stats *to, const struct session *s);
void session_report(struct session *s);

#endif
