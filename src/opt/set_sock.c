/* set_sock.c - setters for sockets
 *
 * Level and name of setsockopt(2) come from the row, or for the generic options from the value.
 * The sentences show the call with its arguments as numbers, as classic does. Interface names are
 * looked up here and not while planning, because the network namespace is right only now. */
#include "base/mem.h"
#include "opt/setters.h"
#include "sys/groups.h"
#include "sys/route.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#define IP_OPTIONS_MAX 40 /* bytes of options in an IPv4 header */

/* The call; @shown is the value as it stands in the sentence. */
static int call(int fd, int level, int name, const void *data, size_t len, const char *shown,
		struct err *err)
{
	if (setsockopt(fd, level, name, data, (socklen_t)len) == -1)
		return err_set(err, errno, "setsockopt(%d, %d, %d, %s, %zu)", fd, level, name,
			       shown, len);
	return 0;
}

/* The same for memberships, which may need other sockets. */
static int join(struct target *t, int level, int name, const void *req, size_t len,
		const char *shown, struct err *err)
{
	if (groups_join(t->fd, level, name, req, (socklen_t)len, t->more) == -1)
		return err_set(err, errno, "setsockopt(%d, %d, %d, %s, %zu)", t->fd, level, name,
			       shown, len);
	return 0;
}

static int call_int(int fd, int level, int name, int n, struct err *err)
{
	char shown[32];

	snprintf(shown, sizeof(shown), "{%d}", n);
	return call(fd, level, name, &n, sizeof(n), shown, err);
}

static int call_text(int fd, int level, int name, const char *text, struct err *err)
{
	char *shown = xasprintf("\"%s\"", text);
	int rc = call(fd, level, name, text, strlen(text) + 1, shown, err);

	free(shown);
	return rc;
}

int set_sockopt(struct target *t, const struct opt *o, struct err *err)
{
	const int level = o->row->arg.so.level, name = o->row->arg.so.name;
	const uint8_t byte = (uint8_t)o->val.n[0];
	char shown[32];

	if (t->fd == -1 || o->val.null)
		return 0;
	if (o->row->type != V_BYTE && o->row->type != V_BOOL)
		return call_int(t->fd, level, name, (int)o->val.n[0], err);
	snprintf(shown, sizeof(shown), "{%u}", byte);
	return call(t->fd, level, name, &byte, sizeof(byte), shown, err);
}

int set_sockopt_linger(struct target *t, const struct opt *o, struct err *err)
{
	const struct linger linger = { .l_onoff = 1, .l_linger = (int)o->val.n[0] };
	char shown[32];

	if (t->fd == -1)
		return 0;
	snprintf(shown, sizeof(shown), "{%d,%d}", linger.l_onoff, linger.l_linger);
	return call(t->fd, o->row->arg.so.level, o->row->arg.so.name, &linger, sizeof(linger),
		    shown, err);
}

int set_sockopt_timeval(struct target *t, const struct opt *o, struct err *err)
{
	const int64_t us = (o->val.ns + NSEC_PER_USEC / 2) / NSEC_PER_USEC;
	const struct timeval tv = { .tv_sec = us / 1000000, .tv_usec = us % 1000000 };
	char shown[64];

	if (t->fd == -1)
		return 0;
	snprintf(shown, sizeof(shown), "{%" PRId64 ",%" PRId64 "}", (int64_t)tv.tv_sec,
		 (int64_t)tv.tv_usec);
	return call(t->fd, o->row->arg.so.level, o->row->arg.so.name, &tv, sizeof(tv), shown, err);
}

int conf_device(struct target *t, const struct opt *o, struct err *err)
{
	(void)err;
	t->conf->sock.device = o->val.str;
	return 0;
}

int set_device(struct target *t, const struct opt *o, struct err *err)
{
	return t->device_chosen ? 0 : set_sockopt_text(t, o, err);
}

