/* tls_shake.c - the handshake of TLS and of DTLS, see tls_shake.h
 *
 * States. The opening owns a struct shaking as o->impl from tls_shake_begin() on until hands are
 * shaken or the attempt has failed. Between two calls it waits for the end of the layer. */
#include "addr/tls/tls_shake.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "end/layer.h"
#include "end/relay.h"
#include "open/layer_target.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct shaking {
	const struct tls_api *api; /* the layer's, */
	struct tls *tls; /* as is this */
	int64_t due_ns; /* 0: no limit */
	struct netaddr peer; /* copied: a reset takes it away from the socket */
};

static void shaking_free(void *impl)
{
	free(impl);
}

void tls_shake_begin(struct opening *o, const struct tls_api *api, struct tls *tls,
		     const struct netaddr *peer)
{
	int64_t limit = opening_layer(o)->conf->tls.handshake_timeout_ns;
	struct shaking *s = xcalloc(1, sizeof(*s));

	s->api = api;
	s->tls = tls;
	s->peer = *peer;
	if (limit > 0)
		s->due_ns = loop_now(o->addr->engine->loop) + limit;
	o->impl = s;
	o->impl_free = shaking_free;
}

bool tls_shake_goes_on(const struct opening *o)
{
	return o->impl;
}

/* Of several layers the topmost has the plain names, the others are numbered from there down. */
struct telling_vars {
	struct vars *vars;
	char number[16]; /* "", "2", "3" */
};

static struct telling_vars vars_of(struct opening *o)
{
	const struct half *half = o->addr->half;
	struct telling_vars v = { .vars = &o->vars };
	unsigned number = 1;

	for (size_t i = o->layer + 1; i < half->nlayers; i++)
		number += half->layer[i].type->groups & G_OPENSSL ? 1 : 0;
	if (number > 1)
		snprintf(v.number, sizeof(v.number), "%u", number);
	return v;
}

static void tell(void *arg, const char *name, const char *value)
{
	const struct telling_vars *v = arg;
	char full[128];

	snprintf(full, sizeof(full), "OPENSSL%s_%s", v->number, name);
	vars_set(v->vars, full, "%s", value);
	snprintf(full, sizeof(full), "TLS%s_%s", v->number, name);
	vars_set(v->vars, full, "%s", value);
}

/* An address of classic says it in classic's words. */
static void say_agreed(const struct tls_agreed *a)
{
	log_notice("SSL proto version used: %s", a->version);
	log_notice("SSL connection using %s", a->cipher);
	log_notice("SSL connection compression \"none\"");
	log_notice("SSL connection expansion \"none\"");
}

/* A layer of a stack: which, with whom, and what. */
static void say_which(const struct opening *o, const struct tls_agreed *a)
{
	const struct half *half = o->addr->half;
	struct layer_target peer = layer_peer(half, o->layer);
	bool server = layer_is_server(half, o->layer), named = peer.host && !server;
	struct str on = { 0 };

	for (size_t i = o->layer + 1; i-- > 0;) {
		if (half->layer[i].own)
			str_addf(&on, "%s on ", half->layer[i].name);
	}
	log_notice("%s%s: connected to %s%s%s%s, %s, %s", on.data, half->keyword,
		   named    ? ""
		   : server ? "a client"
			    : "a server",
		   named ? peer.host : "", named ? ":" : "", named ? peer.port : "", a->version,
		   a->cipher);
	str_done(&on);
}

static enum step_result shaken(struct opening *o, struct shaking *s)
{
	const struct tls_agreed a = s->api->agreed(s->tls);
	struct telling_vars vars = vars_of(o);

	if (opening_layer(o)->own)
		say_which(o, &a);
	else
		say_agreed(&a);
	if (a.resumed)
		log_info("SSL session resumed");
	if (o->addr->relay->plan->programs)
		s->api->describe(s->tls, tell, &vars);
	shaking_free(s);
	o->impl = NULL;
	return STEP_DONE;
}

/* Put the peer in front of the sentence. */
static enum step_result failed(struct opening *o, struct err *err)
{
	const struct netaddr *peer = &((struct shaking *)o->impl)->peer;
	char host[NETADDR_TEXT_LEN], text[ERR_TEXT_LEN], port[16] = "";

	if (!(o->addr->half->type->flags & TYPE_ACCEPTS) || o->addr->relay->plan->set.classic ||
	    peer->len <= sizeof(peer->any.sa_family)) /* nobody, or a UNIX socket without a name */
		return STEP_FAIL;
	if (netaddr_port(peer))
		snprintf(port, sizeof(port), ":%u", netaddr_port(peer));
	snprintf(text, sizeof(text), "%s", err->text);
	snprintf(err->text, sizeof(err->text), "%.500s%s: %.500s", netaddr_host_text(peer, host),
		 port, text);
	return STEP_FAIL;
}

enum step_result tls_shake_failed(struct opening *o, int code, struct err *err)
{
	err_set(err, code, "%s: handshake", opening_layer(o)->name);
	err->status = 1;
	return failed(o, err);
}

/* Send what the library has said; true when that will never be possible. */
static bool is_unheard(struct layer *l, struct err *err)
{
	return l->ops->flush && l->ops->flush(l) && l->ops->broken && l->ops->broken(l, err);
}

enum step_result tls_shake(struct opening *o, struct err *err)
{
	struct shaking *s = o->impl;
	enum tls_result r = s->api->handshake(s->tls, err);
	struct err unheard;

	if (is_unheard(o->end->top, &unheard) && r != TLS_FAIL)
		return tls_shake_failed(o, unheard.code, err);
	if (r == TLS_DONE)
		return shaken(o, s);
	if (r == TLS_FAIL || r == TLS_END)
		return failed(o, err);
	if (s->due_ns && loop_now(o->addr->engine->loop) >= s->due_ns)
		return tls_shake_failed(o, ETIMEDOUT, err);
	opening_wait_end(o, o->end, r == TLS_WANT_READ ? EPOLLIN : EPOLLOUT, s->due_ns);
	return STEP_AGAIN;
}
