/* tls_shake.c - the handshake of TLS and of DTLS, see tls_shake.h
 *
 * States. The opening owns a struct shaking as o->impl from tls_shake_begin() on until hands are
 * shaken or the attempt has failed. Between two calls it waits for the end of the layer. */
#include "addr/tls/tls_shake.h"

#include "base/mem.h"
#include "end/layer.h"
#include "end/relay.h"

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

static void tell(void *arg, const char *name, const char *value)
{
	struct vars *vars = arg;
	char full[128];

	snprintf(full, sizeof(full), "OPENSSL_%s", name);
	vars_set(vars, full, "%s", value);
	snprintf(full, sizeof(full), "TLS_%s", name);
	vars_set(vars, full, "%s", value);
}

static enum step_result shaken(struct opening *o, struct shaking *s)
{
	if (o->addr->relay->plan->programs)
		s->api->describe(s->tls, tell, &o->vars);
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
