/* proxy.c - connections by way of an HTTP proxy: PROXY
 *
 * A connection to the proxy (open/steps.c) with the layer of proxy_layer.c on it, whose target are
 * the last two parameters. When that has left it is a plain stream. */
#include "addr/addr.h"
#include "addr/proxy/proxy_layers.h"
#include "base/list.h"
#include "flow/forecast.h"
#include "open/dial.h"
#include "open/listen.h"
#include "open/steps.h"

#include <netinet/in.h>

#define PROXY_PORT "8080"

static const char *server_port(const struct half *half)
{
	return half->conf.proxy.port ? half->conf.proxy.port : PROXY_PORT;
}

/* clang-format off */
static const struct addr_type types[] = {
	{ .names = "PROXY PROXY-CONNECT", .syntax = ":<proxy-server>:<host>:<port>",
	  .help = "connection by way of an HTTP proxy (method CONNECT)",
	  .groups = G_FD | G_SOCKET | G_CHILD | G_RETRY | G_IP4 | G_IP6 | G_TCP | G_HTTP,
	  .reads = true, .writes = true, .min_params = 3, .max_params = 3,
	  .net = { AF_UNSPEC, SOCK_STREAM, IPPROTO_TCP },
	  .flags = TYPE_CONNECTS | TYPE_TRANSPARENT,
	  .server = { "proxy", ":...,proxyport=", "", server_port },
	  .steps = connect_steps, .layer = &proxy_layer,
	  .stack = "PROXY(to=<host>:<port>)+TCP:<proxy-server>:" PROXY_PORT, .forecast = forecast_stream,
	  .make = make_stream, .source = dial_source },
};
/* clang-format on */

const struct addr_family proxy_family = { types, ARRAY_SIZE(types) };
