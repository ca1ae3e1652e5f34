/* udp.c - UDP and UDP-Lite: CONNECT, LISTEN, SENDTO, RECV, RECVFROM, DATAGRAM
 *
 * The six kinds differ in whom they hear and to whom they write: CONNECT and SENDTO hear their
 * target only, DATAGRAM everybody at the target's port (the target may be a group or a broadcast
 * address), RECV everybody, RECVFROM the sender of one datagram, LISTEN one peer for a session.
 * With fork, RECVFROM makes a session of every datagram and LISTEN one of every peer. All of it is
 * done by dgram/dgram.c and open/peers.c; here are the steps and rows. */
#include "addr/addr.h"
#include "base/list.h"
#include "base/mem.h"
#include "flow/forecast.h"
#include "open/dgram_open.h"
#include "open/peers.h"
#include "open/steps.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#ifndef IPPROTO_UDPLITE
#define IPPROTO_UDPLITE 136
#endif

/* LISTEN takes its port as a number in any base (0x1a0a) or as a service name. */
static enum step_result step_listen_port(struct opening *o, struct err *err)
{
	unsigned port;

	if (resolve_port(opening_param(o, 0), o->addr->half->type->net.protocol, "udp", &port,
			 err) == -1)
		return STEP_FAIL;
	free(o->service);
	o->service = xasprintf("%u", port);
	return STEP_DONE;
}

/* clang-format off */
#define TARGET \
	{ STEP_PURE(step_resolve_target) }, \
	{ STEP_PURE(step_resolved) }, \
	{ STEP_PURE(step_resolve_bind) }, \
	{ .run = step_socket, .after = PH_PASTSOCKET }, \
	{ .after = PH_FD }, \
	{ .after = PH_PREBIND }

static const struct step target_steps[] = {
	TARGET,
	{ .run = step_bind_client, .after = PH_CONNECTED },
	{ .run = step_warn_bound },
	STEP_END,
};

#define LOCAL \
	{ STEP_PURE(step_resolve_local) }, \
	{ STEP_PURE(step_resolved_local) }, \
	{ .run = step_socket, .after = PH_PASTSOCKET }, \
	{ .after = PH_FD }

#define BOUND \
	{ .run = step_bind, .after = PH_CONNECTED }, \
	{ .run = step_warn_bound }

static const struct step recv_steps[] = {
	LOCAL,
	{ .after = PH_PREBIND },
	BOUND,
	STEP_END,
};

static const struct step recvfrom_steps[] = {
	{ STEP_PURE(step_max_children) },
	LOCAL,
	{ .after = PH_PREBIND },
	BOUND,
	{ .run = step_first_packet, .flags = STEP_WAITS_FOR_PEER },
	STEP_END,
};

static const struct step listen_steps[] = {
	{ STEP_PURE(step_max_children) },
	{ STEP_PURE(step_listen_port) },
	LOCAL,
	{ .after = PH_PREBIND },
	BOUND,
	{ .run = step_first_packet, .flags = STEP_WAITS_FOR_PEER },
	{ .run = step_connect_first, .flags = STEP_WAITS_FOR_PEER },
	STEP_END,
};

#define G_UDP4 (G_FD | G_SOCKET | G_IP4 | G_UDP | G_DGRAM)
#define G_UDP6 (G_FD | G_SOCKET | G_IP6 | G_UDP | G_DGRAM)

