/* own_addrs.c - the addresses of this host's interfaces, see own_addrs.h */
#include "sys/own_addrs.h"

#include <ifaddrs.h>
#include <string.h>
#include <sys/socket.h>

#define FRESH_NS 1000000000

bool own_addrs_are_old(const struct own_addrs *o, int64_t now_ns)
{
	return !o->at_ns || now_ns - o->at_ns > FRESH_NS;
}

void own_addrs_note(struct own_addrs *o, int64_t now_ns)
{
	struct ifaddrs *all;

	o->at_ns = now_ns;
	o->n = 0;
	if (getifaddrs(&all) == -1)
		return;
	for (struct ifaddrs *ifa = all; ifa && o->n < OWN_ADDRS_MAX; ifa = ifa->ifa_next) {
		int family = ifa->ifa_addr ? ifa->ifa_addr->sa_family : AF_UNSPEC;
		struct netaddr *a = &o->addr[o->n];

		if (family != AF_INET && family != AF_INET6)
			continue;
		netaddr_any(a, family, 0);
		memcpy(&a->any, ifa->ifa_addr, a->len);
		o->n++;
	}
	freeifaddrs(all);
}

bool own_addrs_have(const struct own_addrs *o, const struct netaddr *a)
{
	if (a->any.sa_family == AF_INET && ntohl(a->in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET)
		return true;
	for (size_t i = 0; i < o->n; i++) {
		if (netaddr_same_host(&o->addr[i], a))
			return true;
	}
	return false;
}
