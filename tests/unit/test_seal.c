/* test_seal.c - sealing, opening, replay windows, key files; with libsodium itself */
#include "base/mem.h"
#include "base/str.h"
#include "seal/seal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1700000000
#define AGE 60
#define START (NOW - 1000)

const struct seal_crypto *socast_seal_crypto(void);

static struct {
	struct seal_crypto crypto;
	struct seal_keys k;
	struct seal_sender s;
	struct seal_senders *t;
	struct seal_dest to;
	const char *fixed; /* the next "random" sender id, or NULL: really random */
} e;

static void (*really)(void *out, size_t len);

static void take_random(void *out, size_t len)
{
	if (e.fixed && len == SEAL_SENDER)
		memcpy(out, e.fixed, len);
	else
		really(out, len);
}

static void keys_from(struct seal_keys *k, const uint8_t *first, size_t n)
{
	uint8_t secret[SEAL_KEYS][SEAL_KEY];
	struct err err;

	for (size_t i = 0; i < n; i++)
		for (int j = 0; j < SEAL_KEY; j++)
			secret[i][j] = (uint8_t)(first[i] + j);
	assert_int_equal(seal_keys_set(k, &e.crypto, secret, n, &err), 0);
}

static void dest(struct seal_dest *d, const char *bytes, unsigned port)
{
	memcpy(d->byte, bytes, 16);
	d->byte[16] = (uint8_t)(port >> 8);
	d->byte[17] = (uint8_t)port;
}

#define GROUP "\0\0\0\0\0\0\0\0\0\0\xff\xff\xe0\1\0\1"

static int set_up(void **state)
{
	(void)state;
	memset(&e, 0, sizeof(e));
	e.crypto = *socast_seal_crypto();
	really = e.crypto.random;
	e.crypto.random = take_random;
	keys_from(&e.k, (const uint8_t[]){ 0 }, 1);
	e.t = seal_senders_new(&e.crypto, 16, AGE, START);
	dest(&e.to, GROUP, 6666);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	seal_senders_free(e.t);
	return 0;
}

static void sign_with(uint8_t first)
{
	for (int j = 0; j < SEAL_KEY; j++)
		e.k.seed[j] = (uint8_t)(first + j);
	e.crypto.public_key(e.k.own, e.k.seed);
	e.k.signs = true;
}

struct sealed {
	uint8_t data[256];
	size_t len;
};

static struct sealed closed_at(const char *text, bool reply, uint64_t now)
{
	struct sealed d;

	d.len = seal_close(&e.crypto, &e.k, &e.s, d.data, (const uint8_t *)text, strlen(text),
			   &e.to, reply, now);
	return d;
}

static struct sealed closed(const char *text)
{
	return closed_at(text, false, NOW);
}

/* Opening changes the bytes, so it gets a copy on the heap, where reading too far is seen. */
static enum seal_result open_at(const struct sealed *d, const char *want, bool replies,
				uint64_t now)
{
	uint8_t *copy = xmemdup(d->data, d->len ? d->len : 1), *data = copy;
	size_t len = d->len;
	enum seal_result r = seal_open(&e.crypto, &e.k, e.t, &data, &len, &e.to, replies, now);

	if (r == SEAL_OK) {
		assert_int_equal(len, strlen(want));
		assert_memory_equal(data, want, len);
	}
	free(copy);
	return r;
}

static enum seal_result opened(const struct sealed *d, const char *want)
{
	return open_at(d, want, true, NOW);
}

/* ---- the format ---- */

static void assert_hex(const struct sealed *d, const char *want)
{
	char text[2 * sizeof(d->data) + 1] = "";

	for (size_t i = 0; i < d->len; i++)
		snprintf(text + 2 * i, 3, "%02x", d->data[i]);
	assert_string_equal(text, want);
}

/* The vectors of doc/sealed-datagrams.md. */
static void test_vectors(void **state)
{
	struct sealed d;
	(void)state;

	e.fixed = "\xa0\xa1\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xab";
	d = closed("hello\n");
	assert_hex(&d, "504cbc2da0a1a2a3a4a5a6a7a8a9aaab6553f10000000000466563b39f63"
		       "7a718bf65948bce0685ab74be2359eb1");
	assert_int_equal(opened(&d, "hello\n"), SEAL_OK);
	dest(&e.to, "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2", 5000);
	d = closed_at("", true, NOW + 1);
	assert_hex(&d, "514cbc2da0a1a2a3a4a5a6a7a8a9aaab6553f10100000001"
		       "3de24dce4c2f841e851f9982ab4e1d1a");
	assert_int_equal(opened(&d, ""), SEAL_OK);
	dest(&e.to, GROUP, 6666);
	sign_with(0x20);
	e.fixed = "....\xb0\xb1\xb2\xb3\xb4\xb5\xb6\xb7";
	d = closed_at("signed\n", false, NOW + 2);
	assert_hex(&d, "524cbc2d29acbae1b0b1b2b3b4b5b6b76553f10200000000"
		       "6a980d687a8a6c1edb3b155e5de4f9aaa0d356164f2c7f4b2112c731a51906e023"
		       "f8a88d3cb233e0a08c92d102ce1a29e24f34ab791e99dd632a329acafd098dd5b1"
		       "57a86c2b594e62c6a432f0c752269aa1614353b623");
	assert_int_equal(opened(&d, "signed\n"), SEAL_OK);
}

