/* siphash.h - a hash that strangers cannot foresee
 *
 * SipHash-2-4 (Aumasson and Bernstein, 2012) with a random key: whoever chooses what is hashed, and
 * does not know the key, cannot fill one bucket of a table. */
#ifndef BASE_SIPHASH_H
#define BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct hash_key {
	uint64_t k[2];
};

/* A key from getrandom(2). Does not wait: very early in a boot it is only as good as the clock. */
void hash_key_random(struct hash_key *key);

uint64_t siphash(const struct hash_key *key, const void *data, size_t len);

#endif
