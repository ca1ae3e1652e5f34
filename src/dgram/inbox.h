/* inbox.h - datagrams that have been handed over and wait in memory for their session
 *
 * Strangers decide how much comes, so it is bounded twice: an inbox has its share, and all inboxes
 * of a table of peers have one budget, of which no one takes more than it leaves to the others. */
#ifndef DGRAM_INBOX_H
#define DGRAM_INBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INBOX_SHARE ((size_t)4 << 20) /* bytes waiting for one session */
#define INBOX_SHARE_EARLY ((size_t)64 << 10) /* as long as it has not begun */
#define INBOX_BUDGET ((size_t)16 << 20) /* of a table: all inboxes together */
#define INBOX_FIRST 2048 /* a first datagram up to this size is taken beyond the budget, too */

/* Memory of many inboxes, in bytes. */
struct inbox_budget {
	size_t used, max;
};

struct inbox {
	uint8_t *data; /* length (uint32_t) and bytes, one after the other */
	size_t off, len, cap;
	struct inbox_budget *budget; /* borrowed, or NULL: its own share is all that limits it */
};

/* Append a datagram (copied) unless that would be more than @share bytes, or than the budget
 * allows: then false. */
bool inbox_push(struct inbox *b, const void *data, size_t len, size_t share);

/* The first one, in place until inbox_drop(); NULL when there is none. */
const uint8_t *inbox_first(const struct inbox *b, size_t *len);
void inbox_drop(struct inbox *b);

/* How many there are; and free the memory. */
size_t inbox_count(const struct inbox *b);
void inbox_done(struct inbox *b);

#endif
