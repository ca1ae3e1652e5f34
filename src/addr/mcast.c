/* mcast.c - MCAST and BCAST: a group, or everybody on the link, by one word
 *
 * MCAST:group:port is UDP-DATAGRAM with what a group needs: bound to group and port, shared with
 * other sockets of this host, joined and sent to on the interfaces of option if, and hearing only
 * what came for that group on those interfaces. BCAST:port is the same for 255.255.255.255. */
#include "addr/addr.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "relay/dgram.h"
#include "sys/ifset.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL 29
#endif

struct mcast {
	struct netaddr source; /* the only sender heard, or len 0 */
	struct ifset join, send; /* send: the first one counts */
	char *host; /* the group, or the source, as written */
};

static void mcast_free(void *impl)
{
	struct mcast *m = impl;

	ifset_done(&m->join);
	ifset_done(&m->send);
	free(m->host);
	free(m);
}

/* ---- who: [source@]group:port ---- */

static const char *at_sign(const struct opening *o)
{
	return strrchr(opening_param(o, 0), '@');
}

static int begin(struct opening *o, struct err *err)
{
	const char *at = at_sign(o);
	struct mcast *m = xcalloc(1, sizeof(*m));
	unsigned port;

	o->impl = m;
	o->impl_free = mcast_free;
	m->host = xstrdup(at ? at + 1 : opening_param(o, 0));
	if (resolve_port(opening_param(o, 1), IPPROTO_UDP, "udp", &port, err) == -1)
		return -1;
	if (!port)
		return err_set(err, 0, "%s: a group has a port from 1 to 65535", o->half->keyword);
	netaddr_any(&o->behind, AF_INET, port);
	return 0;
}

static enum step_result step_group(struct opening *o, struct err *err)
{
	struct mcast *m = o->impl;
	char text[NETADDR_TEXT_LEN];
	enum step_result r;

	if (!m && begin(o, err) == -1)
		return STEP_FAIL;
	m = o->impl;
	r = opening_resolve(o, m->host, opening_family(o, false), err);
	if (r != STEP_DONE)
		return r;
	if (!netaddr_is_multicast(&o->behind)) {
		err_set(err, 0, "%s is no multicast group", netaddr_host_text(&o->behind, text));
		err_hint(err,
			 "groups are 224.0.0.0/4 and ff00::/8; a host is reached by UDP-DATAGRAM, "
			 "everybody on the link by BCAST");
		return STEP_FAIL;
	}
	o->remote.n = 1;
	o->remote.addr[0] = o->behind;
	return STEP_DONE;
}

static enum step_result step_source(struct opening *o, struct err *err)
{
	struct mcast *m = o->impl;
	const char *param = opening_param(o, 0), *at = at_sign(o);
	char text[NETADDR_TEXT_LEN];
	enum step_result r;

	if (!at)
		return STEP_DONE;
	free(m->host);
	m->host = xstrndup(param, (size_t)(at - param));
	r = opening_resolve(o, m->host, o->remote.addr[0].any.sa_family, err);
	if (r != STEP_DONE)
		return r;
	if (netaddr_is_multicast(&o->behind) || netaddr_is_any(&o->behind)) {
		err_set(err, 0, "the source before '@' must be a host, and %s is none",
			netaddr_host_text(&o->behind, text));
		return STEP_FAIL;
	}
	m->source = o->behind;
	netaddr_set_port(&m->source, 0);
	return STEP_DONE;
}

/* ---- where: interfaces ---- */

static int choose(struct opening *o, struct ifset *set, const char *option, const char *text,
		  struct err *err)
{
	const char *why = option;

	if (text && ifset_parse(set, text, err) == -1)
		return -1;
	if (!text && ifset_choose(set, &o->remote.addr[0], &why, err) == -1)
		return -1;
	for (size_t i = 0; i < set->n; i++)
		log_info("interface %s (%u): %s", set->member[i].name, set->member[i].index, why);
	return 0;
}

static enum step_result step_interfaces(struct opening *o, struct err *err)
{
	const struct conf *c = &o->half->conf;
	struct mcast *m = o->impl;
	struct netaddr *group = &o->remote.addr[0];
	const char *join = c->mcast.join_if ? c->mcast.join_if : c->sock.device;
	const char *send = c->mcast.send_if ? c->mcast.send_if : c->sock.device;

	o->target.device_chosen = true;
	if (choose(o, &m->join, "joined by option", join, err) == -1 ||
	    choose(o, &m->send, "sent to by option", send ? send : join, err) == -1)
		return STEP_FAIL;
	ifset_prefer(&m->send, group);
	if (group->any.sa_family == AF_INET6 && !group->in6.sin6_scope_id)
		group->in6.sin6_scope_id = m->send.member[0].index;
	return STEP_DONE;
}

static enum step_result step_local(struct opening *o, struct err *err)
{
	enum step_result r = step_resolve_bind(o, err);

