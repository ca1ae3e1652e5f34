/* layer_target.h - what a layer has the server in between connect to
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

/* The target of layer @i of @half, counted from the lowest. */
struct layer_target layer_target(const struct half *half, size_t i);

/* Who is at the other side of layer @i, whom it greets and may have to verify: the target of the
 * nearest layer below that has one, else host and port that the transport connects to. None where
 * that is no host: UNIX, EXEC, and whoever accepts. */
struct layer_target layer_peer(const struct half *half, size_t i);

/* Does layer @i play the server? Where others connect to the transport it does, unless option role
 * says something else. */
bool layer_is_server(const struct half *half, size_t i);

/* For struct layer_type: a layer in a stack needs option to, the others must not have it. */
int layer_target_check(const struct half_layer *layer, struct err *err);

#endif
