/* tls.c - OPENSSL and OPENSSL-LISTEN (SSL, TLS): TLS over a TCP connection
 *
 * The TCP part is that of TCP-CONNECT and TCP-LISTEN (open/steps.c, open/listen.c); behind it one
 * more step shakes hands in the loop. What comes out is an endpoint whose bytes go through the
 * module (tls_module.c). Certificates and settings are read once per address, before anything
 * connects or listens, and are shared by all its connections. */
#include "addr/addr.h"
#include "addr/tls_address.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "end/fd_end.h"
#include "end/relay.h"
#include "flow/forecast.h"
#include "open/dial.h"
#include "open/listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOTIFY_AGAIN_NS (10 * NSEC_PER_MSEC) /* a close-notify that found the socket full */

struct tls_ep {
	struct endpoint ep;
	const struct tls_api *api;
	struct tls *tls;
	bool read_wants_write, write_wants_read; /* the library has records of its own to move */
	bool notified; /* our close-notify is sent */
	struct timer notify;
};

/* ---- the context ---- */

static void address_free(void *data)
{
	struct tls_address *a = data;

	a->api->context_free(a->context);
	free(a);
}

struct tls_address *tls_address_of(const struct opening *o)
{
	return o->addr->share;
}

int tls_address_load(struct opening *o, enum tls_role role, struct err *err)
{
	bool client = role == TLS_CLIENT || role == DTLS_CLIENT;
	const struct tls_api *api = o->addr->half->module;
	struct tls_context *context;
	struct tls_address *a;

	if (o->addr->share)
		return 0;
	context = api->context_new(o->addr->conf, role, client ? opening_param(o, 0) : NULL, err);
	if (!context)
		return -1;
	a = xcalloc(1, sizeof(*a));
	a->api = api;
	a->context = context;
	o->addr->share = a;
	o->addr->share_free = address_free;
	return 0;
}

enum step_result tls_client_context(struct opening *o, enum tls_role role, struct err *err)
{
	if (!*opening_param(o, 0)) {
		err_set(err, 0, "%s: empty host name", o->addr->half->keyword);
		return STEP_FAIL;
	}
	if (tls_address_load(o, role, err) == -1)
		return STEP_FAIL;
	log_notice("opening OpenSSL connection to %s:%s", opening_param(o, 0), opening_param(o, 1));
	return STEP_DONE;
}

static enum step_result step_client_context(struct opening *o, struct err *err)
{
	return tls_client_context(o, TLS_CLIENT, err);
}

static enum step_result step_server_context(struct opening *o, struct err *err)
{
	return tls_address_load(o, TLS_SERVER, err) == -1 ? STEP_FAIL : STEP_DONE;
}

/* ---- the handshake ---- */

/* A handshake is small segments back and forth: they must not wait for each other. */
static enum step_result step_nodelay(struct opening *o, struct err *err)
{
	int one = 1;

	(void)err;
	(void)setsockopt(o->target.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return STEP_DONE;
}

struct shaking {
	const struct tls_api *api;
	struct tls *tls;
	int64_t due_ns; /* 0: no limit */
	struct netaddr peer; /* whose address a reset takes away */
};

static void shaking_free(void *impl)
{
	struct shaking *s = impl;

	s->api->free(s->tls);
	free(s);
}

static struct shaking *begin(struct opening *o, struct err *err)
{
	const struct conf *c = o->addr->conf;
	struct tls_address *a = tls_address_of(o);
	struct tls *tls = a->api->start(a->context, o->target.fd, NULL, NULL, 0, err);
	struct shaking *s;

	if (!tls)
		return NULL;
	s = xcalloc(1, sizeof(*s));
	s->api = a->api;
	s->tls = tls;
	s->peer.len = sizeof(s->peer.raw);
	if (getpeername(o->target.fd, &s->peer.any, &s->peer.len) == -1)
		s->peer.len = 0;
	if (c->tls.handshake_timeout_ns > 0)
		s->due_ns = loop_now(o->addr->engine->loop) + c->tls.handshake_timeout_ns;
	o->impl = s;
	o->impl_free = shaking_free;
	return s;
}

static void tell(void *arg, const char *name, const char *value)
{
	struct vars *vars = arg;
	char full[128];

	snprintf(full, sizeof(full), "OPENSSL_%s", name);
	vars_set(vars, full, "%s", value);
	snprintf(full, sizeof(full), "TLS_%s", name);
	vars_set(vars, full, "%s", value);
}

void tls_tell_variables(struct opening *o, const struct tls_api *api, struct tls *tls)
{
	if (o->addr->relay->plan->programs)
		api->describe(tls, tell, &o->vars);
}

void tls_name_peer(const struct opening *o, const struct netaddr *peer, struct err *err)
{
	char host[NETADDR_TEXT_LEN], text[ERR_TEXT_LEN];

	if (!(o->addr->half->type->flags & TYPE_PASSIVE) || o->addr->relay->plan->set.classic ||
	    !peer->len)
		return;
	snprintf(text, sizeof(text), "%s", err->text);
	snprintf(err->text, sizeof(err->text), "%s:%u: %.900s", netaddr_host_text(peer, host),
		 netaddr_port(peer), text);
}

static enum step_result step_handshake(struct opening *o, struct err *err)
{
	int64_t now = loop_now(o->addr->engine->loop);
	struct shaking *s = o->impl ? o->impl : begin(o, err);
	enum tls_result r;

