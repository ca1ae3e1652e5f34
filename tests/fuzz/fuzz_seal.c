/* fuzz_seal.c - datagrams that claim to be sealed, and key files: any bytes at all
 *
 * The first byte chooses: a key file, a datagram as it came, or one that somebody who knows the key
 * has sealed and that was changed on its way, which must be seen. */
#include "seal/seal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const struct seal_crypto *socast_seal_crypto(void);

static const struct seal_dest dest = { "fuzz" };

static void open_copy(const struct seal_keys *k, struct seal_senders *t, const uint8_t *data,
		      size_t len, bool may_open)
{
	uint8_t *copy = malloc(len ? len : 1), *text = copy;
	size_t text_len = len;
	enum seal_result r;

	if (len)
		memcpy(copy, data, len);
	r = seal_open(socast_seal_crypto(), k, t, &text, &text_len, &dest, true, 1);
	if (r == SEAL_OK && (!may_open || text < copy || text + text_len > copy + len))
		abort();
	free(copy);
}

static void fuzz_file(const uint8_t *data, size_t size)
{
	uint8_t out[SEAL_KEYS][SEAL_KEY];
	char *copy = malloc(size ? size : 1);
	struct err err;
	ssize_t n;

	memcpy(copy, data, size);
	n = seal_parse_keys(socast_seal_crypto(), out, SEAL_KEYS, copy, size, "k", &err);
	if (n == 0 || n > SEAL_KEYS)
		abort();
	free(copy);
}

/* Seal the bytes from the third on; flip the bit that the first two choose. */
static void fuzz_changed(const struct seal_keys *k, struct seal_senders *t, const uint8_t *data,
			 size_t size)
{
	struct seal_sender s = { 0 };
	uint8_t *out;
	size_t len, bit;

	if (size < 2)
		return;
	out = malloc(size - 2 + SEAL_OVERHEAD_MAX);
	len = seal_close(socast_seal_crypto(), k, &s, out, data + 2, size - 2, &dest, false, 1);
	bit = (size_t)(data[0] << 8 | data[1]) % (len * 8);
	out[bit / 8] ^= (uint8_t)(1 << bit % 8);
	open_copy(k, t, out, len, false);
	out[bit / 8] ^= (uint8_t)(1 << bit % 8);
	open_copy(k, t, out, len, true);
	open_copy(k, t, out, len, false); /* a replay */
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t secret[1][SEAL_KEY] = { "a group key that everybody knows" };
	struct seal_senders *t = seal_senders_new(socast_seal_crypto(), 4, 60, 0);
	struct seal_keys k = { 0 };
	struct err err;

	seal_keys_set(&k, socast_seal_crypto(), secret, 1, &err);
	k.signs = size && data[0] & 4;
	k.trusts = k.signs;
	socast_seal_crypto()->public_key(k.own, k.seed);
	memcpy(k.trusted[0], k.own, SEAL_KEY);
	k.ntrusted = 1;
	if (size && data[0] % 4 == 0)
		fuzz_file(data + 1, size - 1);
	else if (size && data[0] % 4 == 1)
		open_copy(&k, t, data + 1, size - 1, false);
	else if (size)
		fuzz_changed(&k, t, data + 1, size - 1);
	seal_senders_free(t);
	return 0;
}
