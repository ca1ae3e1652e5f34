/* mcast.c - MCAST and BCAST: a group, or everybody on the link, by one word
 *
 * MCAST:group:port is UDP-DATAGRAM with what a group needs: bound to group and port, shared with
 * other sockets of this host, joined and sent to on the interfaces of option if, and hearing only
 * what came for that group on those interfaces. BCAST:port is the same for 255.255.255.255. */
#include "addr/addr.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "dgram/dgram.h"
#include "dgram/dgram_end.h"
#include "dgram/membership.h"
#include "flow/forecast.h"
#include "open/dgram_open.h"
#include "open/steps.h"
#include "sys/ifset.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define LOOK_AGAIN_NS (200 * NSEC_PER_MSEC) /* for an interface that is to come */

struct mcast {
	struct netaddr source; /* the only sender heard, or len 0 */
	char *host; /* the group, or the source, as written */
	unsigned port; /* of the group */
	struct membership *member;
	int64_t due_ns; /* end of option if-wait */
};

static void mcast_free(void *impl)
{
	struct mcast *m = impl;

	membership_unref(m->member);
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

	o->impl = m;
	o->impl_free = mcast_free;
	m->host = xstrdup(at ? at + 1 : opening_param(o, 0));
	if (resolve_port(opening_param(o, 1), IPPROTO_UDP, "udp", &m->port, err) == -1)
		return err_hint(err, "usage: %s%s: the group first, then the port",
				o->addr->half->keyword, o->addr->half->type->syntax);
	if (!m->port)
		return err_set(err, 0, "%s: a group has a port from 1 to 65535",
			       o->addr->half->keyword);
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
	r = opening_look_up(o, m->host, opening_family(o, false), &o->remote.addr[0], err);
	if (r != STEP_DONE)
		return r;
	if (!netaddr_is_multicast(&o->remote.addr[0])) {
		err_set(err, 0, "%s is no multicast group",
			netaddr_host_text(&o->remote.addr[0], text));
		err_hint(err,
			 "groups are 224.0.0.0/4 and ff00::/8; a host is reached by UDP-DATAGRAM, "
			 "everybody on the link by BCAST");
		return STEP_FAIL;
	}
	o->remote.n = 1;
	netaddr_set_port(&o->remote.addr[0], m->port);
	return STEP_DONE;
}

static enum step_result step_source(struct opening *o, struct err *err)
{
	struct mcast *m = o->impl;
	const char *param = opening_param(o, 0), *at = at_sign(o);
	char text[NETADDR_TEXT_LEN];
	enum step_result r;

	if (!at || !o->remote.n)
		return STEP_DONE;
	free(m->host);
	m->host = xstrndup(param, (size_t)(at - param));
	r = opening_look_up(o, m->host, o->remote.addr[0].any.sa_family, &m->source, err);
	if (r != STEP_DONE)
		return r;
	if (netaddr_is_multicast(&m->source) || netaddr_is_any(&m->source)) {
		err_set(err, 0, "the source before '@' must be a host, and %s is none",
			netaddr_host_text(&m->source, text));
		return STEP_FAIL;
	}
	return STEP_DONE;
}

/* ---- where: interfaces ---- */

static enum step_result step_interfaces(struct opening *o, struct err *err)
{
	const struct conf *c = o->addr->conf;
	const char *join = c->mcast.join_if ? c->mcast.join_if : c->sock.device;
	const char *send = c->mcast.send_if ? c->mcast.send_if : c->sock.device;
	int64_t now = loop_now(o->addr->engine->loop);
	struct mcast *m = o->impl;

