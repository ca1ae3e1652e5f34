/* tls_share.h - what the TLS and DTLS layers of all connections of an address share */
#ifndef ADDR_TLS_TLS_SHARE_H
#define ADDR_TLS_TLS_SHARE_H

#include "addr/tls/tls_api.h"
#include "open/opening.h"

/* In the address's layer_share: certificates and settings, read once. */
struct tls_share {
	const struct tls_api *api;
	struct tls_context *context;
};

/* Steps ahead of the transport's, pure: read certificates and settings, once per address and layer;
 * a client says where it connects to. The role is that of layer_is_server(). */
enum step_result step_tls_context(struct opening *o, struct err *err);
enum step_result step_dtls_context(struct opening *o, struct err *err);

/* What the step has read, for the layer whose steps run. */
struct tls_share *tls_share_of(const struct opening *o);

/* Of rows: why there is no TLS in this build, or NULL. */
#define TLS_MISSING (HAVE_OPENSSL ? NULL : "this program was built without OpenSSL")

/* The layers. */
extern const struct layer_type tls_layer; /* on streams */
extern const struct layer_type dtls_layer; /* on datagrams */

#endif
