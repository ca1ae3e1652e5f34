/* seal_senders.h - the table of senders and their replay windows; private to the seal */
#ifndef SEAL_SEAL_SENDERS_H
#define SEAL_SEAL_SENDERS_H

#include "base/list.h"
#include "seal/seal.h"

/* One who has been heard. */
struct seal_peer {
	struct seal_peer *next; /* in its bucket */
	struct list age; /* longest silent first */
	uint8_t id[SEAL_SENDER];
	uint8_t key_hash[32]; /* of the group key he used: after a rotation he is a new one */
	uint8_t subkey[SEAL_KEY];
	uint32_t newest; /* highest sequence heard */
	uint32_t seconds; /* of that datagram */
	uint64_t seen[SEAL_WINDOW / 64]; /* bit sequence % SEAL_WINDOW */
};

/* The one with @id under the key with @key_hash, or NULL. */
struct seal_peer *seal_senders_find(const struct seal_senders *t, const uint8_t *id,
				    const uint8_t *key_hash);

/* Make him, with @sequence as the first heard at @seconds. NULL when there is no room. */
struct seal_peer *seal_senders_add(struct seal_senders *t, const uint8_t *id,
				   const uint8_t *key_hash, uint32_t sequence, uint32_t seconds,
				   uint32_t now_s);

/* May he still send @sequence: SEAL_OK, SEAL_REPLAY or SEAL_LATE. Nothing changes. */
enum seal_result seal_peer_check(const struct seal_peer *p, uint32_t sequence);

/* Note that @sequence, which has passed the check, has come. */
void seal_peer_mark(struct seal_senders *t, struct seal_peer *p, uint32_t sequence,
		    uint32_t seconds);

/* @seconds lies within the age that the table allows, before or behind @now_s. Both count modulo
 * 2^32. */
bool seal_senders_fresh(const struct seal_senders *t, uint32_t seconds, uint32_t now_s);

/* It was sealed in the second when the program started, or later; always true where any age is
 * allowed. */
bool seal_senders_since_start(struct seal_senders *t, uint32_t seconds, uint32_t now_s);

#endif
