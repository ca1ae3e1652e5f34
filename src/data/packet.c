/* packet.c - batches of datagrams, see packet.h */
#include "data/packet.h"

#include "base/mem.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef SCM_PIDFD
#define SCM_PIDFD 4 /* Linux 6.5 */
#endif

#ifndef UDP_GRO
#define UDP_GRO 104 /* Linux 5.0 */
#endif

/* The head of a long message is copied in front of its tail to make it one piece. */
#define TAIL_STRIDE ((size_t)BATCH_HEAD + BATCH_TAIL)

static uint8_t *tail_of(const struct batch *b, size_t i)
{
	return b->tail + i * TAIL_STRIDE + BATCH_HEAD;
}

struct batch *batch_new(void)
{
	struct batch *b = xcalloc(1, sizeof(*b));

	b->head = xmalloc((size_t)BATCH_MAX * BATCH_HEAD);
	b->tail = mmap(NULL, BATCH_MAX * TAIL_STRIDE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (b->tail == MAP_FAILED)
		b->tail = xmalloc(BATCH_MAX * TAIL_STRIDE); /* ends with a sentence */
	for (size_t i = 0; i < BATCH_MAX; i++) {
		b->iov[i][0] = (struct iovec){ b->head + i * BATCH_HEAD, BATCH_HEAD };
		b->iov[i][1] = (struct iovec){ tail_of(b, i), BATCH_TAIL };
		b->hdr[i].msg_hdr.msg_iov = b->iov[i];
		b->hdr[i].msg_hdr.msg_iovlen = 2;
	}
	return b;
}

void batch_free(struct batch *b)
{
	if (!b)
		return;
	free(b->head);
	munmap(b->tail, BATCH_MAX * TAIL_STRIDE);
	free(b);
}

struct cmsghdr *message_ctl(const struct message *m, struct cmsghdr *prev)
{
	struct msghdr h = { .msg_control = (void *)m->ctl, .msg_controllen = m->ctl_len };
	struct cmsghdr *c = prev ? CMSG_NXTHDR(&h, prev) : CMSG_FIRSTHDR(&h);

	if (c && (c->cmsg_len < CMSG_LEN(0) ||
		  c->cmsg_len > m->ctl_len - (size_t)((uint8_t *)c - m->ctl)))
		return NULL;
	return c;
}

bool message_ctl_get(const struct cmsghdr *c, void *out, size_t len)
{
	if (c->cmsg_len < CMSG_LEN(len))
		return false;
	memcpy(out, CMSG_DATA(c), len);
	return true;
}

static uint32_t segment_len(const struct message *m)
{
	for (struct cmsghdr *c = message_ctl(m, NULL); c; c = message_ctl(m, c)) {
		int len;

		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO &&
		    message_ctl_get(c, &len, sizeof(len)))
			return len > 0 ? (uint32_t)len : 0;
	}
	return 0;
}

/* A UNIX peer may pass descriptors, which the kernel has installed by now: nobody here wants them.
 * No program is started in between, so they need no close-on-exec flag (packet sockets refuse
 * MSG_CMSG_CLOEXEC). Returns how many. */
static unsigned close_passed(const struct message *m)
{
	unsigned n = 0;

	for (struct cmsghdr *c = message_ctl(m, NULL); c; c = message_ctl(m, c)) {
		if (c->cmsg_level != SOL_SOCKET ||
		    (c->cmsg_type != SCM_RIGHTS && c->cmsg_type != SCM_PIDFD))
			continue;
		for (size_t at = 0; at + sizeof(int) <= c->cmsg_len - CMSG_LEN(0);
		     at += sizeof(int)) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + at, sizeof(fd));
			if (fd >= 0)
				close(fd);
			n++;
		}
	}
	return n;
}

/* Cut message @i into its datagrams. */
static void add_packets(struct batch *b, size_t i)
{
	struct message *m = &b->msg[i];
	uint8_t *data = b->head + i * BATCH_HEAD;
	uint32_t left = m->len, segment = m->segment ? m->segment : m->len;

	if (left > BATCH_HEAD) {
		memcpy(tail_of(b, i) - BATCH_HEAD, data, BATCH_HEAD);
		data = tail_of(b, i) - BATCH_HEAD;
	}
	do {
		uint32_t len = left < segment ? left : segment;

		b->packet[b->n++] = (struct packet){ data, len, (uint16_t)i, false };
		data += len;
		left -= len;
	} while (left && b->n < BATCH_PACKETS);
}

