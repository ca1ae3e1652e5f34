/* peer_table.c - who talks to a socket that serves many, see peer_table.h */
#include "dgram/peer_table.h"

#include "base/mem.h"
#include "sys/fd.h"

#include <stdlib.h>

#define FIRST_BUCKETS 64 /* doubled when there are more peers than buckets */

static void grow(struct peer_table *t)
{
	size_t n = t->nbuckets ? 2 * t->nbuckets : FIRST_BUCKETS;
	struct peer **bucket = xcalloc(n, sizeof(*bucket)); /* NOLINT: of pointers, on purpose */

	for (size_t i = 0; i < t->nbuckets; i++) {
		for (struct peer *p = t->bucket[i], *next; p; p = next) {
			next = p->next;
			p->next = bucket[p->hash & (n - 1)];
			bucket[p->hash & (n - 1)] = p;
		}
	}
	free(t->bucket);
	t->bucket = bucket;
	t->nbuckets = n;
}

void peer_table_init(struct peer_table *t, struct loop *loop)
{
	*t = (struct peer_table){ .loop = loop };
	list_init(&t->oldest_first);
	hash_key_random(&t->key);
	grow(t);
}

void peer_table_done(struct peer_table *t)
{
	free(t->bucket);
	t->bucket = NULL;
}

static uint64_t hash_pair(const struct peer_table *t, const struct netaddr *addr,
			  const struct netaddr *local)
{
	uint64_t h = netaddr_hash(addr, true, &t->key, 0);

	return local->len ? netaddr_hash(local, true, &t->key, h) : h;
}

struct peer *peer_find(const struct peer_table *t, const struct netaddr *addr,
		       const struct netaddr *local)
{
	uint64_t hash = hash_pair(t, addr, local);

	for (struct peer *p = t->bucket[hash & (t->nbuckets - 1)]; p; p = p->next) {
		if (p->hash == hash && netaddr_same(&p->addr, addr) && p->local.len == local->len &&
		    (!local->len || netaddr_same_host(&p->local, local)))
			return p;
	}
	return NULL;
}

struct peer *peer_add(struct peer_table *t, const struct netaddr *addr, const struct netaddr *local)
{
	struct peer *p = xcalloc(1, sizeof(*p)), **at;

	if (t->n >= t->nbuckets)
		grow(t);
	p->table = t;
	p->addr = *addr;
	p->local = *local;
	p->hash = hash_pair(t, addr, local);
	p->feed = -1;
	at = &t->bucket[p->hash & (t->nbuckets - 1)];
	p->next = *at;
	*at = p;
	t->n++;
	list_init(&p->age);
	list_init(&p->waiting);
	watch_init(&p->told, NULL);
	peer_touch(p);
	return p;
}

void peer_touch(struct peer *p)
{
	p->last_ns = loop_now(p->table->loop);
	list_del(&p->age);
	list_add_tail(&p->table->oldest_first, &p->age);
}

struct peer *peer_oldest(const struct peer_table *t)
{
	return list_empty(&t->oldest_first) ? NULL
					    : container_of(t->oldest_first.next, struct peer, age);
}

static void free_now(struct deferred *d)
{
	free(container_of(d, struct peer, free));
}

void peer_forget(struct peer *p)
{
	struct peer_table *t = p->table;
	struct peer **at = &t->bucket[p->hash & (t->nbuckets - 1)];

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	t->n--;
	list_del(&p->age);
	list_del(&p->waiting);
	vars_done(&p->vars);
	loop_watch(t->loop, &p->told, p->feed, 0);
	fd_close(&p->feed);
	loop_defer(t->loop, &p->free, free_now);
}
