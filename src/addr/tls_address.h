/* tls_address.h - what the openers of TLS and DTLS addresses share */
#ifndef ADDR_TLS_ADDRESS_H
#define ADDR_TLS_ADDRESS_H

#include "addr/tls_api.h"
#include "open/opening.h"

/* What all connections of an address share. */
struct tls_address {
	const struct tls_api *api;
	struct tls_context *context;
};

/* Load the module and read certificates and settings, once per address; 0, or -1 with @err. */
int tls_address_load(struct opening *o, enum tls_role role, struct err *err);

/* As a client's first step: that, and a record. */
enum step_result tls_client_context(struct opening *o, enum tls_role role, struct err *err);

/* What tls_address_load() has put there. */
struct tls_address *tls_address_of(const struct opening *o);

/* Tell o->vars about the connection, if programs are going to read them. */
void tls_tell_variables(struct opening *o, const struct tls_api *api, struct tls *tls);

/* Of rows: why there is no TLS in this build, or NULL. */
#define TLS_MISSING (HAVE_OPENSSL ? NULL : "this program was built without OpenSSL")

/* A handshake with @peer has failed: on a server its address goes in front of the sentence (called
 * socat it does not). */
void tls_name_peer(const struct opening *o, const struct netaddr *peer, struct err *err);

#endif