	if (r == STEP_DONE && !o->local.len) {
		o->local = o->remote.addr[0];
		/* one socket, several links */
		if (o->local.any.sa_family == AF_INET6 && ((struct mcast *)o->impl)->join.n > 1 &&
		    !IN6_IS_ADDR_MC_LINKLOCAL(&o->local.in6.sin6_addr))
			o->local.in6.sin6_scope_id = 0;
	}
	return r;
}

/* ---- the socket ---- */

struct knob {
	int level, name, level6, name6; /* for either version */
	const char *what;
};

static int turn(const struct opening *o, const struct knob *k, int value, struct err *err)
{
	bool v6 = o->target.family == AF_INET6;
	int level = v6 ? k->level6 : k->level, name = v6 ? k->name6 : k->name;

	if (setsockopt(o->target.fd, level, name, &value, sizeof(value)) == 0)
		return 0;
	return err_set(err, errno, "setsockopt(%d, %d, %d, {%d}, %zu): %s", o->target.fd, level,
		       name, value, sizeof(value), k->what);
}

static int set_sending(const struct opening *o, struct err *err)
{
	static const struct knob all = { SOL_IP, IP_MULTICAST_ALL, SOL_IPV6, IPV6_MULTICAST_ALL,
					 "hearing joined interfaces only" };
	static const struct knob hops = { SOL_IP, IP_MULTICAST_TTL, SOL_IPV6, IPV6_MULTICAST_HOPS,
					  "option hops" };
	static const struct knob loop = { SOL_IP, IP_MULTICAST_LOOP, SOL_IPV6, IPV6_MULTICAST_LOOP,
					  "option loop" };
	const struct conf *c = &o->half->conf;
	const struct mcast *m = o->impl;
	struct ip_mreqn out = { .imr_ifindex = (int)m->send.member[0].index };
	int index = out.imr_ifindex;
	int rc = o->target.family == AF_INET6
			 ? setsockopt(o->target.fd, SOL_IPV6, IPV6_MULTICAST_IF, &index,
				      sizeof(index))
			 : setsockopt(o->target.fd, SOL_IP, IP_MULTICAST_IF, &out, sizeof(out));

	if (rc == -1)
		return err_set(err, errno, "sending by interface %s", m->send.member[0].name);
	if (turn(o, &all, 0, err) == -1 ||
	    (c->mcast.hops >= 0 && turn(o, &hops, (int)c->mcast.hops, err) == -1) ||
	    (c->mcast.loop >= 0 && turn(o, &loop, (int)c->mcast.loop, err) == -1))
		return -1;
	return 0;
}

static int join_failed(const struct opening *o, const char *name, struct err *err)
{
	char text[NETADDR_TEXT_LEN];
	bool v6 = o->target.family == AF_INET6;

	err_set(err, errno, "joining %s on %s", netaddr_host_text(&o->remote.addr[0], text), name);
	if (err->code == ENOBUFS)
		return err_hint(err, "a socket joins %s; sysctl -w net.%s raises the limit",
				v6 ? "a bounded number of groups" : "20 groups as a rule",
				v6 ? "core.optmem_max" : "ipv4.igmp_max_memberships");
	if (err->code == ENODEV || err->code == EADDRNOTAVAIL)
		return err_hint(
			err, "the interface must be up and have an address: ip addr show %s", name);
	return -1;
}

static int join(const struct opening *o, const struct ifset_member *on, struct err *err)
{
	const struct mcast *m = o->impl;
	int level = o->target.family == AF_INET6 ? SOL_IPV6 : SOL_IP, rc;
	const struct netaddr *group = &o->remote.addr[0];
	char text[2][NETADDR_TEXT_LEN];

	if (m->source.len) {
		struct group_source_req req = { .gsr_interface = on->index };

		memcpy(&req.gsr_group, &group->any, group->len);
		memcpy(&req.gsr_source, &m->source.any, m->source.len);
		rc = setsockopt(o->target.fd, level, MCAST_JOIN_SOURCE_GROUP, &req, sizeof(req));
	} else {
		struct group_req req = { .gr_interface = on->index };

		memcpy(&req.gr_group, &group->any, group->len);
		rc = setsockopt(o->target.fd, level, MCAST_JOIN_GROUP, &req, sizeof(req));
	}
	if (rc == -1 && errno != EADDRINUSE) /* that: joined by an option already */
		return join_failed(o, on->name, err);
	log_notice("joined %s%s%s on %s", netaddr_host_text(group, text[0]),
		   m->source.len ? " from " : "",
		   m->source.len ? netaddr_host_text(&m->source, text[1]) : "", on->name);
	return 0;
}

static enum step_result step_join(struct opening *o, struct err *err)
{
	const struct mcast *m = o->impl;
	char text[NETADDR_TEXT_LEN];

	if (set_sending(o, err) == -1)
		return STEP_FAIL;
	for (size_t i = 0; i < m->join.n && o->mode != MODE_WRITE; i++) {
		if (join(o, &m->join.member[i], err) == -1)
			return STEP_FAIL;
	}
	log_notice("sending to %s by %s", netaddr_text(&o->remote.addr[0], text),
		   m->send.member[0].name);
	return STEP_DONE;
}

