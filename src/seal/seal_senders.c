/* seal_senders.c - the table of senders and their replay windows, see seal_senders.h
 *
 * Only those get in who have proved that they know the group key, so strangers cost no memory. The
 * window is a ring of bits, one per sequence number; when it moves on, the bits it comes to are
 * cleared. After the idea of RFC 6479. */
#include "seal/seal_senders.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 1024

struct seal_senders {
	size_t n, max;
	uint32_t age_s;
	uint32_t start_s; /* of the program: what was sealed before may have been opened by the last
			     one */
	uint64_t salt; /* nobody can aim at a bucket */
	struct list oldest_first;
	struct seal_peer *bucket[BUCKETS];
};

struct seal_senders *seal_senders_new(const struct seal_crypto *crypto, size_t max, uint64_t age_s,
				      uint64_t start_s)
{
	struct seal_senders *t = xcalloc(1, sizeof(*t));

	t->max = max ? max : 1;
	t->age_s = age_s > INT32_MAX ? INT32_MAX : (uint32_t)age_s;
	t->start_s = (uint32_t)start_s;
	list_init(&t->oldest_first);
	crypto->random(&t->salt, sizeof(t->salt));
	return t;
}

static size_t bucket_of(const struct seal_senders *t, const uint8_t *id)
{
	uint64_t h;

	memcpy(&h, id + SEAL_SENDER - sizeof(h), sizeof(h));
	h = (h ^ t->salt) * 0x9e3779b97f4a7c15ULL;
	h = (h ^ h >> 29 ^ t->salt >> 17) * 0xbf58476d1ce4e5b9ULL;
	return (h >> 32) % BUCKETS;
}

static void forget(struct seal_senders *t, struct seal_peer *p)
{
	struct seal_peer **at = &t->bucket[bucket_of(t, p->id)];

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	list_del(&p->age);
	t->n--;
	explicit_bzero(p, sizeof(*p));
	free(p);
}

static struct seal_peer *oldest(const struct seal_senders *t)
{
	return container_of(t->oldest_first.next, struct seal_peer, age);
}

void seal_senders_free(struct seal_senders *t)
{
	while (t && t->n)
		forget(t, oldest(t));
	free(t);
}

size_t seal_senders_count(const struct seal_senders *t)
{
	return t->n;
}

struct seal_peer *seal_senders_find(const struct seal_senders *t, const uint8_t *id,
				    const uint8_t *key_hash)
{
	struct seal_peer *p = t->bucket[bucket_of(t, id)];

	while (p && (memcmp(p->id, id, sizeof(p->id)) != 0 ||
		     memcmp(p->key_hash, key_hash, sizeof(p->key_hash)) != 0))
		p = p->next;
	return p;
}

bool seal_senders_fresh(const struct seal_senders *t, uint32_t seconds, uint32_t now_s)
{
	int32_t age = (int32_t)(now_s - seconds);

	return !t->age_s || (age <= (int32_t)t->age_s && age >= -(int32_t)t->age_s);
}

bool seal_senders_since_start(struct seal_senders *t, uint32_t seconds, uint32_t now_s)
{
	if ((int32_t)(now_s - t->start_s) < 0) /* the clock has been set back: so is the start */
		t->start_s = now_s;
	return !t->age_s || (int32_t)(seconds - t->start_s) >= 0;
}

struct seal_peer *seal_senders_add(struct seal_senders *t, const uint8_t *id,
				   const uint8_t *key_hash, uint32_t sequence, uint32_t seconds,
				   uint32_t now_s)
{
	size_t i = bucket_of(t, id);
	struct seal_peer *p;

	if (t->n == t->max) {
		/* what he sent could come again, and nobody would know */
		if (t->age_s && seal_senders_fresh(t, oldest(t)->seconds, now_s))
			return NULL;
		forget(t, oldest(t));
	}
	p = xcalloc(1, sizeof(*p));
	memcpy(p->id, id, sizeof(p->id));
	memcpy(p->key_hash, key_hash, sizeof(p->key_hash));
	p->newest = sequence;
	p->seconds = seconds;
	p->next = t->bucket[i];
	t->bucket[i] = p;
	t->n++;
	list_add_tail(&t->oldest_first, &p->age);
	return p;
}

static uint64_t bit(uint32_t sequence)
{
	return 1ULL << (sequence % 64);
}

static size_t word(uint32_t sequence)
{
	return sequence % SEAL_WINDOW / 64;
}

enum seal_result seal_peer_check(const struct seal_peer *p, uint32_t sequence)
{
	if (sequence > p->newest)
		return SEAL_OK;
	if (p->newest - sequence >= SEAL_WINDOW)
		return SEAL_LATE;
	return p->seen[word(sequence)] & bit(sequence) ? SEAL_REPLAY : SEAL_OK;
}

void seal_peer_mark(struct seal_senders *t, struct seal_peer *p, uint32_t sequence,
		    uint32_t seconds)
{
	if (sequence > p->newest && sequence - p->newest >= SEAL_WINDOW) {
		memset(p->seen, 0, sizeof(p->seen));
		p->newest = sequence;
	}
	while (p->newest < sequence) {
		p->newest++;
		p->seen[word(p->newest)] &= ~bit(p->newest);
	}
	if (p->newest == sequence)
		p->seconds = seconds;
	p->seen[word(sequence)] |= bit(sequence);
	list_del(&p->age);
	list_add_tail(&t->oldest_first, &p->age);
}
