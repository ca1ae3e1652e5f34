/* echo.c - datagrams that come back to the socket that sent them, see echo.h */
#include "dgram/echo.h"

#include "base/mem.h"
#include "base/str.h"
#include "sys/own_addrs.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REMEMBERED 4096 /* datagrams; an echo is in the queue before the send returns */
#define MEMORY_NS (5 * NSEC_PER_SEC)

struct echo {
	unsigned port; /* own, 0: not yet known */
	size_t next; /* the oldest entry, to be replaced */
	struct {
		uint64_t hash; /* 0: none */
		int64_t sent_ns;
	} sent[REMEMBERED];
	/* the host's addresses as they were while sending, at most a second old then: an echo may
	 * be judged when its address is gone already */
	struct own_addrs own;
};

struct echo *echo_new(void)
{
	return xcalloc(1, sizeof(struct echo));
}

/* FNV-1a over words: quick, and nobody gains by colliding with himself. Never 0. */
static uint64_t hash(const void *data, size_t len)
{
	uint64_t h = 14695981039346656037ULL ^ len, word;
	const uint8_t *p = data;

	for (; len >= sizeof(word); p += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		h = (h ^ word) * 1099511628211ULL;
		h ^= h >> 32;
	}
	for (; len; p++, len--)
		h = (h ^ *p) * 1099511628211ULL;
	return h ? h : 1;
}

void echo_sent(struct echo *e, const void *data, size_t len, int64_t now_ns)
{
	if (own_addrs_are_old(&e->own, now_ns))
		own_addrs_note(&e->own, now_ns);
	e->sent[e->next].hash = hash(data, len);
	e->sent[e->next].sent_ns = now_ns;
	e->next = (e->next + 1) % REMEMBERED;
}

/* This host has the address: a socket can be bound to it. */
static bool is_local(const struct netaddr *a)
{
	int fd = socket(a->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct netaddr local = *a;
	bool ok;

	netaddr_set_port(&local, 0);
	ok = fd >= 0 && bind(fd, &local.any, local.len) == 0;
	if (fd >= 0)
		close(fd);
	return ok;
}

static bool from_own_port(struct echo *e, int fd, const struct netaddr *peer)
{
	struct netaddr local = { .len = sizeof(local.raw) };

	if (!e->port && getsockname(fd, &local.any, &local.len) == 0)
		e->port = netaddr_port(&local);
	return e->port && netaddr_port(peer) == e->port;
}

bool echo_is(struct echo *e, int fd, const struct netaddr *peer, const void *data, size_t len,
	     int64_t now_ns)
{
	uint64_t h;

	if (!from_own_port(e, fd, peer))
		return false;
	h = hash(data, len);
	/* the newest first: most echoes are of what was sent just now */
	for (size_t i = 1; i <= REMEMBERED; i++) {
		size_t k = (e->next + REMEMBERED - i) % REMEMBERED;

		if (!e->sent[k].hash || now_ns - e->sent[k].sent_ns > MEMORY_NS)
			return false; /* older ones are older still, or were never there */
		if (e->sent[k].hash != h)
			continue;
		if (!own_addrs_have(&e->own, peer) && !is_local(peer))
			return false;
		e->sent[k].hash = h == 1 ? 2 : 1; /* recognised: not again, but not a gap either */
		return true;
	}
	return false;
}
