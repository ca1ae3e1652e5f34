/* send.c - what leaves: time to live, size against the MTU, copies for members on this host */
#include "base/mem.h"
#include "doctor/checks.h"
#include "doctor/exam.h"
#include "doctor/check/port_taken.h"
#include "end/plan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ETHERNET_MTU 1500

static int option_of(const struct exam *x, int name4, int name6)
{
	bool v6 = x->family == AF_INET6;
	socklen_t len = sizeof(int);
	int n = -1;

	if (getsockopt(x->fd, v6 ? SOL_IPV6 : SOL_IP, v6 ? name6 : name4, &n, &len) == -1)
		return -1;
	return n;
}

/* The peers of option range are behind a router. */
static bool peers_are_far(const struct exam *x)
{
	const char *range = x->half->conf.sock.range;
	struct netaddr net;
	struct range r;
	struct err err;

	if (!range || range_parse(&r, range, x->family, NULL, NULL, &err) == -1 ||
	    x->family != AF_INET)
		return false;
	netaddr_any(&net, AF_INET, 0);
	memcpy(&net.in.sin_addr, r.net, 4);
	return r.mask[0] && !link_of_network(x, &net);
}

static void check_ttl(struct exam *x)
{
	int ttl = option_of(x, IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS);
	bool v6 = x->family == AF_INET6;
	const char *name = v6 ? "ipv6-multicast-hops" : "ip-multicast-ttl";
	struct finding *f;

	if (ttl == 0) {
		f = exam_add(x, FIND_PROBLEM,
			     xstrdup("packets to the group do not leave this host"),
			     xasprintf("option %s is 0", name));
		exam_advice(f, "%s=1 for the local network, more for each router", name);
	} else if (ttl == 1 && peers_are_far(x)) {
		f = exam_add(x, FIND_PROBLEM,
			     xstrdup("packets to the group do not pass a router, and the peers are "
				     "behind one"),
			     xasprintf("%s is 1, and %s is no network of this host", name,
				       x->half->conf.sock.range));
		exam_advice(f, "%s=8, and multicast routing on the router", name);
	} else {
		exam_add(x, FIND_OK,
			 ttl == 1 ? xstrdup("packets to the group stay in the local network")
				  : xasprintf("packets to the group pass %d routers", ttl - 1),
			 xasprintf("%s is %d", name, ttl));
	}
}

/* Somebody on this host would hear the group, if copies were made. */
static void check_loop(struct exam *x)
{
	bool v6 = x->family == AF_INET6;
	int loop = option_of(x, IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP);
	const char *name = v6 ? "IPV6_MULTICAST_LOOP" : "ip-multicast-loop";
	struct exam at = *x;
	struct port_holder h[PORT_HOLDERS_MAX];
	char holder[PORT_HOLDER_TEXT_LEN];
	struct finding *f;
	size_t n;

	if (loop != 0)
		return;
	at.port = netaddr_port(&x->target);
	n = exam_holders(&at, h);
	if (n) {
		f = exam_add(x, FIND_PROBLEM,
			     xstrdup("members on this host do not hear what this address sends"),
			     xasprintf("%s is 0, and %s has port %u", name,
				       port_holder_text(&h[0], holder), at.port));
		exam_advice(f, "leave %s out, or let it be 1", name);
	} else {
		exam_add(x, FIND_NOTE, xstrdup("nobody on this host hears what this address sends"),
			 xasprintf("%s is 0", name));
	}
}

/* Datagrams that do not fit are cut into fragments, and lost as a whole with any one of them. */
static void check_size(struct exam *x, const struct exam_link *l)
{
	bool v6 = x->family == AF_INET6;
	size_t head = (v6 ? 40 : 20) + (x->socktype == SOCK_DGRAM ? 8 : 0);
	const struct doctor_ask *ask = x->ask;
	size_t need = ask->datagram + head, fits = (size_t)l->mtu - head;
	int mode = option_of(x, IP_MTU_DISCOVER, IPV6_MTU_DISCOVER);
	bool whole = mode == IP_PMTUDISC_DO || mode == IP_PMTUDISC_PROBE;
	struct finding *f;

	if (l->mtu <= (int)head)
		return;
	if (!ask->datagram || need <= (size_t)l->mtu) {
		exam_add(x, FIND_OK,
			 xasprintf("datagrams of up to %zu bytes leave %s in one piece", fits,
				   l->name),
			 xasprintf("its MTU is %d", l->mtu));
		return;
	}
	f = exam_add(x, FIND_PROBLEM,
		     whole ? xasprintf("datagrams of %zu bytes are refused", ask->datagram)
			   : xasprintf("datagrams of %zu bytes leave in pieces, and one lost piece "
				       "loses all",
				       ask->datagram),
		     xasprintf("%s has MTU %d, room for %zu bytes", l->name, l->mtu, fits));
	if (l->mtu < ETHERNET_MTU && need <= ETHERNET_MTU)
		exam_command(f, "ip link set %s mtu %d", l->name, ETHERNET_MTU);
	else
		exam_advice(f, "send smaller ones: -b %zu", fits);
}

static void check_broadcast(struct exam *x)
{
	socklen_t len = sizeof(int);
	char text[IP_TEXT_LEN];
	int on = 1;

	if (!exam_is_broadcast(x, &x->target))
		return;
	getsockopt(x->fd, SOL_SOCKET, SO_BROADCAST, &on, &len);
	ip_text(&x->target, text);
	if (on)
		exam_add(x, FIND_OK,
			 xasprintf("%s is a broadcast address, and option broadcast is "
				   "given",
				   text),
			 xstrdup(""));
	else
		exam_advice(
			exam_add(x, FIND_PROBLEM,
				 xasprintf("sending to %s is refused: it is a broadcast address",
					   text),
				 xstrdup("SO_BROADCAST of the socket is 0")),
			"add option broadcast");
}

void check_send(struct exam *x)
{
	const struct exam_link *out = link_by_index(x, x->out_index);

	if (x->fd == -1 || !x->target.len)
		return;
	if (exam_is_group(&x->target)) {
		check_ttl(x);
		check_loop(x);
	}
	check_broadcast(x);
	if (out)
		check_size(x, out);
}
