/* set_group.c - setters whose values name groups and interfaces
 *
 * Interface names are looked up here and not while planning, because the network namespace is right
 * only now. */
#include "base/mem.h"
#include "opt/setters.h"
#include "opt/value_parts.h"
#include "sys/groups.h"
#include "sys/hosts.h"
#include "sys/route.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* A descriptor to act on, or names to collect. */
static bool has_use(const struct target *t)
{
	return t->fd != -1 || (t->hosts && t->hosts->collecting);
}

static int host4(struct hosts *hosts, const char *text, struct in_addr *ip, struct err *err)
{
	struct netaddr a;

	if (hosts_find(hosts, text, AF_INET, &a, err) == -1)
		return -1;
	*ip = a.in.sin_addr;
	return 0;
}

/* IPv6 host in brackets; @whole is the value, for the sentence. */
static int host6(struct hosts *hosts, const char *text, const char *whole, struct in6_addr *ip,
		 struct err *err)
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
		rc = hosts_find(hosts, host, AF_INET6, &a, err);
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
	if (setsockopt(t->fd, o->row->arg.so.level, o->row->arg.so.name, &index, sizeof(index)) ==
	    0)
		return 0;
	return err_set(err, errno, "setsockopt(%d, %d, %d, {%u}, %zu)", t->fd, o->row->arg.so.level,
		       o->row->arg.so.name, index, sizeof(index));
}

/* An interface by its name, or by a local address of it: the kernel wants the former as a number.
 */
int set_multicast_if(struct target *t, const struct opt *o, struct err *err)
{
	struct ip_mreqn req = { .imr_ifindex = (int)if_nametoindex(o->val.str) };

	if (!has_use(t))
		return 0;
	if (!req.imr_ifindex && host4(t->hosts, o->val.str, &req.imr_address, err) == -1)
		return hint_interfaces(o->val.str, err);
	if (t->fd == -1 || setsockopt(t->fd, SOL_IP, IP_MULTICAST_IF, &req, sizeof(req)) == 0)
		return 0;
	err_set(err, errno, "setsockopt(%d, %d, %d, {0x%x}, %zu)", t->fd, SOL_IP, IP_MULTICAST_IF,
		req.imr_address.s_addr, sizeof(req.imr_address));
	return hint_interfaces(o->val.str, err);
}

/* ---- memberships ---- */

/* What is joined. */
struct request {
	union {
		struct ip_mreqn ip;
		struct ip_mreq_source ip_source;
		struct ipv6_mreq ip6;
		struct group_source_req ip6_source;
	} data;
	char *shown; /* in sentences; owned */
	struct hosts *hosts; /* what names mean; borrowed */
};

/* How the value of an option is written, and the call it makes. */
struct form {
	size_t least, most; /* parts */
	bool v6;
	int level, name;
	socklen_t len; /* of the member of data */
	/* 0, or -1 with @err; @whole is the value */
	int (*fill)(struct request *r, const struct value_parts *p, const char *whole,
		    struct err *err);
};

/* group:interface, group:local-address or group:local-address:interface. The group is an IPv4 one
 * whatever the socket is: an IPv6 socket that serves IPv4 peers can join too. */
static int fill_ip(struct request *r, const struct value_parts *p, const char *whole,
		   struct err *err)
{
	struct ip_mreqn *req = &r->data.ip;
	unsigned index = 0;

	(void)whole;
	if (host4(r->hosts, p->part[0], &req->imr_multiaddr, err) == -1)
		return -1;
	if (p->n == 3) {
		if (host4(r->hosts, p->part[1], &req->imr_address, err) == -1 ||
		    interface_required(p->part[2], &index, err) == -1)
			return -1;
	} else if (!interface_index(p->part[1], &index) &&
		   host4(r->hosts, p->part[1], &req->imr_address, err) == -1) {
		return hint_interfaces(p->part[1], err);
	}
	req->imr_ifindex = (int)index;
	r->shown = xasprintf("{0x%08x,0x%08x,%d}", req->imr_multiaddr.s_addr,
			     req->imr_address.s_addr, req->imr_ifindex);
	return 0;
}

/* group:local-address:source */
static int fill_ip_source(struct request *r, const struct value_parts *p, const char *whole,
			  struct err *err)
{
	struct ip_mreq_source *req = &r->data.ip_source;

