/* socket.c - sockets of any family, their addresses written as data
 *
 * Domain, type and protocol are the numbers of socket(2); an address is what follows the family in
 * the kernel's structure, written in the data language (spec/dalan.h), and so are the options bind
 * and range. Everything else is as with the families that have names of their own. */
#include "addr/addr.h"
#include "base/list.h"
#include "base/log.h"
#include "base/str.h"
#include "flow/forecast.h"
#include "open/dgram_open.h"
#include "open/dial.h"
#include "open/listen.h"
#include "open/peers.h"
#include "open/steps.h"
#include "spec/dalan.h"

#include <netinet/in.h>
#include <stddef.h>
#include <sys/stat.h>

/* Parameter @i is a number of socket(2). */
static int get_number(const struct opening *o, size_t i, int64_t max, int *out, struct err *err)
{
	const char *text = opening_param(o, i);
	int64_t n = 0;

	if (num_parse(text, &n, NULL) != NUM_OK || n < 0 || n > max)
		return err_set(err, 0,
			       "garbage in parameter: \"%s\"; domain, type and protocol are "
			       "numbers from 0 on (domain 2 is IPv4, type 1 stream, 2 datagram)",
			       text);
	*out = (int)n;
	return 0;
}

static int get_address(struct netaddr *a, int domain, const char *text, struct err *err)
{
	const size_t skip = sizeof(sa_family_t);
	long n;

	*a = (struct netaddr){ .any.sa_family = (sa_family_t)domain };
	n = dalan_parse(text, a->raw + skip, sizeof(a->raw) - skip, err);
	if (n == -1)
		return -1;
	a->len = (socklen_t)(skip + (size_t)n);
	return 0;
}

/* DOMAIN:PROTOCOL:ADDRESS, or DOMAIN:TYPE:PROTOCOL:ADDRESS. Options so-type and so-protocol win. */
static int get_parameters(struct opening *o, struct netaddr *a, struct err *err)
{
	const struct conf *c = o->addr->conf;
	size_t last = o->addr->half->nparams - 1;
	int domain = 0, type = o->socktype, protocol = 0;

	if (get_number(o, 0, UINT16_MAX, &domain, err) == -1 ||
	    (last == 3 && get_number(o, 1, INT32_MAX, &type, err) == -1) ||
	    get_number(o, last - 1, INT32_MAX, &protocol, err) == -1)
		return -1;
	if (c->sock.type < 0)
		o->socktype = type;
	if (c->sock.protocol < 0)
		o->protocol = protocol;
	return get_address(a, domain, opening_param(o, last), err);
}

static enum step_result step_remote(struct opening *o, struct err *err)
{
	const char *bind = o->addr->conf->sock.bind;

	o->remote.n = 1;
	o->local = (struct netaddr){ 0 };
	if (get_parameters(o, &o->remote.addr[0], err) == -1)
		return STEP_FAIL;
	if (bind && get_address(&o->local, o->remote.addr[0].any.sa_family, bind, err) == -1)
		return STEP_FAIL;
	return STEP_DONE;
}

static enum step_result step_local(struct opening *o, struct err *err)
{
	if (o->addr->conf->sock.bind) {
		err_set(err, 0, "%s: binds to its last parameter, bind option not allowed",
			o->addr->half->keyword);
		return STEP_FAIL;
	}
	return get_parameters(o, &o->local, err) == -1 ? STEP_FAIL : STEP_DONE;
}

static enum step_result step_say_connecting(struct opening *o, struct err *err)
{
	char text[NETADDR_TEXT_LEN];

	(void)err;
	log_notice("opening connection to %s", netaddr_text(&o->remote.addr[0], text));
	return STEP_DONE;
}

static enum step_result step_reuse_tcp(struct opening *o, struct err *err)
{
	return o->protocol == IPPROTO_TCP ? step_reuseaddr(o, err) : STEP_DONE;
}

/* The path of a UNIX socket is an entry of ours, which goes when we go. */
static enum step_result step_bind_any(struct opening *o, struct err *err)
{
	const size_t skip = offsetof(struct sockaddr_un, sun_path);

	if (step_bind(o, err) == STEP_FAIL)
		return STEP_FAIL;
	if (o->local.any.sa_family == AF_UNIX && o->local.len > skip && o->local.un.sun_path[0])
		leftovers_add_entry(&o->undo.left, o->local.un.sun_path, S_IFSOCK);
	return STEP_DONE;
}

/* clang-format off */
#define REMOTE \
	{ .run = step_socket, .after = PH_PASTSOCKET }, \
	{ .after = PH_FD }, \
	{ .after = PH_PREBIND }

