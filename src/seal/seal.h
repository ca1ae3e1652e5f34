/* seal.h - sealed datagrams: encrypted and authenticated with a key that a group shares
 *
 * Bytes in, bytes out: nothing here knows sockets, files or the clock. The format is told byte by
 * byte in doc/sealed-datagrams.md; the mathematics are libsodium's, reached by a table of functions
 * (struct seal_crypto) that a module exports, so that only those load the library who use it. */
#ifndef SEAL_SEAL_H
#define SEAL_SEAL_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SEAL_KEY 32 /* bytes of a group key, a signing key (its seed), a public key */
#define SEAL_HEADER 24 /* bytes in front of the sealed text */
#define SEAL_TAG 16 /* bytes behind it */
#define SEAL_SIGNATURE 64 /* bytes at the end of a signed text, inside the seal */
#define SEAL_OVERHEAD (SEAL_HEADER + SEAL_TAG)
#define SEAL_OVERHEAD_MAX (SEAL_OVERHEAD + SEAL_SIGNATURE)
#define SEAL_SENDER 12 /* bytes of a sender id */
#define SEAL_KEYS 4 /* group keys that live at the same time */
#define SEAL_TRUSTED 256 /* members that one trust file may name */
#define SEAL_WINDOW 2048 /* datagrams that may overtake each other */

/* What the function SEAL_SYMBOL of the module returns. Lengths of keys and tags as above. */
struct seal_crypto {
	void (*random)(void *out, size_t len);
	/* Keys as text, in a time that does not depend on their digits. All of @len characters must
	 * be digits that make SEAL_KEY bytes; base64 stands without '='. */
	bool (*from_hex)(uint8_t *out, const char *text, size_t len);
	bool (*from_base64)(uint8_t *out, const char *text, size_t len);
	void (*to_hex)(char *out, const uint8_t *data, size_t len); /* 2 * @len + 1 characters */
	/* BLAKE2b with 32 bytes of result, keyed with 32 bytes, over two pieces. */
	void (*hash)(uint8_t *out, const uint8_t *key, const void *a, size_t a_len, const void *b,
		     size_t b_len);
	/* ChaCha20-Poly1305 as in RFC 8439, in place; the nonce has 12 bytes. */
	void (*encrypt)(uint8_t *text, size_t len, uint8_t *tag, const uint8_t *ad, size_t ad_len,
			const uint8_t *nonce, const uint8_t *key);
	bool (*decrypt)(uint8_t *text, size_t len, const uint8_t *tag, const uint8_t *ad,
			size_t ad_len, const uint8_t *nonce, const uint8_t *key);
	/* Ed25519 (RFC 8032): the public key of a seed, signatures. */
	void (*public_key)(uint8_t *out, const uint8_t *seed);
	void (*sign)(uint8_t *out, const void *data, size_t len, const uint8_t *seed,
		     const uint8_t *public_key);
	bool (*verify)(const uint8_t *signature, const void *data, size_t len,
		       const uint8_t *public_key);
};

#define SEAL_MODULE "socast_seal"
#define SEAL_SYMBOL "socast_seal_crypto"
typedef const struct seal_crypto *seal_crypto_fn(void); /* NULL: no random numbers */

/* The keys of an address, as its files say. */
struct seal_keys {
	struct seal_key {
		uint8_t secret[SEAL_KEY];
		uint8_t hash[32]; /* of the secret; its first three bytes are the key id */
	} key[SEAL_KEYS]; /* the first one seals, all open */
	size_t nkeys;
	bool signs, trusts; /* options sign-key and trust are given */
	uint8_t seed[SEAL_KEY], own[SEAL_KEY]; /* signs: secret and public */
	uint8_t trusted[SEAL_TRUSTED][SEAL_KEY];
	size_t ntrusted;
};

