/* inbox.c - datagrams that wait in memory, see inbox.h */
#include "dgram/inbox.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

typedef uint32_t head_t;

/* May the memory grow to @cap? Nobody takes more than he leaves free, so one greedy peer gets half
 * of the budget at most, and two a third each. */
static bool affordable(const struct inbox *b, size_t cap)
{
	const struct inbox_budget *all = b->budget;

	if (!all || (!b->cap && cap <= INBOX_FIRST + sizeof(head_t)))
		return true;
	return all->used + (cap - b->cap) <= all->max && cap <= all->max - all->used;
}

static void resize(struct inbox *b, size_t cap)
{
	if (b->budget)
		b->budget->used += cap - b->cap; /* modulo 2^64: shrinks as well */
	b->cap = cap;
	b->data = xrealloc(b->data, cap);
}

static bool make_room(struct inbox *b, size_t need, size_t share)
{
	/* a first datagram is often the only one */
	size_t cap = b->cap && 2 * need <= share ? 2 * need : need;

	if (need > share)
		return false;
	if (b->off && b->off + need > b->cap) {
		memmove(b->data, b->data + b->off, b->len);
		b->off = 0;
	}
	if (b->off + need <= b->cap)
		return true;
	if (!affordable(b, cap))
		cap = need;
	if (!affordable(b, cap))
		return false;
	resize(b, cap);
	return true;
}

bool inbox_push(struct inbox *b, const void *data, size_t len, size_t share)
{
	head_t head = (head_t)len;
	uint8_t *to;

	if (!make_room(b, b->len + sizeof(head) + len, share))
		return false;
	to = b->data + b->off + b->len;
	memcpy(to, &head, sizeof(head));
	memcpy(to + sizeof(head), data, len);
	b->len += sizeof(head) + len;
	return true;
}

const uint8_t *inbox_first(const struct inbox *b, size_t *len)
{
	head_t head;

	if (!b->len)
		return NULL;
	memcpy(&head, b->data + b->off, sizeof(head));
	*len = head;
	return b->data + b->off + sizeof(head);
}

void inbox_drop(struct inbox *b)
{
	size_t len;

	if (!inbox_first(b, &len))
		return;
	b->off += sizeof(head_t) + len;
	b->len -= sizeof(head_t) + len;
	if (!b->len) /* silent sessions hold no buffer */
		inbox_done(b);
}

size_t inbox_count(const struct inbox *b)
{
	size_t n = 0;
	head_t head;

	for (size_t at = b->off; at < b->off + b->len; at += sizeof(head) + head) {
		memcpy(&head, b->data + at, sizeof(head));
		n++;
	}
	return n;
}

void inbox_done(struct inbox *b)
{
	if (b->budget)
		b->budget->used -= b->cap;
	free(b->data);
	*b = (struct inbox){ .budget = b->budget };
}