static void test_every_bit_counts(void **state)
{
	struct sealed d = closed("secret"), x;
	(void)state;

	for (size_t i = 0; i < d.len * 8; i++) {
		x = d;
		x.data[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_int_not_equal(opened(&x, ""), SEAL_OK);
	}
	for (x = d; x.len-- > 0;)
		assert_int_not_equal(opened(&x, ""), SEAL_OK);
	for (x = d; x.len < sizeof(x.data);) {
		x.data[x.len++] = 0;
		assert_int_not_equal(opened(&x, ""), SEAL_OK);
	}
	/* and none of it has left a trace */
	assert_int_equal(seal_senders_count(e.t), 0);
	assert_int_equal(opened(&d, "secret"), SEAL_OK);
}

/* The same for the destination, which is not in the datagram. */
static void test_destination(void **state)
{
	struct sealed d = closed("secret");
	(void)state;

	for (size_t i = 0; i < sizeof(e.to.byte) * 8; i++) {
		e.to.byte[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_int_equal(opened(&d, ""), SEAL_FORGED);
		e.to.byte[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	assert_int_equal(opened(&d, "secret"), SEAL_OK);
}

static void test_answers(void **state)
{
	struct sealed d = closed_at("a", true, NOW);
	(void)state;

	assert_int_equal(open_at(&d, "", false, NOW), SEAL_REPLY);
	assert_int_equal(open_at(&d, "a", true, NOW), SEAL_OK);
	d = closed("q");
	assert_int_equal(open_at(&d, "q", false, NOW), SEAL_OK);
}

/* ---- keys ---- */

static void test_rotation(void **state)
{
	struct sealed old = closed("old"), new;
	struct seal_sender first = e.s;
	(void)state;

	keys_from(&e.k, (const uint8_t[]){ 9, 0 }, 2);
	new = closed("new");
	assert_memory_not_equal(first.id, e.s.id, sizeof(first.id));
	assert_int_equal(opened(&old, "old"), SEAL_OK);
	assert_int_equal(opened(&new, "new"), SEAL_OK);
	keys_from(&e.k, (const uint8_t[]){ 9 }, 1);
	e.s = first;
	e.s.sequence++;
	assert_int_equal(opened(&old, ""), SEAL_NO_KEY);
	assert_int_equal(opened(&new, ""), SEAL_REPLAY);
	keys_from(&e.k, (const uint8_t[]){ 0 }, 1);
	assert_int_equal(opened(&new, ""), SEAL_NO_KEY);
	/* a key that comes back brings no replays along */
	assert_int_equal(opened(&old, ""), SEAL_REPLAY);
}

/* A copy of ourselves, a clock that goes back, a sequence that ends: never the same counter again.
 */
static void test_new_ids(void **state)
{
	struct seal_sender before;
	struct sealed d = closed("a");
	(void)state;

	before = e.s;
	d = closed("a");
	assert_memory_equal(before.id, e.s.id, sizeof(before.id));
	assert_int_equal(e.s.sequence, before.sequence + 1);
	d = closed_at("a", false, NOW - 1);
	assert_memory_not_equal(before.id, e.s.id, sizeof(before.id));
	before = e.s;
	e.s.ready = false;
	d = closed("a");
	assert_memory_not_equal(before.id, e.s.id, sizeof(before.id));
	e.s.sequence = UINT32_MAX - 1;
	before = e.s;
	d = closed("a");
	assert_memory_equal(before.id, e.s.id, sizeof(before.id));
	d = closed("last");
	assert_memory_not_equal(before.id, e.s.id, sizeof(before.id));
	assert_int_equal(e.s.sequence, 0);
	assert_int_equal(opened(&d, "last"), SEAL_OK);
}

static void test_signatures(void **state)
{
	struct sealed plain = closed("plain"), mine, theirs;
	(void)state;

	sign_with(0x20);
	memcpy(e.k.trusted[0], e.k.own, SEAL_KEY);
	e.k.ntrusted = 1;
	mine = closed("mine");
	sign_with(0x60);
	theirs = closed("theirs");
	e.k.trusts = true;
	assert_int_equal(opened(&plain, ""), SEAL_UNSIGNED);
	assert_int_equal(opened(&theirs, ""), SEAL_STRANGER);
	/* a member who knows the group key, and begins his id as the other one's */
	memcpy(e.k.own, e.k.trusted[0], 4);
	e.s.ready = false;
	theirs = closed("forged");
	assert_int_equal(opened(&theirs, ""), SEAL_STRANGER);
	assert_int_equal(seal_senders_count(e.t), 0);
	assert_int_equal(opened(&mine, "mine"), SEAL_OK);
	assert_int_equal(opened(&mine, ""), SEAL_REPLAY);
	e.k.trusts = false; /* who does not ask takes both */
	assert_int_equal(opened(&plain, "plain"), SEAL_OK);
	assert_int_equal(opened(&theirs, "forged"), SEAL_OK);
}

/* ---- replays ---- */

/* The datagram with this sequence, of one sender. */
static struct sealed numbered(uint32_t sequence)
{
	if (!e.s.ready)
		closed("");
	e.s.sequence = sequence - 1;
	return closed("n");
}

static enum seal_result number(uint32_t sequence)
{
	struct sealed d = numbered(sequence);

	return opened(&d, "n");
}

static void test_window(void **state)
{
	(void)state;
	assert_int_equal(number(5000), SEAL_OK);
	assert_int_equal(number(5000), SEAL_REPLAY);
	assert_int_equal(number(5000 - SEAL_WINDOW + 1), SEAL_OK);
	assert_int_equal(number(5000 - SEAL_WINDOW + 1), SEAL_REPLAY);
	assert_int_equal(number(5000 - SEAL_WINDOW), SEAL_LATE);
	assert_int_equal(number(1), SEAL_LATE);
	assert_int_equal(number(5001), SEAL_OK);
	assert_int_equal(number(5000 - SEAL_WINDOW + 1), SEAL_LATE);
	assert_int_equal(number(4999), SEAL_OK);
	assert_int_equal(number(4999), SEAL_REPLAY);
	assert_int_equal(number(5001 + SEAL_WINDOW - 1), SEAL_OK); /* 5001 is the last in it */
	assert_int_equal(number(5001), SEAL_REPLAY);
	assert_int_equal(number(5002), SEAL_OK);
	assert_int_equal(number(1000000), SEAL_OK);
	assert_int_equal(number(1000000 - 1), SEAL_OK);
	assert_int_equal(number(1000000 - SEAL_WINDOW + 1), SEAL_OK);
	assert_int_equal(number(UINT32_MAX), SEAL_OK);
	assert_int_equal(number(UINT32_MAX), SEAL_REPLAY);
	assert_int_equal(number(UINT32_MAX - 7), SEAL_OK);
	assert_int_equal(number(1000001), SEAL_LATE);
}

/* The window beside a plain list of everything accepted. */
static void test_window_model(void **state)
{
	static uint8_t seen[20000];
	uint32_t newest = 0;
	unsigned random = 1;
	(void)state;

	memset(seen, 0, sizeof(seen));
	for (int i = 0; i < 20000; i++) {
		uint32_t n;
		enum seal_result want = SEAL_OK;

		random = random * 1103515245 + 12345;
		n = 1 + (uint32_t)i / 3 + (random >> 8) % ((random >> 4) % 50 ? 64 : 4000);
		if (newest && n + SEAL_WINDOW <= newest)
			want = SEAL_LATE;
		else if (seen[n])
			want = SEAL_REPLAY;
		assert_int_equal(number(n), want);
		seen[n] = 1;
		if (n > newest)
			newest = n;
	}
}

static void test_age(void **state)
{
	struct sealed d = closed("a");
	(void)state;

	assert_int_equal(open_at(&d, "", true, NOW + AGE + 1), SEAL_OLD);
	assert_int_equal(open_at(&d, "", true, NOW - AGE - 1), SEAL_OLD);
	assert_int_equal(open_at(&d, "a", true, NOW + AGE), SEAL_OK);
	seal_senders_free(e.t);
	e.t = seal_senders_new(&e.crypto, 16, AGE, UINT32_MAX - 20ULL);
	d = closed_at("b", false, UINT32_MAX - 5ULL);
	assert_int_equal(open_at(&d, "b", true, UINT32_MAX + 5ULL), SEAL_OK);
	seal_senders_free(e.t);
	e.t = seal_senders_new(&e.crypto, 16, 0, START);
	d = closed("c");
	assert_int_equal(open_at(&d, "c", true, NOW + 1000000), SEAL_OK);
}

/* What was sealed before the program began may have been opened before: a recording. */
static void test_restart(void **state)
{
	struct sealed d = closed("a");
	(void)state;

	seal_senders_free(e.t);
	e.t = seal_senders_new(&e.crypto, 16, AGE, NOW + 1);
	assert_int_equal(open_at(&d, "", true, NOW + 2), SEAL_OLD);
	d = closed_at("b", false, NOW + 1);
	assert_int_equal(open_at(&d, "b", true, NOW + 2), SEAL_OK);
	/* a clock that is set back takes the start along */
	d = closed_at("c", false, NOW - 5);
	assert_int_equal(open_at(&d, "c", true, NOW - 5), SEAL_OK);
	d = closed_at("d", false, NOW - 6);
	assert_int_equal(open_at(&d, "", true, NOW), SEAL_OLD);
}

/* One who has the key and a new id each time: memory is bounded, the others are not forgotten. */
static void test_crowd(void **state)
{
	struct sealed first = closed("first"), d;
	(void)state;

	assert_int_equal(opened(&first, "first"), SEAL_OK);
	for (int i = 1; i < 10000; i++) {
		e.s.ready = false;
		d = closed("x");
		assert_int_equal(opened(&d, "x"), i < 16 ? SEAL_OK : SEAL_CROWD);
	}
	assert_int_equal(seal_senders_count(e.t), 16);
	assert_int_equal(opened(&first, ""), SEAL_REPLAY);
	/* later they make room, and what they have sent is too old */
	e.s.ready = false;
	d = closed_at("y", false, NOW + AGE + 1);
	assert_int_equal(open_at(&d, "y", true, NOW + AGE + 1), SEAL_OK);
	assert_int_equal(seal_senders_count(e.t), 16);
	assert_int_equal(open_at(&first, "", true, NOW + AGE + 1), SEAL_OLD);
}

/* Without a bound on the age the longest silent one goes. */
static void test_crowd_ageless(void **state)
{
	struct sealed d;
	(void)state;

	seal_senders_free(e.t);
	e.t = seal_senders_new(&e.crypto, 16, 0, START);
	for (int i = 0; i < 10000; i++) {
		e.s.ready = false;
		d = closed("x");
		assert_int_equal(opened(&d, "x"), SEAL_OK);
		assert_int_equal(opened(&d, ""), SEAL_REPLAY);
	}
	assert_int_equal(seal_senders_count(e.t), 16);
}

/* ---- key files ---- */

static ssize_t parse(const char *text, uint8_t (*out)[SEAL_KEY], struct err *err)
{
	uint8_t *copy = xmemdup(text, strlen(text) + 1);
	ssize_t n = seal_parse_keys(socast_seal_crypto(), out, SEAL_KEYS, (char *)copy,
				    strlen(text), "k", err);

	free(copy);
	return n;
}

#define HEX "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1F"
#define BASE64 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

static void test_key_files(void **state)
{
	static const char *const good[] = {
		HEX, HEX "\n", "# comment\n\n \t" HEX " # mine\r\n", BASE64, BASE64 "=\n",
	};
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "", "\"k\" has no key" },
		{ "#" HEX, "\"k\" has no key" },
		{ "\n0" HEX, "\"k\" line 2 is no key" },
		{ HEX "0", "\"k\" line 1 is no key" },
		{ "x" HEX, "line 1 is no key" },
		{ BASE64 "==", "line 1 is no key" },
		{ BASE64 "!", "line 1 is no key" },
		{ "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9", "line 1 is no key" },
		{ "0g0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "is no key" },
		{ "00 102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "is no key" },
		{ "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh_", "is no key" },
		{ "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBka GxwdH8", "is no key" },
		{ HEX "\n" HEX "\n" HEX "\n" HEX "\n" HEX, "\"k\" line 5: more than 4 keys" },
	};
	uint8_t out[SEAL_KEYS][SEAL_KEY];
	struct err err;
	(void)state;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		memset(out, 0xee, sizeof(out));
		assert_int_equal(parse(good[i], out, &err), 1);
		for (int j = 0; j < SEAL_KEY; j++)
			assert_int_equal(out[0][j], j);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(parse(bad[i].text, out, &err), -1);
		assert_non_null(strstr(err.text, bad[i].why));
		assert_null(strstr(err.text, "0405"));
	}
	assert_int_equal(parse(HEX "\n" BASE64, out, &err), 2);
	assert_int_equal(seal_keys_set(&e.k, &e.crypto, out, 2, &err), -1);
	assert_non_null(strstr(err.text, "keys 1 and 2 are the same"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)
		TEST(test_vectors),      TEST(test_every_bit_counts),
		TEST(test_destination),  TEST(test_answers),
		TEST(test_rotation),     TEST(test_new_ids),
		TEST(test_signatures),   TEST(test_window),
		TEST(test_window_model), TEST(test_age),
		TEST(test_crowd),        TEST(test_crowd_ageless),
		TEST(test_restart),      TEST(test_key_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
