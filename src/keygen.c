/* keygen.c - flag --keygen: keys for sealed datagrams */
#include "keygen.h"

#include "seal/seal.h"
#include "sys/module.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the shell has made with its umask is too open for a secret. */
static int close_to_others(int fd, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) || !(st.st_mode & 077))
		return 0;
	return fchmod(fd, 0600) == -1 ? err_set(err, errno, "fchmod(%d, 0600)", fd) : 0;
}

static void print_group_key(const struct seal_crypto *crypto)
{
	uint8_t secret[1][SEAL_KEY];
	struct seal_keys k = { 0 };
	char text[2 * SEAL_KEY + 1], id[7];
	struct err err;

	crypto->random(secret[0], sizeof(secret[0]));
	seal_keys_set(&k, crypto, secret, 1, &err);
	crypto->to_hex(id, k.key[0].hash, 3);
	crypto->to_hex(text, secret[0], SEAL_KEY);
	printf("# socast group key %s, for option seal of all members\n%s\n", id, text);
	explicit_bzero(secret, sizeof(secret));
	explicit_bzero(&k, sizeof(k));
	explicit_bzero(text, sizeof(text));
}

static void print_signing_key(const struct seal_crypto *crypto)
{
	uint8_t seed[SEAL_KEY], own[SEAL_KEY];
	char text[2 * SEAL_KEY + 1], public[2 * SEAL_KEY + 1];

	crypto->random(seed, sizeof(seed));
	crypto->public_key(own, seed);
	crypto->to_hex(public, own, SEAL_KEY);
	crypto->to_hex(text, seed, SEAL_KEY);
	printf("# socast signing key, for option sign-key of one member; option trust of all "
	       "takes:\n"
	       "# public %s\n%s\n",
	       public, text);
	explicit_bzero(seed, sizeof(seed));
	explicit_bzero(text, sizeof(text));
}

int keygen(const char *kind, struct err *err)
{
	seal_crypto_fn *load = (seal_crypto_fn *)module_symbol(SEAL_MODULE, SEAL_SYMBOL, err);
	const struct seal_crypto *crypto;

	if (kind && strcmp(kind, "sign") != 0)
		return err_set(err, 0, "--keygen: unknown kind of key \"%s\"; known: sign", kind);
	if (!load)
		return -1;
	crypto = load();
	if (!crypto)
		return err_set(err, 0, "libsodium finds no source of random numbers");
	if (close_to_others(STDOUT_FILENO, err) == -1)
		return -1;
	if (kind)
		print_signing_key(crypto);
	else
		print_group_key(crypto);
	if (fflush(stdout) == EOF)
		return err_set(err, errno, "write to standard output");
	return 0;
}
