/* queue.c - an end made of memory, see queue.h */
#include "end/queue.h"

#include "base/log.h"
#include "base/mem.h"
#include "data/packet.h"

#include <errno.h>
#include <string.h>

static struct queue_end *queue_of(struct endpoint *ep)
{
	return (struct queue_end *)ep;
}

/* ---- the inner side ---- */

/* Nobody will read what is pushed now. */
static bool is_over(const struct queue_end *q)
{
	return q->broken || q->finished || !q->ep.read_left;
}

bool queue_end_has_room(const struct queue_end *q, const struct chunk *c, uint32_t i)
{
	return is_over(q) || !q->in.n || q->bytes + chunk_cost(c, i) <= q->max;
}

/* It has to lose something it must not lose. */
static void break_off(struct queue_end *q)
{
	q->broken = true;
	chunk_list_done(&q->in);
	q->bytes = 0;
	endpoint_ready(&q->ep, EPOLLIN | EPOLLERR);
}

/* A piece is lost, if it may be. */
static void lose_piece(struct queue_end *q, const struct about *about)
{
	if (!about->datagram) {
		break_off(q);
		return;
	}
	q->dropped++;
	tally_add(&q->ep.addr->tally->lost[LOSS_SLOW], 1);
}

static void lose_eldest(struct queue_end *q)
{
	struct chunk_run run;

	chunk_list_take(&q->in, 1, &run);
	q->bytes -= chunk_cost(run.chunk, run.first);
	lose_piece(q, chunk_about(run.chunk, run.first));
	chunk_unref(run.chunk);
}

/* Make room for a piece, or for nothing by losing it. False: not now. */
static bool give_way(struct queue_end *q, const struct chunk *c, uint32_t i)
{
	switch (q->full) {
	case QUEUE_BLOCK:
		q->refused = true;
		return false;
	case QUEUE_DROP_OLD:
		while (!queue_end_has_room(q, c, i))
			lose_eldest(q);
		return true;
	case QUEUE_DROP_NEW:
		lose_piece(q, chunk_about(c, i));
		return true;
	case QUEUE_END:
		break_off(q);
		return true;
	}
	return false;
}

uint32_t queue_end_push(struct queue_end *q, struct chunk *c, uint32_t first, uint32_t n)
{
	bool was_empty = !q->in.n;
	uint32_t done;

	for (done = 0; done < n && !is_over(q); done++) {
		uint32_t i = first + done;

		if (!queue_end_has_room(q, c, i) && !give_way(q, c, i))
			break;
		if (is_over(q) || !queue_end_has_room(q, c, i))
			continue;
		chunk_list_push(&q->in, c, i, 1);
		q->bytes += chunk_cost(c, i);
	}
	if (was_empty && q->in.n)
		endpoint_ready(&q->ep, EPOLLIN);
	return is_over(q) ? n : done;
}

void queue_end_finish(struct queue_end *q)
{
	q->finished = true;
	endpoint_ready(&q->ep, EPOLLIN);
}

/* ---- the session's side ---- */

static bool is_broken(const struct endpoint *ep, struct err *err)
{
	const struct queue_end *q = (const struct queue_end *)ep;

	if (!q->broken)
		return false;
	err_set(err, 0,
		"socket %u takes too slowly what socket %u has for it: more than %u bytes wait",
		3 - ep->addr->number, ep->addr->number, (unsigned)q->max);
	errno = ENOBUFS;
	return true;
}

static void empty_hand(struct queue_end *q)
{
	chunk_unref(q->hand.chunk);
	q->hand = (struct chunk_run){ 0 };
	q->begun = 0;
}

/* Take pieces in hand, as many as @max. False: there are none. */
static bool take_pieces(struct queue_end *q, uint32_t max)
{
	empty_hand(q);
	if (!chunk_list_take(&q->in, max, &q->hand))
		return false;
	for (uint32_t i = 0; i < q->hand.n; i++)
		q->bytes -= chunk_cost(q->hand.chunk, q->hand.first + i);
	return true;
}

static void tell_drained(struct queue_end *q)
{
	if (!q->refused || q->bytes > q->max / 2)
		return;
	q->refused = false;
	if (q->ops->drained)
		q->ops->drained(q);
}

/* Nothing waits: the end of file, or EAGAIN. */
static int nothing_waits(const struct queue_end *q)
{
	if (q->finished)
		return 0;
	errno = EAGAIN;
	return -1;
}

/* Read on in the piece in hand; how much that was. */
static size_t read_piece(struct queue_end *q, uint8_t *buf, size_t len)
{
	const struct chunk *c = q->hand.chunk;
	size_t left = c->piece[q->hand.first].len - q->begun;

	if (len < left)
		left = len;
	memcpy(buf, chunk_data(c, q->hand.first) + q->begun, left);
	q->begun += (uint32_t)left;
	if (q->begun == c->piece[q->hand.first].len)
		empty_hand(q);
	return left;
}

