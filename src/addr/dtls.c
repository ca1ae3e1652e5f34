/* dtls.c - OPENSSL-DTLS-CLIENT and OPENSSL-DTLS-SERVER (DTLS): TLS over UDP, borders kept
 *
 * Below is a datagram endpoint: a client's own socket, the socket of the one peer of a server, or,
 * with fork, the end of a peer in the table of open/peers.c, which sorts the datagrams of one
 * socket. On it lies an endpoint of ours that takes its datagrams apart and makes its own. It
 * exists from the first step of the handshake on, so that repetitions (RFC 6347 4.2.4) have their
 * timer. */
#include "addr/addr.h"
#include "addr/tls_address.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "dgram/dgram_end.h"
#include "dgram/dgram_send.h"
#include "flow/forecast.h"
#include "open/dgram_open.h"
#include "open/dial.h"
#include "open/peers.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define DTLS_RECORD_MAX 16384 /* payload of one record, hence of one datagram */

struct dtls_ep {
	struct endpoint ep;
	struct dgram_ep *lower;
	const struct tls_api *api;
	struct tls *tls;
	struct batch *received; /* records not yet taken apart, or NULL */
	struct timer repeat; /* the handshake's last flight */
	int64_t due_ns; /* of the handshake, 0: no limit */
	bool notified;
	bool over; /* the wire has ended */
};

/* ---- the wire: one datagram of the lower end at a time ---- */

static ssize_t wire_recv(void *arg, void *buf, size_t cap)
{
	struct dtls_ep *d = arg;
	struct endpoint *lower = &d->lower->ep;
	struct err err;

	for (;;) {
		struct batch *b = d->received ? d->received : pool_batch(&d->ep.addr->engine->pool);
		const struct packet *p;
		size_t len;

		d->received = b;
		if (b->next >= b->n) {
			long n;

			b->n = b->next = 0;
			n = endpoint_recv(lower, b, BATCH_MAX, &err);
			if (n <= 0) {
				int code = errno;

				pool_batch_back(&d->ep.addr->engine->pool, b);
				d->received = NULL;
				d->over |= n == 0;
				errno = n == 0 ? EAGAIN : code;
				return -1;
			}
		}
		p = &b->packet[b->next++];
		if (p->drop || !p->len)
			continue;
		len = p->len < cap ? p->len : cap;
		memcpy(buf, p->data, len);
		return (ssize_t)len;
	}
}

static ssize_t wire_send(void *arg, const void *buf, size_t len)
{
	struct dtls_ep *d = arg;
	struct endpoint *lower = &d->lower->ep;
	struct batch *b = pool_batch(&lower->addr->engine->pool);
	struct err err;
	int rc, code;

	batch_put(b, buf, len);
	rc = endpoint_send(lower, b, &err);
	code = errno;
	pool_batch_back(&lower->addr->engine->pool, b);
	d->ep.wfd = lower->wfd; /* where room is waited for */
	errno = code;
	return rc == -1 ? -1 : (ssize_t)len;
}

/* ---- time ---- */

static void arm(struct dtls_ep *d)
{
	struct loop *loop = d->ep.addr->engine->loop;
	int64_t left = d->api->timeout_ns(d->tls);

	if (left >= 0)
		loop_timer(loop, &d->repeat, loop_now(loop) + left);
	else
		loop_timer_stop(loop, &d->repeat);
}

static void on_repeat(struct timer *t)
{
	struct dtls_ep *d = container_of(t, struct dtls_ep, repeat);
	struct err err;

	if (d->api->on_timeout(d->tls, &err) == TLS_FAIL)
		log_info("%s", err.text); /* whoever waits for the handshake has its own limit */
	arm(d);
}

/* ---- the endpoint ---- */

static long recv_failed(struct dtls_ep *d, enum tls_result r, const struct err *err)
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

