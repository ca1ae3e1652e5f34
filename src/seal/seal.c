/* seal.c - sealing and opening one datagram, see seal.h and doc/sealed-datagrams.md */
#include "seal/seal.h"

#include "seal/seal_senders.h"

#include <string.h>

#define FIRST_BYTE 0x50 /* version in the upper half, flags in the lower one */
#define FLAG_REPLY 1
#define FLAG_SIGNED 2
#define SIGNER 4 /* bytes of the public key that a signing sender's id begins with */

/* What a hash or a signature is for: no value means anything elsewhere. */
#define LABEL_LEN 17
#define LABEL_KEY "socast seal 1 key"
#define LABEL_SUBKEY "socast seal 1 sub"
#define LABEL_SIGNATURE "socast seal 1 sig"

/* Offsets in the header; it is followed by the destination to make the associated data. */
enum { AT_KEY = 1, AT_SENDER = 4, AT_SECONDS = 16, AT_SEQUENCE = 20 };
#define AD_LEN (SEAL_HEADER + sizeof(struct seal_dest))

static void put32(uint8_t *p, uint32_t n)
{
	p[0] = (uint8_t)(n >> 24);
	p[1] = (uint8_t)(n >> 16);
	p[2] = (uint8_t)(n >> 8);
	p[3] = (uint8_t)n;
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void make_ad(uint8_t *ad, const uint8_t *header, const struct seal_dest *dest)
{
	memcpy(ad, header, SEAL_HEADER);
	memcpy(ad + SEAL_HEADER, dest->byte, sizeof(dest->byte));
}

/* Four zero bytes and the counter as it stands in the header. */
static void make_nonce(uint8_t *nonce, const uint8_t *header)
{
	memset(nonce, 0, 4);
	memcpy(nonce + 4, header + AT_SECONDS, 8);
}

static void make_subkey(const struct seal_crypto *crypto, uint8_t *out, const struct seal_key *key,
			const uint8_t *sender)
{
	crypto->hash(out, key->secret, LABEL_SUBKEY, LABEL_LEN, sender, SEAL_SENDER);
}

/* The bytes that a member signs: the label, and a hash of everything but the tag. */
static void make_signed(const struct seal_crypto *crypto, uint8_t *out, const struct seal_key *key,
			const uint8_t *ad, const uint8_t *text, size_t len)
{
	memcpy(out, LABEL_SIGNATURE, LABEL_LEN);
	crypto->hash(out + LABEL_LEN, key->hash, ad, AD_LEN, text, len);
}

int seal_keys_set(struct seal_keys *k, const struct seal_crypto *crypto,
		  uint8_t (*secret)[SEAL_KEY], size_t n, struct err *err)
{
	k->nkeys = n;
	for (size_t i = 0; i < n; i++) {
		struct seal_key *key = &k->key[i];

		memcpy(key->secret, secret[i], sizeof(key->secret));
		crypto->hash(key->hash, key->secret, LABEL_KEY, LABEL_LEN, NULL, 0);
		for (size_t j = 0; j < i; j++) {
			if (memcmp(key->hash, k->key[j].hash, AT_SENDER - AT_KEY) == 0)
				return err_set(err, 0,
					       "keys %zu and %zu are the same, or have the same id "
					       "by chance: leave one out",
					       j + 1, i + 1);
		}
	}
	return 0;
}

/* ---- sealing ---- */

static void renew(const struct seal_crypto *crypto, const struct seal_keys *k,
		  struct seal_sender *s, uint32_t now_s)
{
	crypto->random(s->id, sizeof(s->id));
	if (k->signs)
		memcpy(s->id, k->own, SIGNER);
	make_subkey(crypto, s->subkey, &k->key[0], s->id);
	memcpy(s->key_hash, k->key[0].hash, sizeof(s->key_hash));
	s->seconds = now_s;
	s->sequence = 0;
	s->ready = true;
}

static bool must_renew(const struct seal_keys *k, const struct seal_sender *s, uint32_t now_s)
{
	if (!s->ready || s->sequence == UINT32_MAX || (int32_t)(now_s - s->seconds) < 0)
		return true;
	if (memcmp(s->key_hash, k->key[0].hash, sizeof(s->key_hash)) != 0)
		return true;
	return k->signs && memcmp(s->id, k->own, SIGNER) != 0;
}

size_t seal_close(const struct seal_crypto *crypto, const struct seal_keys *k,
		  struct seal_sender *s, uint8_t *out, const uint8_t *data, size_t len,
		  const struct seal_dest *dest, bool reply, uint64_t now_s)
{
	uint8_t ad[AD_LEN], nonce[12], message[LABEL_LEN + 32], *text = out + SEAL_HEADER;

	if (must_renew(k, s, (uint32_t)now_s))
		renew(crypto, k, s, (uint32_t)now_s);
	else
		s->sequence++;
	s->seconds = (uint32_t)now_s;
	out[0] = (uint8_t)(FIRST_BYTE | (reply ? FLAG_REPLY : 0) | (k->signs ? FLAG_SIGNED : 0));
	memcpy(out + AT_KEY, k->key[0].hash, AT_SENDER - AT_KEY);
	memcpy(out + AT_SENDER, s->id, sizeof(s->id));
	put32(out + AT_SECONDS, s->seconds);
	put32(out + AT_SEQUENCE, s->sequence);
	if (len)
		memcpy(text, data, len);
	make_ad(ad, out, dest);
	make_nonce(nonce, out);
	if (k->signs) {
		make_signed(crypto, message, &k->key[0], ad, text, len);
		crypto->sign(text + len, message, sizeof(message), k->seed, k->own);
		len += SEAL_SIGNATURE;
	}
	crypto->encrypt(text, len, text + len, ad, sizeof(ad), nonce, s->subkey);
	return SEAL_OVERHEAD + len;
}

/* ---- opening ---- */

static const struct seal_key *find_key(const struct seal_keys *k, const uint8_t *id)
{
	for (size_t i = 0; i < k->nkeys; i++) {
		if (memcmp(k->key[i].hash, id, AT_SENDER - AT_KEY) == 0)
			return &k->key[i];
	}
	return NULL;
}

/* A header says what it is, and there is room for what it announces. */
static bool is_sealed(const uint8_t *header, size_t len)
{
	if (len < SEAL_OVERHEAD || (header[0] & ~(FLAG_REPLY | FLAG_SIGNED)) != FIRST_BYTE)
		return false;
	return !(header[0] & FLAG_SIGNED) || len >= SEAL_OVERHEAD_MAX;
}

/* The text, @len bytes with the signature at its end, is signed by a member whom we trust. */
static bool is_trusted(const struct seal_crypto *crypto, const struct seal_keys *k,
		       const struct seal_key *key, const uint8_t *ad, const uint8_t *text,
		       size_t len)
{
	uint8_t message[LABEL_LEN + 32];

	make_signed(crypto, message, key, ad, text, len - SEAL_SIGNATURE);
	for (size_t i = 0; i < k->ntrusted; i++) {
		if (memcmp(k->trusted[i], ad + AT_SENDER, SIGNER) == 0 &&
		    crypto->verify(text + len - SEAL_SIGNATURE, message, sizeof(message),
				   k->trusted[i]))
			return true;
	}
	return false;
}

/* What remains to be judged of a datagram that somebody with the key has made. */
static enum seal_result judge(const struct seal_crypto *crypto, const struct seal_keys *k,
			      const struct seal_key *key, struct seal_senders *t,
			      struct seal_peer *peer, const uint8_t *ad, const uint8_t *text,
			      size_t len, const uint8_t *subkey, uint32_t now_s)
{
	uint32_t seconds = get32(ad + AT_SECONDS), sequence = get32(ad + AT_SEQUENCE);
	enum seal_result r = peer ? seal_peer_check(peer, sequence) : SEAL_OK;

	if (r != SEAL_OK)
		return r;
	if (!seal_senders_fresh(t, seconds, now_s) || !seal_senders_since_start(t, seconds, now_s))
		return SEAL_OLD;
	if (k->trusts && !(ad[0] & FLAG_SIGNED))
		return SEAL_UNSIGNED;
	/* the dearest check last: a replay must not cost a verification */
	if (k->trusts && !is_trusted(crypto, k, key, ad, text, len))
		return SEAL_STRANGER;
	if (!peer) {
		peer = seal_senders_add(t, ad + AT_SENDER, key->hash, sequence, seconds, now_s);
		if (!peer)
			return SEAL_CROWD;
		memcpy(peer->subkey, subkey, sizeof(peer->subkey));
	}
	seal_peer_mark(t, peer, sequence, seconds);
	return SEAL_OK;
}

enum seal_result seal_open(const struct seal_crypto *crypto, const struct seal_keys *k,
			   struct seal_senders *t, uint8_t **data, size_t *len,
			   const struct seal_dest *dest, bool replies, uint64_t now_s)
{
	uint8_t ad[AD_LEN], nonce[12], subkey[SEAL_KEY], *header = *data, *text;
	const struct seal_key *key;
	struct seal_peer *peer;
	enum seal_result r;
	size_t text_len;

	if (!is_sealed(header, *len))
		return SEAL_PLAIN;
	text = header + SEAL_HEADER;
	text_len = *len - SEAL_OVERHEAD;
	key = find_key(k, header + AT_KEY);
	if (!key)
		return SEAL_NO_KEY;
	peer = seal_senders_find(t, header + AT_SENDER, key->hash);
	if (peer)
		memcpy(subkey, peer->subkey, sizeof(subkey));
	else
		make_subkey(crypto, subkey, key, header + AT_SENDER);
	make_ad(ad, header, dest);
	make_nonce(nonce, header);
	if (!crypto->decrypt(text, text_len, text + text_len, ad, sizeof(ad), nonce, subkey))
		return SEAL_FORGED;
	if (header[0] & FLAG_REPLY && !replies)
		return SEAL_REPLY;
	r = judge(crypto, k, key, t, peer, ad, text, text_len, subkey, (uint32_t)now_s);
	explicit_bzero(subkey, sizeof(subkey));
	if (r != SEAL_OK)
		return r;
	*data = text;
	*len = text_len - (header[0] & FLAG_SIGNED ? SEAL_SIGNATURE : 0);
	return SEAL_OK;
}
