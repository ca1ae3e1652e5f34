/* dtls_layer.c - DTLS as a layer on an end of datagrams: borders are kept
 *
 * Below is a client's own socket, the socket of the one peer of a server, or, with fork, the end of
 * a peer in the table of open/peers.c, which sorts the datagrams of one socket. The layer takes its
 * datagrams apart and makes its own.
 *
 * States. Shaking hands: the layer is on the end from the first step on, so that repetitions (RFC
 * 6347 4.2.4) have their timer; an opening drives it (tls_shake.h). Carrying. Notified: our
 * close-notify is sent, once; if it is lost, the peer's own limits hold.
 *
 * Ownership. The layer owns the connection of the library, the batch in hand and the timer. */
#include "addr/tls/tls_shake.h"
#include "addr/tls/tls_share.h"
#include "addr/tls/tls_tell.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "dgram/dgram_end.h"
#include "dgram/dgram_send.h"
#include "end/layer.h"
#include "flow/forecast.h"
#include "open/layer_target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DTLS_RECORD_MAX 16384 /* payload of one record, hence of one datagram */

struct dtls_end {
	struct layer l;
	const struct tls_api *api;
	struct tls *tls;
	struct batch *received; /* records not yet taken apart, or NULL */
	struct timer repeat; /* the handshake's last flight */
	bool notified;
	bool over; /* the wire has ended */
};

static struct dtls_end *dtls_of(struct layer *l)
{
	return container_of(l, struct dtls_end, l);
}

static struct pool *pool_of(const struct dtls_end *d)
{
	return &d->l.end->addr->engine->pool;
}

/* ---- the wire: one datagram at a time ---- */

/* Receive a batch; false with errno: there is none. */
static bool receive(struct dtls_end *d)
{
	struct batch *b = d->received ? d->received : pool_batch(pool_of(d));
	struct err err;
	long n;
	int code;

	b->n = b->next = 0;
	d->received = b;
	n = layer_recv(&d->l, b, BATCH_MAX, &err);
	if (n > 0)
		return true;
	code = errno;
	pool_batch_back(pool_of(d), b);
	d->received = NULL;
	d->over |= n == 0;
	errno = n == 0 ? EAGAIN : code;
	return false;
}

static ssize_t wire_recv(void *arg, void *buf, size_t cap)
{
	struct dtls_end *d = arg;

	for (;;) {
		const struct packet *p;
		size_t len;

		if ((!d->received || d->received->next >= d->received->n) && !receive(d))
			return -1;
		p = &d->received->packet[d->received->next++];
		if (p->drop || !p->len)
			continue;
		len = p->len < cap ? p->len : cap;
		memcpy(buf, p->data, len);
		return (ssize_t)len;
	}
}

static ssize_t wire_send(void *arg, const void *buf, size_t len)
{
	struct dtls_end *d = arg;
	struct batch *b = pool_batch(pool_of(d));
	struct err err;
	int rc, code;

	batch_put(b, buf, len);
	rc = layer_send(&d->l, b, &err);
	code = errno;
	pool_batch_back(pool_of(d), b);
	errno = code;
	return rc == -1 ? -1 : (ssize_t)len;
}

/* ---- time ---- */

static void arm(struct dtls_end *d)
{
	struct loop *loop = d->l.end->addr->engine->loop;
	int64_t left = d->api->timeout_ns(d->tls);

	if (left >= 0)
		loop_timer(loop, &d->repeat, loop_now(loop) + left);
	else
		loop_timer_stop(loop, &d->repeat);
}

static void on_repeat(struct timer *t)
{
	struct dtls_end *d = container_of(t, struct dtls_end, repeat);
	struct err err;

	if (d->api->on_timeout(d->tls, &err) == TLS_FAIL)
		log_info("%s", err.text); /* whoever waits for the handshake has its own limit */
	arm(d);
}

/* ---- the layer ---- */

static long recv_failed(struct dtls_end *d, enum tls_result r, const struct err *err)
{
	switch (r) {
	case TLS_END:
		return 0;
	case TLS_FAIL:
		errno = err->code ? err->code : EPROTO;
		return -1;
	default:
		if (d->over)
			return 0;
		errno = EAGAIN;
		return -1;
	}
}

static long dtls_recv(struct layer *l, struct batch *b, size_t max, struct err *err)
{
	struct dtls_end *d = dtls_of(l);
	uint8_t data[DTLS_RECORD_MAX];
	enum tls_result r;
	size_t len;

	(void)max; /* one at a time: each is decrypted into a buffer of its own anyway */
	r = d->api->read(d->tls, data, sizeof(data), &len, err);
	arm(d);
	if (r != TLS_DONE)
		return recv_failed(d, r, err);
	batch_put(b, data, len);
	return 1;
}

static int dtls_send(struct layer *l, struct batch *b, struct err *err)
{
	struct dtls_end *d = dtls_of(l);

	for (; b->next < b->n; b->next++) {
		const struct packet *p = &b->packet[b->next];
		enum tls_result r;
		size_t len;

		if (p->drop || !p->len)
			continue;
		if (p->len > DTLS_RECORD_MAX) {
			errno = EMSGSIZE;
			return err_set(
				err, EMSGSIZE,
				"a datagram of %u bytes does not fit into a DTLS record of %d",
				(unsigned)p->len, DTLS_RECORD_MAX);
		}
		r = d->api->write(d->tls, p->data, p->len, &len, err);
		if (r == TLS_DONE)
			continue;
		errno = r != TLS_FAIL ? EAGAIN : err->code ? err->code : EPROTO;
		return -1;
	}
	return 0;
}