	o->target.device_chosen = true;
	if (!m->member) {
		m->member = membership_new(&o->remote.addr[0], &m->source);
		m->member->hears = o->mode != MODE_WRITE;
		m->member->answers = c->sock.answers;
		if (!c->sock.any_port)
			m->member->answer_port = netaddr_port(&o->remote.addr[0]);
		m->due_ns = now + c->mcast.wait_ns;
	}
	if (membership_choose(m->member, join, send, err) == 0)
		return STEP_DONE;
	if (err->code != ENODEV || now >= m->due_ns)
		return STEP_FAIL;
	if (o->waiting != STEP_AGAIN)
		log_notice("%s; waiting for it", err->text);
	opening_wait(o, -1, 0, now + LOOK_AGAIN_NS);
	return STEP_AGAIN;
}

/* Interfaces that are named and there now. */
static enum step_result check_interfaces(struct opening *o, struct err *err)
{
	const struct conf *c = o->addr->conf;
	const char *name[] = { c->mcast.join_if ? c->mcast.join_if : c->sock.device,
			       c->mcast.send_if };
	struct ifset set;

	o->target.device_chosen = true;
	for (size_t i = 0; i < ARRAY_SIZE(name) && !c->mcast.wait_ns; i++) {
		if (name[i] && ifset_parse(&set, name[i], err) == -1)
			return STEP_FAIL;
		if (name[i])
			ifset_done(&set);
	}
	return STEP_DONE;
}

/* The kernel ties a socket that is bound to a group of one link to that link for ever. */
static bool bound_by_group(const struct opening *o)
{
	const struct netaddr *group = &o->remote.addr[0];

	return group->any.sa_family == AF_INET6 &&
	       (IN6_IS_ADDR_MC_LINKLOCAL(&group->in6.sin6_addr) ||
		IN6_IS_ADDR_MC_NODELOCAL(&group->in6.sin6_addr));
}

/* Answers are sent to an address of this host, which a socket bound to the group does not hear. */
static bool must_hear_all(const struct opening *o)
{
	return o->addr->conf->sock.answers || bound_by_group(o);
}

static enum step_result step_local(struct opening *o, struct err *err)
{
	enum step_result r = step_resolve_bind(o, err);

