/* way_out.c - the way out: is there one, and is it the interface where the group is joined? */
#include "doctor/check/way_out.h"

#include "base/mem.h"
#include "doctor/checks.h"
#include "doctor/exam.h"
#include "doctor/host/netlink.h"
#include "end/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* The group that stands for all when there is no address: any but the link-local ones. */
static void any_group(struct netaddr *a)
{
	netaddr_any(a, AF_INET, 0);
	a->in.sin_addr.s_addr = htonl(0xe0010001); /* 224.1.0.1 */
}

/* The only interface that the socket uses, by option interface for example; 0: any. */
static int index_by_device(const struct exam *x)
{
	int index = 0;
	socklen_t len = sizeof(index);

	return getsockopt(x->fd, SOL_SOCKET, SO_BINDTOIFINDEX, &index, &len) == 0 ? index : 0;
}

/* The interface that options of the socket demand for groups: ip-multicast-if, ipv6-multicast-if,
 * or a source address; 0: none. */
static int index_by_options(const struct exam *x)
{
	struct netaddr from = { .len = sizeof(struct sockaddr_in) };
	bool v6 = x->family == AF_INET6;
	struct in_addr ip = { 0 };
	socklen_t len = sizeof(ip);
	int index = 0;

	len = sizeof(index);
	if (v6 && getsockopt(x->fd, SOL_IPV6, IPV6_MULTICAST_IF, &index, &len) == 0)
		return index;
	len = sizeof(ip);
	if (v6 || getsockopt(x->fd, SOL_IP, IP_MULTICAST_IF, &ip, &len) == -1 || !ip.s_addr)
		return 0;
	from.in.sin_family = AF_INET;
	from.in.sin_addr = ip;
	for (size_t i = 0; i < x->nlinks; i++) {
		for (size_t k = 0; k < x->link[i].naddrs; k++) {
			if (netaddr_same_host(&x->link[i].addr[k], &from))
				return x->link[i].index;
		}
	}
	return 0;
}

static const struct netaddr *source_of(const struct exam *x)
{
	bool one = x->local.len && !netaddr_is_any(&x->local) && !netaddr_is_multicast(&x->local);

	return one && x->local.any.sa_family == x->target.any.sa_family ? &x->local : NULL;
}

void route_find(struct exam *x)
{
	struct netaddr to = x->target;

	if (x->half && (!x->target.len || x->fd == -1))
		return;
	if (!x->half)
		any_group(&to);
	x->out_index = index_by_device(x);
	if (!x->out_index && exam_is_group(&x->target))
		x->out_index = index_by_options(x);
	if (!x->out_index && x->family == AF_INET6)
		x->out_index = (int)x->target.in6.sin6_scope_id;
	if (x->out_index && exam_is_group(&to)) /* needs no route then */
		x->way = (struct route_answer){ .index = x->out_index, .prefix = 32 };
	else
		x->way_code = route_ask(&x->way, &to, source_of(x), x->out_index);
	x->out_index = x->way.index;
}

/* The best interface for a route: where a group is joined, else the first that can. */
static const struct exam_link *candidate(const struct exam *x, int family)
{
	unsigned want = IFF_UP | IFF_MULTICAST;

	if (x->ngroups && x->group[0].ifindex)
		return link_by_index(x, x->group[0].ifindex);
	for (size_t i = 0; i < x->nlinks; i++) {
		const struct exam_link *l = &x->link[i];

		if ((l->flags & want) == want && !(l->flags & IFF_LOOPBACK) &&
		    link_has_family(l, family))
			return l;
	}
	return NULL;
}

static void command_route(struct finding *f, const struct netaddr *to, const char *dev)
{
	char text[IP_TEXT_LEN];

	if (to->any.sa_family == AF_INET6 && netaddr_is_multicast(to))
		exam_command(f, "ip -6 route add multicast ff00::/8 dev %s table local", dev);
	else if (netaddr_is_multicast(to))
		exam_command(f, "ip route add 224.0.0.0/4 dev %s", dev);
	else
		exam_command(f, "ip route add %s dev %s", ip_text(to, text), dev);
}

static void no_route(struct exam *x, const struct netaddr *to, int code)
{
	const struct exam_link *l = candidate(x, to->any.sa_family);
	bool cast = exam_is_group(to) || exam_is_broadcast(x, to);
	char text[IP_TEXT_LEN];
	struct finding *f;

	f = exam_add(x, FIND_PROBLEM, xasprintf("no route to %s", ip_text(to, text)),
		     xasprintf("asked for its route the kernel says: %s", strerror(code)));
	if (l && cast)
		command_route(f, to, l->name);
	else
		exam_advice(f, "give an interface that can reach it an address and a route");
}

/* Groups leave by another interface than the one where the peers are. */
static void wrong_link(struct exam *x, const struct exam_link *out, const struct exam_link *want,
		       const char *why)
{
	char text[IP_TEXT_LEN];
	struct finding *f;

	ip_text(&x->target, text);
	f = exam_add(x, FIND_PROBLEM, xasprintf("packets to %s leave by the wrong interface", text),
		     xasprintf("they leave by %s, but %s %s", out->name, why, want->name));
	exam_command(f, "ip %sroute replace %s%s dev %s%s", x->family == AF_INET6 ? "-6 " : "",
		     x->family == AF_INET6 ? "multicast " : "", text, want->name,
		     x->family == AF_INET6 ? " table local metric 1" : "");
}

/* What the user has told about where the peers are. */
static const struct exam_link *peers_link(const struct exam *x, const char **why)
{
	const char *range = x->half->conf.sock.range;
	struct netaddr net = { .len = sizeof(struct sockaddr_in) };
	struct range r;
	struct err err;

	*why = "the group is joined on";
	for (size_t i = 0; i < x->ngroups; i++) {
		if (x->group[i].ifindex && netaddr_same_host(&x->group[i].group, &x->target))
			return link_by_index(x, x->group[i].ifindex);
	}
	*why = "the network of option range is on";
	if (!range || x->family != AF_INET ||
	    range_parse(&r, range, AF_INET, NULL, NULL, &err) == -1)
		return NULL;
	net.in.sin_family = AF_INET;
	memcpy(&net.in.sin_addr, r.net, 4);
	return link_of_network(x, &net);
}

void check_route(struct exam *x)
{
	const struct exam_link *out = link_by_index(x, x->out_index), *want = NULL;
	struct netaddr to = x->target;
	char text[IP_TEXT_LEN];
	const char *why;

	if (x->half && !to.len)
		return;
	if (!x->half)
		any_group(&to);
	if (x->way_code)
		no_route(x, &to, x->way_code);
	if (!out)
		return;
	if (x->half && exam_is_group(&to))
		want = peers_link(x, &why);
	if (want && want != out)
		wrong_link(x, out, want, why);
	else if (exam_is_group(&to) && !x->way.prefix && !want && x->nlinks > 2)
		exam_add(x, FIND_NOTE,
			 xasprintf("%s leaves by %s because the default route says so",
				   ip_text(&to, text), out->name),
			 xstrdup("there is no route for groups; option ip-multicast-if chooses "
				 "another interface"));
	else
		exam_add(x, FIND_OK, xasprintf("%s leaves by %s", ip_text(&to, text), out->name),
			 xstrdup(""));
}
