/* links.c - the interfaces: read them once, and check them */
#include "doctor/host/links.h"

#include "base/list.h"
#include "base/mem.h"
#include "doctor/checks.h"
#include "doctor/exam.h"
#include "doctor/host/kernel.h"
#include "doctor/host/netlink.h"
#include "end/plan.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int mtu_of(const char *name)
{
	struct ifreq r = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return 0;
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (ioctl(fd, SIOCGIFMTU, &r) == -1)
		r.ifr_mtu = 0;
	close(fd);
	return r.ifr_mtu;
}

static struct exam_link *link_add(struct exam *x, const struct ifaddrs *i)
{
	struct exam_link *l;
	/* an address may have a label of its own: "eth0:1" */
	size_t len = strcspn(i->ifa_name, ":");

	for (size_t k = 0; k < x->nlinks; k++) {
		if (strlen(x->link[k].name) == len &&
		    strncmp(x->link[k].name, i->ifa_name, len) == 0)
			return &x->link[k];
	}
	if (x->nlinks == LINKS_MAX || len >= IF_NAMESIZE)
		return NULL;
	l = &x->link[x->nlinks++];
	memcpy(l->name, i->ifa_name, len);
	l->index = (int)if_nametoindex(l->name);
	l->flags = i->ifa_flags;
	l->mtu = mtu_of(l->name);
	return l;
}

static unsigned bits_of(const struct sockaddr *mask)
{
	bool v6 = mask && mask->sa_family == AF_INET6;
	const uint8_t *p;
	unsigned bits = 0;

	if (!mask)
		return 0;
	p = v6 ? ((const struct sockaddr_in6 *)mask)->sin6_addr.s6_addr
	       : (const uint8_t *)&((const struct sockaddr_in *)mask)->sin_addr;
	for (int i = 0; i < (v6 ? 16 : 4); i++)
		bits += (unsigned)__builtin_popcount(p[i]);
	return bits;
}

void links_read(struct exam *x)
{
	struct ifaddrs *all;

	if (getifaddrs(&all) == -1)
		return;
	for (struct ifaddrs *i = all; i; i = i->ifa_next) {
		int family = i->ifa_addr ? i->ifa_addr->sa_family : AF_UNSPEC;
		struct exam_link *l = link_add(x, i);

		if (!l || l->naddrs == ADDRS_MAX || (family != AF_INET && family != AF_INET6))
			continue;
		l->addr[l->naddrs].len = family == AF_INET ? sizeof(struct sockaddr_in)
							   : sizeof(struct sockaddr_in6);
		memcpy(&l->addr[l->naddrs].any, i->ifa_addr, l->addr[l->naddrs].len);
		l->bits[l->naddrs++] = bits_of(i->ifa_netmask);
	}
	freeifaddrs(all);
	bridges_read(x);
}

/* ---- the check ---- */

#define FLAGS_TEXT_LEN 96

/* "up,broadcast,multicast,lower_up", as ip(8) calls them. */
static const char *flags_text(unsigned flags, char buf[FLAGS_TEXT_LEN])
{
	static const struct {
		unsigned bit;
		const char *word;
	} words[] = {
		{ IFF_LOOPBACK, "loopback" },   { IFF_UP, "up" },
		{ IFF_LOWER_UP, "lower_up" },   { IFF_BROADCAST, "broadcast" },
		{ IFF_MULTICAST, "multicast" }, { IFF_POINTOPOINT, "pointopoint" },
		{ IFF_NOARP, "noarp" },         { IFF_PROMISC, "promisc" },
		{ IFF_ALLMULTI, "allmulti" },   { IFF_SLAVE, "slave" },
	};
	size_t n = 0;

	snprintf(buf, FLAGS_TEXT_LEN, "(none)");
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (flags & words[i].bit)
			n += (size_t)snprintf(buf + n, FLAGS_TEXT_LEN - n, "%s%s", n ? "," : "",
					      words[i].word);
	}
	return buf;
}

static void add_broken(struct exam *x, const struct exam_link *l, const char *what,
		       const char *cure)
{
	char flags[FLAGS_TEXT_LEN];
	char *seen = xasprintf("%s has flags %s", l->name, flags_text(l->flags, flags));
	struct finding *f =
		exam_add(x, FIND_PROBLEM, xasprintf("interface %s %s", l->name, what), seen);

	if (*cure)
		exam_command(f, "ip link set %s %s", l->name, cure);
	else
		exam_advice(f, "plug in the cable, or start the other end");
}

