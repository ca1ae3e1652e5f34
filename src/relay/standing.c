/* standing.c - an end that stays while what is below it comes and goes, see standing.h
 *
 * The session has an end in memory (end/queue.h). Below it is the end that the address opens to: a
 * connection, a device, a program. When that has ended or failed it is closed and opened again.
 *
 * States. Opening: @opening goes on. Open: @lower is there, and this is its user. Away: neither,
 * and the timer runs: the first pause is the option's, each failure doubles it up to PAUSE_MAX, and
 * some chance is in it, so that a thousand of us do not come back at the same moment. Over: the
 * session has said that it writes no more, and the peer has ended, too: that is an end of file.
 *
 * Who calls what. Events of the lower end come to on_lower(): what can be read is pushed into the
 * queue, until that is full; tell_drained() goes on. What the session writes goes straight to the
 * lower end; where there is none, or it is full, the session waits, and so does its source: nothing
 * is collected here. Both ways wake the session by endpoint_ready().
 *
 * Ownership. The session owns the upper end; with it go the lower one and the opening.
 *
 * What is lost is what the lower end had been given and its peer has not: as far as the kernel
 * knows it is told. */
#include "relay/standing.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "data/packet.h"
#include "end/linger.h"
#include "end/queue.h"
#include "end/relay.h"
#include "flow/forecast.h"
#include "open/opening.h"

#include <assert.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#define PAUSE_MAX (60 * NSEC_PER_SEC)
#define READS_PER_TURN 16

struct standing {
	struct queue_end q; /* the upper end */
	enum open_mode mode;
	struct endpoint *other; /* borrowed */
	struct opening *opening; /* of the lower end, or NULL */
	struct endpoint *lower; /* or NULL */
	struct chunk_run rest; /* read, and the queue is full */
	struct timer again;
	int64_t pause_ns; /* until it is tried again */
	uint64_t written; /* bytes, to this lower end */
	bool shut; /* the session writes no more */
};

static struct standing *standing_of(struct queue_end *q)
{
	return container_of(q, struct standing, q);
}

static struct loop *loop_of(const struct standing *s)
{
	return s->q.ep.addr->engine->loop;
}

/* ---- opening again ---- */

/* Between 0.8 and 1.2 of the pause. */
static int64_t with_chance(const struct standing *s, int64_t ns)
{
	return ns / 100 * (80 + loop_clock(loop_of(s)) / 1000 % 41);
}

static void wait_to_open(struct standing *s)
{
	loop_timer(loop_of(s), &s->again, loop_now(loop_of(s)) + with_chance(s, s->pause_ns));
}

static void begin_pause(struct standing *s)
{
	s->pause_ns = s->q.ep.addr->conf->retry.reopen_ns;
}

/* Bytes that the peer has not acknowledged, as far as the kernel knows. A reset empties the queue,
 * but what TCP has counted stays; there our SYN counts as one byte. */
static int64_t unacknowledged(const struct standing *s)
{
	const struct endpoint *ep = s->lower;
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);
	int64_t left;

	if (ep->wfd < 0 || ep->parting.all_taken)
		return 0;
	if (!endpoint_is_bare(ep) || getsockopt(ep->wfd, IPPROTO_TCP, TCP_INFO, &info, &len) == -1)
		return linger_unacknowledged(ep->wfd);
	left = (int64_t)(s->written + 1 - info.tcpi_bytes_acked);
	return left > 0 ? left : 0;
}

/* A local peer that closes with something unread leaves an error for us, whoever meets it first. */
static bool left_unread(const struct standing *s, const struct err *err)
{
	socklen_t len = sizeof(int);
	int code = 0;

	if (!err || s->lower->wkind != FD_SOCKET)
		return false;
	if (err->code == EPIPE)
		(void)getsockopt(s->lower->wfd, SOL_SOCKET, SO_ERROR, &code, &len);
	return err->code == ECONNRESET || code == ECONNRESET;
}