/* The six kinds for one family and protocol; NAME stands in the help text. */
#define SIX(NAME, FAMILY, PROTO, GROUPS, CONNECT, LISTEN, SENDTO, RECV, RECVFROM, DATAGRAM) \
	{ .names = CONNECT, .syntax = ":<host>:<port>", \
	  .help = NAME " with one peer: datagrams of others are not heard, an empty one ends it", \
	  .groups = GROUPS, .reads = true, .writes = true, .min_params = 2, .max_params = 2, \
	  .net = { FAMILY, SOCK_DGRAM, PROTO }, .flags = TYPE_CONNECTS | TYPE_TRANSPARENT, \
	  .steps = connect_steps, .forecast = forecast_packets, .make = dgram_make_connect }, \
	{ .names = LISTEN, .syntax = ":<port>", .local_port = 1, \
	  .help = NAME " sessions: the first datagram of a peer begins one; fork serves many", \
	  .groups = GROUPS | G_LISTEN | G_CHILD | G_RANGE, .reads = true, .writes = true, \
	  .min_params = 1, .max_params = 1, .net = { FAMILY, SOCK_DGRAM, PROTO }, \
	  .flags = TYPE_PASSIVE | TYPE_ACCEPTS | TYPE_TRANSPARENT, .steps = listen_steps, \
	  .forecast = forecast_packets, .make = dgram_make_listen, .source = dgram_source_listen }, \
	{ .names = SENDTO, .syntax = ":<host>:<port>", \
	  .help = NAME " to one address; only its answers are heard", \
	  .groups = GROUPS, .reads = true, .writes = true, .min_params = 2, .max_params = 2, \
	  .net = { FAMILY, SOCK_DGRAM, PROTO }, .steps = target_steps, \
	  .forecast = forecast_packets, .make = dgram_make_sendto }, \
	{ .names = RECV, .syntax = ":<port>", .both_ways = RECVFROM, .local_port = 1, \
	  .help = NAME " from everybody, in one direction", \
	  .groups = GROUPS | G_RANGE, .reads = true, .min_params = 1, .max_params = 1, \
	  .net = { FAMILY, SOCK_DGRAM, PROTO }, .flags = TYPE_PASSIVE, .steps = recv_steps, \
	  .forecast = forecast_packets, .make = dgram_make_recv }, \
	{ .names = RECVFROM, .syntax = ":<port>", .local_port = 1, \
	  .help = NAME ": one datagram and the answers to it; fork serves every datagram", \
	  .groups = GROUPS | G_CHILD | G_RANGE, .reads = true, .writes = true, \
	  .min_params = 1, .max_params = 1, .net = { FAMILY, SOCK_DGRAM, PROTO }, \
	  .flags = TYPE_PASSIVE | TYPE_ONE_SHOT, .steps = recvfrom_steps, .forecast = forecast_packets, .make = dgram_make_recvfrom, \
	  .source = dgram_source_recvfrom }, \
	{ .names = DATAGRAM, .syntax = ":<host>:<port>", \
	  .help = NAME " to an address, a group or a broadcast address, and from everybody who " \
		  "uses its port", \
	  .groups = GROUPS | G_RANGE, .reads = true, .writes = true, .min_params = 2, \
	  .max_params = 2, .net = { FAMILY, SOCK_DGRAM, PROTO }, .flags = TYPE_PASSIVE, \
	  .steps = target_steps, .forecast = forecast_packets, .make = dgram_make_datagram }

static const struct addr_type types[] = {
	SIX("UDP over IPv4 or IPv6", AF_UNSPEC, IPPROTO_UDP, G_UDP4 | G_UDP6,
	    "UDP-CONNECT UDP", "UDP-LISTEN UDP-L", "UDP-SENDTO UDP-SEND", "UDP-RECV",
	    "UDP-RECVFROM", "UDP-DATAGRAM UDP-DGRAM"),
	SIX("UDP over IPv4", AF_INET, IPPROTO_UDP, G_UDP4,
	    "UDP4-CONNECT UDP4", "UDP4-LISTEN UDP4-L", "UDP4-SENDTO UDP4-SEND", "UDP4-RECV",
	    "UDP4-RECVFROM", "UDP4-DATAGRAM UDP4-DGRAM"),
	SIX("UDP over IPv6", AF_INET6, IPPROTO_UDP, G_UDP6,
	    "UDP6-CONNECT UDP6", "UDP6-LISTEN UDP6-L", "UDP6-SENDTO UDP6-SEND", "UDP6-RECV",
	    "UDP6-RECVFROM", "UDP6-DATAGRAM UDP6-DGRAM"),
	SIX("UDP-Lite over IPv4 or IPv6", AF_UNSPEC, IPPROTO_UDPLITE, G_UDP4 | G_UDP6 | G_UDPLITE,
	    "UDPLITE-CONNECT UDPLITE", "UDPLITE-LISTEN UDPLITE-L", "UDPLITE-SENDTO UDPLITE-SEND",
	    "UDPLITE-RECV", "UDPLITE-RECVFROM", "UDPLITE-DATAGRAM UDPLITE-DGRAM"),
	SIX("UDP-Lite over IPv4", AF_INET, IPPROTO_UDPLITE, G_UDP4 | G_UDPLITE,
	    "UDPLITE4-CONNECT UDPLITE4", "UDPLITE4-LISTEN UDPLITE4-L",
	    "UDPLITE4-SENDTO UDPLITE4-SEND", "UDPLITE4-RECV", "UDPLITE4-RECVFROM",
	    "UDPLITE4-DATAGRAM UDPLITE4-DGRAM"),
	SIX("UDP-Lite over IPv6", AF_INET6, IPPROTO_UDPLITE, G_UDP6 | G_UDPLITE,
	    "UDPLITE6-CONNECT UDPLITE6", "UDPLITE6-LISTEN UDPLITE6-L",
	    "UDPLITE6-SENDTO UDPLITE6-SEND", "UDPLITE6-RECV", "UDPLITE6-RECVFROM",
	    "UDPLITE6-DATAGRAM UDPLITE6-DGRAM"),
};
/* clang-format on */

const struct addr_family udp_family = { types, ARRAY_SIZE(types) };