static long ep_recv(struct endpoint *ep, struct batch *b, size_t max, struct err *err)
{
	struct dtls_ep *d = (struct dtls_ep *)ep;
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

static int ep_send(struct endpoint *ep, struct batch *b, struct err *err)
{
	struct dtls_ep *d = (struct dtls_ep *)ep;

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

static bool ep_holds(const struct endpoint *ep)
{
	const struct dtls_ep *d = (const struct dtls_ep *)ep;
	const struct endpoint *lower = &d->lower->ep;

	return d->over || d->api->pending(d->tls) ||
	       (d->received && d->received->next < d->received->n) || endpoint_holds(lower);
}

static void ep_shut_write(struct endpoint *ep)
{
	struct dtls_ep *d = (struct dtls_ep *)ep;

	if (ep->addr->conf->flow.shut == SHUT_NONE || d->notified)
		return;
	log_info("sending close-notify on %d", ep->wfd);
	(void)d->api->close_notify(d->tls);
	d->notified = true;
}

static void ep_close(struct endpoint *ep)
{
	struct dtls_ep *d = (struct dtls_ep *)ep;

	loop_timer_stop(ep->addr->engine->loop, &d->repeat);
	if (!(ep->caps & EP_SHARED))
		ep_shut_write(ep);
	d->api->free(d->tls);
	if (d->received)
		pool_batch_back(&ep->addr->engine->pool, d->received);
	d->lower->top = NULL;
	d->lower->ep.caps |= ep->caps & EP_SHARED;
	endpoint_free(&d->lower->ep);
	ep->rfd = ep->wfd = -1;
}

static uint32_t ep_wants(const struct endpoint *ep, uint32_t want)
{
	const struct endpoint *lower = &((const struct dtls_ep *)ep)->lower->ep;

	if (!dgram_ep_shares_socket((const struct dgram_ep *)lower))
		return want;
	return ep->wfd != ep->rfd ? want & EPOLLOUT : 0;
}

static void ep_report(struct endpoint *ep)
{
	struct endpoint *lower = &((struct dtls_ep *)ep)->lower->ep;

	endpoint_report(lower);
}

static const struct endpoint_ops ops = {
	.recv_batch = ep_recv,
	.send_batch = ep_send,
	.shut_write = ep_shut_write,
	.close = ep_close,
	.holds = ep_holds,
	.wants = ep_wants,
	.report = ep_report,
};

/* Our endpoint on @lower, which it takes; NULL with @err. */
static struct dtls_ep *layer(struct opening *o, struct dgram_ep *lower, struct err *err)
{
	struct tls_address *a = tls_address_of(o);
	struct dtls_ep *d = xcalloc(1, sizeof(*d));
	struct tls_wire wire = { wire_recv, wire_send, d };
	struct tls *tls = a->api->start(a->context, -1, &wire, lower->to.raw, lower->to.len, err);

	if (!tls) {
		endpoint_free(&lower->ep);
		free(d);
		return NULL;
	}
	endpoint_init(&d->ep, &ops, o->addr, lower->ep.rfd, lower->ep.wfd);
	d->ep.caps = EP_DGRAM_IN | EP_DGRAM_OUT;
	d->lower = lower;
	d->api = a->api;
	d->tls = tls;
	lower->top = &d->ep;
	timer_init(&d->repeat, on_repeat);
	if (o->addr->conf->tls.handshake_timeout_ns > 0)
		d->due_ns =
			loop_now(o->addr->engine->loop) + o->addr->conf->tls.handshake_timeout_ns;
	return d;
}

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
	const struct tls_address *a = addr->share;
	struct greeting w = { g, false };
	struct tls_wire wire = { greeting_recv, greeting_send, &w };

	return a->api->greeted(a->context, &wire, g->peer->raw, g->peer->len);
}

/* ---- opening ---- */

static enum step_result step_client_context(struct opening *o, struct err *err)
{
	return tls_client_context(o, DTLS_CLIENT, err);
}

static enum step_result step_server_context(struct opening *o, struct err *err)
{
	return tls_address_load(o, DTLS_SERVER, err) == -1 ? STEP_FAIL : STEP_DONE;
}

static void layer_free(void *impl)
{
	endpoint_free(&((struct dtls_ep *)impl)->ep);
}

/* The datagram end below: a client's, the table's, or that of the one peer. */
static struct endpoint *take_lower(struct opening *o, struct err *err)
{
	struct endpoint *lower = o->lower;

	o->lower = NULL;
	if (lower)
		return lower;
	return o->addr->half->type->flags & TYPE_PASSIVE ? dgram_make_listen(o, err)
							 : dgram_make_connect(o, err);
}

static struct dtls_ep *begin(struct opening *o, struct err *err)
{
	struct endpoint *lower = take_lower(o, err);
	struct dtls_ep *d = lower ? layer(o, (struct dgram_ep *)lower, err) : NULL;

	if (!d)
		return NULL;
	o->impl = d;
	o->impl_free = layer_free;
	return d;
}

static enum step_result step_handshake(struct opening *o, struct err *err)
{
	struct dtls_ep *d = o->waiting == STEP_AGAIN && o->impl ? o->impl : begin(o, err);
	enum tls_result r;

	if (!d)
		return STEP_FAIL;
	r = d->api->handshake(d->tls, err);
	if (r == TLS_DONE) {
		loop_timer_stop(o->addr->engine->loop, &d->repeat);
		tls_tell_variables(o, d->api, d->tls);
		return STEP_DONE;
	}
	if (r == TLS_FAIL || r == TLS_END) {
		tls_name_peer(o, &d->lower->to, err);
		return STEP_FAIL;
	}
	if (d->over || (d->due_ns && loop_now(o->addr->engine->loop) >= d->due_ns)) {
		err_set(err, d->over ? ECONNRESET : ETIMEDOUT, "%s: handshake",
			o->addr->half->keyword);
		err->status = 1;
		tls_name_peer(o, &d->lower->to, err);
		return STEP_FAIL;
	}
	arm(d);
	opening_wait_end(o, &d->lower->ep, EPOLLIN, d->due_ns);
	return STEP_AGAIN;
}

static struct endpoint *make(struct opening *o, struct err *err)
{
	struct dtls_ep *d = o->impl;

	(void)err;
	o->impl = NULL;
	arm(d);
	return &d->ep;
}

/* clang-format off */
static const struct step client_steps[] = {
	{ STEP_PURE(step_client_context) },
	CONNECT_STEPS,
	{ .run = step_handshake },
	STEP_END,
};

static const struct step server_steps[] = {
	{ STEP_PURE(step_max_children) },
	{ STEP_PURE(step_server_context) },
	{ STEP_PURE(step_resolve_local) },
	{ STEP_PURE(step_resolved_local) },
	{ .run = step_socket, .after = PH_PASTSOCKET },
	{ .after = PH_FD },
	{ .after = PH_PREBIND },
	{ .run = step_bind, .after = PH_CONNECTED },
	{ .run = step_first_packet, .flags = STEP_WAITS_FOR_PEER },
	{ .run = step_connect_first, .flags = STEP_WAITS_FOR_PEER },
	STEP_END,
};

static const struct step peer_steps[] = {
	{ .run = step_handshake },
	STEP_END,
};

#define G_DTLS (G_FD | G_SOCKET | G_CHILD | G_RETRY | G_IP4 | G_IP6 | G_UDP | G_OPENSSL)

static const struct addr_type types[] = {
	{ .names = "OPENSSL-DTLS-CLIENT OPENSSL-DTLS-CONNECT DTLS DTLS-C DTLS-CLIENT DTLS-CONNECT",
	  .syntax = ":<host>:<port>",
	  .help = "DTLS with a server, whose certificate and name are verified; borders are kept",
	  .groups = G_DTLS, .reads = true, .writes = true, .min_params = 2, .max_params = 2,
	  .net = { AF_UNSPEC, SOCK_DGRAM, IPPROTO_UDP }, .flags = TYPE_CONNECTS,
	  .steps = client_steps, .forecast = forecast_packets, .make = make, .source = dial_source,
	  .module = TLS_MODULE, .symbol = TLS_SYMBOL, .unavailable = TLS_MISSING },
	{ .names = "OPENSSL-DTLS-SERVER OPENSSL-DTLS-LISTEN DTLS-L DTLS-LISTEN DTLS-SERVER",
	  .syntax = ":<port>",
	  .help = "DTLS server: one peer; fork serves many on one socket",
	  .groups = G_DTLS | G_LISTEN | G_RANGE, .reads = true, .writes = true,
	  .min_params = 1, .max_params = 1, .net = { AF_UNSPEC, SOCK_DGRAM, IPPROTO_UDP },
	  .flags = TYPE_PASSIVE, .steps = server_steps, .conn_steps = peer_steps,
	  .forecast = forecast_packets, .local_port = 1, .make = make,
	  .source = dgram_source_listen, .greets = greets, .module = TLS_MODULE, .symbol = TLS_SYMBOL, .unavailable = TLS_MISSING },
};
/* clang-format on */

const struct addr_family dtls_family = { types, ARRAY_SIZE(types) };
