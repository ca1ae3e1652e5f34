/* fuzz_socks.c - a byte that chooses the answer, then its bytes; then a host name of as many
 *
 * A parser asks for as many bytes as it likes, but gets no more than there are, and never asks for
 * more than an answer can have. */
#include "wire/socks_proto.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef int answer_fn(const uint8_t *data, size_t len, struct err *err);

static int auth(const uint8_t *data, size_t len, struct err *err)
{
	return socks5_auth(data, len, "user", err);
}

/* In memory of exactly the size, so that reading too far is noticed. */
static void feed(answer_fn *fn, const uint8_t *data, size_t size)
{
	size_t have = 0;
	int need = 1;
	struct err err;

	while (need > 0) {
		uint8_t *piece = malloc(have ? have : 1);

		memcpy(piece, data, have);
		need = fn(piece, have, &err);
		if (need == 0 && fn == socks5_answer) {
			struct netaddr bound;

			socks5_bound(piece, &bound);
		}
		free(piece);
		if (need > 0 && have + (size_t)need > SOCKS_ANSWER_MAX)
			abort();
		if (need > 0 && have + (size_t)need > size)
			return;
		have += need > 0 ? (size_t)need : 0;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static answer_fn *const fn[] = { socks4_answer, socks5_hello, auth, socks5_answer };
	struct str out = { 0 };
	struct err err;
	char *host;

	if (size < 1)
		return 0;
	feed(fn[data[0] % 4], data + 1, size - 1);
	host = strndup((const char *)data + 1, size - 1);
	if (socks5_put_host(&out, host, &err) == -1 && strlen(host) <= 255)
		abort();
	free(host);
	str_done(&out);
	return 0;
}
