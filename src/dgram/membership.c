/* membership.c - a socket's membership of one group, see membership.h */
#include "dgram/membership.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "sys/fd.h"
#include "sys/groups.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define SETTLE_NS (100 * NSEC_PER_MSEC) /* an interface comes with several events */

struct membership *membership_new(const struct netaddr *group, const struct netaddr *source)
{
	struct membership *m = xcalloc(1, sizeof(*m));

	m->refs = 1;
	m->fd = m->events = -1;
	m->group = *group;
	m->source = *source;
	m->hears = true;
	return m;
}

/* ---- which interfaces ---- */

/* Fill @set by @text, or by the route; *@kept is the text to find them again. */
static int choose(const struct membership *m, struct ifset *set, const char *text, const char *what,
		  char **kept, struct err *err)
{
	const char *why = "by option";

	if ((text ? ifset_parse(set, text, err) : ifset_choose(set, &m->group, &why, err)) == -1)
		return -1;
	for (size_t i = 0; i < set->n; i++)
		log_info("%s interface %s (%u): %s", what, set->member[i].name,
			 set->member[i].index, why);
	free(*kept);
	*kept = xstrdup(text ? text : set->member[0].name);
	return 0;
}

int membership_choose(struct membership *m, const char *join, const char *send, struct err *err)
{
	struct ifset sends;

	ifset_done(&m->joined);
	if (choose(m, &m->joined, join, "hearing", &m->join_text, err) == -1 ||
	    choose(m, &sends, send ? send : join, "sending", &m->send_text, err) == -1)
		return -1;
	ifset_prefer(&sends, &m->group);
	m->send = sends.member[0];
	ifset_done(&sends);
	return 0;
}

/* ---- the kernel's part ---- */

static int level(const struct membership *m)
{
	return m->group.any.sa_family == AF_INET6 ? SOL_IPV6 : SOL_IP;
}

/* What others have joined is heard only together with what is not ours: see membership_hears(). */
static int hear_all(int fd, bool v6)
{
	int on = 1;

	if (v6)
		return setsockopt(fd, SOL_IPV6, IPV6_MULTICAST_ALL, &on, sizeof(on));
	if (setsockopt(fd, SOL_IP, IP_MULTICAST_ALL, &on, sizeof(on)) == -1)
		return -1;
	return setsockopt(fd, SOL_IP, IP_PKTINFO, &on, sizeof(on));
}

static int join(struct membership *m, int name, const void *req, socklen_t len)
{
	bool alone = !m->more;
	int rc = groups_join(m->fd, level(m), name, req, len, &m->more);

	return rc == 0 && alone && m->more ? hear_all(m->fd, level(m) == SOL_IPV6) : rc;
}

/* Join or leave on one interface. */
static int change(struct membership *m, unsigned index, bool joins)
{
	struct group_source_req narrow = { .gsr_interface = index };
	struct group_req wide = { .gr_interface = index };
	const void *req = m->source.len ? (void *)&narrow : &wide;
	socklen_t len = m->source.len ? sizeof(narrow) : sizeof(wide);

	memcpy(&narrow.gsr_group, &m->group.any, m->group.len);
	memcpy(&narrow.gsr_source, &m->source.any, m->source.len);
	memcpy(&wide.gr_group, &m->group.any, m->group.len);
	if (joins)
		return join(m, m->source.len ? MCAST_JOIN_SOURCE_GROUP : MCAST_JOIN_GROUP, req,
			    len);
	return groups_leave(m->fd, level(m),
			    m->source.len ? MCAST_LEAVE_SOURCE_GROUP : MCAST_LEAVE_GROUP, req, len,
			    m->more);
}

static int join_failed(const struct membership *m, const char *name, struct err *err)
{
	char text[NETADDR_TEXT_LEN];

	err_set(err, errno, "joining %s on %s", netaddr_host_text(&m->group, text), name);
	if (err->code == ENODEV || err->code == EADDRNOTAVAIL)
		return err_hint(
			err, "the interface must be up and have an address: ip addr show %s", name);
	return -1;
}

static int join_on(struct membership *m, const struct ifset_member *on, struct err *err)
{
	char text[2][NETADDR_TEXT_LEN];

	if (change(m, on->index, true) == -1 && errno != EADDRINUSE) /* that: by an option */
		return join_failed(m, on->name, err);
	log_notice("joined %s%s%s on %s", netaddr_host_text(&m->group, text[0]),
		   m->source.len ? " from " : "",
		   m->source.len ? netaddr_host_text(&m->source, text[1]) : "", on->name);
	return 0;
}

static int send_by(const struct membership *m, struct err *err)
{
	struct ip_mreqn out = { .imr_ifindex = (int)m->send.index };
	char text[NETADDR_TEXT_LEN];
	int rc;

	if (level(m) == SOL_IPV6)
		rc = setsockopt(m->fd, SOL_IPV6, IPV6_MULTICAST_IF, &out.imr_ifindex,
				sizeof(out.imr_ifindex));
	else
		rc = setsockopt(m->fd, SOL_IP, IP_MULTICAST_IF, &out, sizeof(out));
	if (rc == -1)
		return err_set(err, errno, "sending by interface %s", m->send.name);
	log_notice("sending to %s by %s", netaddr_text(&m->group, text), m->send.name);
	return 0;
}

