/* path_dgram.c - flows with datagrams at one end or both
 *
 * Borders are kept: to a datagram destination each datagram goes out as one, and one block of a
 * stream (-b bytes) makes one; to a stream datagrams are written whole and in order. Many at a time
 * where they wait: one system call receives a batch, one sends it. The batch is borrowed while it
 * holds packets. */
#include "data/packet.h"
#include "end/relay.h"
#include "flow/filter.h"
#include "flow/flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

static const char *against(const struct path_ask *ask)
{
	return ask->src.caps & EP_DGRAM_IN || ask->dst.caps & EP_DGRAM_OUT
		       ? NULL
		       : "neither end is made of datagrams";
}

static struct packet *next_packet(struct batch *b)
{
	while (b->next < b->n && b->packet[b->next].drop)
		b->next++;
	return b->next < b->n ? &b->packet[b->next] : NULL;
}

/* What has the first part of a datagram has been lost (option reopen): the rest means nothing to
 * what has come in its place. */
static void drop_rest(struct flow *f)
{
	struct batch *b = f->dgram.batch;
	struct err err;

	if (!f->dgram.part || f->dgram.lives == f->dst->lives)
		return;
	err_set(&err, 0,
		"%zu of the %u bytes of a datagram had been written to socket %u when it was lost: "
		"the rest is dropped",
		f->dgram.part, (unsigned)b->packet[b->next].len, f->dst->addr->number);
	relay_tell(f->relay, LV_WARN, &err);
	tally_add(&f->dst->addr->tally->lost[LOSS_GONE], 1);
	f->dgram.part = 0;
	b->packet[b->next++].drop = true;
}

/* Write the waiting packets to a stream, many in one call. */
static enum move_result deliver_stream(struct flow *f)
{
	struct batch *b = f->dgram.batch;

	drop_rest(f);
	while (next_packet(b)) {
		struct iovec iov[BATCH_MAX];
		uint64_t done = 0;
		int n = 0;
		ssize_t got;

		for (size_t i = b->next; i < b->n && n < BATCH_MAX; i++) {
			if (!b->packet[i].drop)
				iov[n++] = (struct iovec){ b->packet[i].data, b->packet[i].len };
		}
		if (!n)
			break;
		iov[0].iov_base = (uint8_t *)iov[0].iov_base + f->dgram.part;
		iov[0].iov_len -= f->dgram.part;
		got = flow_write(f, iov, n);
		if (got == -1)
			return errno == EAGAIN ? MOVE_WANT_WRITE : flow_write_failed(f);
		for (size_t left = (size_t)got + f->dgram.part; next_packet(b); done++) {
			size_t len = b->packet[b->next].len;

			if (left < len) {
				f->dgram.part = left;
				f->dgram.lives = f->dst->lives;
				break;
			}
			left -= len;
			f->dgram.part = 0;
			b->next++;
			if (!left) {
				done++;
				break;
			}
		}
		flow_count(f, done, (uint64_t)got);
	}
	return MOVE_SOME;
}

static enum move_result deliver_dgram(struct flow *f)
{
	struct batch *b = f->dgram.batch;
	size_t before = b->next;
	uint64_t packets = 0, bytes = 0;
	int rc;

	if (!next_packet(b))
		return MOVE_SOME;
	rc = endpoint_send(f->dst, b, f->err);
	for (size_t i = before; i < b->next; i++) {
		if (!b->packet[i].drop) {
			packets++;
			bytes += b->packet[i].len;
		}
	}
	if (packets)
		flow_count(f, packets, bytes);
	if (rc == 0)
		return MOVE_SOME;
	return errno == EAGAIN ? MOVE_WANT_WRITE : flow_write_failed(f);
}

static enum move_result deliver(struct flow *f)
{
	if (f->dst->caps & EP_DGRAM_OUT)
		return deliver_dgram(f);
	return deliver_stream(f);
}

/* Run the filters over each packet. Converted bytes move into memory of the batch's own: the
 * packets are delivered one by one then, so one scratch area is enough. */
static enum move_result deliver_filtered(struct flow *f)
{
	struct batch *b = f->dgram.batch;

	while (next_packet(b)) {
		struct packet *p = &b->packet[b->next];
		const uint8_t *data = p->data;
		size_t len = p->len, n = b->n;
		enum move_result r;

		if (!f->dgram.part && p->msg != UINT16_MAX) {
			bool empty = !len;

			filters_apply(f->filters, &data, &len);
			p->data = (uint8_t *)data;
			p->len = (uint32_t)len;
			p->msg = UINT16_MAX; /* filtered already: a full destination repeats us */
			f->end_seen |= f->filters->escaped;
			p->drop = !len && !empty;
			if (f->filters->escaped) {
				for (size_t i = b->next + 1; i < b->n; i++)
					b->packet[i].drop = true;
			}
		}
		if (p->drop)
			continue;
		b->n = b->next + 1;
		r = deliver(f);
		b->n = n;
		if (r != MOVE_SOME)
			return r;
	}
	return MOVE_SOME;
}

