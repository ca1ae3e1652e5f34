/* tcp.c - TCP, SCTP and DCCP: CONNECT and LISTEN
 *
 * All of it is done by open/steps.c, open/listen.c and open/dial.c; here are the rows. CONNECT
 * tries all addresses of a name one after another. LISTEN serves one connection, with fork any
 * number; its socket options are set before bind(2), and once more on each accepted socket. SCTP is
 * used with one stream, as a byte stream; DCCP sends packets whose borders are not kept. */
#include "addr/addr.h"
#include "base/list.h"
#include "base/log.h"
#include "flow/forecast.h"
#include "open/dial.h"
#include "open/listen.h"
#include "open/steps.h"

#include <netinet/in.h>

static struct endpoint *make_connected(struct opening *o, struct err *err)
{
	log_notice("successfully connected to %s:%s", opening_param(o, 0), opening_param(o, 1));
	return make_stream(o, err);
}

/* clang-format off */
#define LISTEN_STEPS(REUSE) \
	{ STEP_PURE(step_max_children) }, \
	{ STEP_PURE(step_resolve_local) }, \
	{ STEP_PURE(step_resolved_local) }, \
	{ .run = step_socket, .after = PH_PASTSOCKET }, \
	{ .run = REUSE, .after = PH_PREBIND }, \
	{ .run = step_bind }, \
	{ .run = step_listen, .check = step_check_listening }, \
	STEP_END

static const struct step tcp_listen_steps[] = { LISTEN_STEPS(step_reuseaddr) };
static const struct step listen_steps[] = { LISTEN_STEPS(NULL) };

/* CONNECT and LISTEN for one family and transport; NAME stands in the help text. */
#define TWO(NAME, FAMILY, TYPE, PROTO, GROUPS, STEPS, CONNECT, LISTEN) \
	{ .names = CONNECT, .syntax = ":<host>:<port>", \
	  .help = NAME " connection to a server", \
	  .groups = GROUPS | G_CHILD | G_RETRY, .reads = true, .writes = true, \
	  .min_params = 2, .max_params = 2, .net = { FAMILY, TYPE, PROTO }, \
	  .flags = TYPE_CONNECTS | TYPE_TRANSPARENT, .steps = connect_steps, \
	  .forecast = forecast_stream, .make = make_connected, .source = dial_source }, \
	{ .names = LISTEN, .syntax = ":<port>", \
	  .help = NAME " server: waits for a connection; fork serves many", \
	  .groups = GROUPS | G_LISTEN | G_CHILD | G_RETRY | G_RANGE, .reads = true, \
	  .writes = true, .min_params = 1, .max_params = 1, .net = { FAMILY, TYPE, PROTO }, \
	  .flags = TYPE_PASSIVE | TYPE_ACCEPTS | TYPE_TRANSPARENT, .steps = STEPS, \
	  .conn_steps = accepted_steps, .forecast = forecast_stream, .local_port = 1, .make = make_stream, .source = listen_source }

#define G_INET (G_FD | G_SOCKET | G_IP4 | G_IP6)
#define G_INET4 (G_FD | G_SOCKET | G_IP4)
#define G_INET6 (G_FD | G_SOCKET | G_IP6)

#define TCP(NAME, FAMILY, GROUPS, CONNECT, LISTEN) \
	TWO(NAME, FAMILY, SOCK_STREAM, IPPROTO_TCP, GROUPS | G_TCP, tcp_listen_steps, \
	    CONNECT, LISTEN)
#define SCTP(NAME, FAMILY, GROUPS, CONNECT, LISTEN) \
	TWO(NAME, FAMILY, SOCK_STREAM, IPPROTO_SCTP, GROUPS | G_SCTP, listen_steps, \
	    CONNECT, LISTEN)
#define DCCP(NAME, FAMILY, GROUPS, CONNECT, LISTEN) \
	TWO(NAME, FAMILY, SOCK_DCCP, IPPROTO_DCCP, GROUPS | G_DCCP, listen_steps, \
	    CONNECT, LISTEN)

static const struct addr_type types[] = {
	TCP("TCP over IPv4 or IPv6", AF_UNSPEC, G_INET,
	    "TCP-CONNECT TCP INET", "TCP-LISTEN TCP-L INET-LISTEN INET-L"),
	TCP("TCP over IPv4", AF_INET, G_INET4,
	    "TCP4-CONNECT TCP4 INET4", "TCP4-LISTEN TCP4-L INET4-LISTEN INET4-L"),
	TCP("TCP over IPv6", AF_INET6, G_INET6,
	    "TCP6-CONNECT TCP6 INET6", "TCP6-LISTEN TCP6-L INET6-LISTEN INET6-L"),
	SCTP("SCTP over IPv4 or IPv6", AF_UNSPEC, G_INET, "SCTP-CONNECT SCTP", "SCTP-LISTEN SCTP-L"),
	SCTP("SCTP over IPv4", AF_INET, G_INET4, "SCTP4-CONNECT SCTP4", "SCTP4-LISTEN SCTP4-L"),
	SCTP("SCTP over IPv6", AF_INET6, G_INET6, "SCTP6-CONNECT SCTP6", "SCTP6-LISTEN SCTP6-L"),
	DCCP("DCCP over IPv4 or IPv6", AF_UNSPEC, G_INET, "DCCP-CONNECT DCCP", "DCCP-LISTEN DCCP-L"),
	DCCP("DCCP over IPv4", AF_INET, G_INET4, "DCCP4-CONNECT DCCP4", "DCCP4-LISTEN DCCP4-L"),
	DCCP("DCCP over IPv6", AF_INET6, G_INET6, "DCCP6-CONNECT DCCP6", "DCCP6-LISTEN DCCP6-L"),
};
/* clang-format on */

const struct addr_family tcp_family = { types, ARRAY_SIZE(types) };
