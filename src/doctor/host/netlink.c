/* netlink.c - what the kernel tells by netlink: routes, bridges, and whether there are rules
 *
 * One question, its answers, see rtnetlink(7). */
#include "doctor/host/netlink.h"

#include "doctor/exam.h"

#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_MS 2000 /* it comes at once, or never */
#define ANSWERS_MAX 10000 /* messages of one answer */

/* ---- one question, its answers ---- */

typedef void message_fn(const struct nlmsghdr *h, void *arg);

/* Read answers until the last one; 0, or errno. */
static int receive(int fd, message_fn *fn, void *arg)
{
	uint8_t buf[32768] __attribute__((aligned(8)));
	struct pollfd p = { .fd = fd, .events = POLLIN };

	for (int i = 0; i < ANSWERS_MAX && poll(&p, 1, ANSWER_MS) == 1; i++) {
		ssize_t n = recv(fd, buf, sizeof(buf), 0);
		size_t left = n > 0 ? (size_t)n : 0;

		for (struct nlmsghdr *h = (struct nlmsghdr *)buf; NLMSG_OK(h, left);
		     h = NLMSG_NEXT(h, left)) {
			if (h->nlmsg_type == NLMSG_ERROR)
				return -((const struct nlmsgerr *)NLMSG_DATA(h))->error;
			if (h->nlmsg_type == NLMSG_DONE)
				return 0;
			fn(h, arg);
			if (!(h->nlmsg_flags & NLM_F_MULTI))
				return 0;
		}
	}
	return ETIMEDOUT;
}

static int ask(int protocol, const struct nlmsghdr *question, message_fn *fn, void *arg)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), code;

	if (fd == -1)
		return errno;
	if (send(fd, question, question->nlmsg_len, 0) == -1)
		code = errno;
	else
		code = receive(fd, fn, arg);
	close(fd);
	return code;
}

/* ---- routes ---- */

struct route_question {
	struct nlmsghdr h;
	struct rtmsg rt;
	uint8_t room[128];
};

static void add_attribute(struct route_question *q, unsigned short type, const void *data,
			  size_t len)
{
	size_t at = NLMSG_ALIGN(q->h.nlmsg_len) - NLMSG_LENGTH(sizeof(q->rt));
	struct rtattr a = { .rta_type = type, .rta_len = (unsigned short)RTA_LENGTH(len) };

	memcpy(q->room + at, &a, sizeof(a));
	memcpy(q->room + at + RTA_LENGTH(0), data, len);
	q->h.nlmsg_len = NLMSG_ALIGN(q->h.nlmsg_len) + (uint32_t)RTA_ALIGN(a.rta_len);
}

static void add_ip(struct route_question *q, unsigned short type, const struct netaddr *a)
{
	if (a->any.sa_family == AF_INET6)
		add_attribute(q, type, &a->in6.sin6_addr, 16);
	else
		add_attribute(q, type, &a->in.sin_addr, 4);
}

static void on_route(const struct nlmsghdr *h, void *arg)
{
	const struct rtmsg *rt = NLMSG_DATA(h);
	struct route_answer *r = arg;
	size_t left = h->nlmsg_len - NLMSG_LENGTH(sizeof(*rt));

	r->prefix = rt->rtm_dst_len;
	for (const struct rtattr *a = RTM_RTA(rt); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == RTA_OIF)
			memcpy(&r->index, RTA_DATA(a), sizeof(r->index));
		if (a->rta_type != RTA_GATEWAY)
			continue;
		netaddr_any(&r->gateway, rt->rtm_family, 0);
		if (rt->rtm_family == AF_INET6)
			memcpy(&r->gateway.in6.sin6_addr, RTA_DATA(a), 16);
		else
			memcpy(&r->gateway.in.sin_addr, RTA_DATA(a), 4);
	}
}

