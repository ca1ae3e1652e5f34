/* socks.c - connections by way of a SOCKS server: SOCKS4, SOCKS4A, SOCKS5-CONNECT, SOCKS5-LISTEN
 *
 * They are connections to the server (open/steps.c) with a layer of socks_layer.c on them, whose
 * target are the last two parameters. When that has left they are plain streams. */
#include "addr/addr.h"
#include "addr/proxy/proxy_layers.h"
#include "base/list.h"
#include "flow/forecast.h"
#include "open/dial.h"
#include "open/listen.h"
#include "open/steps.h"

#include <netdb.h>
#include <netinet/in.h>

#define SOCKS_PORT "1080" /* where the list of services does not say otherwise */

static const char *server_port(const struct half *half)
{
	if (half->conf.proxy.socksport)
		return half->conf.proxy.socksport;
	if (half->nparams > 3)
		return half->param[1];
	return getservbyname("socks", "tcp") ? "socks" : SOCKS_PORT;
}

/* clang-format off */
#define SOCKS(LAYER) \
	.groups = G_FD | G_SOCKET | G_CHILD | G_RETRY | G_IP4 | G_IP6 | G_TCP | G_SOCKS, \
	.reads = true, .writes = true, .net = { AF_UNSPEC, SOCK_STREAM, IPPROTO_TCP }, \
	.flags = TYPE_CONNECTS | TYPE_TRANSPARENT, \
	.steps = connect_steps, .layer = &(LAYER), .forecast = forecast_stream, .make = make_stream, \
	.source = dial_source

#define SOCKS4(LAYER, NAME) \
	.stack = NAME "(to=<host>:<port>)+TCP:<socks-server>:" SOCKS_PORT, \
	.syntax = ":<socks-server>:<host>:<port>", .min_params = 3, .max_params = 3, \
	.server = { "sockd", ":...,socksport=", "", server_port }, SOCKS(LAYER)

#define SOCKS5(LAYER, NAME, TARGET) \
	.stack = NAME "(to=<" TARGET "-host>:<" TARGET "-port>)+TCP:<socks-server>:" SOCKS_PORT, \
	.syntax = ":<socks-server>[:<socks-port>]:<" TARGET "-host>:<" TARGET "-port>", \
	.min_params = 3, .max_params = 4, \
	.server = { "socks5 server", ":", ":...", server_port }, SOCKS(LAYER)

static const struct addr_type types[] = {
	{ .names = "SOCKS4 SOCKS", SOCKS4(socks4_layer, "SOCKS4"),
	  .help = "connection by way of a SOCKS version 4 server; the target is looked up here" },
	{ .names = "SOCKS4A", SOCKS4(socks4a_layer, "SOCKS4A"),
	  .help = "connection by way of a SOCKS version 4a server, which looks the target up" },
	{ .names = "SOCKS5-CONNECT SOCKS5", SOCKS5(socks5_layer, "SOCKS5", "target"),
	  .help = "connection by way of a SOCKS version 5 server, which looks the target up" },
	{ .names = "SOCKS5-LISTEN SOCKS5-BIND", SOCKS5(socks5_bind_layer, "SOCKS5-LISTEN", "listen"),
	  .help = "a SOCKS version 5 server waits for one connection and hands it on" },
};
/* clang-format on */

const struct addr_family socks_family = { types, ARRAY_SIZE(types) };
