/* exam.h - one examination: what is known about the address, and how checks report
 *
 * For src/doctor/ only. rehearse.c fills the first part, links.c the interfaces; the checks
 * (checks.h) read both and add findings. */
#ifndef DOCTOR_EXAM_H
#define DOCTOR_EXAM_H

#include "base/str.h"
#include "doctor/doctor_ask.h"
#include "doctor/finding.h"
#include "end/plan.h"
#include "sys/netaddr.h"

#include <net/if.h>

#ifndef IFF_LOWER_UP
#define IFF_LOWER_UP 0x10000 /* there is a carrier (linux/if.h) */
#endif

#define LINKS_MAX 256 /* interfaces looked at */
#define GROUPS_MAX 64 /* groups one address joins */
#define ADDRS_MAX 8 /* addresses kept of an interface */

/* A network interface. */
struct exam_link {
	int index;
	char name[IF_NAMESIZE];
	unsigned flags; /* IFF_* */
	int mtu; /* bytes */
	int master; /* index of the bridge it is a port of, or 0 */
	bool bridge, snoops, querier; /* is a bridge; looks into IGMP; is or knows a querier */
	struct netaddr addr[ADDRS_MAX];
	unsigned bits[ADDRS_MAX]; /* length of the network's prefix */
	size_t naddrs;
};

/* What the kernel answers when asked for a route. */
struct route_answer {
	int index;
	struct netaddr gateway;
	unsigned prefix; /* bits of the route that matched; 0: the default route */
};

struct exam_group {
	struct netaddr group;
	int ifindex; /* 0: the interface is not known */
	bool source; /* for one sender only */
	bool joined; /* the kernel took it */
};

struct exam {
	struct findings *out;
	const struct doctor_ask *ask;
	const char *check; /* name of the running check */
	/* the address; half NULL: no address, the host in general */
	const struct half *half;
	bool passed_over; /* no check knows such an address */
	bool ip; /* a UDP, UDP-Lite or raw IP address, opened as far as it went */
	int family, socktype, protocol;
	int fd; /* its socket, or -1 */
	struct groups *more; /* what has joined where it had no room; owned, or NULL */
	void *impl; /* the type's own state, which may hold memberships; owned, or NULL */
	void (*impl_free)(void *impl);
	bool bound; /* binding went well, or was not asked for */
	struct netaddr target; /* where it sends; len 0: it does not begin */
	struct netaddr local; /* what it binds to; len 0: nothing */
	unsigned port; /* own port that others know; 0: none */
	struct exam_group group[GROUPS_MAX]; /* joined */
	size_t ngroups;
	/* the way to the target, or without address to groups in general */
	struct route_answer way;
	int way_code; /* errno of asking for it */
	int out_index; /* interface that packets leave by; 0: unknown */
	bool querier; /* one was heard within doctor_ask.wait_ns */
	/* the host */
	struct exam_link link[LINKS_MAX];
	size_t nlinks;
};

/* Add a finding of the running check. @what and @evidence are complete texts, taken over. Identical
 * findings are kept once. The ones with a cure: a shell command, or advice in words. */
struct finding *exam_add(struct exam *x, enum finding_level level, char *what, char *evidence);
void exam_command(struct finding *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void exam_advice(struct finding *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What is sent to: the group the address sends to, else the first it joins; NULL: neither. A group
 * or a broadcast address of a network of this host. */
const struct netaddr *exam_destination(const struct exam *x);

/* Its interface: of the join, else of the route; NULL: unknown. */
const struct exam_link *exam_link_used(const struct exam *x);

/* Version of IP of what is heard: an IPv6 socket may join groups of IPv4. */
int exam_family(const struct exam *x);

bool exam_is_broadcast(const struct exam *x, const struct netaddr *a);
static inline bool exam_is_group(const struct netaddr *a)
{
	return a->len && netaddr_is_multicast(a);
}

/* "224.1.0.1", "ff02::114": as commands want it. */
#define IP_TEXT_LEN 64
const char *ip_text(const struct netaddr *a, char buf[IP_TEXT_LEN]);

/* Interfaces, or NULL: by what names them, and the one in whose network @a lies. */
const struct exam_link *link_by_index(const struct exam *x, int index);
const struct exam_link *link_by_name(const struct exam *x, const char *name);
const struct exam_link *link_of_network(const struct exam *x, const struct netaddr *a);
bool link_has_family(const struct exam_link *l, int family);

#endif
