/* netif.c - network interfaces, see netif.h */
#include "sys/netif.h"

#include "base/log.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <linux/ipv6.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int refused(int code, const char *what, const char *name, struct err *err)
{
	err_set(err, code, "%s of interface \"%s\"", what, name);
	if (code == EPERM)
		err_hint(err, "this needs the capability CAP_NET_ADMIN");
	return -1;
}

/* Interfaces can be renamed: the number is what stays. */
static int name_of(int fd, int index, struct ifreq *r)
{
	*r = (struct ifreq){ .ifr_ifindex = index };
	return ioctl(fd, SIOCGIFNAME, r);
}

int netif_index(int fd, const char *name, struct err *err)
{
	struct ifreq r = { 0 };
	int64_t n;

	if (strlen(name) < sizeof(r.ifr_name)) {
		memcpy(r.ifr_name, name, strlen(name));
		if (*name && ioctl(fd, SIOCGIFINDEX, &r) == 0)
			return r.ifr_ifindex;
	}
	if (num_parse(name, &n, NULL) == NUM_OK && n > 0 && n <= INT_MAX &&
	    name_of(fd, (int)n, &r) == 0)
		return (int)n;
	return err_set(err, 0, "unknown interface \"%s\"", name);
}

static int change_flags(int fd, struct ifreq *r, int set, int clear, struct netif_undo *undo,
			struct err *err)
{
	int before, after;

	if (ioctl(fd, SIOCGIFFLAGS, r) == -1)
		return refused(errno, "reading the flags", r->ifr_name, err);
	before = r->ifr_flags;
	r->ifr_flags = (short)((before | set) & ~clear);
	if (ioctl(fd, SIOCSIFFLAGS, r) == -1)
		return refused(errno, "setting the flags", r->ifr_name, err);
	after = (before | set) & ~clear;
	if (undo) {
		undo->set = after & ~before;
		undo->clear = before & ~after;
	}
	return 0;
}

static int change_mtu(int fd, struct ifreq *r, int64_t mtu, struct netif_undo *undo,
		      struct err *err)
{
	char what[64];

	if (ioctl(fd, SIOCGIFMTU, r) == -1)
		return refused(errno, "reading the MTU", r->ifr_name, err);
	if (r->ifr_mtu == mtu)
		return 0;
	if (undo)
		undo->mtu = r->ifr_mtu;
	snprintf(what, sizeof(what), "setting the MTU %lld", (long long)mtu);
	r->ifr_mtu = (int)mtu;
	if (mtu <= INT_MAX && ioctl(fd, SIOCSIFMTU, r) == 0)
		return 0;
	if (undo)
		undo->mtu = -1;
	refused(mtu > INT_MAX ? EINVAL : errno, what, r->ifr_name, err);
	if (err->code == EINVAL)
		err_hint(err, "the driver does not take this size (ip -d link shows its range)");
	return -1;
}

int netif_configure(int fd, int index, int set, int clear, int64_t mtu, struct netif_undo *undo,
		    struct err *err)
{
	struct ifreq r;

	if (undo)
		*undo = (struct netif_undo){ .index = index, .mtu = -1 };
	if (!set && !clear && mtu < 0)
		return 0;
	if (name_of(fd, index, &r) == -1)
		return err_set(err, errno, "interface number %d", index);
	if (mtu >= 0 && change_mtu(fd, &r, mtu, undo, err) == -1)
		return -1;
	return set || clear ? change_flags(fd, &r, set, clear, undo, err) : 0;
}

void netif_restore(int fd, const struct netif_undo *undo)
{
	struct netif_undo was = *undo;
	struct ifreq r;
	struct err err;

	if ((!was.set && !was.clear && was.mtu < 0) || name_of(fd, was.index, &r) == -1)
		return;
	log_info("restoring interface \"%s\"", r.ifr_name);
	if (netif_configure(fd, was.index, was.clear, was.set, was.mtu, NULL, &err) == -1)
		log_err(LV_WARN, &err);
}

