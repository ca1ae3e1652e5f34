/* probe.c - send a datagram, and see whether it comes back
 *
 * A datagram to a group with a TTL of 0 goes through the routing and the packet filters of this
 * host, out and in again, and no further. It carries a random mark. Nobody else is to get it: the
 * real port is used only if no other socket has it. */
#include "base/mem.h"
#include "doctor/checks.h"
#include "doctor/exam.h"
#include "doctor/check/port_taken.h"
#include "end/plan.h"
#include "sys/fd.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define PATIENCE_MS 1000 /* it takes microseconds */
#define LOOKS_MAX 1000 /* foreign datagrams on the way */

struct probe {
	struct netaddr to;
	int index; /* interface */
	int tx, rx;
	unsigned wanted; /* port; another one may have to do, which filters may treat otherwise */
	char mark[48];
};

static void set_int(int fd, int level, int name, int n)
{
	setsockopt(fd, level, name, &n, sizeof(n));
}

/* The sender: by that interface, no further than this host, with a copy for it. */
static int open_sender(const struct exam *x, struct probe *p)
{
	struct ip_mreqn by = { .imr_ifindex = p->index };

	p->tx = socket(p->to.any.sa_family, x->socktype | SOCK_CLOEXEC, x->protocol);
	if (p->tx == -1)
		return -1;
	if (p->to.any.sa_family == AF_INET6) {
		set_int(p->tx, SOL_IPV6, IPV6_MULTICAST_IF, p->index);
		set_int(p->tx, SOL_IPV6, IPV6_MULTICAST_HOPS, 0);
		set_int(p->tx, SOL_IPV6, IPV6_MULTICAST_LOOP, 1);
		return 0;
	}
	set_int(p->tx, SOL_SOCKET, SO_BROADCAST, 1);
	set_int(p->tx, SOL_SOCKET, SO_BINDTOIFINDEX, p->index);
	set_int(p->tx, SOL_IP, IP_MULTICAST_TTL, 0);
	set_int(p->tx, SOL_IP, IP_MULTICAST_LOOP, 1);
	return setsockopt(p->tx, SOL_IP, IP_MULTICAST_IF, &by, sizeof(by));
}

static int join(const struct probe *p)
{
	struct group_req req = { .gr_interface = (uint32_t)p->index };

	memcpy(&req.gr_group, &p->to.any, p->to.len);
	return setsockopt(p->rx, p->to.any.sa_family == AF_INET6 ? SOL_IPV6 : SOL_IP,
			  MCAST_JOIN_GROUP, &req, sizeof(req));
}

/* The address itself hears the group at that port, whoever sends. */
static bool hears(const struct exam *x, const struct probe *p)
{
	struct netaddr peer = { .len = sizeof(peer.raw) };
	bool bound = x->bound && (!x->local.len || netaddr_is_any(&x->local) ||
				  netaddr_same_host(&x->local, &p->to));

	if (getpeername(x->fd, &peer.any, &peer.len) == 0)
		return false;
	for (size_t i = 0; i < x->ngroups; i++) {
		const struct exam_group *g = &x->group[i];

		if (bound && g->joined && !g->source && g->ifindex == p->index &&
		    netaddr_same_host(&g->group, &p->to))
			return x->socktype == SOCK_RAW || x->port == netaddr_port(&p->to);
	}
	return false;
}

/* Bind to the group, or any address for a broadcast. A port that is taken, by the address itself,
 * too, is replaced by one that is free. */
static int bind_receiver(struct probe *p)
{
	struct netaddr at = p->to;

	if (!netaddr_is_multicast(&p->to))
		netaddr_any(&at, AF_INET, netaddr_port(&p->to));
	if (bind(p->rx, &at.any, at.len) == 0)
		return 0;
	netaddr_set_port(&at, 0);
	return errno == EADDRINUSE ? bind(p->rx, &at.any, at.len) : -1;
}

/* The receiver: the socket of the address if it hears the group, else one that joins it. */
static int open_receiver(const struct exam *x, struct probe *p)
{
	struct netaddr got = { .len = sizeof(got.raw) };

	if (hears(x, p)) {
		p->rx = dup(x->fd);
		return p->rx == -1 ? -1 : 0;
	}
	p->rx = socket(p->to.any.sa_family, x->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       x->protocol);
	if (p->rx == -1)
		return -1;
	set_int(p->rx, SOL_SOCKET, SO_REUSEADDR, 1);
	if (bind_receiver(p) == -1 || (netaddr_is_multicast(&p->to) && join(p) == -1))
		return -1;
	getsockname(p->rx, &got.any, &got.len);
	netaddr_set_port(&p->to, netaddr_port(&got));
	return 0;
}