int set_sockopt_text(struct target *t, const struct opt *o, struct err *err)
{
	if (t->fd == -1)
		return 0;
	return call_text(t->fd, o->row->arg.so.level, o->row->arg.so.name, o->val.str, err);
}

/* Length of IPv4 header options without the end marks that the kernel has padded them with: what
 * follows an end mark is ignored (RFC 791 section 3.1). */
static size_t options_len(const uint8_t *data, size_t len)
{
	size_t i = 0;

	while (i < len && data[i] != IPOPT_EOL) {
		size_t step = 1;

		if (data[i] != IPOPT_NOP)
			step = i + 1 < len ? data[i + 1] : 0;
		if (step == 0 || step > len - i)
			return len;
		i += step;
	}
	return i;
}

int set_sockopt_append(struct target *t, const struct opt *o, struct err *err)
{
	const int level = o->row->arg.so.level, name = o->row->arg.so.name;
	socklen_t have = IP_OPTIONS_MAX;
	uint8_t *data;
	int rc;

	if (t->fd == -1)
		return 0;
	data = xmalloc(IP_OPTIONS_MAX + o->val.bin_len);
	if (getsockopt(t->fd, level, name, data, &have) == -1) {
		rc = err_set(err, errno, "getsockopt(%d, %d, %d, data, {%d})", t->fd, level, name,
			     IP_OPTIONS_MAX);
	} else {
		const size_t len = options_len(data, have);

		if (o->val.bin_len)
			memcpy(data + len, o->val.bin, o->val.bin_len);
		rc = call(t->fd, level, name, data, len + o->val.bin_len, "{...}", err);
	}
	free(data);
	return rc;
}

int set_sockopt_ip4(struct target *t, const struct opt *o, struct err *err)
{
	const struct in_addr *ip = &o->val.addr.in.sin_addr;
	char shown[32];

	if (t->fd == -1)
		return 0;
	snprintf(shown, sizeof(shown), "{0x%x}", ip->s_addr);
	return call(t->fd, o->row->arg.so.level, o->row->arg.so.name, ip, sizeof(*ip), shown, err);
}

int set_sockopt_any(struct target *t, const struct opt *o, struct err *err)
{
	const int level = (int)o->val.n[0], name = (int)o->val.n[1];

	if (t->fd == -1)
		return 0;
	switch (o->row->type) {
	case V_INT_INT_INT:
		return call_int(t->fd, level, name, (int)o->val.n[2], err);
	case V_INT_INT_STRING:
		return call_text(t->fd, level, name, o->val.str, err);
	default:
		/* no data at all is legal, but not a NULL pointer with every option */
		return call(t->fd, level, name, o->val.bin ? o->val.bin : (const uint8_t *)"",
			    o->val.bin_len, "{...}", err);
	}
}

int set_sock_ioctl(struct target *t, const struct opt *o, struct err *err)
{
	const unsigned long request = (unsigned long)o->row->arg.n.a;
	int n = (int)o->val.n[0];

	if (t->fd == -1)
		return 0;
	if (ioctl(t->fd, request, &n) == -1)
		return err_set(err, errno, "ioctl(%d, 0x%lx, %p)", t->fd, request, (void *)&n);
	return 0;
}

/* --- multicast ------------------------------------------------------------------------------ */

#define PARTS_MAX 4

/* "a:[b:c]:d" taken apart at colons outside of brackets. */
struct parts {
	char *copy; /* owned */
	const char *part[PARTS_MAX];
	size_t n;
};

/* Split @text into at least @least and at most @most parts. */
static int parts_split(struct parts *p, const char *text, size_t least, size_t most,
		       struct err *err)
{
	bool inside = false;