int membership_join(struct membership *m, int fd, struct err *err)
{
	m->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (m->fd == -1)
		return err_set(err, errno, "dup(%d)", fd);
	for (size_t i = 0; i < m->joined.n && m->hears; i++) {
		if (join_on(m, &m->joined.member[i], err) == -1)
			return -1;
	}
	return send_by(m, err);
}

bool membership_is_ours_to_check(const struct membership *m)
{
	return level(m) == SOL_IPV6 || m->more || m->answers;
}

bool membership_hears(const struct membership *m, const struct netaddr *dst, unsigned ifindex,
		      const struct netaddr *src)
{
	return netaddr_same_host(dst, &m->group) && ifset_has(&m->joined, ifindex) &&
	       (!m->source.len || netaddr_same_host(src, &m->source));
}

/* ---- following ---- */

static void forget_missing(struct membership *m, const struct ifset *now)
{
	char text[NETADDR_TEXT_LEN];

	for (size_t i = m->joined.n; i-- > 0;) {
		struct ifset_member gone = m->joined.member[i];

		if (ifset_has(now, gone.index))
			continue;
		(void)change(m, gone.index, false); /* or it would count against the limit */
		ifset_remove(&m->joined, gone.index);
		log_warn("interface %s is gone: %s is not heard there until it is back", gone.name,
			 netaddr_host_text(&m->group, text));
	}
}

static void join_new(struct membership *m, const struct ifset *now)
{
	struct err err;

	for (size_t i = 0; i < now->n; i++) {
		if (ifset_has(&m->joined, now->member[i].index))
			continue;
		if (join_on(m, &now->member[i], &err) == 0)
			ifset_add(&m->joined, &now->member[i]);
		else /* more events will come when it is ready */
			log_info("%s", err.text);
	}
}

static void refresh(struct timer *timer)
{
	struct membership *m = container_of(timer, struct membership, soon);
	struct ifset now;
	struct err err;

	if (m->hears) {
		ifset_present(&now, m->join_text);
		forget_missing(m, &now);
		join_new(m, &now);
		ifset_done(&now);
	}
	ifset_present(&now, m->send_text);
	if (now.n && !ifset_has(&now, m->send.index)) {
		ifset_prefer(&now, &m->group);
		m->send = now.member[0];
		if (send_by(m, &err) == -1)
			log_err(LV_WARN, &err);
	}
	if (m->lost && ifset_has(&now, m->send.index)) {
		log_warn("%llu datagrams were lost while interface %s was away",
			 (unsigned long long)m->lost, m->send.name);
		m->lost = 0;
	}
	ifset_done(&now);
}

/* What has changed is looked up afterwards: events may be lost, the state is not. */
static void on_events(struct watch *w, uint32_t events)
{
	struct membership *m = container_of(w, struct membership, watch);
	char data[8192];

	(void)events;
	for (int i = 0; i < 64; i++) {
		if (recv(m->events, data, sizeof(data), MSG_DONTWAIT) <= 0 && errno != ENOBUFS)
			break;
	}
	if (!m->soon.index)
		loop_timer(m->loop, &m->soon, loop_now(m->loop) + SETTLE_NS);
}

void membership_follow(struct membership *m, struct loop *loop)
{
	struct sockaddr_nl sa = { .nl_family = AF_NETLINK,
				  .nl_groups =
					  RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR };

	m->events = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (m->events == -1 || bind(m->events, (struct sockaddr *)&sa, sizeof(sa)) == -1) {
		log_warn("rtnetlink: %m; interfaces that come back will not be joined again");
		fd_close(&m->events);
		return;
	}
	m->loop = loop;
	watch_init(&m->watch, on_events);
	timer_init(&m->soon, refresh);
	loop_watch(loop, &m->watch, m->events, EPOLLIN);
}

bool membership_lose(struct membership *m, const struct err *err)
{
	int code = err->code;

	if (!m->loop || (code != ENODEV && code != ENXIO && code != ENETDOWN &&
			 code != ENETUNREACH && code != EADDRNOTAVAIL))
		return false;
	if (!m->lost++)
		log_warn("%s; what is sent is lost until interface %s is back", err->text,
			 m->send.name);
	return true;
}

struct membership *membership_ref(struct membership *m)
{
	if (m)
		m->refs++;
	return m;
}

static void free_now(struct deferred *d)
{
	free(container_of(d, struct membership, free));
}

void membership_unref(struct membership *m)
{
	if (!m || --m->refs)
		return;
	if (m->loop) {
		loop_watch(m->loop, &m->watch, m->events, 0);
		loop_timer_stop(m->loop, &m->soon);
	}
	fd_close(&m->events);
	fd_close(&m->fd);
	groups_unref(m->more);
	ifset_done(&m->joined);
	free(m->join_text);
	free(m->send_text);
	if (m->loop)
		loop_defer(m->loop, &m->free, free_now);
	else
		free(m);
}