static void tell_loss(const struct standing *s, const struct err *err)
{
	int64_t n = unacknowledged(s) + (int64_t)endpoint_kept(s->lower);

	if (n)
		log_warn("%lld bytes written to socket %u had not been acknowledged when it was "
			 "lost",
			 (long long)n, s->q.ep.addr->number);
	else if (left_unread(s, err))
		log_warn("the peer of socket %u has gone without reading all that was written",
			 s->q.ep.addr->number);
}

/* The lower end has ended (@err NULL) or failed. */
static void lose_lower(struct standing *s, const struct err *err)
{
	unsigned number = s->q.ep.addr->number;

	if (err)
		log_notice("%s", err->text);
	tell_loss(s, err);
	s->lower->parting.told = true;
	endpoint_free(s->lower);
	s->lower = NULL;
	if (s->shut && !err) {
		queue_end_finish(&s->q);
		return;
	}
	log_notice("socket %u has been lost, and is opened again (option reopen)", number);
	wait_to_open(s);
}

/* ---- reading ---- */

/* Push what has been read; false: the queue is full, and the rest waits. Where the session does not
 * read (flag -u) nobody wants it: it is read only to see the end. */
static bool push(struct standing *s, struct chunk *c, uint32_t first)
{
	uint32_t n = c->n - first;
	uint32_t done = s->mode == MODE_WRITE ? n : queue_end_push(&s->q, c, first, n);

	if (done == n)
		return true;
	s->rest = (struct chunk_run){ chunk_ref(c), first + done, n - done };
	endpoint_want(s->lower, 0, EPOLLIN);
	return false;
}

static ssize_t read_bytes(struct standing *s, bool *full, struct err *err)
{
	struct pool *pool = &s->q.ep.addr->engine->pool;
	uint8_t *buf = pool_buf(pool, CHUNK_MAX);
	ssize_t n = endpoint_read(s->lower, buf, CHUNK_MAX, err);
	int code = errno;

	if (n > 0) {
		struct iovec iov = { buf, (size_t)n };
		struct chunk *c = chunk_of_bytes(&iov, 1, NULL);

		*full = !push(s, c, 0);
		chunk_unref(c);
	}
	pool_buf_back(pool, buf, CHUNK_MAX);
	errno = code;
	return n;
}

/* A batch is copied into chunks at once, and given back. */
static ssize_t read_datagrams(struct standing *s, bool *full, struct err *err)
{
	struct pool *pool = &s->q.ep.addr->engine->pool;
	struct batch *b = pool_batch(pool);
	long n = endpoint_recv(s->lower, b, BATCH_MAX, err);
	int code = errno;
	size_t next = 0;
	struct chunk *c;

	while (n > 0 && !*full && (c = chunk_of_batch(b, &next, NULL))) {
		*full = !push(s, c, 0);
		chunk_unref(c);
	}
	for (; n > 0 && next < b->n; next++) /* a queue holds more than a batch brings */
		tally_add(&s->q.ep.addr->tally->lost[LOSS_SLOW], !b->packet[next].drop);
	pool_batch_back(pool, b);
	errno = code;
	return n;
}

static void read_lower(struct standing *s)
{
	bool datagrams = s->q.ep.caps & EP_DGRAM_IN, full = s->rest.chunk != NULL;
	struct err err;

	for (int i = 0; i < READS_PER_TURN && s->lower && !full; i++) {
		ssize_t n = datagrams ? read_datagrams(s, &full, &err) : read_bytes(s, &full, &err);

		if (n == -1 && errno == EAGAIN)
			return;
		if (n <= 0)
			lose_lower(s, n ? &err : NULL);
	}
	if (s->lower && !full && endpoint_holds(s->lower))
		endpoint_ready(s->lower, EPOLLIN);
}

