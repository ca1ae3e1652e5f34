/* source.h - something that yields many endpoints
 *
 * A listener, a datagram socket with a table of peers, a socket whose every datagram is a session.
 * The source counts its live sessions and pauses at max-children; each endpoint it yields becomes a
 * session, in this process or, where the plan says so, in one of its own.
 *
 * A source is listening, or paused, then closed (it begins nothing new, but what it has begun goes
 * on), then released, when its last session has ended, be it here or in another process. Until then
 * it is in relay->sources, and the relay waits for it. */
#ifndef OPEN_SOURCE_H
#define OPEN_SOURCE_H

#include "base/log_limit.h"
#include "end/endpoint.h"
#include "end/vars.h"
#include "ev/loop.h"
#include "open/handshakes.h"

struct source;

struct source_ops {
	void (*pause)(struct source *src);
	void (*resume)(struct source *src);
	/* Begin nothing more; what sessions need stays until the last one has ended. */
	void (*close)(struct source *src);
	/* After that: release everything but the memory; or NULL. In a session's process at once.
	 */
	void (*release)(struct source *src);
	void (*report)(struct source *src); /* statistics, or NULL */
};

struct source {
	const struct source_ops *ops;
	struct address *addr; /* whose source it is */
	struct list node; /* in relay->sources */
	size_t nsessions; /* alive, or over while their programs still run */
	size_t nopenings; /* on their way to become one */
	struct handshakes handshakes; /* of these, those whose layers shake hands */
	size_t most; /* of both together, beside max-children; 0: no such bound */
	bool paused, closed, released;
	struct timer accept_timer;
	struct timer place_timer; /* paused: somebody can give way then */
	struct leftovers left;
	struct log_limit limit; /* the record that descriptors are short */
	struct deferred free;
	struct vars vars; /* known when it was opened */
	struct endpoint *other; /* source on the right: the left endpoint all sessions share */
};

/* Set up the common part (embedded at the beginning of a larger structure). */
void source_init(struct source *src, const struct source_ops *ops, struct address *addr);

/* Begin: called by the session layer when the opening has handed the source over. */
void source_start(struct source *src);

/* A new endpoint with what is known of its peer (copied), for a session, which counts from now on
 * and begins from the loop. Takes @ep. */
void source_yield(struct source *src, struct endpoint *ep, const struct vars *vars);

/* Somebody has come: where there is no room, somebody else gives way. */
void source_make_room(struct source *src);

/* An endpoint is on its way (opening_start_single() says so); and it is there, with what is known
 * of its peer, or there will be none (@ep NULL). Takes @ep. */
void source_opening(struct source *src);
void source_opened(struct source *src, struct endpoint *ep, const struct vars *vars);

/* It cannot go on: log @err, close it, let the exit status tell. */
void source_fail(struct source *src, const struct err *err);

/* In a forked session process: its sockets and sessions are the parent's. */
void source_forget(struct source *src);

/* A session of this source has ended. */
void source_session_ended(struct source *src);

/* Descriptors that were promised are not needed: sources that wait for some look again. */
void sources_look_again(struct relay *relay);

/* Room for another session (max-children), or somebody who gives way. */
bool source_has_room(const struct source *src);

/* Somebody may come now: it is neither closed nor, as of this moment, paused. */
bool source_is_open(struct source *src);

/* The end of listening, whatever the reason: accept-timeout, --drain, a signal, a lost socket.
 * Sessions live on, and the source is freed behind the last one; harmless on a closed one. */
void source_close(struct source *src);

#endif
