/* chaos.c - short reads and writes from a seed, see chaos.h
 *
 * The sequence depends on the seed only, so that a failure can be repeated. Its state is a global:
 * it stands for the weather, not for anything the program knows. */
#include "sys/chaos.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

#define AGAIN_ONE_IN 8 /* calls that pretend to block */
#define TINY_ONE_IN 3 /* calls of at most TINY_LEN bytes */
#define TINY_LEN 16

static uint64_t state; /* 0: no chaos */
static bool asked;

static bool on(void)
{
	if (!asked) {
		const char *seed = getenv("SOCAST_CHAOS");

		asked = true;
		if (seed && *seed)
			state = strtoull(seed, NULL, 0) * 0x9e3779b97f4a7c15ULL + 1;
	}
	return state != 0;
}

/* xorshift64*: Vigna, An experimental exploration of Marsaglia's xorshift generators. */
static uint64_t next(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (state * 0x2545f4914f6cdd1dULL) >> 32;
}

size_t chaos_len(size_t len)
{
	size_t max = len;

	if (len == 0 || !on())
		return len;
	if (next() % TINY_ONE_IN == 0 && max > TINY_LEN)
		max = TINY_LEN;
	return 1 + next() % max;
}

bool chaos_again(void)
{
	if (!on() || next() % AGAIN_ONE_IN)
		return false;
	errno = EAGAIN;
	return true;
}

static bool has_borders(int fd)
{
	int type;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type != SOCK_STREAM;
}

const struct iovec *chaos_iov(int fd, const struct iovec *iov, int *niov, struct iovec *part)
{
	if (!on() || has_borders(fd))
		return iov;
	for (int i = 0; i < *niov; i++) {
		if (!iov[i].iov_len)
			continue;
		*part = (struct iovec){ iov[i].iov_base, chaos_len(iov[i].iov_len) };
		*niov = 1;
		return part;
	}
	return iov;
}
