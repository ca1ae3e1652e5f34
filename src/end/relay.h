/* relay.h - one line: two addresses and the sessions between them
 *
 * A relay opens its addresses, counts what its sessions do, and settles the exit status. It is
 * running, then stopping (nothing new begins; with --drain sessions may finish), then ending
 * (nothing waits for anything any more). Several relays may run in one engine; the loop is stopped
 * when none of them has anything left. */
#ifndef END_RELAY_H
#define END_RELAY_H

#include "base/list.h"
#include "base/log_level.h"
#include "end/address.h"
#include "end/engine.h"
#include "end/plan.h"
#include "end/shared.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct endpoint;
struct metrics_http;
struct progress;
struct session;
struct source;
struct vars;

struct stats {
	uint64_t packets[2], bytes[2]; /* 0: left to right */
};

struct relay {
	struct engine *engine;
	struct list node; /* in engine->relays */
	struct forget forget;
	const struct plan *plan;
	struct address *addr; /* owned; of a dual address two, one behind the other */
	size_t naddr;
	struct list sessions, sources, openings;
	/* a source has an end for a session: takes @ep */
	void (*yield)(struct source *src, struct endpoint *ep, const struct vars *vars);
	/* give the new session a process of its own; true where it goes on, see session_process.h
	 */
	bool (*apart)(struct session *s);
	struct stats total; /* of sessions that have ended */
	int status; /* exit status so far */
	bool settled; /* nobody who fails changes the status any more */
	bool stopping; /* no new sessions; draining or ending */
	bool ending; /* nothing waits for anything any more */
	bool ended; /* it holds nobody up */
	bool engine_started; /* both addresses existed once */
	struct timer drain;
	struct shared *shared; /* with session processes */
	double start_seconds; /* since the epoch */
	struct timer stats; /* --stats */
	struct timer rest; /* records of failing sessions that were left out are to be told */
	struct metrics_http *http; /* --metrics, or NULL */
	struct progress *progress; /* --progress, or NULL */
	int notify_fd; /* the service manager, or -1 */
	bool ready; /* it has been told so */
};

/* A relay that has the addresses of @plan and nothing else. Each half of a dual one is an address
 * of its own to what is below; they share number and tally. @shared is taken; NULL: it counts
 * nothing. */
void relay_make(struct relay *relay, struct engine *engine, const struct plan *plan,
		struct shared *shared);
void relay_free_addresses(struct relay *relay);

/* Its address @number: 1 left, 2 right. */
struct address *relay_address(const struct relay *r, unsigned number);

/* Sessions come from a source (option fork), and are of this process. */
static inline bool relay_has_source(const struct relay *r)
{
	return !list_empty(&r->sources);
}

/* There are others like this session: what is written about each is limited. */
static inline bool relay_is_crowded(const struct relay *r)
{
	return relay_has_source(r) || r->engine->session_process;
}

/* A session that fails is not the whole program: the status is not its. */
static inline bool relay_is_settled(const struct relay *r)
{
	return r->settled || relay_has_source(r);
}

/* What is opened at the start is open: addresses that wait for a peer are waiting. Tells the
 * service manager once; harmless later. */
void relay_ready(struct relay *relay);

/* Write about a session that fails, or a program of it, as log_err(). Strangers can bring that
 * about as often as they like: where there are many sessions, ten records of @level are written in
 * a second, the rest is counted and told with the next one. */
void relay_tell(struct relay *relay, enum log_level level, const struct err *err);

/* Tell how many records relay_tell() has left out, if any: a second after the last, and at the end.
 */
void relay_tell_rest(struct relay *relay);
void relay_tell_rest_later(struct relay *relay);

/* An address could not be opened: the exit status, if the session is the whole program. */
void relay_failed(struct relay *relay, const struct err *err);

#endif