enum netif_state netif_state(int fd, int index)
{
	struct ifreq r;

	if (name_of(fd, index, &r) == -1 || ioctl(fd, SIOCGIFFLAGS, &r) == -1)
		return NETIF_GONE;
	return r.ifr_flags & IFF_UP ? NETIF_UP : NETIF_DOWN;
}

int netif_parse_network(const char *text, struct netaddr *addr, unsigned *bits, struct err *err)
{
	const char *slash = strrchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : 0;
	bool v6 = *text == '[';
	char host[64];
	int64_t n;

	if (!slash)
		return err_set(err, 0, "xioparsenetwork_ip%d(\"%s\",,): missing netmask delimiter",
			       v6 ? 6 : 4, text);
	if (num_parse_base(slash + 1, 10, &n, NULL) != NUM_OK || n < 0)
		return err_set(err, 0, "\"%s\": the netmask must be a number of bits", text);
	if (n > (v6 ? 128 : 32))
		return err_set(err, 0, "IPv%d netmask \"%s\" is too large", v6 ? 6 : 4, text);
	*bits = (unsigned)n;
	netaddr_any(addr, v6 ? AF_INET6 : AF_INET, 0);
	if (v6 && len > 2 && len < sizeof(host) && text[len - 1] == ']') {
		snprintf(host, sizeof(host), "%.*s", (int)len - 2, text + 1);
		if (inet_pton(AF_INET6, host, &addr->in6.sin6_addr) == 1)
			return 0;
	} else if (!v6 && len < sizeof(host)) {
		snprintf(host, sizeof(host), "%.*s", (int)len, text);
		if (inet_pton(AF_INET, host, &addr->in.sin_addr) == 1)
			return 0;
	}
	return err_set(err, 0,
		       "\"%s\" does not begin with an IPv4 address or an IPv6 address in brackets",
		       text);
}

static int add_address4(int fd, int index, const struct netaddr *addr, unsigned bits,
			struct err *err)
{
	struct sockaddr_in sa = addr->in;
	struct ifreq r;

	if (name_of(fd, index, &r) == -1)
		return err_set(err, errno, "interface number %d", index);
	memcpy(&r.ifr_addr, &sa, sizeof(sa));
	if (ioctl(fd, SIOCSIFADDR, &r) == -1)
		return refused(errno, "setting the address", r.ifr_name, err);
	sa.sin_addr.s_addr = bits ? htonl(UINT32_MAX << (32 - bits)) : 0;
	memcpy(&r.ifr_netmask, &sa, sizeof(sa));
	if (ioctl(fd, SIOCSIFNETMASK, &r) == -1)
		return refused(errno, "setting the netmask", r.ifr_name, err);
	return 0;
}

static int add_address6(int fd, int index, const struct netaddr *addr, unsigned bits,
			struct err *err)
{
	struct in6_ifreq r6 = { .ifr6_addr = addr->in6.sin6_addr,
				.ifr6_prefixlen = bits,
				.ifr6_ifindex = index };
	struct ifreq r;

	if (ioctl(fd, SIOCSIFADDR, &r6) == 0)
		return 0;
	err->code = errno;
	if (name_of(fd, index, &r) == -1)
		return err_set(err, errno, "interface number %d", index);
	refused(err->code, "setting the IPv6 address", r.ifr_name, err);
	if (err->code == EACCES)
		err_hint(err, "IPv6 is switched off there (net.ipv6.conf.%s.disable_ipv6)",
			 r.ifr_name);
	return -1;
}

int netif_add_address(int index, const struct netaddr *addr, unsigned bits, struct err *err)
{
	int family = addr->any.sa_family, rc;
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return err_set(err, errno, "socket(%d, %d, 0)", family, SOCK_DGRAM);
	rc = family == AF_INET6 ? add_address6(fd, index, addr, bits, err)
				: add_address4(fd, index, addr, bits, err);
	close(fd);
	return rc;
}
