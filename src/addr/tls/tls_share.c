/* tls_share.c - what the TLS and DTLS layers of all connections of an address share, see
 * tls_share.h */
#include "addr/tls/tls_share.h"

#include "base/log.h"
#include "base/mem.h"
#include "open/layer_target.h"

#include <stdlib.h>

static void share_free(void *data)
{
	struct tls_share *s = data;

	s->api->context_free(s->context);
	free(s);
}

struct tls_share *tls_share_of(const struct opening *o)
{
	return opening_layer_share(o)->data;
}

static bool is_server(const struct opening *o)
{
	return layer_is_server(o->addr->half, o->layer);
}

static bool verifies_name(const struct conf *c)
{
	return c->tls.verify && !c->tls.commonname;
}

static int load(struct opening *o, enum tls_role role, const char *name, struct err *err)
{
	const struct half_layer *layer = opening_layer(o);
	struct layer_share *share = opening_layer_share(o);
	const struct tls_api *api = layer->module;
	struct tls_context *context;
	struct tls_share *s;

	if (share->data)
		return 0;
	context = api->context_new(layer->conf, role, name, err);
	if (!context)
		return -1;
	s = xcalloc(1, sizeof(*s));
	s->api = api;
	s->context = context;
	*share = (struct layer_share){ s, share_free };
	return 0;
}

static enum step_result context(struct opening *o, enum tls_role client, enum tls_role server,
				struct err *err)
{
	struct layer_target peer = layer_peer(o->addr->half, o->layer);
	const char *name = is_server(o) ? NULL : peer.host;

	if (!is_server(o) && !name && verifies_name(opening_layer(o)->conf)) {
		err_set(err, 0, "%s: %s has no host name to verify", opening_layer(o)->name,
			o->addr->half->keyword);
		err_hint(err, "name whom to expect: commonname=NAME");
		return STEP_FAIL;
	}
	if (name && !*name) {
		err_set(err, 0, "%s: empty host name", o->addr->half->keyword);
		return STEP_FAIL;
	}
	if (load(o, is_server(o) ? server : client, name, err) == -1)
		return STEP_FAIL;
	if (name && !opening_layer(o)->own) /* of a stack it is said when there is one */
		log_notice("opening OpenSSL connection to %s:%s", name, peer.port);
	return STEP_DONE;
}

enum step_result step_tls_context(struct opening *o, struct err *err)
{
	return context(o, TLS_CLIENT, TLS_SERVER, err);
}

enum step_result step_dtls_context(struct opening *o, struct err *err)
{
	return context(o, DTLS_CLIENT, DTLS_SERVER, err);
}