static const struct step connect_socket_steps[] = {
	{ STEP_PURE(step_remote) },
	{ .run = step_say_connecting },
	REMOTE,
	{ .run = step_bind_any },
	{ .run = step_connect },
	{ .run = step_connected, .after = PH_CONNECTED },
	STEP_END,
};

static const struct step listen_steps[] = {
	{ STEP_PURE(step_max_children) },
	{ STEP_PURE(step_local) },
	{ .run = step_socket, .after = PH_PASTSOCKET },
	{ .run = step_reuse_tcp, .after = PH_PREBIND },
	{ .run = step_bind_any },
	{ .run = step_listen, .check = step_check_listening },
	STEP_END,
};

static const struct step target_steps[] = {
	{ STEP_PURE(step_remote) },
	REMOTE,
	{ .run = step_bind_any, .after = PH_CONNECTED },
	STEP_END,
};

#define RECEIVE \
	{ STEP_PURE(step_local) }, \
	REMOTE, \
	{ .run = step_bind_any, .after = PH_CONNECTED }

static const struct step recv_steps[] = {
	RECEIVE,
	STEP_END,
};

static const struct step recvfrom_steps[] = {
	{ STEP_PURE(step_max_children) },
	RECEIVE,
	{ .run = step_first_packet, .flags = STEP_WAITS_FOR_PEER },
	STEP_END,
};

#define G_ANY (G_FD | G_SOCKET)

static const struct addr_type types[] = {
	{ .names = "SOCKET-CONNECT", .syntax = ":<domain>:<protocol>:<remote-address>",
	  .help = "connection by a socket of any family; the address is written as data",
	  .groups = G_ANY | G_CHILD | G_RETRY, .reads = true, .writes = true, .min_params = 3,
	  .max_params = 3, .net = { AF_UNSPEC, SOCK_STREAM, 0 },
	  .flags = TYPE_DATA | TYPE_TRANSPARENT, .steps = connect_socket_steps,
	  .forecast = forecast_socket, .make = make_connection, .source = dial_source },
	{ .names = "SOCKET-LISTEN", .syntax = ":<domain>:<protocol>:<local-address>",
	  .help = "server at a socket of any family: waits for a connection; fork serves many",
	  .groups = G_ANY | G_LISTEN | G_CHILD | G_RETRY | G_RANGE, .reads = true, .writes = true,
	  .min_params = 3, .max_params = 3, .net = { AF_UNSPEC, SOCK_STREAM, 0 },
	  .flags = TYPE_DATA | TYPE_ACCEPTS | TYPE_TRANSPARENT, .steps = listen_steps,
	  .conn_steps = accepted_steps, .forecast = forecast_socket, .make = make_connection, .source = listen_source },
	{ .names = "SOCKET-SENDTO SENDTO", .syntax = ":<domain>:<type>:<protocol>:<remote-address>",
	  .help = "datagrams of any family to one address; only its answers are heard",
	  .groups = G_ANY | G_DGRAM, .reads = true, .writes = true, .min_params = 4, .max_params = 4,
	  .flags = TYPE_DATA, .steps = target_steps, .forecast = forecast_packets, .make = dgram_make_sendto },
	{ .names = "SOCKET-DATAGRAM DATAGRAM DGRAM",
	  .syntax = ":<domain>:<type>:<protocol>:<remote-address>",
	  .help = "datagrams of any family to one address, and from everybody",
	  .groups = G_ANY | G_DGRAM | G_RANGE, .reads = true, .writes = true, .min_params = 4,
	  .max_params = 4, .flags = TYPE_DATA, .steps = target_steps, .forecast = forecast_packets, .make = dgram_make_generic },
	{ .names = "SOCKET-RECV", .both_ways = "SOCKET-RECVFROM", .syntax = ":<domain>:<type>:<protocol>:<local-address>",
	  .help = "datagrams of any family from everybody, in one direction",
	  .groups = G_ANY | G_DGRAM | G_RANGE, .reads = true, .min_params = 4, .max_params = 4,
	  .flags = TYPE_DATA, .steps = recv_steps, .forecast = forecast_packets, .make = dgram_make_recv },
	{ .names = "SOCKET-RECVFROM", .syntax = ":<domain>:<type>:<protocol>:<local-address>",
	  .help = "one datagram of any family and the answers to it; fork serves every datagram",
	  .groups = G_ANY | G_DGRAM | G_CHILD | G_RANGE, .reads = true, .writes = true, .min_params = 4,
	  .max_params = 4, .flags = TYPE_DATA | TYPE_ONE_SHOT, .steps = recvfrom_steps,
	  .forecast = forecast_packets, .make = dgram_make_recvfrom, .source = dgram_source_recvfrom },
};
/* clang-format on */

const struct addr_family socket_family = { types, ARRAY_SIZE(types) };
