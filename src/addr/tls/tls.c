/* tls.c - OPENSSL and OPENSSL-LISTEN (SSL, TLS): TLS over a TCP connection
 *
 * The transport is that of TCP-CONNECT and TCP-LISTEN (open/steps.c, open/listen.c), with the layer
 * TLS on it (tls_layer.c). */
#include "addr/addr.h"
#include "addr/tls/tls_share.h"
#include "base/list.h"
#include "flow/forecast.h"
#include "open/dial.h"
#include "open/listen.h"
#include "open/steps.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

/* A handshake is small segments back and forth: they must not wait for each other. */
static enum step_result step_nodelay(struct opening *o, struct err *err)
{
	int one = 1;

	(void)err;
	(void)setsockopt(o->target.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return STEP_DONE;
}

/* clang-format off */
static const struct step client_steps[] = {
	{ STEP_PURE(step_resolve_target) },
	{ STEP_PURE(step_resolved), .flags = STEP_NEXT_ADDRESS },
	{ STEP_PURE(step_resolve_bind) },
	{ .run = step_socket },
	{ .run = step_nodelay, .after = PH_PASTSOCKET },
	{ .after = PH_FD },
	{ .after = PH_PREBIND },
	{ .run = step_bind_client },
	{ .run = step_connect },
	{ .run = step_connected, .after = PH_CONNECTED },
	STEP_END,
};

static const struct step listen_steps[] = {
	{ STEP_PURE(step_max_children) },
	{ STEP_PURE(step_resolve_local) },
	{ STEP_PURE(step_resolved_local) },
	{ .run = step_socket },
	{ .run = step_nodelay, .after = PH_PASTSOCKET },
	{ .run = step_reuseaddr, .after = PH_PREBIND },
	{ .run = step_bind },
	{ .run = step_listen, .check = step_check_listening },
	STEP_END,
};

#define G_TLS (G_FD | G_SOCKET | G_CHILD | G_RETRY | G_IP4 | G_IP6 | G_TCP | G_OPENSSL)

static const struct addr_type types[] = {
	{ .names = "OPENSSL OPENSSL-CONNECT SSL TLS TLS-CONNECT", .syntax = ":<host>:<port>",
	  .help = "TLS connection to a server, whose certificate and name are verified unless verify=0",
	  .groups = G_TLS, .reads = true, .writes = true, .min_params = 2, .max_params = 2,
	  .net = { AF_UNSPEC, SOCK_STREAM, IPPROTO_TCP }, .flags = TYPE_CONNECTS,
	  .steps = client_steps, .layer = &tls_layer, .stack = "TLS+TCP:<host>:<port>", .forecast = forecast_stream,
	  .make = make_stream, .source = dial_source },
	{ .names = "OPENSSL-LISTEN SSL-L TLS-LISTEN TLS-L", .syntax = ":<port>",
	  .help = "TLS server: waits for a connection; fork serves many",
	  .groups = G_TLS | G_LISTEN | G_RANGE, .reads = true, .writes = true,
	  .min_params = 1, .max_params = 1, .net = { AF_UNSPEC, SOCK_STREAM, IPPROTO_TCP },
	  .flags = TYPE_PASSIVE | TYPE_ACCEPTS, .steps = listen_steps,
	  .conn_steps = accepted_steps, .layer = &tls_layer, .stack = "TLS+TCP-LISTEN:<port>", .forecast = forecast_stream,
	  .local_port = 1, .make = make_stream, .source = listen_source },
};
/* clang-format on */

const struct addr_family tls_family = { types, ARRAY_SIZE(types) };
