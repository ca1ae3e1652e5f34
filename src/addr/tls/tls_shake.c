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

#include <stdio.h>
#include <stdlib.h>

struct shaking {
	const struct tls_api *api; /* the layer's, */
	struct tls *tls; /* as is this */
};

static void shaking_free(void *impl)
{
	free(impl);
}

void tls_shake_begin(struct opening *o, const struct tls_api *api, struct tls *tls)
{
	struct shaking *s = xcalloc(1, sizeof(*s));

	s->api = api;
	s->tls = tls;
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

	if (log_threshold > LV_NOTICE)
		return;
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

	if (is_unheard(o->end->top, &unheard) && r != TLS_FAIL) {
		err_set(err, unheard.code, "%s: handshake", opening_layer(o)->name);
		err->status = 1;
		return STEP_FAIL;
	}
	if (r == TLS_DONE)
		return shaken(o, s);
	if (r == TLS_FAIL || r == TLS_END)
		return STEP_FAIL;
	opening_wait_end(o, o->end, r == TLS_WANT_READ ? EPOLLIN : EPOLLOUT, 0);
	return STEP_AGAIN;
}