static struct endpoint *make_mcast(struct opening *o, struct err *err)
{
	mcast_free(o->impl);
	o->impl = NULL;
	return dgram_make_generic(o, err);
}

/* ---- BCAST ---- */

static enum step_result step_everybody(struct opening *o, struct err *err)
{
	unsigned port;

	if (resolve_port(opening_param(o, 0), IPPROTO_UDP, "udp", &port, err) == -1)
		return STEP_FAIL;
	o->target.device_chosen = true;
	o->remote.n = 1;
	netaddr_any(&o->remote.addr[0], AF_INET, port);
	o->remote.addr[0].in.sin_addr.s_addr = htonl(INADDR_BROADCAST);
	return STEP_DONE;
}

/* One link: what comes from others is not heard. Without a route the kernel sends a broadcast only
 * where the interface is given. */
static enum step_result step_link(struct opening *o, struct err *err)
{
	const char *device = o->half->conf.sock.device, *why = "option if", *name;
	struct ifset set;
	int rc;

	if ((device ? ifset_parse(&set, device, err)
		    : ifset_choose(&set, &o->remote.addr[0], &why, err)) == -1)
		return STEP_FAIL;
	name = set.member[0].name;
	rc = setsockopt(o->target.fd, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name));
	if (set.n > 1)
		err_set(err, 0, "option if: a broadcast has one interface, \"%s\" are %zu", device,
			set.n);
	else if (rc == -1)
		err_set(err, errno, "using interface %s only", name);
	else
		log_notice("using interface %s: %s", name, why);
	rc = set.n > 1 ? -1 : rc;
	ifset_done(&set);
	return rc == -1 ? STEP_FAIL : STEP_DONE;
}

static enum step_result step_local_any(struct opening *o, struct err *err)
{
	enum step_result r = step_resolve_bind(o, err);

	if (r == STEP_DONE && !o->local.len)
		netaddr_any(&o->local, AF_INET, netaddr_port(&o->remote.addr[0]));
	return r;
}

static enum step_result step_broadcast(struct opening *o, struct err *err)
{
	int one = 1;

	if (setsockopt(o->target.fd, SOL_SOCKET, SO_BROADCAST, &one, sizeof(one)) == 0)
		return STEP_DONE;
	err_set(err, errno, "setsockopt(%d, %d, %d, {1}, 4)", o->target.fd, SOL_SOCKET,
		SO_BROADCAST);
	return STEP_FAIL;
}

static struct endpoint *make_bcast(struct opening *o, struct err *err)
{
	struct endpoint *ep = dgram_make_generic(o, err);

	if (ep && !o->half->conf.sock.dst && dgram_hear_only(ep, "broadcast", err) == -1) {
		endpoint_free(ep);
		return NULL;
	}
	return ep;
}

/* clang-format off */
#define SOCKET \
	{ .run = step_socket, .after = PH_PASTSOCKET }, \
	{ .after = PH_FD }, \
	{ .run = step_reuseaddr, .after = PH_PREBIND }

static const struct step mcast_steps[] = {
	{ .run = step_group },
	{ .run = step_source },
	{ .run = step_interfaces },
	{ .run = step_local },
	SOCKET,
	{ .run = step_join },
	{ .run = step_bind, .after = PH_CONNECTED },
	STEP_END,
};

static const struct step bcast_steps[] = {
	{ .run = step_everybody },
	{ .run = step_local_any },
	SOCKET,
	{ .run = step_link },
	{ .run = step_broadcast },
	{ .run = step_bind, .after = PH_CONNECTED },
	STEP_END,
};

#define GROUP(NAMES, FAMILY, GROUPS, HELP) \
	{ .names = NAMES, .syntax = ":[<source>@]<group>:<port>", .help = HELP, \
	  .groups = G_FD | G_SOCKET | G_UDP | G_DGRAM | G_RANGE | G_MULTICAST | (GROUPS), \
	  .reads = true, .writes = true, .min_params = 2, .max_params = 2, \
	  .net = { FAMILY, SOCK_DGRAM, IPPROTO_UDP }, .flags = TYPE_PASSIVE, \
	  .steps = mcast_steps, .make = make_mcast }

static const struct addr_type types[] = {
	GROUP("MCAST", AF_UNSPEC, G_IP4 | G_IP6, "member of a multicast group: hears and reaches it"),
	GROUP("MCAST4", AF_INET, G_IP4, "MCAST over IPv4"),
	GROUP("MCAST6", AF_INET6, G_IP6, "MCAST over IPv6"),
	{ .names = "BCAST", .syntax = ":<port>",
	  .help = "everybody on the link, by IPv4 broadcast: hears broadcasts only, and reaches all",
	  .groups = G_FD | G_SOCKET | G_UDP | G_DGRAM | G_RANGE | G_IP4,
	  .reads = true, .writes = true, .min_params = 1, .max_params = 1,
	  .net = { AF_INET, SOCK_DGRAM, IPPROTO_UDP }, .flags = TYPE_PASSIVE,
	  .steps = bcast_steps, .make = make_bcast },
};
/* clang-format on */

const struct addr_family mcast_family = { types, ARRAY_SIZE(types) };