/* Parse the text of a key file: a key a line, as 64 hexadecimal digits or as base64; comments begin
 * with '#'. At most @max keys of SEAL_KEY bytes go to @out. Returns how many, or -1 with @err,
 * which calls the file @name. Keys are never part of a sentence. */
ssize_t seal_parse_keys(const struct seal_crypto *crypto, uint8_t (*out)[SEAL_KEY], size_t max,
			const char *text, size_t len, const char *name, struct err *err);

/* Replace the group keys of @k by @n keys @secret. -1 with @err when two have the same id. */
int seal_keys_set(struct seal_keys *k, const struct seal_crypto *crypto,
		  uint8_t (*secret)[SEAL_KEY], size_t n, struct err *err);

/* Where a datagram is sent to: an IPv6 address (IPv4 ones mapped) and a port in network order; zero
 * where there is none. */
struct seal_dest {
	uint8_t byte[18];
};

/* One who seals. It makes a random id for itself when it is used first, when the key changes, when
 * the clock goes back, and when its sequence is used up; so no counter comes twice with a subkey.
 * Zero-initialise; a process that was forked must clear @ready before it seals. */
struct seal_sender {
	bool ready;
	uint8_t id[SEAL_SENDER];
	uint8_t subkey[SEAL_KEY];
	uint8_t key_hash[32]; /* of the key that the subkey is made of */
	uint32_t seconds, sequence; /* of the last datagram: upper and lower half of the counter */
};

/* Seal @len bytes @data into @out, which has room for SEAL_OVERHEAD_MAX more and may not overlap.
 * @reply: an answer of RECVFROM or LISTEN; @now_s: seconds since 1970. Returns the bytes of @out.
 */
size_t seal_close(const struct seal_crypto *crypto, const struct seal_keys *k,
		  struct seal_sender *s, uint8_t *out, const uint8_t *data, size_t len,
		  const struct seal_dest *dest, bool reply, uint64_t now_s);

/* Why a datagram is refused. */
enum seal_result {
	SEAL_OK,
	SEAL_PLAIN, /* no sealed datagram at all */
	SEAL_NO_KEY, /* sealed with a key that is not ours (any more) */
	SEAL_FORGED, /* changed on its way, made without the key, or moved from elsewhere */
	SEAL_REPLAY, /* it was here already */
	SEAL_LATE, /* more than SEAL_WINDOW behind the newest of its sender */
	SEAL_OLD, /* sealed longer ago than seal-age, or as far ahead, or before the start */
	SEAL_CROWD, /* too many senders */
	SEAL_REPLY, /* an answer, where only questions are taken */
	SEAL_UNSIGNED, /* without signature, and trust is given */
	SEAL_STRANGER, /* the signature is of nobody we trust, or wrong */
	SEAL_RESULTS,
};

/* Those heard lately, at one socket, each with its replay window. */
struct seal_senders;

/* Room for @max senders, each allocated when it is heard first. The longest silent one makes room
 * for a newcomer, but not while his datagrams are still young enough to be replayed: then the
 * newcomer is refused. @age_s: seconds that a datagram may be old; 0: any age, and replays of
 * forgotten senders pass. @start_s: seconds since 1970 when the program began; what was sealed
 * before is too old, because a receiver before this one may have opened it. */
struct seal_senders *seal_senders_new(const struct seal_crypto *crypto, size_t max, uint64_t age_s,
				      uint64_t start_s);
void seal_senders_free(struct seal_senders *t);
size_t seal_senders_count(const struct seal_senders *t);

/* Open a datagram in place: *@data and *@len become the text. Anything is possible in @data. @dest:
 * what it was sent to; @replies: answers are taken. What is refused leaves no trace in @t, but its
 * bytes may have changed. */
enum seal_result seal_open(const struct seal_crypto *crypto, const struct seal_keys *k,
			   struct seal_senders *t, uint8_t **data, size_t *len,
			   const struct seal_dest *dest, bool replies, uint64_t now_s);

#endif