	(void)whole;
	if (host4(r->hosts, p->part[0], &req->imr_multiaddr, err) == -1 ||
	    host4(r->hosts, p->part[1], &req->imr_interface, err) == -1 ||
	    host4(r->hosts, p->part[2], &req->imr_sourceaddr, err) == -1)
		return -1;
	r->shown = xasprintf("{0x%08x,0x%08x,0x%08x}", req->imr_multiaddr.s_addr,
			     req->imr_interface.s_addr, req->imr_sourceaddr.s_addr);
	return 0;
}

/* [group]:interface */
static int fill_ip6(struct request *r, const struct value_parts *p, const char *whole,
		    struct err *err)
{
	struct ipv6_mreq *req = &r->data.ip6;

	if (host6(r->hosts, p->part[0], whole, &req->ipv6mr_multiaddr, err) == -1 ||
	    interface_required(p->part[1], &req->ipv6mr_interface, err) == -1)
		return -1;
	r->shown = xasprintf("{%s,%u}", p->part[0], req->ipv6mr_interface);
	return 0;
}

/* [group]:interface:[source] */
static int fill_ip6_source(struct request *r, const struct value_parts *p, const char *whole,
			   struct err *err)
{
	struct group_source_req *req = &r->data.ip6_source;
	struct sockaddr_in6 group = { .sin6_family = AF_INET6 }, source = group;
	unsigned index;

	if (host6(r->hosts, p->part[0], whole, &group.sin6_addr, err) == -1 ||
	    interface_required(p->part[1], &index, err) == -1 ||
	    host6(r->hosts, p->part[2], whole, &source.sin6_addr, err) == -1)
		return -1;
	req->gsr_interface = index;
	memcpy(&req->gsr_group, &group, sizeof(group));
	memcpy(&req->gsr_source, &source, sizeof(source));
	r->shown = xasprintf("{%u,%s,%s}", index, p->part[0], p->part[2]);
	return 0;
}

/* Join, by a socket of its own where this one has no room. */
static int join(struct target *t, const struct opt *o, const struct form *f, struct err *err)
{
	struct request r = { .hosts = t->hosts };
	struct value_parts p;
	int rc;

	if (!has_use(t))
		return 0;
	/* an address without brackets falls apart here: tell that first */
	if (f->v6 && o->val.str[0] != '[')
		return err_set(err, 0, "syntax in option %s: write IPv6 addresses in brackets",
			       o->val.str);
	if (value_parts_split(&p, o->val.str, f->least, f->most, err) == -1)
		return -1;
	rc = f->fill(&r, &p, o->val.str, err);
	if (rc == 0 && t->fd != -1) {
		rc = groups_join(t->fd, f->level, f->name, &r.data, f->len, t->more);
		if (rc == -1)
			err_set(err, errno, "setsockopt(%d, %d, %d, %s, %u)", t->fd, f->level,
				f->name, r.shown, f->len);
		if (rc == -1 && !f->v6 && err->code == ENODEV)
			hint_interfaces(p.part[1], err);
	}
	free(r.shown);
	value_parts_done(&p);
	return rc;
}

int set_ip_membership(struct target *t, const struct opt *o, struct err *err)
{
	static const struct form form = {
		2, 3, false, SOL_IP, IP_ADD_MEMBERSHIP, sizeof(struct ip_mreqn), fill_ip
	};

	return join(t, o, &form, err);
}

int set_ip_source_membership(struct target *t, const struct opt *o, struct err *err)
{
	static const struct form form = { 3,
					  3,
					  false,
					  SOL_IP,
					  IP_ADD_SOURCE_MEMBERSHIP,
					  sizeof(struct ip_mreq_source),
					  fill_ip_source };

	return join(t, o, &form, err);
}

int set_ip6_group(struct target *t, const struct opt *o, struct err *err)
{
	static const struct form form = {
		2, 2, true, SOL_IPV6, IPV6_JOIN_GROUP, sizeof(struct ipv6_mreq), fill_ip6
	};

	return join(t, o, &form, err);
}

int set_ip6_source_group(struct target *t, const struct opt *o, struct err *err)
{
	static const struct form form = { 3,
					  3,
					  true,
					  SOL_IPV6,
					  MCAST_JOIN_SOURCE_GROUP,
					  sizeof(struct group_source_req),
					  fill_ip6_source };

	return join(t, o, &form, err);
}