	if (!s)
		return STEP_FAIL;
	r = s->api->handshake(s->tls, err);
	switch (r) {
	case TLS_DONE:
		tls_tell_variables(o, s->api, s->tls);
		return STEP_DONE;
	case TLS_WANT_READ:
	case TLS_WANT_WRITE:
		break;
	default:
		tls_name_peer(o, &s->peer, err);
		return STEP_FAIL;
	}
	if (s->due_ns && now >= s->due_ns) {
		err_set(err, ETIMEDOUT, "%s: handshake", o->addr->half->keyword);
		err->status = 1;
		tls_name_peer(o, &s->peer, err);
		return STEP_FAIL;
	}
	opening_wait(o, o->target.fd, r == TLS_WANT_READ ? EPOLLIN : EPOLLOUT, s->due_ns);
	return STEP_AGAIN;
}

/* ---- the endpoint ---- */

/* What a result means to whoever reads or writes: as read(2) and write(2). */
static ssize_t answer(struct endpoint *ep, enum tls_result r, size_t moved, const struct err *err)
{
	switch (r) {
	case TLS_DONE:
		return (ssize_t)moved;
	case TLS_END:
		return 0;
	case TLS_WANT_READ:
	case TLS_WANT_WRITE:
		endpoint_rewatch(ep);
		errno = EAGAIN;
		return -1;
	default:
		errno = err->code ? err->code : EPROTO;
		return -1;
	}
}

static ssize_t ep_read(struct endpoint *ep, void *buf, size_t len, struct err *err)
{
	struct tls_ep *t = (struct tls_ep *)ep;
	size_t moved;
	enum tls_result r = t->api->read(t->tls, buf, len, &moved, err);

	t->read_wants_write = r == TLS_WANT_WRITE;
	return answer(ep, r, moved, err);
}

static ssize_t ep_write(struct endpoint *ep, const struct iovec *iov, int niov, struct err *err)
{
	struct tls_ep *t = (struct tls_ep *)ep;
	size_t sum = 0;

	for (int i = 0; i < niov; i++) {
		size_t done = 0;

		while (done < iov[i].iov_len) {
			size_t moved;
			enum tls_result r =
				t->api->write(t->tls, (const char *)iov[i].iov_base + done,
					      iov[i].iov_len - done, &moved, err);

			t->write_wants_read = r == TLS_WANT_READ;
			if (r != TLS_DONE)
				return sum ? (ssize_t)sum : answer(ep, r, 0, err);
			done += moved;
			sum += moved;
		}
	}
	return (ssize_t)sum;
}

static bool ep_holds(const struct endpoint *ep)
{
	const struct tls_ep *t = (const struct tls_ep *)ep;

	return t->api->pending(t->tls);
}

/* The library may have to write before it can read on, and the other way round. */
static uint32_t ep_wants(const struct endpoint *ep, uint32_t want)
{
	const struct tls_ep *t = (const struct tls_ep *)ep;
	uint32_t events = 0;

	if (want & EPOLLIN)
		events |= t->read_wants_write ? EPOLLOUT : EPOLLIN;
	if (want & EPOLLOUT)
		events |= t->write_wants_read ? EPOLLIN : EPOLLOUT;
	return events;
}

static void notify(struct tls_ep *t)
{
	struct loop *loop = t->ep.addr->engine->loop;

	if (t->api->close_notify(t->tls) == TLS_DONE)
		t->notified = true;
	else
		loop_timer(loop, &t->notify, loop_now(loop) + NOTIFY_AGAIN_NS);
}

static void on_notify(struct timer *timer)
{
	notify(container_of(timer, struct tls_ep, notify));
}

static void ep_shut_write(struct endpoint *ep)
{
	struct tls_ep *t = (struct tls_ep *)ep;

	switch (ep->addr->conf->flow.shut) {
	case SHUT_NONE:
		break;
	case SHUT_DEFAULT:
		log_info("sending close-notify on %d", ep->wfd);
		notify(t);
		break;
	default:
		notify(t);
		ep_fd_shut_write(ep);
	}
}

/* What is left of a connection whose session is over: its close-notify. */
struct rest {
	const struct tls_api *api;
	struct tls *tls;
};

static bool rest_flush(void *arg)
{
	struct rest *r = arg;

	return r->api->close_notify(r->tls) == TLS_DONE;
}

static void rest_free(void *arg)
{
	struct rest *r = arg;

	r->api->free(r->tls);
	free(r);
}

static void ep_close(struct endpoint *ep)
{
	struct tls_ep *t = (struct tls_ep *)ep;
	struct rest rest = { t->api, t->tls };
	bool shared = ep->caps & EP_SHARED;

	loop_timer_stop(ep->addr->engine->loop, &t->notify);
	if (!shared && !t->notified)
		t->notified = rest_flush(&rest);
	if (endpoint_lingers(ep)) {
		struct linger_layer layer = { t->notified ? NULL : rest_flush, rest_free,
					      xmemdup(&rest, sizeof(rest)), false };

		linger_close(ep->addr, ep->wfd, &ep->parting, &layer);
		ep->rfd = ep->wfd = -1;
		return;
	}
	t->api->free(t->tls);
	ep_fd_close(ep);
}

static const struct endpoint_ops ops = {
	.read = ep_read,
	.write = ep_write,
	.shut_write = ep_shut_write,
	.close = ep_close,
	.holds = ep_holds,
	.wants = ep_wants,
};

static struct endpoint *make(struct opening *o, struct err *err)
{
	struct shaking *s = o->impl;
	struct tls_ep *t = xcalloc(1, sizeof(*t));

