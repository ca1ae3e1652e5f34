/* joined.c - is the group joined, and does the socket hear it?
 *
 * The rehearsal has joined just as the address will; here the kernel's own tables are asked whether
 * the membership is there, on which interface, and whether what the socket is bound to lets the
 * group's datagrams through. */
#include "base/list.h"
#include "base/mem.h"
#include "doctor/checks.h"
#include "doctor/exam.h"
#include "doctor/host/kernel.h"
#include "end/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Lines of interfaces ("2 eth0 : 1 V3"), each followed by lines of groups, in hexadecimal as they
 * lie in memory. */
static bool is_member4(int index, uint32_t group)
{
	struct str text = { 0 };
	bool found = false, here = false;

	if (file_read(&text, "/proc/net/igmp")) {
		char *rest = text.data, *line;

		while (!found && (line = next_line(&rest))) {
			if (line[0] != '\t')
				here = strtol(line, NULL, 10) == index;
			else
				found = here && strtoul(line, NULL, 16) == group;
		}
	}
	str_done(&text);
	return found;
}

/* "2 eth0 ff020000000000000000000000000001 1 0000000C 0" */
static bool is_member6(int index, const struct in6_addr *group)
{
	struct str text = { 0 };
	bool found = false;
	char want[33];

	for (int i = 0; i < 16; i++)
		snprintf(want + 2 * (size_t)i, 3, "%02x", group->s6_addr[i]);
	if (file_read(&text, "/proc/net/igmp6")) {
		char *rest = text.data, *line;

		while (!found && (line = next_line(&rest)))
			found = strtol(line, NULL, 10) == index && strstr(line, want);
	}
	str_done(&text);
	return found;
}

static bool is_member(int index, const struct netaddr *group)
{
	if (group->any.sa_family == AF_INET6)
		return is_member6(index, &group->in6.sin6_addr);
	return is_member4(index, group->in.sin_addr.s_addr);
}

static const char *table_of(const struct netaddr *group)
{
	return group->any.sa_family == AF_INET6 ? "/proc/net/igmp6" : "/proc/net/igmp";
}

static void check_group(struct exam *x, const struct exam_group *g)
{
	const struct exam_link *l = link_by_index(x, g->ifindex);
	char text[IP_TEXT_LEN];

	ip_text(&g->group, text);
	if (!g->joined || !l)
		return; /* the rehearsal has told */
	if (!netaddr_is_multicast(&g->group)) {
		exam_add(x, FIND_PROBLEM, xasprintf("%s is no multicast group", text),
			 xstrdup("groups are 224.0.0.0 to 239.255.255.255 and ff00::/8"));
		return;
	}
	if (is_member(l->index, &g->group))
		exam_add(x, FIND_OK, xasprintf("%s can be joined on %s", text, l->name),
			 xasprintf("while the socket is open it is in %s", table_of(&g->group)));
	else
		exam_add(x, FIND_PROBLEM, xasprintf("%s is not joined on %s", text, l->name),
			 xasprintf("it is not in %s", table_of(&g->group)));
}

/* Linux compares the destination with the address the socket is bound to. */
static void check_bound(struct exam *x)
{
	char text[IP_TEXT_LEN];
	struct finding *f;

	if (!x->local.len || netaddr_is_any(&x->local) || netaddr_is_multicast(&x->local) ||
	    exam_is_broadcast(x, &x->local) || !x->ngroups)
		return;
	f = exam_add(x, FIND_PROBLEM,
		     xasprintf("bound to the unicast address %s: the socket never hears a group",
			       ip_text(&x->local, text)),
		     xstrdup("Linux compares the destination of a datagram with the address of the "
			     "socket"));
	if (x->target.len && x->port)
		exam_advice(f, "bind to the port only: bind=:%u", x->port);
	else
		exam_advice(f, "leave option bind out, or bind to the group");
}

/* Bound to a group, but nobody joins it. */
static void check_unjoined(struct exam *x)
{
	char text[IP_TEXT_LEN];
	struct finding *f;

	if (!exam_is_group(&x->local))
		return;
	for (size_t i = 0; i < x->ngroups; i++) {
		if (netaddr_same_host(&x->group[i].group, &x->local))
			return;
	}
	for (size_t i = 0; i < x->nlinks; i++) {
		if (is_member(x->link[i].index, &x->local))
			return;
	}
	ip_text(&x->local, text);
	f = exam_add(x, FIND_PROBLEM, xasprintf("bound to %s, but not a member of it", text),
		     xasprintf("no interface has it in %s", table_of(&x->local)));
	if (x->family == AF_INET6)
		exam_advice(f, "add option ipv6-join-group=[%s]:INTERFACE", text);
	else
		exam_advice(f, "add option ip-add-membership=%s:INTERFACE", text);
}

static bool is_all_systems(const struct netaddr *a)
{
	return a->len && a->any.sa_family == AF_INET && a->in.sin_addr.s_addr == htonl(0xe0000001);
}

/* The groups of the host when there is no address. */
static void count_groups(struct exam *x)
{
	static const char *const table[] = { "/proc/net/igmp", "/proc/net/igmp6" };

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct str text = { 0 };
		bool v6 = i == 1;
		size_t n = 0;

		if (!file_read(&text, table[i])) {
			exam_add(x, FIND_UNKNOWN,
				 xasprintf("memberships of IPv%d are not known", v6 ? 6 : 4),
				 xasprintf("%s cannot be read", table[i]));
			continue;
		}
		for (char *rest = text.data, *line; (line = next_line(&rest));)
			n += v6 || line[0] == '\t';
		exam_add(x, FIND_OK, xasprintf("memberships of IPv%d: %zu", v6 ? 6 : 4, n),
			 xstrdup(table[i]));
		str_done(&text);
	}
}

void check_membership(struct exam *x)
{
	if (!x->half)
		count_groups(x);
	for (size_t i = 0; i < x->ngroups; i++)
		check_group(x, &x->group[i]);
	check_bound(x);
	check_unjoined(x);
	if (is_all_systems(&x->target) || (x->ngroups && is_all_systems(&x->group[0].group)))
		exam_add(x, FIND_NOTE,
			 xstrdup("224.0.0.1 is the group of all systems: every host is always a "
				 "member"),
			 xstrdup("Linux never leaves it; only a packet filter keeps its datagrams "
				 "out"));
}