static ssize_t read_bytes(struct endpoint *ep, void *buf, size_t len, struct err *err)
{
	struct queue_end *q = queue_of(ep);
	size_t got = 0;

	if (is_broken(ep, err))
		return -1;
	while (got < len && (q->hand.chunk || take_pieces(q, 1)))
		got += read_piece(q, (uint8_t *)buf + got, len - got);
	tell_drained(q);
	return got ? (ssize_t)got : nothing_waits(q);
}

static long recv_pieces(struct endpoint *ep, struct batch *b, size_t max, struct err *err)
{
	struct queue_end *q = queue_of(ep);
	const struct chunk *c;

	b->n = b->next = 0;
	if (is_broken(ep, err))
		return -1;
	if (!take_pieces(q, (uint32_t)(max < BATCH_MAX ? max : BATCH_MAX)))
		return nothing_waits(q);
	c = q->hand.chunk;
	for (uint32_t i = q->hand.first; i < q->hand.first + q->hand.n; i++) {
		struct message *m = batch_lend(b, chunk_data(c, i), c->piece[i].len);

		about_peer(chunk_about(c, i), &m->peer);
	}
	b->stream = !chunk_about(c, q->hand.first)->datagram;
	tell_drained(q);
	return (long)b->n;
}

/* Whoever has been lent something comes back, and it can go. */
static bool queue_holds(const struct endpoint *ep)
{
	const struct queue_end *q = (const struct queue_end *)ep;

	return q->hand.chunk || q->in.n || q->finished || q->broken;
}

static ssize_t write_bytes(struct endpoint *ep, const struct iovec *iov, int niov, struct err *err)
{
	struct queue_end *q = queue_of(ep);

	return is_broken(ep, err) ? -1 : q->ops->write(q, iov, niov, err);
}

static int send_packets(struct endpoint *ep, struct batch *b, struct err *err)
{
	struct queue_end *q = queue_of(ep);

	return is_broken(ep, err) ? -1 : q->ops->send(q, b, err);
}

static int settle_queue(struct endpoint *ep, struct err *err)
{
	struct queue_end *q = queue_of(ep);

	return q->ops->settle ? q->ops->settle(q, err) : 0;
}

static size_t queue_kept(const struct endpoint *ep)
{
	const struct queue_end *q = (const struct queue_end *)ep;

	return q->ops->kept ? q->ops->kept(q) : 0;
}

static void shut_queue(struct endpoint *ep)
{
	struct queue_end *q = queue_of(ep);

	if (q->ops->shut)
		q->ops->shut(q);
}

static void close_queue(struct endpoint *ep)
{
	struct queue_end *q = queue_of(ep);

	if (!ep->addr->engine->forgetting)
		tally_add(&ep->addr->tally->lost[LOSS_UNREAD], chunk_list_datagrams(&q->in));
	empty_hand(q);
	chunk_list_done(&q->in);
	if (q->ops->closed)
		q->ops->closed(q);
}

static void report_queue(struct endpoint *ep)
{
	const struct queue_end *q = (const struct queue_end *)ep;

	if (q->dropped)
		log_put(LV_INFO,
			"COUNTERS: socket %u datagrams: %llu dropped because this session is too "
			"slow",
			ep->addr->number, (unsigned long long)q->dropped);
}

static const struct endpoint *end_below(const struct endpoint *ep)
{
	const struct queue_end *q = (const struct queue_end *)ep;

	return q->ops->below ? q->ops->below(q) : ep;
}

static const struct endpoint_ops queue_ops = {
	.read = read_bytes,
	.write = write_bytes,
	.recv_batch = recv_pieces,
	.send_batch = send_packets,
	.shut_write = shut_queue,
	.close = close_queue,
	.holds = queue_holds,
	.broken = is_broken,
	.settle = settle_queue,
	.kept = queue_kept,
	.report = report_queue,
	.below = end_below,
};

static const struct queue_ops nobody = { 0 };

void queue_end_init(struct queue_end *q, const struct queue_ops *ops, struct address *addr,
		    unsigned caps, uint32_t max, enum queue_full full)
{
	bool written = caps & EP_DGRAM_OUT ? ops->send != NULL : ops->write != NULL;

	*q = (struct queue_end){ .ops = ops, .max = max, .full = full };
	endpoint_init(&q->ep, &queue_ops, addr, -1, -1);
	q->ep.caps = caps | (written ? 0 : EP_NO_WRITE);
}

struct queue_end *queue_end_new(struct address *addr, unsigned caps, uint32_t max)
{
	struct queue_end *q = xmalloc(sizeof(*q));

	queue_end_init(q, &nobody, addr, caps, max, QUEUE_BLOCK);
	return q;
}