static void tell_drained(struct queue_end *q)
{
	struct standing *s = standing_of(q);
	struct chunk_run rest = s->rest;

	s->rest = (struct chunk_run){ 0 };
	if (rest.chunk) {
		push(s, rest.chunk, rest.first);
		chunk_unref(rest.chunk);
	}
	if (s->lower && !s->rest.chunk) {
		endpoint_want(s->lower, EPOLLIN, 0);
		endpoint_ready(s->lower, EPOLLIN);
	}
}

static void on_lower(struct endpoint *ep, uint32_t events)
{
	struct standing *s = ep->owner;
	uint32_t trouble = EPOLLERR | EPOLLHUP;

	if (events & (EPOLLOUT | trouble))
		endpoint_ready(&s->q.ep, EPOLLOUT);
	if (events & (EPOLLIN | trouble))
		read_lower(s);
}

static void on_lower_taken(struct endpoint *ep, const char *why)
{
	struct err err;

	err_set(&err, 0, "%s", why);
	lose_lower(ep->owner, &err);
}

static bool always_begun(const struct endpoint *ep)
{
	(void)ep;
	return true;
}

static const struct endpoint_user standing_user = {
	.event = on_lower,
	.end = on_lower_taken,
	.has_begun = always_begun,
};

/* It could not be opened: the pauses grow. */
static void fail(struct standing *s, const struct err *err)
{
	relay_tell(s->q.ep.addr->relay, LV_WARN, err);
	wait_to_open(s);
	s->pause_ns = 2 * s->pause_ns < PAUSE_MAX ? 2 * s->pause_ns : PAUSE_MAX;
}

/* What it would be could not be seen before it was open, and has been guessed wrong. */
static bool is_of_other_kind(const struct standing *s, const struct endpoint *ep, struct err *err)
{
	unsigned kind = EP_DGRAM_IN | EP_DGRAM_OUT;

	if ((ep->caps & kind) == (s->q.ep.caps & kind))
		return false;
	err_set(err, 0, "%s: option reopen: it is made of datagrams, which nobody knew",
		s->q.ep.addr->half->keyword);
	err_hint(err, "say so: option so-type");
	return true;
}

static void on_open(struct opening *o, struct endpoint *ep, struct source *none, struct err *err)
{
	struct standing *s = o->arg;
	struct err wrong;

	assert(!none && !s->lower);
	s->opening = NULL;
	if (err) {
		fail(s, err);
		return;
	}
	if (is_of_other_kind(s, ep, &wrong)) {
		fail(s, &wrong);
		endpoint_free(ep);
		return;
	}
	log_notice("socket %u is open", s->q.ep.addr->number);
	begin_pause(s);
	s->lower = ep;
	s->written = 0;
	ep->user = &standing_user;
	ep->owner = s;
	ep->parting.read_from = ep->parting.written_to = true;
	endpoint_want(ep, s->rest.chunk ? 0 : EPOLLIN, 0);
	if (s->shut)
		endpoint_shut_write(ep);
	if (endpoint_holds(ep))
		endpoint_ready(ep, EPOLLIN);
	endpoint_ready(&s->q.ep, EPOLLOUT);
}

static void open_lower(struct standing *s)
{
	s->opening = opening_start(s->q.ep.addr, s->mode, NULL, s->other, on_open, s);
	s->opening->of_session = true;
}

static void on_again(struct timer *t)
{
	open_lower(container_of(t, struct standing, again));
}

/* ---- what the session does ---- */

/* What has become of a write below: the session waits where it cannot be done now. */
static void judge_write(struct standing *s, const struct err *err)
{
	if (errno == EAGAIN)
		endpoint_want(s->lower, EPOLLOUT, 0);
	else
		lose_lower(s, err);
	errno = EAGAIN;
}

static ssize_t write_lower(struct queue_end *q, const struct iovec *iov, int niov, struct err *err)
{
	struct standing *s = standing_of(q);
	ssize_t n;

	if (!s->lower) {
		errno = EAGAIN;
		return -1;
	}
	n = endpoint_write(s->lower, iov, niov, err);
	if (n == -1)
		judge_write(s, err);
	else
		endpoint_want(s->lower, 0, EPOLLOUT);
	s->written += n > 0 ? (uint64_t)n : 0;
	return n;
}