/* IPv6 is switched off there, or the MTU is too small for it (RFC 8200 section 5). */
static bool why_no_ip6(struct exam *x, const struct exam_link *l)
{
	const char *off = "net/ipv6/conf/%s/disable_ipv6";
	struct finding *f;

	if (l->mtu < 1280) {
		f = exam_add(x, FIND_PROBLEM, xasprintf("interface %s cannot carry IPv6", l->name),
			     xasprintf("its MTU is %d, and IPv6 needs 1280", l->mtu));
		exam_command(f, "ip link set %s mtu 1500", l->name);
		return true;
	}
	if (sysctl_read(0, off, l->name) != 1)
		return false;
	f = exam_add(x, FIND_PROBLEM, xasprintf("IPv6 is switched off on interface %s", l->name),
		     xasprintf("net.ipv6.conf.%s.disable_ipv6 is 1", l->name));
	exam_command(f, "sysctl -w net.ipv6.conf.%s.disable_ipv6=0", l->name);
	return true;
}

static void check_address(struct exam *x, const struct exam_link *l)
{
	bool v6 = exam_family(x) == AF_INET6;
	struct finding *f;

	if (link_has_family(l, exam_family(x)) || (v6 && why_no_ip6(x, l)))
		return;
	f = exam_add(x, FIND_PROBLEM,
		     xasprintf("interface %s has no IPv%d address", l->name, v6 ? 6 : 4),
		     xstrdup("packets sent there have no source address of their own, and joining "
			     "by address is impossible"));
	if (v6)
		exam_command(f,
			     "ip link set %s addrgenmode eui64 && ip link set %s down && "
			     "ip link set %s up",
			     l->name, l->name, l->name);
	else
		exam_advice(f, "ip addr add ADDRESS/BITS brd + dev %s", l->name);
}

static void add_able(struct exam *x, const struct exam_link *l)
{
	char flags[FLAGS_TEXT_LEN];

	exam_add(x, FIND_OK, xasprintf("%s is up and multicasts", l->name),
		 xasprintf("flags %s, MTU %d", flags_text(l->flags, flags), l->mtu));
}

static void check_one(struct exam *x, const struct exam_link *l)
{
	size_t before = x->out->n;

	if (!(l->flags & IFF_UP))
		add_broken(x, l, "is down", "up");
	else if (!(l->flags & IFF_LOWER_UP))
		add_broken(x, l, "has no link", "");
	if (!(l->flags & (IFF_MULTICAST | IFF_LOOPBACK)))
		add_broken(x, l, "takes no part in multicast", "multicast on");
	check_address(x, l);
	if (x->out->n == before)
		add_able(x, l);
}

/* No address, no interface of its own: which of them could multicast at all? */
static void check_any(struct exam *x)
{
	size_t able = 0;

	for (size_t i = 0; i < x->nlinks; i++) {
		const struct exam_link *l = &x->link[i];
		unsigned want = IFF_UP | IFF_LOWER_UP | IFF_MULTICAST;

		if (l->flags & IFF_LOOPBACK || (l->flags & want) != want)
			continue;
		add_able(x, l);
		able++;
	}
	if (able)
		return;
	for (size_t i = 0; i < x->nlinks; i++) {
		if (!(x->link[i].flags & IFF_LOOPBACK))
			check_one(x, &x->link[i]);
	}
	exam_add(x, FIND_PROBLEM, xstrdup("no interface can multicast"),
		 xstrdup("none but the loopback is up, has a link and the flag MULTICAST"));
}

void check_links(struct exam *x)
{
	const struct exam_link *out;
	bool any = false;

	for (size_t i = 0; i < x->ngroups; i++) {
		const struct exam_link *l = link_by_index(x, x->group[i].ifindex);

		if (l)
			check_one(x, l);
		any |= l != NULL;
	}
	out = link_by_index(x, x->out_index);
	if (out && exam_destination(x))
		check_one(x, out);
	else if (!any && (!x->half || exam_destination(x)))
		check_any(x);
}
