/* tls_shake.h - the handshake of TLS and of DTLS: a step of an opening */
#ifndef ADDR_TLS_TLS_SHAKE_H
#define ADDR_TLS_TLS_SHAKE_H

#include "addr/tls/tls_api.h"
#include "open/opening.h"

/* The layer on top of o->end begins to shake hands over @tls of @api (both the layer's). */
void tls_shake_begin(struct opening *o, const struct tls_api *api, struct tls *tls);

/* Has it begun? */
bool tls_shake_goes_on(const struct opening *o);

/* Go on. STEP_DONE: hands are shaken, and programs that are started for the session will know about
 * it (o->vars). STEP_AGAIN: call again when resumed. STEP_FAIL with @err. */
enum step_result tls_shake(struct opening *o, struct err *err);

#endif
