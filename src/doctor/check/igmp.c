/* igmp.c - version of IGMP or MLD, and whether somebody asks who is a member
 *
 * A querier asks every two minutes or so (RFC 3376 section 8.2: 125 s). Switches that look into
 * IGMP forget members that nobody asks. Listening is by a packet socket, because queries are not
 * delivered to others. */
#include "base/mem.h"
#include "doctor/checks.h"
#include "doctor/exam.h"
#include "doctor/host/kernel.h"
#include "end/plan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define IGMP_QUERY 0x11 /* RFC 3376 section 4.1 */
#define MLD_QUERY 130 /* RFC 3810 section 5.1 */

/* ---- version ---- */

static long forced(const char *name, bool v6, const char **by)
{
	long n;

	*by = "all";
	n = v6 ? sysctl_read(0, "net/ipv6/conf/all/force_mld_version")
	       : sysctl_read(0, "net/ipv4/conf/all/force_igmp_version");
	if (n)
		return n;
	*by = name;
	return v6 ? sysctl_read(0, "net/ipv6/conf/%s/force_mld_version", name)
		  : sysctl_read(0, "net/ipv4/conf/%s/force_igmp_version", name);
}

static bool joins_sources(const struct exam *x)
{
	for (size_t i = 0; i < x->ngroups; i++) {
		if (x->group[i].source)
			return true;
	}
	return false;
}

/* The oldest protocols cannot leave groups (IGMPv1), or not join for one sender. */
static void check_version(struct exam *x, const struct exam_link *l)
{
	bool v6 = exam_family(x) == AF_INET6, sources = joins_sources(x);
	const char *what = v6 ? "MLD" : "IGMP", *by;
	long n = forced(l->name, v6, &by), newest = v6 ? 2 : 3;
	bool bad = n && n < newest && (sources || (!v6 && n == 1));
	struct finding *f;

	if (!n || n == newest) {
		exam_add(x, FIND_OK,
			 xasprintf("no old version of %s is forced on %s", what, l->name),
			 xstrdup(""));
		return;
	}
	f = exam_add(x, bad ? FIND_PROBLEM : FIND_NOTE,
		     xasprintf("%sv%ld is forced on %s%s", what, n, l->name,
			       bad && sources ? ", which cannot join for one sender"
			       : bad          ? ", which cannot leave groups"
					      : ""),
		     xasprintf("net.ipv%d.conf.%s.force_%s_version is %ld", v6 ? 6 : 4, by,
			       v6 ? "mld" : "igmp", n));
	exam_command(f, "sysctl -w net.ipv%d.conf.%s.force_%s_version=0", v6 ? 6 : 4, by,
		     v6 ? "mld" : "igmp");
}

/* ---- querier ---- */

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
}

/* Is this IP packet a query? IPv6: behind a hop-by-hop header, as MLD demands. */
static bool is_query(const uint8_t *p, size_t len)
{
	size_t head;

	if (len >= 20 && p[0] >> 4 == 4) {
		head = (size_t)(p[0] & 15) * 4;
		return p[9] == IPPROTO_IGMP && len > head && p[head] == IGMP_QUERY;
	}
	if (len < 48 || p[0] >> 4 != 6 || p[6] != 0 || p[40] != IPPROTO_ICMPV6)
		return false;
	head = 40 + ((size_t)p[41] + 1) * 8;
	return len > head && p[head] == MLD_QUERY;
}

/* The sender of the first query heard, into @who; 0: none came, -1: cannot listen (errno). */
static int listen_for_query(const struct exam_link *l, int64_t wait_ns, char *who, size_t cap)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL),
				  .sll_ifindex = l->index };
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_ALL));
	int64_t end = now_ns() + wait_ns, left;
	uint8_t buf[2048];
	int found = 0;

	if (fd == -1 || bind(fd, (struct sockaddr *)&at, sizeof(at)) == -1) {
		if (fd != -1)
			close(fd);
		return -1;
	}
	while (!found && (left = end - now_ns()) > 0) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int64_t ms = left / NSEC_PER_MSEC + 1;
		ssize_t n = 0;

		if (poll(&p, 1, ms > 1000 ? 1000 : (int)ms) == 1)
			n = recv(fd, buf, sizeof(buf), 0);
		if (n <= 0 || !is_query(buf, (size_t)n))
			continue;
		found = 1;
		inet_ntop(buf[0] >> 4 == 6 ? AF_INET6 : AF_INET,
			  buf[0] >> 4 == 6 ? buf + 8 : buf + 12, who, (socklen_t)cap);
	}
	close(fd);
	return found;
}

static void check_querier(struct exam *x, const struct exam_link *l)
{
	char who[INET6_ADDRSTRLEN] = "";
	const struct doctor_ask *ask = x->ask;
	double seconds = (double)ask->wait_ns / NSEC_PER_SEC;
	int found;

	if (ask->wait_ns <= 0)
		return;
	found = listen_for_query(l, ask->wait_ns, who, sizeof(who));
	if (found == -1)
		exam_advice(exam_add(x, FIND_UNKNOWN,
				     xasprintf("no listening for a querier on %s", l->name),
				     xasprintf("packet socket: %s", strerror(errno))),
			    "run as root, or with the capability CAP_NET_RAW");
	else if (found)
		exam_add(x, FIND_OK, xasprintf("a querier is active on %s", l->name),
			 xasprintf("query from %s", who));
	else
		exam_advice(
			exam_add(x, FIND_NOTE, xasprintf("no querier was heard on %s", l->name),
				 xasprintf("listened for %g s; queriers ask every 125 s", seconds)),
			"if switches do IGMP snooping, let one device of the network be the "
			"querier");
	x->querier |= found == 1;
}

void check_igmp(struct exam *x)
{
	const struct exam_link *l = exam_link_used(x);

	for (size_t i = 0; !x->half && i < x->nlinks; i++) {
		unsigned want = IFF_UP | IFF_MULTICAST;

		if ((x->link[i].flags & (want | IFF_LOOPBACK)) != want)
			continue;
		check_version(x, &x->link[i]);
		check_querier(x, &x->link[i]);
	}
	if (!x->half || !l || l->flags & IFF_LOOPBACK || !x->ngroups)
		return;
	check_version(x, l);
	check_querier(x, l);
}