/* Limit what was received to what option readbytes still allows. */
static void limit(struct flow *f)
{
	struct batch *b = f->dgram.batch;

	for (size_t i = 0; i < b->n && f->src->read_left != UINT64_MAX; i++) {
		struct packet *p = &b->packet[i];

		if (p->drop)
			continue;
		if (f->end_seen) {
			p->drop = true;
			continue;
		}
		if (p->len > f->src->read_left)
			p->len = (uint32_t)f->src->read_left;
		f->src->read_left -= p->len;
		f->end_seen = f->src->read_left == 0;
	}
}

/* Read a stretch of a stream and cut it into datagrams of -b bytes. */
static long cut_stream(struct flow *f)
{
	size_t block = f->relay->plan->set.block, cap;
	uint8_t *space = batch_space(f->dgram.batch, &cap);
	struct batch *b = f->dgram.batch;
	size_t want;
	ssize_t n;

	if (!block) /* -b 0: nothing is ever read, as between streams */
		return 0;
	want = block > cap ? cap : cap / block * block;
	if (want > f->src->read_left)
		want = (size_t)f->src->read_left;
	if (want / block > BATCH_PACKETS)
		want = BATCH_PACKETS * block;
	if (f->relay->plan->set.plain && want > block)
		want = block;
	n = endpoint_read(f->src, space, want, f->err);
	if (n <= 0)
		return n;
	flow_received(f, (uint64_t)n);
	b->n = b->next = 0;
	b->stream = true;
	b->all = (size_t)n < want && n < FLOW_SHORT;
	for (size_t at = 0; at < (size_t)n; at += block) {
		size_t len = (size_t)n - at < block ? (size_t)n - at : block;

		b->packet[b->n++] = (struct packet){ space + at, (uint32_t)len, 0, false };
	}
	return (long)b->n;
}

/* From one direction into a regular file: when datagrams come fast, most of the work is waking up
 * for each few of them. Then the flow looks once a millisecond, provided that the receive queue
 * holds far more than comes in that time. A slow group is never delayed. Measured over 10 ms. */
#define DENSE 5 /* datagrams per millisecond */
#define QUEUED_SIZE 2304 /* bytes that the kernel reckons for a datagram of an Ethernet frame */

/* Datagrams that the receive queue holds for sure. That of a UNIX socket is short whatever its size
 * in bytes is, and its senders wait instead of losing any: it is never left alone. */
static size_t queue_room(int fd)
{
	int bytes = 0, domain = AF_UNSPEC;
	socklen_t len = sizeof(int);

	(void)getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
	(void)getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, &len);
	return domain == AF_UNIX ? 1 : (size_t)bytes / QUEUED_SIZE;
}

static void measure_density(struct flow *f)
{
	if (!f->one_way || f->dst->wkind != FD_FILE || f->relay->plan->set.plain ||
	    !flow_measure(f, f->dgram.batch->n))
		return;
	if (!f->dgram.queue_room)
		f->dgram.queue_room = queue_room(f->src->rfd);
	f->meter->nap_ns = FLOW_NAP_DGRAM_NS;
	f->dense = f->meter->per_ms >= DENSE && f->meter->per_ms * 8 < f->dgram.queue_room;
}

static enum move_result move(struct flow *f)
{
	size_t max = f->relay->plan->set.plain ? 1 : BATCH_MAX;
	enum move_result r = MOVE_SOME;
	long n;

	if (!f->dgram.batch)
		f->dgram.batch = pool_batch(&f->relay->engine->pool);
	if (f->dgram.batch->next < f->dgram.batch->n)
		r = f->filters ? deliver_filtered(f) : deliver(f);
	if (r != MOVE_SOME)
		return r;
	if (f->end_seen)
		return MOVE_END;
	f->dgram.batch->n = f->dgram.batch->next = 0;
	f->dgram.batch->stream = false;
	if (f->src->caps & EP_DGRAM_IN)
		n = endpoint_recv(f->src, f->dgram.batch, max, f->err);
	else
		n = cut_stream(f);
	if (n == 0)
		return MOVE_END;
	if (n == -1)
		return errno == EAGAIN ? MOVE_WANT_READ : MOVE_FAIL;
	if (f->src->caps & EP_DGRAM_IN)
		flow_received_batch(f, f->dgram.batch);
	f->drained = f->dgram.batch->all;
	measure_density(f);
	limit(f);
	r = f->filters ? deliver_filtered(f) : deliver(f);
	return r == MOVE_SOME && f->end_seen ? MOVE_END : r;
}

static void idle(struct flow *f)
{
	if (!f->dgram.batch)
		return;
	pool_batch_back(&f->relay->engine->pool, f->dgram.batch);
	f->dgram.batch = NULL;
	f->dgram.part = 0;
}

static size_t pending(const struct flow *f)
{
	size_t len = 0;

	for (size_t i = f->dgram.batch ? f->dgram.batch->next : 0;
	     f->dgram.batch && i < f->dgram.batch->n; i++) {
		if (!f->dgram.batch->packet[i].drop)
			len += f->dgram.batch->packet[i].len;
	}
	return len - f->dgram.part;
}

const struct path path_dgram = { "datagrams", "moved as datagrams, many per system call",
				 against,     move,
				 idle,        pending };