static bool dtls_holds(const struct layer *l)
{
	const struct dtls_end *d = container_of(l, const struct dtls_end, l);

	return d->over || d->api->pending(d->tls) ||
	       (d->received && d->received->next < d->received->n);
}

static void notify(struct dtls_end *d)
{
	if (!d->notified)
		(void)d->api->close_notify(d->tls);
	d->notified = true;
}

static bool dtls_shut_write(struct layer *l)
{
	if (l->end->addr->conf->flow.shut != SHUT_NONE) {
		log_info("sending close-notify on %d", l->end->wfd);
		notify(dtls_of(l));
	}
	return false;
}

static void dtls_finish(struct layer *l)
{
	if (l->end->addr->conf->flow.shut != SHUT_NONE)
		notify(dtls_of(l));
}

static void dtls_free(struct layer *l)
{
	struct dtls_end *d = dtls_of(l);

	loop_timer_stop(l->end->addr->engine->loop, &d->repeat);
	d->api->free(d->tls);
	if (d->received)
		pool_batch_back(pool_of(d), d->received);
	free(d);
}

static const struct layer_ops ops = {
	.name = "DTLS",
	.recv = dtls_recv,
	.send = dtls_send,
	.holds = dtls_holds,
	.shut_write = dtls_shut_write,
	.finish = dtls_finish,
	.free = dtls_free,
};

/* ---- strangers ---- */

/* The wire of one greeting: it receives that, and answers by the table's socket. */
struct greeting {
	const struct dgram_greeting *g;
	bool taken;
};

static ssize_t greeting_recv(void *arg, void *buf, size_t cap)
{
	struct greeting *w = arg;
	size_t len = w->g->len < cap ? w->g->len : cap;

	if (w->taken) {
		errno = EAGAIN;
		return -1;
	}
	w->taken = true;
	memcpy(buf, w->g->data, len);
	return (ssize_t)len;
}

static ssize_t greeting_send(void *arg, const void *buf, size_t len)
{
	const struct dgram_greeting *g = ((struct greeting *)arg)->g;
	struct batch *b = pool_batch(&g->sock->addr->engine->pool);
	struct err err;

	batch_put(b, buf, len);
	/* lost or refused: the client asks again */
	(void)dgram_send(g->sock, b, g->peer, g->local, &err);
	pool_batch_back(&g->sock->addr->engine->pool, b);
	return (ssize_t)len;
}

/* Nothing is kept about anybody who has not shown a cookie. */
static bool greets(struct address *addr, const struct dgram_greeting *g)
{
	const struct tls_share *a = addr->layer_share[0].data;
	struct greeting w = { g, false };
	struct tls_wire wire = { greeting_recv, greeting_send, &w };

	if (!layer_is_server(addr->half, 0))
		return true; /* we greet */
	return a->api->greeted(a->context, &wire, g->peer->raw, g->peer->len);
}

/* ---- the handshake ---- */

static int push(struct opening *o, struct err *err)
{
	const struct netaddr *peer = dgram_ep_peer(o->end);
	struct tls_share *share = tls_share_of(o);
	struct dtls_end *d = xcalloc(1, sizeof(*d));
	struct tls_wire wire = { wire_recv, wire_send, d };

	d->api = share->api;
	d->tls = share->api->start(share->context, -1, &wire, peer->raw, peer->len, err);
	if (!d->tls) {
		free(d);
		return -1;
	}
	timer_init(&d->repeat, on_repeat);
	layer_push(o->end, &d->l, &ops);
	tls_shake_begin(o, d->api, d->tls);
	return 0;
}

static enum step_result step_handshake(struct opening *o, struct err *err)
{
	struct dtls_end *d;
	enum step_result r;

	if (!tls_shake_goes_on(o) && push(o, err) == -1)
		return STEP_FAIL;
	d = dtls_of(o->end->top);
	r = tls_shake(o, err);
	if (r == STEP_AGAIN && d->over) {
		err_set(err, ECONNRESET, "%s: handshake", opening_layer(o)->name);
		err->status = 1;
		return STEP_FAIL;
	}
	arm(d);
	return r;
}

static void forecast(struct forecast *f)
{
	f->in.bare = f->out.bare = false;
}

static const struct step before[] = { { STEP_PURE(step_dtls_context) }, STEP_END };
static const struct step steps[] = { { .run = step_handshake }, STEP_END };

const struct layer_type dtls_layer = {
	.names = "DTLS",
	.help = "encrypts datagrams",
	.example = "socast - 'DTLS(verify=0)+UDP:192.168.10.2:4433'",
	.does = "encrypts each datagram on the way to {peer}: borders are kept, and what is lost "
		"is lost",
	.serves = "encrypts each datagram on the way to a client: borders are kept, and what is "
		  "lost is "
		  "lost",
	.client_begins = true,
	.encrypts = true,
	.farewell = "close-notify",
	.whom = tls_whom,
	.tells = tls_tells,
	.groups = G_OPENSSL,
	.needs_datagrams = true,
	.makes_datagrams = true,
	.before = before,
	.steps = steps,
	.greets = greets,
	.forecast = forecast,
	.module = TLS_MODULE,
	.symbol = TLS_SYMBOL,
	.unavailable = TLS_MISSING,
};
