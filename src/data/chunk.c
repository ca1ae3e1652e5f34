/* chunk.c - bytes in memory that several readers share, see chunk.h
 *
 * A block is laid out as: head, pieces, what is known of them, data. To allocate it once we first
 * look how much goes in; what is known of the messages is collected on the stack meanwhile. */
#include "data/chunk.h"

#include "base/list.h"
#include "base/mem.h"
#include "data/packet.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/uio.h>

_Static_assert(sizeof(struct about) == 64, "a cache line for each message");

/* ---- what is known of a piece ---- */

enum { FAMILY_NONE, FAMILY_IP4, FAMILY_IP6 };

static unsigned pack(struct about_addr *to, const struct netaddr *from)
{
	*to = (struct about_addr){ 0 };
	if (!from->len)
		return FAMILY_NONE;
	switch (from->any.sa_family) {
	case AF_INET:
		memcpy(to->ip, &from->in.sin_addr, sizeof(from->in.sin_addr));
		to->port = from->in.sin_port;
		return FAMILY_IP4;
	case AF_INET6:
		memcpy(to->ip, &from->in6.sin6_addr, sizeof(from->in6.sin6_addr));
		to->port = from->in6.sin6_port;
		return FAMILY_IP6;
	default:
		return FAMILY_NONE;
	}
}

static bool unpack(const struct about *a, unsigned family, const struct about_addr *from,
		   struct netaddr *out)
{
	out->len = 0;
	out->any.sa_family = AF_UNSPEC;
	if (family == FAMILY_IP4) {
		out->len = sizeof(out->in);
		out->in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = from->port };
		memcpy(&out->in.sin_addr, from->ip, sizeof(out->in.sin_addr));
	} else if (family == FAMILY_IP6) {
		out->len = sizeof(out->in6);
		out->in6 =
			(struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = from->port };
		memcpy(&out->in6.sin6_addr, from->ip, sizeof(out->in6.sin6_addr));
		if (IN6_IS_ADDR_LINKLOCAL(&out->in6.sin6_addr))
			out->in6.sin6_scope_id = a->ifindex;
	}
	return family != FAMILY_NONE;
}

static void set_ifindex(struct about *a, unsigned index)
{
	a->ifindex = index < 1U << 24 ? index & 0xffffff : 0;
}

void about_set_peer(struct about *a, const struct netaddr *peer)
{
	a->peer_family = pack(&a->peer, peer) & 3;
	if (a->peer_family == FAMILY_IP6 && peer->in6.sin6_scope_id)
		set_ifindex(a, peer->in6.sin6_scope_id);
}

void about_set_local(struct about *a, const struct netaddr *local)
{
	a->local_family = pack(&a->local, local) & 3;
}

bool about_peer(const struct about *a, struct netaddr *out)
{
	return unpack(a, a->peer_family, &a->peer, out);
}

bool about_local(const struct about *a, struct netaddr *out)
{
	return unpack(a, a->local_family, &a->local, out);
}

/* What the kernel has told of the whole message; the port is that of the socket, which @a has. */
static void note_pktinfo(struct about *a, const struct cmsghdr *c)
{
	struct in_pktinfo info;

	if (!message_ctl_get(c, &info, sizeof(info)))
		return;
	memset(a->local.ip, 0, sizeof(a->local.ip));
	memcpy(a->local.ip, &info.ipi_addr, sizeof(info.ipi_addr));
	a->local_family = FAMILY_IP4;
	set_ifindex(a, (unsigned)info.ipi_ifindex);
}

static void note_pktinfo6(struct about *a, const struct cmsghdr *c)
{
	struct in6_pktinfo info;

	if (!message_ctl_get(c, &info, sizeof(info)))
		return;
	memcpy(a->local.ip, &info.ipi6_addr, sizeof(info.ipi6_addr));
	a->local_family = FAMILY_IP6;
	set_ifindex(a, info.ipi6_ifindex);
}

static void note_time(struct about *a, const struct cmsghdr *c)
{
	struct timeval tv;

	if (message_ctl_get(c, &tv, sizeof(tv)))
		a->time_ns = tv.tv_sec * INT64_C(1000000000) + tv.tv_usec * INT64_C(1000);
}

static const struct {
	int level, type;
	void (*note)(struct about *a, const struct cmsghdr *c);
} notes[] = {
	{ IPPROTO_IP, IP_PKTINFO, note_pktinfo },
	{ IPPROTO_IPV6, IPV6_PKTINFO, note_pktinfo6 },
	{ SOL_SOCKET, SCM_TIMESTAMP, note_time },
};

static void note_message(struct about *a, const struct message *m)
{
	for (struct cmsghdr *c = message_ctl(m, NULL); c; c = message_ctl(m, c)) {
		for (size_t i = 0; i < ARRAY_SIZE(notes); i++) {
			if (c->cmsg_level == notes[i].level && c->cmsg_type == notes[i].type)
				notes[i].note(a, c);
		}
	}
	about_set_peer(a, &m->peer);
}

/* ---- building ---- */

/* What goes into a block. */
struct extent {
	size_t n, nabout, bytes; /* pieces, and of their data */
	size_t end; /* of packets: the first one that does not go in */
};

/* A block that is yet to be filled. */
struct block {
	struct chunk *chunk;
	struct about *about;
	uint8_t *data;
};

static struct block block_new(const struct extent *x)
{
	size_t align = _Alignof(struct about);
	size_t at =
		(sizeof(struct chunk) + x->n * sizeof(struct piece) + align - 1) / align * align;
	uint8_t *mem = xmalloc(at + x->nabout * sizeof(struct about) + x->bytes);
	struct block b = { .chunk = (struct chunk *)mem, .about = (struct about *)(mem + at) };

