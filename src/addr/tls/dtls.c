/* dtls.c - OPENSSL-DTLS-CLIENT and OPENSSL-DTLS-SERVER (DTLS): TLS over UDP, borders kept
 *
 * The transport is that of UDP-CONNECT and UDP-LISTEN, with the layer DTLS on it (dtls_layer.c);
 * with fork, on the end of each peer in the table of open/peers.c. */
#include "addr/addr.h"
#include "addr/tls/tls_share.h"
#include "base/list.h"
#include "flow/forecast.h"
#include "open/dgram_open.h"
#include "open/dial.h"
#include "open/peers.h"
#include "open/steps.h"

#include <netinet/in.h>

/* clang-format off */
static const struct step client_steps[] = {
	CONNECT_STEPS,
	STEP_END,
};

static const struct step server_steps[] = {
	{ STEP_PURE(step_max_children) },
	{ STEP_PURE(step_resolve_local) },
	{ STEP_PURE(step_resolved_local) },
	{ .run = step_socket, .after = PH_PASTSOCKET },
	{ .after = PH_FD },
	{ .after = PH_PREBIND },
	{ .run = step_bind, .after = PH_CONNECTED },
	{ .run = step_first_packet, .flags = STEP_WAITS_FOR_PEER },
	{ .run = step_connect_first, .flags = STEP_WAITS_FOR_PEER },
	STEP_END,
};

#define G_DTLS (G_FD | G_SOCKET | G_CHILD | G_RETRY | G_IP4 | G_IP6 | G_UDP | G_OPENSSL)

static const struct addr_type types[] = {
	{ .names = "OPENSSL-DTLS-CLIENT OPENSSL-DTLS-CONNECT DTLS DTLS-C DTLS-CLIENT DTLS-CONNECT",
	  .syntax = ":<host>:<port>",
	  .help = "DTLS with a server, whose certificate and name are verified unless verify=0",
	  .groups = G_DTLS, .reads = true, .writes = true, .min_params = 2, .max_params = 2,
	  .net = { AF_UNSPEC, SOCK_DGRAM, IPPROTO_UDP }, .flags = TYPE_CONNECTS,
	  .steps = client_steps, .layer = &dtls_layer, .stack = "DTLS+UDP:<host>:<port>", .forecast = forecast_packets,
	  .make = dgram_make_connect, .source = dial_source },
	{ .names = "OPENSSL-DTLS-SERVER OPENSSL-DTLS-LISTEN DTLS-L DTLS-LISTEN DTLS-SERVER",
	  .syntax = ":<port>",
	  .help = "DTLS server: one peer; fork serves many on one socket",
	  .groups = G_DTLS | G_LISTEN | G_RANGE, .reads = true, .writes = true,
	  .min_params = 1, .max_params = 1, .net = { AF_UNSPEC, SOCK_DGRAM, IPPROTO_UDP },
	  .flags = TYPE_PASSIVE | TYPE_ACCEPTS, .steps = server_steps, .layer = &dtls_layer,
	  .stack = "DTLS+UDP-LISTEN:<port>",
	  .forecast = forecast_packets, .local_port = 1, .make = dgram_make_listen,
	  .source = dgram_source_listen },
};
/* clang-format on */

const struct addr_family dtls_family = { types, ARRAY_SIZE(types) };
