/* peer_table.h - who talks to a socket that serves many, and who has been silent longest
 *
 * A hash table of peers, each found by its address and the local address it talks to, and a list of
 * them by their last datagram in either direction. A peer leaves both at once when it is forgotten;
 * its memory lasts to the end of the turn, because its watch may have an event in hand. */
#ifndef DGRAM_PEER_TABLE_H
#define DGRAM_PEER_TABLE_H

#include "base/list.h"
#include "base/siphash.h"
#include "end/vars.h"
#include "ev/loop.h"
#include "sys/netaddr.h"

#include <stdbool.h>

struct dgram_ep;
struct peer;

struct peer_table {
	struct loop *loop;
	struct peer **bucket;
	size_t nbuckets, n;
	struct list oldest_first;
	struct hash_key key;
};

struct peer {
	struct peer_table *table;
	struct peer *next; /* in its bucket */
	struct list age; /* in table->oldest_first */
	struct netaddr addr, local;
	uint64_t hash;
	int64_t last_ns; /* of its last datagram, from it or to it */
	struct dgram_ep *ep; /* its session's end; NULL when that is in another process */
	int feed; /* where its datagrams go then, else -1 (peer_feed.h) */
	struct watch told; /* on feed: the other process has sent something, or has ended */
	struct list waiting; /* among those without a session, because max-children are active */
	struct vars vars; /* while waiting */
	struct deferred free;
};

void peer_table_init(struct peer_table *t, struct loop *loop);
/* No peers may be left. */
void peer_table_done(struct peer_table *t);

/* The peer at @addr that talks to @local (len 0: not known), or NULL. */
struct peer *peer_find(const struct peer_table *t, const struct netaddr *addr,
		       const struct netaddr *local);

/* A new one, which has just been heard. */
struct peer *peer_add(struct peer_table *t, const struct netaddr *addr,
		      const struct netaddr *local);

/* A datagram from it or to it: now it is the one that has been silent shortest. */
void peer_touch(struct peer *p);

/* The one that has been silent longest, or NULL. */
struct peer *peer_oldest(const struct peer_table *t);

/* It is no longer in the table; closes its feed. */
void peer_forget(struct peer *p);

#endif