	b.data = (uint8_t *)(b.about + x->nabout);
	b.chunk->refs = 1;
	b.chunk->n = (uint32_t)x->n;
	b.chunk->data = b.data;
	b.chunk->about = b.about;
	return b;
}

struct chunk *chunk_of_bytes(const struct iovec *iov, int niov, const struct about *about)
{
	struct extent x = { .n = 1, .nabout = 1 };
	size_t at = 0;
	struct block b;

	for (int i = 0; i < niov; i++)
		x.bytes += iov[i].iov_len;
	if (x.bytes > CHUNK_MAX && !(about && about->datagram))
		x.bytes = CHUNK_MAX;
	b = block_new(&x);
	b.about[0] = about ? *about : (struct about){ 0 };
	b.chunk->piece[0] = (struct piece){ .len = (uint32_t)x.bytes };
	for (int i = 0; at < x.bytes; i++) {
		size_t left = x.bytes - at, len = iov[i].iov_len < left ? iov[i].iov_len : left;

		if (len)
			memcpy(b.data + at, iov[i].iov_base, len);
		at += len;
	}
	return b.chunk;
}

/* Packets of one message stand together, and share what is known of it. */
static bool is_of_another(const struct packet *p, const struct packet *last)
{
	return !last || p->msg != last->msg;
}

static struct extent measure(const struct batch *b, size_t next)
{
	const struct packet *last = NULL;
	struct extent x = { .end = next };

	for (; x.end < b->n; x.end++) {
		const struct packet *p = &b->packet[x.end];

		if (p->drop)
			continue;
		if (x.n && x.bytes + p->len > CHUNK_MAX)
			break;
		x.n++;
		x.bytes += p->len;
		x.nabout += is_of_another(p, last);
		last = p;
	}
	return x;
}

/* Of blocks of a stream nothing more is known than @base, nor of what filters have changed. */
static struct about about_packet(const struct batch *b, const struct packet *p,
				 const struct about *base)
{
	struct about a = base ? *base : (struct about){ 0 };

	a.datagram = !b->stream;
	if (!b->stream && p->msg < BATCH_MAX)
		note_message(&a, &b->msg[p->msg]);
	return a;
}

struct chunk *chunk_of_batch(const struct batch *b, size_t *next, const struct about *base)
{
	const struct extent x = measure(b, *next);
	const struct packet *last = NULL;
	size_t nabout = 0, off = 0;
	struct piece *piece;
	struct block to;

	if (!x.n) {
		*next = x.end;
		return NULL;
	}
	to = block_new(&x);
	piece = to.chunk->piece;
	for (; *next < x.end; (*next)++) {
		const struct packet *p = &b->packet[*next];

		if (p->drop)
			continue;
		if (is_of_another(p, last))
			to.about[nabout++] = about_packet(b, p, base);
		last = p;
		*piece++ = (struct piece){ (uint32_t)off, p->len, (uint16_t)(nabout - 1) };
		if (p->len)
			memcpy(to.data + off, p->data, p->len);
		off += p->len;
	}
	return to.chunk;
}

void chunk_unref(struct chunk *c)
{
	if (c && --c->refs == 0)
		free(c);
}

/* ---- runs that wait ---- */

static struct chunk_run *run_at(const struct chunk_list *l, uint32_t i)
{
	return &l->run[(l->head + i) & (l->cap - 1)];
}

static void grow(struct chunk_list *l)
{
	uint32_t cap = l->cap ? 2 * l->cap : 4;
	struct chunk_run *run = xmalloc(cap * sizeof(*run));

	for (uint32_t i = 0; i < l->n; i++)
		run[i] = *run_at(l, i);
	free(l->run);
	l->run = run;
	l->head = 0;
	l->cap = cap;
}

void chunk_list_push(struct chunk_list *l, struct chunk *c, uint32_t first, uint32_t n)
{
	struct chunk_run *last = l->n ? run_at(l, l->n - 1) : NULL;

	if (!n)
		return;
	if (last && last->chunk == c && last->first + last->n == first) {
		last->n += n;
		return;
	}
	if (l->n == l->cap)
		grow(l);
	*run_at(l, l->n++) = (struct chunk_run){ chunk_ref(c), first, n };
}

bool chunk_list_take(struct chunk_list *l, uint32_t max, struct chunk_run *out)
{
	struct chunk_run *run = l->n ? &l->run[l->head] : NULL;

	*out = (struct chunk_run){ 0 };
	if (!run || !max)
		return false;
	*out = *run;
	if (run->n > max) {
		out->n = max;
		chunk_ref(run->chunk);
		run->first += max;
		run->n -= max;
		return true;
	}
	l->head = (l->head + 1) & (l->cap - 1);
	if (--l->n == 0) /* who waits for nothing holds nothing */
		chunk_list_done(l);
	return true;
}

size_t chunk_list_datagrams(const struct chunk_list *l)
{
	size_t n = 0;

	for (uint32_t i = 0; i < l->n; i++) {
		const struct chunk_run *run = run_at(l, i);

		n += chunk_about(run->chunk, run->first)->datagram ? run->n : 0;
	}
	return n;
}

void chunk_list_done(struct chunk_list *l)
{
	for (uint32_t i = 0; i < l->n; i++)
		chunk_unref(run_at(l, i)->chunk);
	free(l->run);
	*l = (struct chunk_list){ 0 };
}
