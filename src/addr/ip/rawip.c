/* rawip.c - raw IP: SENDTO, RECV, RECVFROM, DATAGRAM with a protocol number
 *
 * No ports: every socket of a protocol hears every packet of it. IPv4 packets arrive with their
 * header, which dgram/dgram.c removes; IPv6 payload arrives bare. Needs CAP_NET_RAW. */
#include "addr/addr.h"
#include "base/list.h"
#include "base/str.h"
#include "flow/forecast.h"
#include "open/dgram_open.h"
#include "open/peers.h"
#include "open/steps.h"

#include <netinet/in.h>

/* The last parameter is an IP protocol number. */
static enum step_result step_protocol(struct opening *o, struct err *err)
{
	const char *text = opening_param(o, o->addr->half->nparams - 1);
	int64_t number = 0;

	switch (num_parse(text, &number, NULL)) {
	case NUM_OK:
		break;
	case NUM_RANGE:
		number = INT64_MAX;
		break;
	default:
		err_set(err, 0,
			"IP protocol \"%s\" is not a number from 0 to 255 (see /etc/protocols)",
			text);
		return STEP_FAIL;
	}
	if (number < 0 || number > 255) {
		err_set(err, 0, "IP protocol \"%s\": protocol number exceeds 255 (%lld)", text,
			(long long)number);
		return STEP_FAIL;
	}
	o->protocol = (int)number;
	return STEP_DONE;
}

/* clang-format off */
static const struct step target_steps[] = {
	{ STEP_PURE(step_protocol) },
	{ STEP_PURE(step_resolve_target) },
	{ STEP_PURE(step_resolved) },
	{ STEP_PURE(step_resolve_bind) },
	{ .run = step_socket, .after = PH_PASTSOCKET },
	{ .after = PH_FD },
	{ .after = PH_PREBIND },
	{ .run = step_bind, .after = PH_CONNECTED },
	{ .run = step_warn_bound },
	STEP_END,
};

#define LOCAL \
	{ STEP_PURE(step_protocol) }, \
	{ STEP_PURE(step_resolve_local) }, \
	{ STEP_PURE(step_resolved_local) }, \
	{ .run = step_socket, .after = PH_PASTSOCKET }, \
	{ .after = PH_FD }, \
	{ .after = PH_PREBIND }, \
	{ .run = step_bind, .after = PH_CONNECTED }, \
	{ .run = step_warn_bound }

static const struct step recv_steps[] = {
	LOCAL,
	STEP_END,
};

static const struct step recvfrom_steps[] = {
	{ STEP_PURE(step_max_children) },
	LOCAL,
	{ .run = step_first_packet, .flags = STEP_WAITS_FOR_PEER },
	STEP_END,
};

#define FOUR(NAME, FAMILY, GROUPS, SENDTO, RECV, RECVFROM, DATAGRAM) \
	{ .names = SENDTO, .syntax = ":<host>:<protocol>", \
	  .help = NAME " packets of one protocol to a host; only its answers are heard", \
	  .needs = "CAP_NET_RAW", .groups = GROUPS, .reads = true, .writes = true, .min_params = 2, .max_params = 2, \
	  .net = { FAMILY, SOCK_RAW, 0 }, .steps = target_steps, .forecast = forecast_packets, .make = dgram_make_sendto }, \
	{ .names = RECV, .syntax = ":<protocol>", .both_ways = RECVFROM, \
	  .help = NAME " packets of one protocol from everybody, in one direction", \
	  .needs = "CAP_NET_RAW", .groups = GROUPS | G_RANGE, .reads = true, .min_params = 1, .max_params = 1, \
	  .net = { FAMILY, SOCK_RAW, 0 }, .flags = TYPE_PASSIVE, .steps = recv_steps, \
	  .forecast = forecast_packets, .make = dgram_make_recv }, \
	{ .names = RECVFROM, .syntax = ":<protocol>", \
	  .help = NAME ": one packet of a protocol and the answers to it; fork serves every packet", \
	  .needs = "CAP_NET_RAW", .groups = GROUPS | G_CHILD | G_RANGE, .reads = true, .writes = true, \
	  .min_params = 1, .max_params = 1, .net = { FAMILY, SOCK_RAW, 0 }, \
	  .flags = TYPE_PASSIVE | TYPE_ONE_SHOT, .steps = recvfrom_steps, .forecast = forecast_packets, .make = dgram_make_recvfrom, \
	  .source = dgram_source_recvfrom }, \
	{ .names = DATAGRAM, .syntax = ":<host>:<protocol>", \
	  .help = NAME " packets of one protocol to a host or group, and from everybody", \
	  .needs = "CAP_NET_RAW", .groups = GROUPS | G_RANGE, .reads = true, .writes = true, .min_params = 2, \
	  .max_params = 2, .net = { FAMILY, SOCK_RAW, 0 }, .steps = target_steps, \
	  .forecast = forecast_packets, .make = dgram_make_datagram }

static const struct addr_type types[] = {
	FOUR("Raw IPv4 or IPv6", AF_UNSPEC, G_FD | G_SOCKET | G_DGRAM | G_IP4 | G_IP6,
	     "IP-SENDTO IP IP-SEND", "IP-RECV", "IP-RECVFROM", "IP-DATAGRAM IP-DGRAM"),
	FOUR("Raw IPv4", AF_INET, G_FD | G_SOCKET | G_DGRAM | G_IP4,
	     "IP4-SENDTO IP4 IP4-SEND", "IP4-RECV", "IP4-RECVFROM", "IP4-DATAGRAM IP4-DGRAM"),
	FOUR("Raw IPv6", AF_INET6, G_FD | G_SOCKET | G_DGRAM | G_IP6,
	     "IP6-SENDTO IP6 IP6-SEND", "IP6-RECV", "IP6-RECVFROM", "IP6-DATAGRAM IP6-DGRAM"),
};
/* clang-format on */

const struct addr_family rawip_family = { types, ARRAY_SIZE(types) };