	*p = (struct parts){ .copy = xstrdup(text) };
	p->part[p->n++] = p->copy;
	for (char *c = p->copy; *c; c++) {
		if (*c == '[' || *c == ']')
			inside = *c == '[';
		if (*c != ':' || inside)
			continue;
		if (p->n == most) {
			free(p->copy);
			err_set(err, 0, "syntax in option %s: trailing cruft", text);
			return -1;
		}
		*c = '\0';
		p->part[p->n++] = c + 1;
	}
	if (p->n < least) {
		free(p->copy);
		err_set(err, 0, "syntax in option %s: missing ':'", text);
		return -1;
	}
	return 0;
}

/* Interface by name or number. Returns false if @text is neither. */
static bool interface_index(const char *text, unsigned *index)
{
	int64_t n;

	*index = if_nametoindex(text);
	if (*index)
		return true;
	if (num_parse(text, &n, NULL) != NUM_OK || n < 0 || n > UINT32_MAX)
		return false;
	*index = (unsigned)n;
	return true;
}

/* An interface was meant that is not there: say which are. */
static int hint_interfaces(const char *text, struct err *err)
{
	char have[ERR_TEXT_LEN / 2];

	route_interfaces(have, sizeof(have));
	return err_hint(err, "no interface is named \"%s\" or has it as its address; there are: %s",
			text, have);
}

static int interface_required(const char *text, unsigned *index, struct err *err)
{
	if (interface_index(text, index))
		return 0;
	err_set(err, 0, "interface \"%s\" not found", text);
	return hint_interfaces(text, err);
}

static int host4(const char *text, struct in_addr *ip, struct err *err)
{
	struct netaddr a;

	if (resolve_host(text, AF_INET, &a, err) == -1)
		return -1;
	*ip = a.in.sin_addr;
	return 0;
}

/* IPv6 host in brackets; @whole is the value, for the sentence. */
static int host6(const char *text, const char *whole, struct in6_addr *ip, struct err *err)
{
	const size_t len = strlen(text);
	struct netaddr a;
	char *host;
	int rc = 0;

	if (len < 2 || text[0] != '[' || text[len - 1] != ']')
		return err_set(err, 0, "syntax in option %s: write IPv6 addresses in brackets",
			       whole);
	host = xstrndup(text + 1, len - 2);
	if (inet_pton(AF_INET6, host, ip) != 1) {
		rc = resolve_host(host, AF_INET6, &a, err);
		if (rc == 0)
			*ip = a.in6.sin6_addr;
	}
	free(host);
	return rc;
}

int set_sockopt_ifindex(struct target *t, const struct opt *o, struct err *err)
{
	unsigned index;

	if (t->fd == -1)
		return 0;
	if (interface_required(o->val.str, &index, err) == -1)
		return -1;
	return call_int(t->fd, o->row->arg.so.level, o->row->arg.so.name, (int)index, err);
}

/* group:interface, group:local-address or group:local-address:interface. The group is an IPv4 one
 * whatever the socket is: an IPv6 socket that serves IPv4 peers can join too. */
int set_ip_membership(struct target *t, const struct opt *o, struct err *err)
{
	struct ip_mreqn req = { 0 };
	unsigned index = 0;
	char shown[64];
	struct parts p;
	int rc = -1;

	if (t->fd == -1)
		return 0;
	if (parts_split(&p, o->val.str, 2, 3, err) == -1)
		return -1;
	if (host4(p.part[0], &req.imr_multiaddr, err) == -1)
		goto out;
	if (p.n == 3) {
		if (host4(p.part[1], &req.imr_address, err) == -1 ||
		    interface_required(p.part[2], &index, err) == -1)
			goto out;
	} else if (!interface_index(p.part[1], &index) &&
		   host4(p.part[1], &req.imr_address, err) == -1) {
		hint_interfaces(p.part[1], err);
		goto out;
	}
	req.imr_ifindex = (int)index;
	snprintf(shown, sizeof(shown), "{0x%08x,0x%08x,%d}", req.imr_multiaddr.s_addr,
		 req.imr_address.s_addr, req.imr_ifindex);
	rc = join(t, SOL_IP, IP_ADD_MEMBERSHIP, &req, sizeof(req), shown, err);
	if (rc == -1 && err->code == ENODEV)
		hint_interfaces(p.part[1], err);
out:
	free(p.copy);
	return rc;
}