/* Did the mark come? */
static bool comes_back(const struct probe *p)
{
	char buf[2048];

	for (int i = 0; i < LOOKS_MAX; i++) {
		struct pollfd poll_rx = { .fd = p->rx, .events = POLLIN };
		ssize_t n;

		if (poll(&poll_rx, 1, PATIENCE_MS) != 1)
			return false;
		n = recv(p->rx, buf, sizeof(buf), MSG_DONTWAIT);
		if (n > 0 && memmem(buf, (size_t)n, p->mark, strlen(p->mark)))
			return true;
	}
	return false;
}

static char *told(const struct probe *p, const char *result)
{
	char ip[IP_TEXT_LEN], name[IF_NAMESIZE] = "?";

	if_indextoname((unsigned)p->index, name);
	return xasprintf("sent to %s port %u by %s, %s", ip_text(&p->to, ip), netaddr_port(&p->to),
			 name, result);
}

static void judge(struct exam *x, struct probe *p)
{
	ssize_t n = sendto(p->tx, p->mark, strlen(p->mark), 0, &p->to.any, p->to.len);
	int code = n == -1 ? errno : 0;
	bool real = !x->half || p->wanted == netaddr_port(&p->to);
	char ip[IP_TEXT_LEN];

	ip_text(&p->to, ip);
	if (code == EPERM)
		exam_advice(exam_add(x, FIND_PROBLEM,
				     xasprintf("sending to %s is forbidden by a packet filter", ip),
				     told(p, strerror(code))),
			    "see the findings of check firewall; nft list ruleset, iptables-save");
	else if (code)
		exam_add(x, FIND_PROBLEM, xasprintf("sending to %s fails", ip),
			 told(p, strerror(code)));
	else if (comes_back(p))
		exam_add(x, FIND_OK, xasprintf("a datagram to %s comes back to this host", ip),
			 told(p, "received"));
	else
		exam_advice(
			exam_add(x, real ? FIND_PROBLEM : FIND_NOTE,
				 xasprintf("a datagram to %s does not come back to this host", ip),
				 told(p, "not received")),
			"see the other findings; if there are none: nft list ruleset");
}

static void run_probe(struct exam *x, const struct netaddr *to, int index)
{
	struct probe p = {
		.to = *to, .index = index, .tx = -1, .rx = -1, .wanted = netaddr_port(to)
	};
	uint64_t mark = 0;

	if (getrandom(&mark, sizeof(mark), GRND_NONBLOCK) == -1)
		mark = (uint64_t)getpid();
	snprintf(p.mark, sizeof(p.mark), "doctor's probe %016llx", (unsigned long long)mark);
	if (p.to.any.sa_family == AF_INET6)
		p.to.in6.sin6_scope_id = (uint32_t)index;
	if (open_sender(x, &p) == -1 || open_receiver(x, &p) == -1)
		exam_add(x, FIND_UNKNOWN, xstrdup("no probe was sent"), told(&p, strerror(errno)));
	else
		judge(x, &p);
	fd_close(&p.tx);
	fd_close(&p.rx);
}

static bool can_probe(const struct exam_link *l)
{
	return l && l->flags & IFF_UP && l->flags & IFF_LOWER_UP;
}

/* The port to use: that of the address, unless others listen there or it is a broadcast. */
static unsigned probe_port(const struct exam *x, const struct netaddr *to)
{
	struct exam at = *x;
	struct port_holder h[PORT_HOLDERS_MAX];

	at.port = netaddr_port(to) ? netaddr_port(to) : x->port;
	if (exam_is_broadcast(x, to))
		return 0;
	return x->socktype == SOCK_DGRAM && exam_holders(&at, h) ? 0 : at.port;
}

void check_probe(struct exam *x)
{
	const struct netaddr *dest = exam_destination(x);
	const struct exam_link *l =
		dest == &x->target ? link_by_index(x, x->out_index) : exam_link_used(x);
	struct netaddr to;

	if (x->half) {
		if (!dest || !can_probe(l) || x->fd == -1)
			return;
		to = *dest;
		netaddr_set_port(&to, probe_port(x, dest));
		run_probe(x, &to, l->index);
		return;
	}
	x->socktype = SOCK_DGRAM;
	netaddr_any(&to, AF_INET, 0);
	to.in.sin_addr.s_addr = htonl(0xe0000001); /* all systems: no need to join */
	for (size_t i = 0; i < x->nlinks; i++) {
		if (can_probe(&x->link[i]) && x->link[i].flags & IFF_MULTICAST &&
		    link_has_family(&x->link[i], AF_INET))
			run_probe(x, &to, x->link[i].index);
	}
}
