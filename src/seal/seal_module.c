/* seal_module.c - the part of the seal that is linked with libsodium
 *
 * Built as a module of its own and loaded only by those who seal (dgram/dgram_seal.c) or make keys
 * (keygen.c). It exports one table of functions, struct seal_crypto. */
#include "seal/seal.h"

#include <sodium.h>
#include <string.h>

static void make_random(void *out, size_t len)
{
	randombytes_buf(out, len);
}

static bool from_hex(uint8_t *out, const char *text, size_t len)
{
	size_t n;

	return sodium_hex2bin(out, SEAL_KEY, text, len, NULL, &n, NULL) == 0 && n == SEAL_KEY;
}

static bool from_base64(uint8_t *out, const char *text, size_t len)
{
	size_t n;

	return sodium_base642bin(out, SEAL_KEY, text, len, NULL, &n, NULL,
				 sodium_base64_VARIANT_ORIGINAL_NO_PADDING) == 0 &&
	       n == SEAL_KEY;
}

static void to_hex(char *out, const uint8_t *data, size_t len)
{
	sodium_bin2hex(out, 2 * len + 1, data, len);
}

static void hash(uint8_t *out, const uint8_t *key, const void *a, size_t a_len, const void *b,
		 size_t b_len)
{
	crypto_generichash_state state;

	crypto_generichash_init(&state, key, 32, 32);
	crypto_generichash_update(&state, a, a_len);
	crypto_generichash_update(&state, b, b_len);
	crypto_generichash_final(&state, out, 32);
}

static void encrypt(uint8_t *text, size_t len, uint8_t *tag, const uint8_t *ad, size_t ad_len,
		    const uint8_t *nonce, const uint8_t *key)
{
	crypto_aead_chacha20poly1305_ietf_encrypt_detached(text, tag, NULL, text, len, ad, ad_len,
							   NULL, nonce, key);
}

static bool decrypt(uint8_t *text, size_t len, const uint8_t *tag, const uint8_t *ad, size_t ad_len,
		    const uint8_t *nonce, const uint8_t *key)
{
	return crypto_aead_chacha20poly1305_ietf_decrypt_detached(text, NULL, text, len, tag, ad,
								  ad_len, nonce, key) == 0;
}

static void public_key(uint8_t *out, const uint8_t *seed)
{
	uint8_t secret[crypto_sign_SECRETKEYBYTES];

	crypto_sign_seed_keypair(out, secret, seed);
	sodium_memzero(secret, sizeof(secret));
}

/* libsodium's secret key is the seed with the public key behind it. */
static void sign(uint8_t *out, const void *data, size_t len, const uint8_t *seed,
		 const uint8_t *own)
{
	uint8_t secret[crypto_sign_SECRETKEYBYTES];

	memcpy(secret, seed, crypto_sign_SEEDBYTES);
	memcpy(secret + crypto_sign_SEEDBYTES, own, crypto_sign_PUBLICKEYBYTES);
	crypto_sign_detached(out, NULL, data, len, secret);
	sodium_memzero(secret, sizeof(secret));
}

static bool verify(const uint8_t *signature, const void *data, size_t len, const uint8_t *own)
{
	return crypto_sign_verify_detached(signature, data, len, own) == 0;
}

const struct seal_crypto *socast_seal_crypto(void);

const struct seal_crypto *socast_seal_crypto(void)
{
	static const struct seal_crypto crypto = {
		.random = make_random,
		.from_hex = from_hex,
		.from_base64 = from_base64,
		.to_hex = to_hex,
		.hash = hash,
		.encrypt = encrypt,
		.decrypt = decrypt,
		.public_key = public_key,
		.sign = sign,
		.verify = verify,
	};

	return sodium_init() == -1 ? NULL : &crypto;
}