/* group:local-address:source */
int set_ip_source_membership(struct target *t, const struct opt *o, struct err *err)
{
	struct ip_mreq_source req = { 0 };
	char shown[64];
	struct parts p;
	int rc = -1;

	if (t->fd == -1)
		return 0;
	if (parts_split(&p, o->val.str, 3, 3, err) == -1)
		return -1;
	if (host4(p.part[0], &req.imr_multiaddr, err) == -1 ||
	    host4(p.part[1], &req.imr_interface, err) == -1 ||
	    host4(p.part[2], &req.imr_sourceaddr, err) == -1)
		goto out;
	snprintf(shown, sizeof(shown), "{0x%08x,0x%08x,0x%08x}", req.imr_multiaddr.s_addr,
		 req.imr_interface.s_addr, req.imr_sourceaddr.s_addr);
	rc = join(t, SOL_IP, IP_ADD_SOURCE_MEMBERSHIP, &req, sizeof(req), shown, err);
	if (rc == -1 && err->code == ENODEV)
		hint_interfaces(p.part[1], err);
out:
	free(p.copy);
	return rc;
}

/* [group]:interface */
int set_ip6_group(struct target *t, const struct opt *o, struct err *err)
{
	struct ipv6_mreq req = { 0 };
	char shown[64];
	struct parts p;
	int rc = -1;

	if (t->fd == -1)
		return 0;
	/* an address without brackets falls apart here: tell that first */
	if (o->val.str[0] != '[')
		return err_set(err, 0, "syntax in option %s: write IPv6 addresses in brackets",
			       o->val.str);
	if (parts_split(&p, o->val.str, 2, 2, err) == -1)
		return -1;
	if (host6(p.part[0], o->val.str, &req.ipv6mr_multiaddr, err) == -1 ||
	    interface_required(p.part[1], &req.ipv6mr_interface, err) == -1)
		goto out;
	snprintf(shown, sizeof(shown), "{%s,%u}", p.part[0], req.ipv6mr_interface);
	rc = join(t, SOL_IPV6, IPV6_JOIN_GROUP, &req, sizeof(req), shown, err);
out:
	free(p.copy);
	return rc;
}

/* [group]:interface:[source] */
int set_ip6_source_group(struct target *t, const struct opt *o, struct err *err)
{
	struct sockaddr_in6 group = { .sin6_family = AF_INET6 };
	struct sockaddr_in6 source = { .sin6_family = AF_INET6 };
	struct group_source_req req;
	struct parts p;
	unsigned index;
	char *shown;
	int rc = -1;

	if (t->fd == -1)
		return 0;
	if (o->val.str[0] != '[')
		return err_set(err, 0, "syntax in option %s: write IPv6 addresses in brackets",
			       o->val.str);
	if (parts_split(&p, o->val.str, 3, 3, err) == -1)
		return -1;
	if (host6(p.part[0], o->val.str, &group.sin6_addr, err) == -1 ||
	    interface_required(p.part[1], &index, err) == -1 ||
	    host6(p.part[2], o->val.str, &source.sin6_addr, err) == -1)
		goto out;
	memset(&req, 0, sizeof(req));
	req.gsr_interface = index;
	memcpy(&req.gsr_group, &group, sizeof(group));
	memcpy(&req.gsr_source, &source, sizeof(source));
	shown = xasprintf("{%u,%s,%s}", index, p.part[0], p.part[2]);
	rc = join(t, SOL_IPV6, MCAST_JOIN_SOURCE_GROUP, &req, sizeof(req), shown, err);
	free(shown);
out:
	free(p.copy);
	return rc;
}
