/* queue.h - an end made of memory: what is read from it comes from a bounded queue
 *
 * Theory of operation. Somebody who is no session (a junction, a source that has the one message of
 * its session in hand) owns the inner side: it pushes chunks, and gets what the session writes by
 * functions of its own. The session sees an endpoint as any other, of bytes or of datagrams, only
 * without a descriptor: whatever becomes possible is told by endpoint_ready(), so that a push never
 * runs a session, and nothing here calls back into who has called it.
 *
 * A queue is full when what waits in it would cost more than @max (chunk_cost()); into an empty one
 * anything goes. What happens then is the owner's choice:
 *
 *	QUEUE_BLOCK	the push is refused; ops->drained is called when half of the queue is free
 *	QUEUE_DROP_OLD	what has waited longest is lost, and counted
 *	QUEUE_DROP_NEW	what comes is lost, and counted
 *	QUEUE_END	the end is broken, and its session fails with a sentence
 *
 * Only a whole datagram may be lost. A queue that would have to lose a part of a stream breaks
 * instead. What a read has begun, or recv_batch has lent, waits no longer: it does not count, and
 * is never dropped. A batch is lent from the chunk itself, which is kept until the next recv_batch
 * or the close: nobody changes its bytes.
 *
 * End of file: queue_end_finish() lets it follow what is queued. What is pushed behind it, into a
 * broken queue, or when option readbytes has been satisfied, goes nowhere.
 *
 * Ownership. The queue holds references to chunks; the endpoint is owned by its session and freed
 * with endpoint_free(), of which the owner hears by ops->closed, the last call it gets. An owner
 * that has more to remember embeds struct queue_end at the beginning of its own structure. */
#ifndef END_QUEUE_H
#define END_QUEUE_H

#include "data/chunk.h"
#include "end/endpoint.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define QUEUE_BYTES 262144 /* a bound for many purposes: some milliseconds of a fast feed */

enum queue_full { QUEUE_BLOCK, QUEUE_DROP_OLD, QUEUE_DROP_NEW, QUEUE_END };

struct queue_end;

/* What the owner does; each may be NULL. */
struct queue_ops {
	/* What the session writes, as in struct endpoint_ops. After EAGAIN the owner wakes the
	 * writer by endpoint_ready(&q->ep, EPOLLOUT). Without the one that the caps ask for,
	 * nothing can be written: EP_NO_WRITE. */
	ssize_t (*write)(struct queue_end *q, const struct iovec *iov, int niov, struct err *err);
	int (*send)(struct queue_end *q, struct batch *b, struct err *err);
	/* Nothing more will be written. */
	void (*shut)(struct queue_end *q);
	/* There is room again after a push was refused. It is called while the session reads, and
	 * may push, or wake other ends; it must not close any. */
	void (*drained)(struct queue_end *q);
	/* As in struct endpoint_ops; NULL: the end is all there is. */
	const struct endpoint *(*below)(const struct queue_end *q);
	/* The end goes, or goes on in another process (engine->forgetting): forget it. A push that
	 * waits for it need not wait any more. */
	void (*closed)(struct queue_end *q);
	/* What has been written may still be in hand: as in struct endpoint_ops. */
	int (*settle)(struct queue_end *q, struct err *err);
	size_t (*kept)(const struct queue_end *q);
};

struct queue_end {
	struct endpoint ep;
	const struct queue_ops *ops;
	struct chunk_list in;
	size_t bytes; /* cost of what is in it */
	struct chunk_run hand; /* lent, or begun; or no chunk */
	uint32_t begun; /* bytes of its first piece that have been read */
	uint32_t max; /* bytes */
	uint64_t dropped; /* datagrams */
	enum queue_full full;
	bool finished, broken;
	bool refused; /* a push: drained() is owed */
};

/* Set up an end of @addr in memory that the caller has allocated. @caps: EP_DGRAM_IN and
 * EP_DGRAM_OUT for a side that is made of datagrams (what is read with borders may yet be written
 * to a stream, and the other way round), EP_NO_READ. @ops is borrowed. */
void queue_end_init(struct queue_end *q, const struct queue_ops *ops, struct address *addr,
		    unsigned caps, uint32_t max, enum queue_full full);

/* An end that nobody writes to, which blocks. */
struct queue_end *queue_end_new(struct address *addr, unsigned caps, uint32_t max);

/* Queue pieces @first to @first + @n of @c; the queue takes references of its own. Returns how many
 * of them have been dealt with: all, lost ones too, unless the queue blocks; then the others are
 * pushed again after drained(). */
uint32_t queue_end_push(struct queue_end *q, struct chunk *c, uint32_t first, uint32_t n);

/* Would piece @i of @c go in now? For those who push to all or to none. */
bool queue_end_has_room(const struct queue_end *q, const struct chunk *c, uint32_t i);

/* Nothing more will be pushed: end of file behind what waits. */
void queue_end_finish(struct queue_end *q);

#endif