	if (r == STEP_DONE && !o->local.len && o->remote.n) {
		o->local = o->remote.addr[0];
		if (must_hear_all(o))
			netaddr_any(&o->local, o->local.any.sa_family,
				    netaddr_port(&o->remote.addr[0]));
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

static enum step_result step_join(struct opening *o, struct err *err)
{
	static const struct knob all = { SOL_IP, IP_MULTICAST_ALL, SOL_IPV6, IPV6_MULTICAST_ALL,
					 "hearing joined interfaces only" };
	static const struct knob hops = { SOL_IP, IP_MULTICAST_TTL, SOL_IPV6, IPV6_MULTICAST_HOPS,
					  "option hops" };
	static const struct knob loop = { SOL_IP, IP_MULTICAST_LOOP, SOL_IPV6, IPV6_MULTICAST_LOOP,
					  "option loop" };
	const struct conf *c = o->addr->conf;
	struct mcast *m = o->impl;

	if (turn(o, &all, 0, err) == -1 ||
	    (c->mcast.hops >= 0 && turn(o, &hops, (int)c->mcast.hops, err) == -1) ||
	    (c->mcast.loop >= 0 && turn(o, &loop, (int)c->mcast.loop, err) == -1) ||
	    membership_join(m->member, o->target.fd, err) == -1)
		return STEP_FAIL;
	return STEP_DONE;
}

static struct endpoint *make_mcast(struct opening *o, struct err *err)
{
	struct endpoint *ep = dgram_make_generic(o, err);
	struct mcast *m = o->impl;

	if (!ep)
		return NULL;
	dgram_member(dgram_ep_sock(ep), m->member);
	/* what is elsewhere cannot be seen from here */
	if (!o->addr->conf->ident.netns)
		membership_follow(m->member, o->addr->engine->loop);
	m->member = NULL;
	mcast_free(m);
	o->impl = NULL;
	return ep;
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

static int one_link(const struct ifset *set, const char *device, struct err *err)
{
	if (set->n < 2)
		return 0;
	return err_set(err, 0, "option if: a broadcast has one interface, \"%s\" are %zu", device,
		       set->n);
}

/* One link: what comes from others is not heard. Without a route the kernel sends a broadcast only
 * where the interface is given. */
static enum step_result step_link(struct opening *o, struct err *err)
{
	const char *device = o->addr->conf->sock.device, *why = "option if", *name;
	struct ifset set;
	int rc;

	if ((device ? ifset_parse(&set, device, err)
		    : ifset_choose(&set, &o->remote.addr[0], &why, err)) == -1)
		return STEP_FAIL;
	name = set.member[0].name;
	rc = one_link(&set, device, err);
	if (rc == 0 && setsockopt(o->target.fd, SOL_SOCKET, SO_BINDTODEVICE, name,
				  (socklen_t)strlen(name)) == -1)
		rc = err_set(err, errno, "using interface %s only", name);
	if (rc == 0)
		log_notice("using interface %s: %s", name, why);
	ifset_done(&set);
	return rc == -1 ? STEP_FAIL : STEP_DONE;
}

static enum step_result check_link(struct opening *o, struct err *err)
{
	const char *device = o->addr->conf->sock.device;
	struct ifset set;
	int rc;

	if (!device)
		return STEP_DONE;
	if (ifset_parse(&set, device, err) == -1)
		return STEP_FAIL;
	rc = one_link(&set, device, err);
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

	if (ep && !o->addr->conf->sock.dst &&
	    dgram_hear_only(dgram_ep_sock(ep), "broadcast", err) == -1) {
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
	{ STEP_PURE(step_group) },
	{ STEP_PURE(step_source) },
	{ .run = step_interfaces, .check = check_interfaces },
	{ STEP_PURE(step_local) },
	SOCKET,
	{ .run = step_join },
	{ .run = step_bind, .after = PH_CONNECTED },
	STEP_END,
};

static const struct step bcast_steps[] = {
	{ STEP_PURE(step_everybody) },
	{ STEP_PURE(step_local_any) },
	SOCKET,
	{ .run = step_link, .check = check_link },
	{ .run = step_broadcast },
	{ .run = step_bind, .after = PH_CONNECTED },
	STEP_END,
};

#define GROUP(NAMES, FAMILY, GROUPS, HELP) \
	{ .names = NAMES, .syntax = ":[<source>@]<group>:<port>", .help = HELP, \
	  .groups = G_FD | G_SOCKET | G_UDP | G_DGRAM | G_RANGE | G_MULTICAST | (GROUPS), \
	  .reads = true, .writes = true, .min_params = 2, .max_params = 2, \
	  .net = { FAMILY, SOCK_DGRAM, IPPROTO_UDP }, .flags = TYPE_PASSIVE | TYPE_MANY, \
	  .steps = mcast_steps, .forecast = forecast_packets, .local_port = 2, .make = make_mcast }

static const struct addr_type types[] = {
	GROUP("MCAST", AF_UNSPEC, G_IP4 | G_IP6, "member of a multicast group: hears and reaches it"),
	GROUP("MCAST4", AF_INET, G_IP4, "MCAST over IPv4"),
	GROUP("MCAST6", AF_INET6, G_IP6, "MCAST over IPv6"),
	{ .names = "BCAST", .syntax = ":<port>",
	  .help = "everybody on the link, by IPv4 broadcast: hears broadcasts only, and reaches all",
	  .groups = G_FD | G_SOCKET | G_UDP | G_DGRAM | G_RANGE | G_IP4,
	  .reads = true, .writes = true, .min_params = 1, .max_params = 1,
	  .net = { AF_INET, SOCK_DGRAM, IPPROTO_UDP }, .flags = TYPE_PASSIVE | TYPE_MANY,
	  .steps = bcast_steps, .forecast = forecast_packets, .local_port = 1, .make = make_bcast },
};
/* clang-format on */

const struct addr_family mcast_family = { types, ARRAY_SIZE(types) };
