/* frames_layer.c - FRAMES: datagrams in a stream, see wire/framing.h for what is on the wire
 *
 * Reading. What comes from below is read into a buffer of the pool, as much as there is; its whole
 * frames are lent to the batch of whoever reads, up to a batch at a time. When he comes back for
 * the next one he is done with them, and what is left, the beginning of a frame, moves to the
 * front.
 *
 * Writing. The frames of a batch are made side by side in the outbox and handed down by one call. A
 * datagram that the format cannot say is counted and dropped.
 *
 * States. Reading: the buffer is borrowed while frames of it are lent or being found; between two
 * reads only the beginning of a frame is kept, in memory of its own size. Ended: the stream has; a
 * frame that is not whole then is an error, told when what came before it is delivered. Wrong: so
 * are bytes that are no frame, and then nothing is read any more.
 *
 * Ownership. The layer owns the rest and the outbox, and borrows the buffer. What is lent belongs
 * to the layer until the next recv(). */
#include "addr/frames/frames_layer.h"

#include "base/list.h"
#include "base/log.h"
#include "base/log_limit.h"
#include "base/mem.h"
#include "data/packet.h"
#include "end/endpoint.h"
#include "end/engine.h"
#include "end/layer.h"
#include "end/outbox.h"
#include "end/tally.h"
#include "flow/forecast.h"
#include "open/opening.h"
#include "wire/framing.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IN_LEN POOL_BUF_ROOM /* the longest frame has room: slip may need twice its datagram */

struct frames {
	struct layer l;
	struct framing f;
	uint8_t *in; /* borrowed from the pool, or NULL */
	size_t off, len; /* in[off..len) is not taken apart yet */
	size_t seen; /* bytes of it that have no border */
	uint64_t at; /* where in the stream in[off] is */
	uint8_t *rest; /* owned: in[off..len) while there is no buffer, or NULL */
	bool more; /* there may be another whole frame in it */
	struct outbox out;
	struct err *unsent; /* why nothing goes down any more, or NULL; owned */
	struct log_limit limit; /* of warnings about datagrams that cannot be said */
};

static struct frames *frames_of(struct layer *l)
{
	return container_of(l, struct frames, l);
}

static struct pool *pool_of(const struct frames *f)
{
	return &f->l.end->addr->engine->pool;
}

static struct tally *tally_of(const struct frames *f)
{
	return f->l.end->addr->tally;
}

/* ---- reading ---- */

/* What has been lent is done with: what is left begins a buffer. */
static void take_up(struct frames *f)
{
	size_t left = f->len - f->off;

	if (!f->in) {
		f->in = pool_buf(pool_of(f), IN_LEN);
		if (left)
			memcpy(f->in, f->rest, left);
		free(f->rest);
		f->rest = NULL;
	} else if (f->off) {
		memmove(f->in, f->in + f->off, left);
	}
	f->off = 0;
	f->len = left;
}

/* Nothing comes for now: keep no more than there is. */
static void put_down(struct frames *f)
{
	size_t left = f->len - f->off;

	if (!f->in)
		return;
	if (left)
		f->rest = xmemdup(f->in + f->off, left);
	pool_buf_back(pool_of(f), f->in, IN_LEN);
	f->in = NULL;
	f->off = 0;
	f->len = left;
}

static long wrong(const struct frames *f, size_t good, const char *what, struct err *err)
{
	char text[ERR_TEXT_LEN];

	snprintf(text, sizeof(text), "%s", what);
	errno = EPROTO;
	return err_set(err, EPROTO, "FRAMES: %.400s, at byte %llu of what has come from socket %u",
		       text, (unsigned long long)(f->at + good), f->l.end->addr->number);
}

/* The frames that are whole, up to @max, are lent to @b. 0: there is none. -1 with @err: what comes
 * next is no frame. */
static long lend(struct frames *f, struct batch *b, size_t max, struct err *err)
{
	b->n = b->next = 0;
	while (b->n < max) {
		struct frame frame;
		enum frame_result r =
			framing_take(&f->f, f->in + f->off, f->len - f->off, &f->seen, &frame, err);

		f->more = r != FRAME_MORE;
		if (r == FRAME_MORE)
			break;
		if (r == FRAME_WRONG)
			return b->n ? (long)b->n : wrong(f, frame.used, err->text, err);
		if (r == FRAME_WHOLE)
			batch_lend(b, frame.data, frame.len);
		else if (frame.used > 1)
			tally_add(&tally_of(f)->refused[REFUSE_NOISE], 1);
		f->off += frame.used;
		f->at += frame.used;
	}
	return (long)b->n;
}

static long frames_recv(struct layer *l, struct batch *b, size_t max, struct err *err)
{
	struct frames *f = frames_of(l);

	max = max < BATCH_MAX ? max : BATCH_MAX;
	for (;;) {
		long n = f->more ? lend(f, b, max, err) : 0;
		ssize_t got;

		if (n)
			return n;
		take_up(f);
		assert(f->len < IN_LEN);
		got = layer_read(l, f->in + f->len, IN_LEN - f->len, err);
		if (got > 0) {
			f->len += (size_t)got;
			f->more = true;
			continue;
		}
		put_down(f);
		if (got == 0 && f->len)
			return wrong(f, f->len, "the stream ends within a frame", err);
		return got;
	}
}

static bool frames_holds(const struct layer *l)
{
	return container_of(l, const struct frames, l)->more;
}

/* ---- writing ---- */

static bool hand_down(struct frames *f)
{
	struct err err;

	if (outbox_is_empty(&f->out) || outbox_hand_down(&f->out, &f->l, &err) == 0)
		return true;
	if (errno != EAGAIN && !f->unsent)
		f->unsent = xmemdup(&err, sizeof(err));
	return false;
}