static int send_lower(struct queue_end *q, struct batch *b, struct err *err)
{
	struct standing *s = standing_of(q);
	int rc;

	if (!s->lower) {
		errno = EAGAIN;
		return -1;
	}
	rc = endpoint_send(s->lower, b, err);
	if (rc == -1)
		judge_write(s, err);
	else
		endpoint_want(s->lower, 0, EPOLLOUT);
	return rc;
}

static int settle_lower(struct queue_end *q, struct err *err)
{
	struct standing *s = standing_of(q);

	if (!s->lower || endpoint_settle(s->lower, err) == 0)
		return 0;
	judge_write(s, err);
	return s->lower ? -1 : 0; /* what is lost with it is told */
}

static size_t lower_kept(const struct queue_end *q)
{
	const struct standing *s = container_of(q, const struct standing, q);

	return s->lower ? endpoint_kept(s->lower) : 0;
}

static void shut_lower(struct queue_end *q)
{
	struct standing *s = standing_of(q);

	s->shut = true;
	if (s->lower)
		endpoint_shut_write(s->lower);
}

/* The session is over, or goes on in another process. */
static void close_lower(struct queue_end *q)
{
	struct standing *s = standing_of(q);
	bool forgetting = q->ep.addr->engine->forgetting;

	loop_timer_stop(loop_of(s), &s->again);
	chunk_unref(s->rest.chunk);
	if (s->opening && forgetting)
		opening_forget(s->opening);
	else if (s->opening)
		opening_cancel(s->opening);
	s->opening = NULL;
	if (!s->lower)
		return;
	s->lower->parting = q->ep.parting;
	if (forgetting)
		endpoint_abandon(s->lower);
	else
		endpoint_free(s->lower);
	s->lower = NULL;
}

static const struct queue_ops ops = {
	.write = write_lower,
	.send = send_lower,
	.settle = settle_lower,
	.kept = lower_kept,
	.shut = shut_lower,
	.drained = tell_drained,
	.closed = close_lower,
};

bool standing_is_wanted(const struct address *addr)
{
	return addr->conf->retry.reopen_ns > 0;
}

struct endpoint *standing_new(struct address *addr, enum open_mode mode, struct endpoint *other)
{
	struct standing *s = xcalloc(1, sizeof(*s));
	struct forecast f = { 0 };

	forecast_half(addr->half, mode, &f);
	queue_end_init(&s->q, &ops, addr,
		       (f.in.caps & (EP_DGRAM_IN | EP_NO_READ)) |
			       (f.out.caps & (EP_DGRAM_OUT | EP_NO_WRITE)),
		       QUEUE_BYTES, QUEUE_BLOCK);
	s->mode = mode;
	s->other = other;
	timer_init(&s->again, on_again);
	begin_pause(s);
	open_lower(s);
	return &s->q.ep;
}

int standing_check(const struct side *side, struct err *err)
{
	const struct half *h = &side->half[0];
	struct forecast f;

	for (size_t k = 0; k < side->nhalves; k++) {
		if (side->half[k].conf.retry.reopen_ns && side->nhalves > 1)
			return err_set(err, 0,
				       "%s: option reopen is not possible in a dual address",
				       side->half[k].keyword);
	}
	if (!h->conf.retry.reopen_ns)
		return 0;
	if (h->conf.listen.fork || h->type->flags & (TYPE_ACCEPTS | TYPE_FOREIGN))
		return err_set(err, 0,
			       "%s: option reopen is for addresses that connect, devices and "
			       "programs%s",
			       h->keyword, h->conf.listen.fork ? ", without fork" : "");
	forecast_side(side, MODE_RW, &f);
	if (f.in.kind == FD_FILE && !f.unknown)
		return err_set(err, 0,
			       "%s: option reopen is not for files, which end where they end",
			       h->keyword);
	return 0;
}
