/* rp_filter.c - does the kernel believe the sender's address? (rp_filter, accept_local)
 *
 * With rp_filter=1 a packet counts only if an answer to its sender would leave by the interface it
 * came in by, with 2 if there is any route to the sender. Nothing is logged; one counter tells. The
 * larger of the values "all" and of the interface holds (ip-sysctl). */
#include "base/mem.h"
#include "doctor/checks.h"
#include "doctor/exam.h"
#include "doctor/host/kernel.h"
#include "doctor/host/netlink.h"
#include "end/plan.h"

#include <stdlib.h>
#include <string.h>

static long filter_of(const char *name)
{
	long all = sysctl_read(0, "net/ipv4/conf/all/rp_filter");
	long own = sysctl_read(0, "net/ipv4/conf/%s/rp_filter", name);

	return all > own ? all : own;
}

/* An address that senders have, by option range; false: nothing is known. */
static bool sender_of(const struct exam *x, struct netaddr *sender)
{
	const char *range = x->half ? x->half->conf.sock.range : NULL;
	struct range r;
	struct err err;

	if (!range || range_parse(&r, range, AF_INET, NULL, NULL, &err) == -1)
		return false;
	netaddr_any(sender, AF_INET, 0);
	memcpy(&sender->in.sin_addr, r.net, 4);
	if (r.mask[3] != 0xff) /* the network's own number is a broadcast address */
		sender->in.sin_addr.s_addr |= htonl(1);
	return true;
}

static void add_cure(struct finding *f, const char *name, bool loose_is_enough)
{
	if (loose_is_enough)
		exam_command(f, "sysctl -w net.ipv4.conf.%s.rp_filter=2", name);
	else
		exam_command(f,
			     "sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.%s.rp_filter=0",
			     name);
}

/* The senders of option range, as the kernel would judge them. */
static bool check_range(struct exam *x, const struct exam_link *l, long filter)
{
	struct route_answer way;
	struct netaddr sender;
	struct finding *f;
	int code;

	if (!sender_of(x, &sender))
		return false;
	code = route_ask(&way, &sender, NULL, 0);
	if (code == 0 && (way.index == l->index || filter == 2))
		return false;
	f = exam_add(x, FIND_PROBLEM,
		     xasprintf("rp_filter drops what senders in %s send by %s",
			       x->half->conf.sock.range, l->name),
		     code ? xasprintf("rp_filter is %ld, and there is no route back: %s", filter,
				      strerror(code))
			  : xasprintf("rp_filter is %ld, and answers would leave by another "
				      "interface",
				      filter));
	add_cure(f, l->name, code == 0);
	return true;
}

static void check_filter(struct exam *x, const struct exam_link *l)
{
	long filter = filter_of(l->name);
	long drops = counter_read("/proc/net/netstat", "TcpExt:", "IPReversePathFilter");
	struct finding *f;

	if (filter && check_range(x, l, filter))
		return;
	if (filter == 1 && drops > 0) {
		f = exam_add(
			x, FIND_PROBLEM,
			xasprintf("rp_filter is strict on %s and has dropped packets", l->name),
			xasprintf("IPReversePathFilter is %ld in /proc/net/netstat", drops));
		add_cure(f, l->name, false);
	} else if (filter == 1) {
		exam_add(
			x, FIND_NOTE,
			xasprintf("rp_filter is strict on %s: senders not routed by it are dropped",
				  l->name),
			xasprintf("the larger of net.ipv4.conf.{all,%s}.rp_filter is 1, dropped so "
				  "far: %ld",
				  l->name, drops));
	} else {
		exam_add(x, FIND_OK, xasprintf("rp_filter on %s lets groups in", l->name),
			 xasprintf("it is %ld", filter));
	}
}

/* Two interfaces in one network: what this host sends by one comes in by the other, from an address
 * of its own, and is dropped (martian) unless accept_local says otherwise. */
static void check_local(struct exam *x, const struct exam_link *l)
{
	for (size_t i = 0; i < x->nlinks; i++) {
		const struct exam_link *other = &x->link[i];

		for (size_t k = 0; other != l && k < other->naddrs; k++) {
			if (other->addr[k].any.sa_family != AF_INET ||
			    link_of_network(x, &other->addr[k]) != l ||
			    sysctl_read(0, "net/ipv4/conf/%s/accept_local", l->name))
				continue;
			exam_command(
				exam_add(x, FIND_NOTE,
					 xasprintf("%s does not hear what this host sends by %s",
						   l->name, other->name),
					 xasprintf("both are in one network, and "
						   "net.ipv4.conf.%s.accept_local is 0",
						   l->name)),
				"sysctl -w net.ipv4.conf.%s.accept_local=1", l->name);
			return;
		}
	}
}

void check_source(struct exam *x)
{
	const struct exam_link *l = exam_link_used(x);

	if (exam_family(x) != AF_INET)
		return;
	for (size_t i = 0; !x->half && i < x->nlinks; i++) {
		if (x->link[i].flags & IFF_UP && !(x->link[i].flags & IFF_LOOPBACK))
			check_filter(x, &x->link[i]);
	}
	if (!x->half || !l || l->flags & IFF_LOOPBACK)
		return;
	check_filter(x, l);
	check_local(x, l);
}
