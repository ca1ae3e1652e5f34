/* session.h - two endpoints and two flows; and the relay that runs many of them
 *
 * A session is born when its left endpoint is there: OPENING (the right one is on its way), then
 * RELAYING, then CLOSING (a program is given time to end). One function ends it. The relay is what
 * all sessions of the process share: loop, plan, buffers, counters. */
#ifndef RELAY_SESSION_H
#define RELAY_SESSION_H

#include "base/list.h"
#include "base/log.h"
#include "base/log_limit.h"
#include "ev/loop.h"
#include "relay/flow.h"
#include "relay/opening.h"
#include "relay/plan.h"
#include "relay/pool.h"
#include "relay/source.h"
#include "relay/tally.h"
#include "relay/vars.h"

struct metrics_http;
struct progress;

struct stats {
	uint64_t packets[2], bytes[2]; /* 0: left to right */
};

struct relay {
	struct loop *loop;
	const struct plan *plan;
	struct pool pool;
	struct list sessions, sources, openings, procs;
	struct list lingering; /* sockets whose session is over; see linger.h */
	size_t nlingering;
	struct stats total; /* of sessions that have ended */
	int status; /* exit status so far */
	struct err err; /* what a flow has met; see flow.h */
	struct log_limit cuts; /* of warnings about sides that -t has cut off */
	struct log_limit lost_ends; /* and about peers that did not take all; see linger.h */
	bool many; /* an address forks: a failing session is not the program's */
	int newest_fd; /* descriptors are given out lowest first: tells how many are in use */
	int fds_sure; /* so many more are no question */
	int fd_limit;
	struct log_limit limit; /* records of sessions for which something is short */
	struct log_limit failures[2]; /* of many sessions: warnings, errors; see relay_tell() */
	bool stopping; /* no new sessions; draining or ending */
	bool ending; /* nothing waits for anything any more */
	bool engine_started; /* both addresses existed once */
	struct timer drain;
	struct relay_share *shares; /* see relay_share() */
	struct tally *tally; /* one for each address; shared with session processes */
	struct list socks; /* all datagram sockets */
	size_t live[2]; /* sessions that use this address, in this process */
	bool session_process; /* forked for one session: its parent tells the numbers */
	pid_t parent; /* then: who has the source, and may have ended since */
	bool forgetting; /* what is closed now lives on in another process, which counts it */
	double start_seconds; /* since the epoch */
	struct timer stats; /* --stats */
	struct timer orphans; /* process 1: look again; see orphans.c */
	struct metrics_http *http; /* --metrics, or NULL */
	struct progress *progress; /* --progress, or NULL */
	int notify_fd; /* the service manager, or -1 */
	bool ready; /* it has been told so */
};

/* The tally of the address that @conf belongs to. */
static inline struct tally *relay_tally(const struct relay *r, const struct conf *conf)
{
	return &r->tally[plan_side(r->plan, conf)];
}

enum session_state { SESSION_OPENING, SESSION_RELAYING, SESSION_CLOSING };

struct session {
	struct relay *relay;
	struct list node;
	enum session_state state;
	struct endpoint *left, *right;
	struct opening *opening; /* of the right address, while it goes on */
	struct flow flow[2]; /* 0: left to right */
	struct timer timer; /* -t, -T, or a program's time to end */
	struct timer poll; /* look again: ignoreeof, dense datagrams, inbox */
	int64_t last_active_ns;
	bool eof_seen; /* one direction has ended: -t counts */
	bool eof_said[2];
	bool drained[2]; /* that side delivered its end of file */
	bool waited; /* the silence of -t or -T has passed */
	int left_to_take; /* bytes that a peer had not acknowledged when -t was looked at last, */
	int64_t taken_ns; /* and since when it is so many */
	bool failed; /* its exit status */
	bool broken; /* a transfer has failed: nothing is waited for */
	int64_t closing_ns; /* when it began to */
	bool counted[2]; /* it is among the sessions of that address */
	int shutup; /* children-shutup */
	struct source *source[2]; /* where left and right came from, or NULL */
	struct vars vars;
	struct deferred free;
};

/* A relay without sessions. Returns 0, or -1 with @err; relay_done() is due in both cases. */
int relay_init(struct relay *relay, struct loop *loop, const struct plan *plan, struct err *err);

/* Open both addresses of the plan and begin. Everything else happens in the loop, which is stopped
 * when nothing is left to do; then relay->status is the exit status. */
void relay_start(struct relay *relay);

/* What is opened at the start is open: addresses that wait for a peer are waiting. Tells the
 * service manager once; harmless later. */
void relay_ready(struct relay *relay);

/* End everything now: sessions, sources, openings. Exit status becomes @status. */
void relay_end(struct relay *relay, int status);

/* End accepting; sessions may finish within settings.drain_ns. */
void relay_drain(struct relay *relay, int status);

/* Free what the relay itself holds; after the loop has stopped. */
void relay_done(struct relay *relay);

/* What all connections of one address share, such as certificates that have been read. */
struct relay_share {
	struct relay_share *next;
	const struct half *half;
	void *data; /* NULL until somebody sets it */
	void (*free)(void *data); /* called by relay_done() */
	struct hosts hosts; /* names in values of options */
};

/* The share of @half; made when it is asked for first. */
struct relay_share *relay_share_of(struct relay *relay, const struct half *half);
void relay_shares_done(struct relay *relay);

/* Print the counters (--statistics, SIGUSR1), and those of the addresses. */
void relay_statistics(struct relay *relay);

/* Print the counters at the end, as the flags want it. */
void relay_final_statistics(struct relay *relay);

/* Write about a session that fails, or a program of it, as log_err(). Strangers can bring that
 * about as often as they like: where there are many sessions, ten records of @level are written in
 * a second, the rest is counted and told with the next one. */
void relay_tell(struct relay *relay, enum log_level level, const struct err *err);

/* An address could not be opened: the exit status, if the session is the whole program. */
void relay_failed(struct relay *relay, const struct err *err);

/* There are descriptors for one more session. They are counted, but not for each session while
 * there are many left; where the kernel does not count them (before Linux 6.2, or without /proc)
 * the newest one tells, as the lowest that is free is given out. So it wants to know of them. */
bool relay_has_descriptors(struct relay *relay);
void relay_fd_used(struct relay *relay, int fd);
void relay_fd_freed(struct relay *relay, int fd);

/* Stop the loop if nothing is left. */
void relay_check_idle(struct relay *relay);

/* A session whose left endpoint is @left; the right address is opened for it. Takes @left. */
struct session *session_new_left(struct relay *relay, struct endpoint *left, struct source *source,
				 const struct vars *vars);
/* A session with both ends. Takes them. */
struct session *session_new_pair(struct relay *relay, struct endpoint *left, struct endpoint *right,
				 struct source *source, const struct vars *vars);

/* End it: flows stop, programs get their time, endpoints close. @why is logged at debug level. */
void session_end(struct session *s, const char *why);

/* End it at once; the only place where a session's endpoints are freed. */
void session_finish(struct session *s);

/* Add its counters to @to; print what its endpoints have refused or lost. */
void session_add_stats(struct stats *to, const struct session *s);
void session_report(struct session *s);

/* @ep may be read although no descriptor says so (in-memory queues). */
void session_kick(struct endpoint *ep);

#endif