	(void)err;
	endpoint_init(&t->ep, &ops, o->addr, o->target.fd, o->target.fd);
	t->ep.rkind = t->ep.wkind = FD_SOCKET;
	t->ep.half_close = SHUT_DOWN;
	t->ep.caps = EP_LINGERS;
	t->api = s->api;
	t->tls = s->tls;
	timer_init(&t->notify, on_notify);
	free(s);
	o->impl = NULL;
	return &t->ep;
}

/* The bytes on the descriptor are not those of the session. */
static void forecast(const struct half *half, enum open_mode mode, struct forecast *f)
{
	(void)half;
	(void)mode;
	f->in = f->out = (struct path_end){ 0, FD_SOCKET, false };
}

static struct endpoint *make_connected(struct opening *o, struct err *err)
{
	log_notice("successfully connected to SSL server %s:%s", opening_param(o, 0),
		   opening_param(o, 1));
	return make(o, err);
}

/* clang-format off */
static const struct step client_steps[] = {
	{ STEP_PURE(step_client_context) },
	{ STEP_PURE(step_resolve_target) },
	{ STEP_PURE(step_resolved), .flags = STEP_NEXT_ADDRESS },
	{ STEP_PURE(step_resolve_bind) },
	{ .run = step_socket },
	{ .run = step_nodelay, .after = PH_PASTSOCKET },
	{ .after = PH_FD },
	{ .after = PH_PREBIND },
	{ .run = step_bind_client },
	{ .run = step_connect },
	{ .run = step_connected, .after = PH_CONNECTED },
	{ .run = step_handshake },
	STEP_END,
};

static const struct step listen_steps[] = {
	{ STEP_PURE(step_max_children) },
	{ STEP_PURE(step_server_context) },
	{ STEP_PURE(step_resolve_local) },
	{ STEP_PURE(step_resolved_local) },
	{ .run = step_socket },
	{ .run = step_nodelay, .after = PH_PASTSOCKET },
	{ .run = step_reuseaddr, .after = PH_PREBIND },
	{ .run = step_bind },
	{ .run = step_listen, .check = step_check_listening },
	STEP_END,
};

static const struct step accepted_tls_steps[] = {
	{ .run = step_accept, .after = PH_FD, .flags = STEP_WAITS_FOR_PEER },
	{ .after = PH_PASTSOCKET },
	{ .after = PH_CONNECTED },
	{ .run = step_handshake },
	STEP_END,
};

#define G_TLS (G_FD | G_SOCKET | G_CHILD | G_RETRY | G_IP4 | G_IP6 | G_TCP | G_OPENSSL)

static const struct addr_type types[] = {
	{ .names = "OPENSSL OPENSSL-CONNECT SSL TLS TLS-CONNECT", .syntax = ":<host>:<port>",
	  .help = "TLS connection to a server, whose certificate and name are verified",
	  .groups = G_TLS, .reads = true, .writes = true, .min_params = 2, .max_params = 2,
	  .net = { AF_UNSPEC, SOCK_STREAM, IPPROTO_TCP }, .flags = TYPE_CONNECTS,
	  .steps = client_steps, .forecast = forecast, .make = make_connected, .source = dial_source,
	  .module = TLS_MODULE, .symbol = TLS_SYMBOL, .unavailable = TLS_MISSING },
	{ .names = "OPENSSL-LISTEN SSL-L TLS-LISTEN TLS-L", .syntax = ":<port>",
	  .help = "TLS server: waits for a connection; fork serves many",
	  .groups = G_TLS | G_LISTEN | G_RANGE, .reads = true, .writes = true,
	  .min_params = 1, .max_params = 1, .net = { AF_UNSPEC, SOCK_STREAM, IPPROTO_TCP },
	  .flags = TYPE_PASSIVE, .steps = listen_steps, .conn_steps = accepted_tls_steps,
	  .forecast = forecast, .local_port = 1, .make = make, .source = listen_source,
	  .module = TLS_MODULE, .symbol = TLS_SYMBOL, .unavailable = TLS_MISSING },
};
/* clang-format on */

const struct addr_family tls_family = { types, ARRAY_SIZE(types) };
