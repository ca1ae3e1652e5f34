/* chunk.h - bytes in memory that several readers share
 *
 * A chunk is what one receive has brought: datagrams, or a run of a stream, packed one behind the
 * other, and about each of them where it came from. It is built in one go and never changes, so
 * that any number of queues may hold it: they count its references, and whoever wants other bytes
 * (a filter, a seal) writes them elsewhere.
 *
 * One allocation a chunk, none per packet, from malloc(3) and exactly as long as what came. A pool
 * would have to keep blocks of the largest size, and a thousand queues with one short datagram each
 * would hold sixty megabytes; beside copying what came, malloc(3) does not count.
 *
 * A queue of a chunk's pieces is a chunk_list. Neither knows who reads: see end/queue.h. */
#ifndef DATA_CHUNK_H
#define DATA_CHUNK_H

#include "sys/netaddr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct batch;
struct iovec;

#define CHUNK_MAX ((size_t)65536) /* bytes of a chunk; a single longer datagram has its own */

/* An IP address and a port in 18 bytes, both as they are sent. */
struct about_addr {
	uint8_t ip[16]; /* IPv4: the first four */
	uint16_t port;
};

/* What is known of a piece; 64 bytes, all zero when nothing is. Variables are made of it only where
 * somebody wants them. */
struct about {
	uint64_t origin, counter; /* its tag: which process saw it first, as its how manieth */
	int64_t time_ns; /* when it was received, since 1970 */
	struct about_addr peer, local; /* who has sent it, and to what */
	unsigned ifindex : 24; /* where it came in; larger ones are not known */
	unsigned peer_family : 2, local_family : 2; /* 0: not known; see about_peer() */
	unsigned datagram : 1; /* its borders mean something, and it may be lost as a whole */
};

/* Addresses other than IP are not kept: they are those of one host. */
void about_set_peer(struct about *a, const struct netaddr *peer);
void about_set_local(struct about *a, const struct netaddr *local);

/* The address as it was set, that of a link with the interface in it; false: not known, and @out is
 * unset. */
bool about_peer(const struct about *a, struct netaddr *out);
bool about_local(const struct about *a, struct netaddr *out);

/* A datagram, or a run of a stream, in a chunk. */
struct piece {
	uint32_t off, len; /* bytes of the chunk's data */
	uint16_t about; /* index; several may have the same */
};

struct chunk {
	unsigned refs;
	uint32_t n; /* pieces; all of them datagrams, or none */
	const uint8_t *data; /* of all of them; in the same block, as is @about */
	const struct about *about;
	struct piece piece[];
};

/* One piece made of the bytes of @iov, which are copied. @about: what is known of it, or NULL
 * (nothing; it is of a stream). A datagram is taken whole; of a stream CHUNK_MAX bytes at most, and
 * the piece says how many. The caller has the one reference. */
struct chunk *chunk_of_bytes(const struct iovec *iov, int niov, const struct about *about);

/* Packets of @b from *@next on, without those that are refused, as many as CHUNK_MAX bytes hold but
 * at least one; *@next stands behind them then. @base: what is known of all of them, or NULL; the
 * senders, and what the kernel has told (packet information, time), come from the batch. NULL:
 * there is none. */
struct chunk *chunk_of_batch(const struct batch *b, size_t *next, const struct about *base);

static inline struct chunk *chunk_ref(struct chunk *c)
{
	c->refs++;
	return c;
}

/* Give a reference back; with the last one the memory goes. NULL is fine. */
void chunk_unref(struct chunk *c);

static inline const uint8_t *chunk_data(const struct chunk *c, size_t i)
{
	return c->data + c->piece[i].off;
}

static inline const struct about *chunk_about(const struct chunk *c, size_t i)
{
	return &c->about[c->piece[i].about];
}

/* What piece @i counts in a bounded queue: its bytes, and what it costs to know of it. An empty
 * datagram is not free. */
static inline size_t chunk_cost(const struct chunk *c, size_t i)
{
	return c->piece[i].len + sizeof(struct piece) + sizeof(struct about);
}

/* Pieces @first to @first + @n of a chunk. */
struct chunk_run {
	struct chunk *chunk;
	uint32_t first, n;
};

/* Runs that wait, eldest first; all zero when there are none, and it holds no memory then. A queue
 * that takes single pieces out of many chunks keeps all of those alive: it should copy instead. */
struct chunk_list {
	struct chunk_run *run; /* a ring */
	uint32_t head, n, cap; /* cap is a power of two */
};

/* Append pieces, with a reference of the list's own. What continues the last run becomes part of
 * it. */
void chunk_list_push(struct chunk_list *l, struct chunk *c, uint32_t first, uint32_t n);

/* The eldest run, or NULL. */
static inline const struct chunk_run *chunk_list_first(const struct chunk_list *l)
{
	return l->n ? &l->run[l->head] : NULL;
}

/* Take at most @max pieces of the eldest run; the reference in @out is the caller's. False: there
 * are none, and @out is zero. */
bool chunk_list_take(struct chunk_list *l, uint32_t max, struct chunk_run *out);

/* How many of the pieces are datagrams. */
size_t chunk_list_datagrams(const struct chunk_list *l);

/* Give everything back. */
void chunk_list_done(struct chunk_list *l);

#endif