static void refuse(struct frames *f, size_t len, const char *why)
{
	struct engine *e = f->l.end->addr->engine;
	char more[80];
	unsigned hidden;

	tally_add(&tally_of(f)->lost[LOSS_UNFRAMED], 1);
	if (log_limit_pass(&f->limit, 0, loop_now(e->loop), &hidden))
		log_warn("a datagram of %zu bytes is not sent to socket %u: %s%s", len,
			 f->l.end->addr->number, why,
			 log_limit_text(&f->limit, hidden, "kind", more, sizeof(more)));
}

/* False: there is no room for it now. */
static bool put(struct frames *f, const struct packet *p)
{
	const char *why = framing_refuses(&f->f, p->data, p->len);
	uint8_t *to;

	if (why) {
		refuse(f, p->len, why);
		return true;
	}
	to = outbox_space(&f->out, &f->l, framing_room(&f->f, p->len));
	if (to)
		outbox_made(&f->out, framing_put(&f->f, to, p->data, p->len), p->len);
	return to;
}

static int cannot(const struct frames *f, struct err *err)
{
	if (!f->out.failed) {
		errno = EAGAIN;
		return -1;
	}
	*err = *f->unsent;
	errno = err->code ? err->code : EPIPE;
	return -1;
}

static int frames_send(struct layer *l, struct batch *b, struct err *err)
{
	struct frames *f = frames_of(l);

	while (b->next < b->n) {
		const struct packet *p = &b->packet[b->next];

		if (!p->drop && (f->out.failed || !put(f, p))) {
			if (!hand_down(f))
				return cannot(f, err);
			continue;
		}
		b->next++;
	}
	if (!hand_down(f) && !f->out.failed)
		layer_repoll(l);
	return 0;
}

static uint32_t frames_poll(const struct layer *l, uint32_t want)
{
	const struct frames *f = container_of(l, const struct frames, l);

	return want | (outbox_is_empty(&f->out) || f->out.failed ? 0 : EPOLLOUT);
}

static bool frames_shut_write(struct layer *l)
{
	(void)l;
	return true; /* between two frames: flush() comes first */
}

static bool frames_flush(struct layer *l)
{
	struct frames *f = frames_of(l);

	return hand_down(f) || f->out.failed;
}

static size_t frames_kept(const struct layer *l)
{
	return outbox_kept(&container_of(l, const struct frames, l)->out);
}

static bool frames_broken(const struct layer *l, struct err *err)
{
	const struct frames *f = container_of(l, const struct frames, l);

	if (f->out.failed)
		*err = *f->unsent;
	return f->out.failed;
}

static void frames_free(struct layer *l)
{
	struct frames *f = frames_of(l);

	put_down(f);
	free(f->rest);
	outbox_done(&f->out, l);
	free(f->unsent);
	free(f);
}

static const struct layer_ops ops = {
	.name = "FRAMES",
	.recv = frames_recv,
	.send = frames_send,
	.poll = frames_poll,
	.holds = frames_holds,
	.shut_write = frames_shut_write,
	.flush = frames_flush,
	.kept = frames_kept,
	.broken = frames_broken,
	.free = frames_free,
};

/* ---- opening ---- */

static int framing_of(struct framing *f, const struct conf *c, struct err *err)
{
	char text[64];

	if (!c->frames.format)
		return err_set(err, 0, "FRAMES has no format: FRAMES(u16)+..., or one of %s",
			       framing_names());
	if (c->frames.max < 0 || c->frames.max > FRAMING_MAX)
		return err_set(err, 0, "option frames-max: %lld is not between 1 and %d bytes",
			       (long long)c->frames.max, FRAMING_MAX);
	snprintf(text, sizeof(text), "%s%s%s", c->frames.format, c->frames.size ? "=" : "",
		 c->frames.size ? c->frames.size : "");
	*f = (struct framing){ .max = (size_t)c->frames.max };
	return framing_parse(f, text, err);
}

static int check(const struct half_layer *l, struct err *err)
{
	struct framing f;

	return framing_of(&f, l->conf, err);
}

/* From now on the end is made of datagrams, and the kernel moves none of its bytes. */
static enum step_result step_push(struct opening *o, struct err *err)
{
	struct frames *f = xcalloc(1, sizeof(*f));

	if (framing_of(&f->f, opening_layer(o)->conf, err) == -1) {
		free(f);
		return STEP_FAIL;
	}
	layer_push(o->end, &f->l, &ops);
	o->end->caps |= EP_DGRAM_IN | EP_DGRAM_OUT;
	o->end->caps &= ~(unsigned)(EP_SPLICE_IN | EP_SPLICE_OUT);
	return STEP_DONE;
}

static void forecast(struct forecast *f)
{
	f->in.caps = (f->in.caps & EP_NO_READ) | EP_DGRAM_IN;
	f->out.caps = (f->out.caps & EP_NO_WRITE) | EP_DGRAM_OUT;
	f->in.bare = f->out.bare = false;
}

#define DOES "keeps the borders of datagrams in the stream: each is a frame"

static const struct step steps[] = { { .run = step_push }, STEP_END };

const struct layer_type frames_layer = {
	.names = "FRAMES",
	.help = "keeps the borders of datagrams in a stream",
	.example = "socast UDP4-LISTEN:5000,fork 'FRAMES(u16)+TLS+TCP:gw.example.org:5001'",
	.does = DOES,
	.serves = DOES,
	.groups = G_FRAMES,
	.makes_datagrams = true,
	.one_way = true,
	.check = check,
	.steps = steps,
	.forecast = forecast,
};
