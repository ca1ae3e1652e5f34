/* tls_tell.h - what a layer of TLS or DTLS would do, in sentences, without opening anything */
#ifndef ADDR_TLS_TLS_TELL_H
#define ADDR_TLS_TLS_TELL_H

#include "end/plan.h"

/* For struct layer_type: whom layer @i of @half verifies as whom, who vouches for that, and what
 * it shows itself; and what it says before it can encrypt. */
bool tls_whom(const struct half *half, size_t i, struct str *out);
void tls_tells(const struct half *half, size_t i, struct str *out);

#endif