long batch_recv(struct batch *b, int fd, size_t max, bool peers, bool ctl)
{
	int n;

	b->n = b->next = 0;
	if (max > BATCH_MAX)
		max = BATCH_MAX;
	for (size_t i = 0; i < max; i++) {
		struct msghdr *h = &b->hdr[i].msg_hdr;

		h->msg_name = peers ? b->msg[i].peer.raw : NULL;
		h->msg_namelen = peers ? sizeof(b->msg[i].peer.raw) : 0;
		h->msg_control = ctl ? b->msg[i].ctl : NULL;
		h->msg_controllen = ctl ? sizeof(b->msg[i].ctl) : 0;
	}
	do
		n = recvmmsg(fd, b->hdr, (unsigned)max, MSG_DONTWAIT, NULL);
	while (n == -1 && errno == EINTR);
	if (n <= 0)
		return n;
	b->all = (size_t)n < max;
	for (size_t i = 0; i < (size_t)n; i++) {
		struct message *m = &b->msg[i];
		struct msghdr *h = &b->hdr[i].msg_hdr;

		m->peer.len = peers ? h->msg_namelen : 0;
		m->ctl_len = ctl ? h->msg_controllen : 0;
		m->len = b->hdr[i].msg_len;
		m->truncated = h->msg_flags & MSG_TRUNC;
		m->segment = m->ctl_len ? segment_len(m) : 0;
		m->passed = m->ctl_len ? close_passed(m) : 0;
		add_packets(b, i);
	}
	return (long)b->n;
}

long batch_read(struct batch *b, int fd, size_t max)
{
	b->n = b->next = 0;
	b->all = false;
	if (max > BATCH_MAX)
		max = BATCH_MAX;
	for (size_t i = 0; i < max; i++) {
		struct message *m = &b->msg[i];
		ssize_t len;

		do
			len = readv(fd, b->iov[i], 2);
		while (len == -1 && errno == EINTR);
		if (len == -1 && i == 0)
			return -1;
		b->all = len == -1;
		if (b->all)
			break;
		m->peer.len = 0;
		m->ctl_len = 0;
		m->len = (uint32_t)len;
		m->segment = 0;
		m->truncated = false;
		m->passed = 0;
		add_packets(b, i);
	}
	return (long)b->n;
}

bool batch_insert(struct batch *b, size_t i, size_t at, const void *data, size_t len)
{
	struct packet *p = &b->packet[i];
	bool in_head = p->data == b->head + (size_t)p->msg * BATCH_HEAD;

	if (at > p->len || p->len + len > TAIL_STRIDE)
		return false;
	if (in_head && p->len + len > BATCH_HEAD)
		p->data = memcpy(tail_of(b, p->msg) - BATCH_HEAD, p->data, p->len);
	memmove(p->data + at + len, p->data + at, p->len - at);
	memcpy(p->data + at, data, len);
	p->len += (uint32_t)len;
	return true;
}

/* Where @len bytes, TAIL_STRIDE at most, have room. */
static uint8_t *room(const struct batch *b, size_t i, size_t len)
{
	return len > BATCH_HEAD ? tail_of(b, i) - BATCH_HEAD : b->head + i * BATCH_HEAD;
}

uint8_t *batch_slot(const struct batch *b, size_t i, size_t len)
{
	return len > TAIL_STRIDE ? NULL : room(b, i, len);
}

struct message *batch_lend(struct batch *b, const void *data, size_t len)
{
	struct message *m = &b->msg[b->n];

	m->peer.len = 0;
	m->ctl_len = 0;
	m->len = (uint32_t)len;
	m->segment = 0;
	m->truncated = false;
	m->passed = 0;
	b->packet[b->n] = (struct packet){ (uint8_t *)data, (uint32_t)len, (uint16_t)b->n, false };
	b->n++;
	b->all = false; /* the reader comes back, and then what was lent can go */
	return m;
}

void batch_put(struct batch *b, const void *data, size_t len)
{
	uint8_t *to;

	if (len > TAIL_STRIDE)
		len = TAIL_STRIDE;
	to = room(b, 0, len);
	memcpy(to, data, len);
	b->packet[0] = (struct packet){ to, (uint32_t)len, 0, false };
	b->msg[0] = (struct message){ .len = (uint32_t)len };
	b->n = 1;
	b->next = 0;
	b->all = false;
}

uint8_t *batch_space(struct batch *b, size_t *cap)
{
	*cap = BATCH_TAIL;
	return tail_of(b, 0);
}
