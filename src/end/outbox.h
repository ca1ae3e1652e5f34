/* outbox.h - output that a layer gathers, to hand it down by few calls
 *
 * A layer that makes many small pieces of one write (records of 16 KB) puts them here, and then
 * hands all of them down at once. What there is no room for below stays until flush(). The memory
 * is a buffer of the pool, borrowed from the first byte to the last: an idle layer has none. */
#ifndef END_OUTBOX_H
#define END_OUTBOX_H

#include "base/err.h"
#include "data/pool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct layer;

/* All zero: empty. */
struct outbox {
	uint8_t *buf; /* borrowed, or NULL: nothing is in it */
	size_t off, len; /* buf[off..len) waits */
	size_t payload; /* bytes from above that buf[0..len) was made of; kept by the layer */
	bool failed; /* what is below will never take the rest */
};

static inline bool outbox_is_empty(const struct outbox *o)
{
	return !o->buf;
}

/* Bytes that can still be put into it. Less than OUTBOX_ROOM: something is there already. */
#define OUTBOX_ROOM POOL_BUF_ROOM
size_t outbox_room(const struct outbox *o);

/* Put a piece of @len bytes, made by layer @l, at the end of it; a part of it where there is not
 * enough room. Returns how many bytes it has taken. */
size_t outbox_put(struct outbox *o, struct layer *l, const void *data, size_t len);

/* Where @len more bytes can be made in place, or NULL: there is no such room; then so many of them,
 * made of @payload bytes from above, are in it. */
uint8_t *outbox_space(struct outbox *o, struct layer *l, size_t len);
static inline void outbox_made(struct outbox *o, size_t len, size_t payload)
{
	o->len += len;
	o->payload += payload;
}

/* Write what is in it to what is below @l. 0: nothing is left. -1 with errno EAGAIN: the rest
 * waits. -1 with @err and its code: the rest can never be written, and stays to be counted; from
 * now on the answer is -1 with errno EPIPE, and @err is not filled. */
int outbox_hand_down(struct outbox *o, struct layer *l, struct err *err);

/* Of the payload, what has not been handed down; exact but for the pieces' own overhead. */
size_t outbox_kept(const struct outbox *o);

/* Give the memory back, with whatever is in it. */
void outbox_done(struct outbox *o, struct layer *l);

#endif
