/* route.c - advice for unreachable destinations, see route.h */
#include "sys/route.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Name of the first interface that is up, is not the loopback, has an address of @family and
 * (for multicast) takes part in it; "" when there is none. */
static void pick_interface(int family, unsigned flags, char name[IF_NAMESIZE])
{
	struct ifaddrs *all, *i;

	name[0] = '\0';
	if (getifaddrs(&all) == -1)
		return;
	for (i = all; i; i = i->ifa_next) {
		if (!i->ifa_addr || i->ifa_addr->sa_family != family)
			continue;
		if ((i->ifa_flags & (IFF_UP | flags)) != (IFF_UP | flags) ||
		    i->ifa_flags & IFF_LOOPBACK)
			continue;
		snprintf(name, IF_NAMESIZE, "%s", i->ifa_name);
		break;
	}
	freeifaddrs(all);
}

static uint32_t ip4_of(const struct sockaddr *a)
{
	return ((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr;
}

/* By the netmask: the kernel knows it as one even where the interface was told no such address. */
static bool is_subnet_broadcast(const struct netaddr *to)
{
	struct ifaddrs *all, *i;
	bool found = false;

	if (to->any.sa_family != AF_INET || getifaddrs(&all) == -1)
		return false;
	for (i = all; i && !found; i = i->ifa_next) {
		found = i->ifa_addr && i->ifa_addr->sa_family == AF_INET && i->ifa_netmask &&
			i->ifa_flags & IFF_BROADCAST &&
			(ip4_of(i->ifa_addr) | ~ip4_of(i->ifa_netmask)) == to->in.sin_addr.s_addr;
	}
	freeifaddrs(all);
	return found;
}

static void unreachable(const struct netaddr *to, const char *host, char *buf, size_t cap)
{
	bool multicast = netaddr_is_multicast(to), v6 = to->any.sa_family == AF_INET6;
	char dev[IF_NAMESIZE];

	pick_interface(to->any.sa_family, multicast ? IFF_MULTICAST : 0, dev);
	if (!dev[0])
		snprintf(buf, cap,
			 "no route for %s, and no interface but the loopback is up with an IPv%d "
			 "address",
			 host, v6 ? 6 : 4);
	else if (multicast && v6)
		snprintf(buf, cap,
			 "no route for %s; try: ip -6 route add multicast ff00::/8 dev %s table "
			 "local",
			 host, dev);
	else if (multicast)
		snprintf(buf, cap, "no route for %s; try: ip route add 224.0.0.0/4 dev %s", host,
			 dev);
	else if (netaddr_is_broadcast(to))
		snprintf(buf, cap, "no route for %s; try: ip route add 255.255.255.255 dev %s",
			 host, dev);
	else
		snprintf(buf, cap, "no route for %s; see: ip route get %s", host, host);
}

void route_hint(struct err *err, const struct netaddr *to)
{
	char host[INET6_ADDRSTRLEN] = "", text[ERR_TEXT_LEN];

	if (to->any.sa_family == AF_INET)
		inet_ntop(AF_INET, &to->in.sin_addr, host, sizeof(host));
	else if (to->any.sa_family == AF_INET6)
		inet_ntop(AF_INET6, &to->in6.sin6_addr, host, sizeof(host));
	else
		return;
	if (err->code == EINVAL && to->any.sa_family == AF_INET6 && !to->in6.sin6_scope_id &&
	    (IN6_IS_ADDR_LINKLOCAL(&to->in6.sin6_addr) ||
	     IN6_IS_ADDR_MC_LINKLOCAL(&to->in6.sin6_addr))) {
		pick_interface(AF_INET6, 0, text);
		err_hint(err, "such an address is that of a link: name it, [%s%%%s]", host,
			 *text ? text : "eth0");
	} else if (err->code == ENETUNREACH || err->code == EHOSTUNREACH) {
		unreachable(to, host, text, sizeof(text));
		err_hint(err, "%s", text);
	} else if (err->code == EACCES && (netaddr_is_broadcast(to) || is_subnet_broadcast(to))) {
		err_hint(err, "%s is a broadcast address; add option broadcast", host);
	}
}

void route_interfaces(char *buf, size_t cap)
{
	struct ifaddrs *all, *i;
	size_t len = 0;

	buf[0] = '\0';
	if (getifaddrs(&all) == -1)
		return;
	for (i = all; i && len < cap; i = i->ifa_next) {
		char text[INET_ADDRSTRLEN];

		if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || !(i->ifa_flags & IFF_UP))
			continue;
		inet_ntop(AF_INET, &((struct sockaddr_in *)i->ifa_addr)->sin_addr, text,
			  sizeof(text));
		len += (size_t)snprintf(buf + len, cap - len, "%s%s %s", len ? ", " : "",
					i->ifa_name, text);
	}
	freeifaddrs(all);
	if (!len)
		snprintf(buf, cap, "none that is up");
}
