/* flow.h - one direction of a session
 *
 * A flow moves bytes or datagrams from one endpoint to another. It picks the first path both ends
 * allow (splice, datagrams, copy), keeps what the destination cannot take yet, and moves a bounded
 * amount per turn. End of file, timeouts and half-close belong to session.c. */
#ifndef FLOW_FLOW_H
#define FLOW_FLOW_H

#include "base/err.h"
#include "end/endpoint.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct batch;
struct filters;
struct flow;
struct relay;

enum move_result {
	MOVE_SOME, /* something was transferred */
	MOVE_WANT_READ, /* nothing to read now */
	MOVE_WANT_WRITE, /* the destination cannot take more now */
	MOVE_NAP, /* nothing now; more will have come in meter->nap_ns */
	MOVE_AGAIN, /* the quota is used up, and no descriptor tells that there is more */
	MOVE_END, /* end of file, everything delivered */
	MOVE_QUIET, /* the destination does not want it: a program that does not read */
	MOVE_FAIL, /* flow->err has the sentence */
};

/* What the choice of a path wants to know of an end. */
struct path_end {
	unsigned caps; /* EP_DGRAM_IN or EP_DGRAM_OUT, EP_SPLICE_IN or EP_SPLICE_OUT */
	enum fd_kind kind;
	bool bare; /* its bytes are those of the descriptor: nothing of ours in between */
};

/* And of the flow as a whole. */
struct path_ask {
	struct path_end src, dst;
	bool plain; /* settings.plain */
	const char *seen; /* why somebody has to see the bytes (filters_why()), or NULL */
	bool no_splice, no_sendfile; /* the kernel refused it */
};

/* A way to move. Paths are tried in the order of the table in flow.c. */
struct path {
	const char *name;
	const char *how; /* the same for people, behind "left to right: " */
	/* What speaks against it, in words ("the bytes have to be seen"), or NULL: it fits. */
	const char *(*against)(const struct path_ask *ask);
	enum move_result (*move)(struct flow *f);
	/* give borrowed things back when nothing is in flight, or drop them at the end */
	void (*idle)(struct flow *f);
	size_t (*pending)(const struct flow *f); /* bytes read but not yet written */
};

/* The first path that fits. Pure: --explain asks it about ends that are not open. */
const struct path *path_choose(const struct path_ask *ask);

/* Path number @i, best first; NULL behind the last one. */
const struct path *path_number(size_t i);

extern const struct path path_drop, path_sendfile, path_splice, path_dgram, path_copy;

/* How much comes, for flows that may collect it. */
struct flow_meter {
	int64_t nap_ns; /* the moment to wait while input is dense */
	int64_t since_ns; /* since when @amount has come */
	size_t amount; /* datagrams or bytes */
	size_t per_ms; /* of the last window */
};

struct flow {
	struct relay *relay;
	struct endpoint *src, *dst;
	const struct path *path;
	struct filters *filters; /* NULL: nobody needs to see the bytes */
	bool active; /* this direction exists and has not ended */
	bool end_seen; /* the source is at its end, some bytes still wait */
	bool ended; /* all is written, and some of it kept by the destination's layers */
	bool write_failed; /* err is about the destination */
	bool drained; /* the last move took all there was: no need to look again at once */
	uint8_t waiting; /* EPOLLIN: for the source, EPOLLOUT: for the destination */
	bool checked_writable; /* the destination was found writable once */
	bool one_way; /* nobody waits for an answer: dense input may be collected for a moment */
	bool dense; /* so much comes that waiting a moment brings a lot */
	bool wide; /* a pipe has been given more room */
	bool no_splice, no_sendfile; /* the kernel refused it here */
	uint32_t kept; /* bytes that the destination's layers had not handed down the last time */
	uint64_t packets, bytes; /* written */
	uint64_t dropped; /* bytes read that the destination cannot take, ever */
	struct flow_meter *meter; /* owned; where dense input may be collected, else NULL */
	union { /* what is in flight, by path; zero when nothing is */
		struct {
			uint8_t *buf;
			size_t cap, off, len; /* buf[off..off+len) waits */
		} copy;
		struct {
			bool open;
			int pipe[2];
			size_t in_pipe;
		} splice;
		struct {
			struct batch *batch;
			size_t queue_room; /* datagrams the receive queue holds for sure */
			size_t part; /* bytes of the first waiting packet already written (streams)
				      */
			uint16_t lives; /* the destination's, when they were */
		} dgram;
	};
	struct err *err; /* of the relay: says what failed until the next move of any flow */
};

/* Returns -1 with f->err when a dump file cannot be opened; the flow is not active then. */
int flow_init(struct flow *f, struct relay *relay, struct endpoint *src, struct endpoint *dst,
	      bool from_left);

/* Move until there is nothing to do, or the quota of this turn is used up (then the result is
 * MOVE_SOME and the flow stays ready, or MOVE_AGAIN). Adjusts what the endpoints wait for. @moved
 * tells whether anything was transferred. */
enum move_result flow_run(struct flow *f, bool *moved);

/* Begin by waiting for the source. */
void flow_wait(struct flow *f);

/* Bytes read but not yet written. */
size_t flow_pending(const struct flow *f);

/* Stop: give everything back; pending bytes are dropped (tell the user before). */
void flow_stop(struct flow *f);

/* Count what the source has delivered; and the packets in hand, of a source of datagrams. */
void flow_received(struct flow *f, uint64_t bytes);
void flow_received_batch(struct flow *f, const struct batch *b);

/* Count a transfer and announce it at info level. */
void flow_count(struct flow *f, uint64_t packets, uint64_t bytes);

/* Write bytes to the destination, as writev(2). One that takes nothing of something has failed
 * (EPIPE): it would be asked for ever. */
ssize_t flow_write(struct flow *f, const struct iovec *iov, int niov);

/* Note a failed write: quiet for programs, else MOVE_FAIL. */
enum move_result flow_write_failed(struct flow *f);

/* A recording of dense datagrams, or of a busy pipe, is woken this often instead of for every few
 * of them, or for every page. */
#define FLOW_NAP_DGRAM_NS (1000 * 1000)
#define FLOW_NAP_PIPE_NS (100 * 1000)

/* Count @amount of what has come (datagrams, bytes). True once in 10 ms, then f->meter->per_ms is
 * how much came per millisecond; 0 if the window was long, because that says nothing about now. */
bool flow_measure(struct flow *f, size_t amount);

#define FLOW_QUOTA 16 /* moves per turn */

/* A read that brought less than was asked for, and less than this, has emptied the source. (A pipe
 * that is filled while we read always brings less than our buffer holds.) */
#define FLOW_SHORT 16384

#endif
