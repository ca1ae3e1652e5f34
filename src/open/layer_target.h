/* layer_target.h - who is at the other side of a layer, and which role it plays there
 *
 * A layer of SOCKS or PROXY that stands in a stack has its target in option to, one that an address
 * type has brought along in the last two parameters of the address. */
#ifndef OPEN_LAYER_TARGET_H
#define OPEN_LAYER_TARGET_H

#include "end/plan.h"

#include <stdbool.h>
#include <stddef.h>

/* Borrowed from the plan, as typed: IPv6 addresses are in brackets, the port may be the name of a
 * service. host NULL: there is none. */
struct layer_target {
	const char *host, *port;
};

/* Does layer @i of @half play the server? Its other side has come to it: it has connected to the
 * transport, or to a server in between that waits for it on our behalf. Option role overrules that.
 */
bool layer_is_server(const struct half *half, size_t i);

/* The target of layer @i of @half, counted from the lowest. */
struct layer_target layer_target(const struct half *half, size_t i);

/* Who is at the other side of layer @i, whom it greets and may have to verify: the target of the
 * nearest layer below that has one, else host and port that the transport speaks to. None where
 * that is no host: UNIX, EXEC, and whoever accepts. */
struct layer_target layer_peer(const struct half *half, size_t i);

/* For struct layer_type: a layer in a stack needs option to, the others must not have it. */
int layer_target_check(const struct half_layer *layer, struct err *err);

#endif