static int ask_route(struct route_answer *r, const struct netaddr *to, const struct netaddr *from,
		     int oif, unsigned flags)
{
	struct route_question q = { 0 };
	bool v6 = to->any.sa_family == AF_INET6;

	*r = (struct route_answer){ 0 };
	q.h.nlmsg_len = NLMSG_LENGTH(sizeof(q.rt));
	q.h.nlmsg_type = RTM_GETROUTE;
	q.h.nlmsg_flags = NLM_F_REQUEST;
	q.rt.rtm_family = (unsigned char)to->any.sa_family;
	q.rt.rtm_dst_len = v6 ? 128 : 32;
	q.rt.rtm_flags = flags;
	add_ip(&q, RTA_DST, to);
	if (from && !netaddr_is_any(from)) {
		q.rt.rtm_src_len = q.rt.rtm_dst_len;
		add_ip(&q, RTA_SRC, from);
	}
	if (oif)
		add_attribute(&q, RTA_OIF, &oif, sizeof(oif));
	return ask(NETLINK_ROUTE, &q.h, on_route, r);
}

int route_ask(struct route_answer *r, const struct netaddr *to, const struct netaddr *from, int oif)
{
	struct route_answer match;
	int code = ask_route(r, to, from, oif, 0);

	/* the route itself, not what comes of it: its length tells the default route (Linux 4.13);
	 * groups of IPv4 have no entry to show where an interface alone decides */
	if (code == 0)
		r->prefix =
			ask_route(&match, to, from, oif, RTM_F_FIB_MATCH) == 0 ? match.prefix : 32;
	return code;
}

/* ---- bridges ---- */

static void read_bridge(struct exam_link *l, const struct rtattr *data)
{
	size_t left = RTA_PAYLOAD(data);

	l->bridge = true;
	for (const struct rtattr *a = RTA_DATA(data); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		const uint8_t *value = RTA_DATA(a);
		unsigned type = a->rta_type & NLA_TYPE_MASK;

		if (type == IFLA_BR_MCAST_SNOOPING)
			l->snoops = *value;
		if (type == IFLA_BR_MCAST_QUERIER)
			l->querier |= *value;
		/* it has heard of another one (Linux 5.16) */
		if (type == IFLA_BR_MCAST_QUERIER_STATE && RTA_PAYLOAD(a))
			l->querier = true;
	}
}

static void read_info(struct exam_link *l, const struct rtattr *info)
{
	size_t left = RTA_PAYLOAD(info);
	bool bridge = false;

	for (const struct rtattr *a = RTA_DATA(info); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		unsigned type = a->rta_type & NLA_TYPE_MASK;

		if (type == IFLA_INFO_KIND)
			bridge = RTA_PAYLOAD(a) >= 6 && memcmp(RTA_DATA(a), "bridge", 6) == 0;
		if (type == IFLA_INFO_DATA && bridge)
			read_bridge(l, a);
	}
}

static void on_link(const struct nlmsghdr *h, void *arg)
{
	const struct ifinfomsg *info = NLMSG_DATA(h);
	size_t left = h->nlmsg_len - NLMSG_LENGTH(sizeof(*info));
	struct exam *x = arg;
	struct exam_link *l = NULL;

	for (size_t i = 0; i < x->nlinks; i++) {
		if (x->link[i].index == info->ifi_index)
			l = &x->link[i];
	}
	for (const struct rtattr *a = IFLA_RTA(info); l && RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		unsigned type = a->rta_type & NLA_TYPE_MASK;

		if (type == IFLA_MASTER)
			memcpy(&l->master, RTA_DATA(a), sizeof(l->master));
		if (type == IFLA_LINKINFO)
			read_info(l, a);
	}
}

void bridges_read(struct exam *x)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg info;
	} q = { 0 };

	q.h.nlmsg_len = sizeof(q);
	q.h.nlmsg_type = RTM_GETLINK;
	q.h.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	ask(NETLINK_ROUTE, &q.h, on_link, x);
}

/* ---- nftables ---- */

static void on_table(const struct nlmsghdr *h, void *arg)
{
	(void)h;
	++*(int *)arg;
}

int nftables_count(void)
{
	struct {
		struct nlmsghdr h;
		struct nfgenmsg g;
	} q = { 0 };
	int n = 0;

	q.h.nlmsg_len = sizeof(q);
	q.h.nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE;
	q.h.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	q.g.nfgen_family = AF_UNSPEC;
	return ask(NETLINK_NETFILTER, &q.h, on_table, &n) == 0 ? n : -1;
}
