/* rehearse.c - open the socket of an address as a session would, and watch
 *
 * A real opening runs on a loop and a relay of its own, so what is asked of the kernel here is what
 * it will be asked later. The doctor is its watcher: refusals become findings, joins are noted, and
 * it ends in front of a step that waits for a peer. Then the socket, the helpers that join for it,
 * and what the type keeps are taken from it: the exam has them until rehearse_close(). Only UDP,
 * UDP-Lite and raw IP addresses are rehearsed: others might start programs or make files. */
#include "doctor/rehearse.h"

#include "base/mem.h"
#include "doctor/exam.h"
#include "doctor/host/kernel.h"
#include "doctor/host/netlink.h"
#include "end/plan.h"
#include "end/relay.h"
#include "open/opening.h"
#include "open/steps.h"
#include "opt/value_parts.h"
#include "sys/fd.h"
#include "sys/groups.h"
#include "sys/hosts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_S 60 /* for all steps; name servers are given up earlier (resolv.conf(5)) */

/* All that an opening needs around it. */
struct stage {
	struct engine engine;
	struct relay relay;
	struct opening *opening;
	struct timer limit;
};

static bool is_rehearsed(const struct addr_type *t)
{
	return (t->net.type == SOCK_DGRAM || t->net.type == SOCK_RAW) &&
	       t->groups & (G_IP4 | G_IP6);
}

/* ---- groups ---- */

static bool is_join(const struct opt *o)
{
	return o->row->type == V_MREQN || o->row->type == V_MREQ_SOURCE ||
	       o->row->type == V_GROUP_SOURCE;
}

/* The address that part @text of a join means, which may stand in brackets. */
static int part_address(struct hosts *hosts, const char *text, struct netaddr *out)
{
	size_t len = strlen(text);
	bool v6 = text[0] == '[' && text[len - 1] == ']';
	char *host = v6 ? xstrndup(text + 1, len - 2) : xstrdup(text);
	struct err err;
	int rc = hosts_find(hosts, host, v6 ? AF_INET6 : AF_INET, out, &err);

	free(host);
	return rc;
}

/* The interface that the middle or last part of a join means. */
static int link_meant(const struct exam *x, struct hosts *hosts, const struct netaddr *group,
		      const char *text)
{
	const struct exam_link *l = link_by_name(x, text);
	struct route_answer way;
	struct netaddr a;
	int64_t n;

	if (!l && num_parse(text, &n, NULL) == NUM_OK)
		l = link_by_index(x, (int)n);
	if (l)
		return l->index;
	if (part_address(hosts, text, &a) == -1)
		return 0;
	if (netaddr_is_any(&a)) /* the kernel takes the route's (ip(7)) */
		return route_ask(&way, group, NULL, 0) == 0 ? way.index : 0;
	for (size_t i = 0; i < x->nlinks; i++) {
		for (size_t k = 0; k < x->link[i].naddrs; k++) {
			if (netaddr_same_host(&x->link[i].addr[k], &a))
				return x->link[i].index;
		}
	}
	return 0;
}

static void note_group(struct exam *x, struct hosts *hosts, const struct opt *o, bool joined)
{
	struct exam_group g = { .joined = joined, .source = o->row->type != V_MREQN };
	struct value_parts p;
	const char *link;
	struct err err;

	if (x->ngroups == GROUPS_MAX ||
	    value_parts_split(&p, o->val.str, 2, VALUE_PARTS_MAX, &err) == -1)
		return;
	link = o->row->type == V_MREQN && p.n > 2 ? p.part[2] : p.part[1];
	if (part_address(hosts, p.part[0], &g.group) == 0) {
		g.ifindex = link_meant(x, hosts, &g.group, link);
		x->group[x->ngroups++] = g;
	}
	value_parts_done(&p);
}

/* Has the socket joined it there? @source: only for some senders. */
static bool has_joined(int fd, int ifindex, const struct netaddr *group, bool *source)
{
	struct group_filter filter = { .gf_interface = (uint32_t)ifindex };
	int level = group->any.sa_family == AF_INET6 ? SOL_IPV6 : SOL_IP;
	socklen_t len = sizeof(filter);

	memcpy(&filter.gf_group, &group->any, group->len);
	if (getsockopt(fd, level, MCAST_MSFILTER, &filter, &len) == -1)
		return false;
	*source = filter.gf_fmode == MCAST_INCLUDE;
	return true;
}

/* Types that join what they send to, without an option. */
static void note_target(struct exam *x)
{
	bool source;

	if (x->ngroups || x->fd == -1 || !exam_is_group(&x->target))
		return;
	for (size_t i = 0; i < x->nlinks && x->ngroups < GROUPS_MAX; i++) {
		if (has_joined(x->fd, x->link[i].index, &x->target, &source))
			x->group[x->ngroups++] = (struct exam_group){ .group = x->target,
								      .ifindex = x->link[i].index,
								      .source = source,
								      .joined = true };
	}
}

/* ---- what the opening tells ---- */

static void refused_option(struct exam *x, const struct opt *o, const struct err *err)
{
	struct finding *f;
	char name[64];

	opt_name(o->row, 0, name, sizeof(name));
	f = exam_add(x, FIND_PROBLEM, xasprintf("option %s is refused", name), xstrdup(err->text));
	if (err->hint[0])
		exam_advice(f, "%s", err->hint);
}

/* Helpers have joined what one socket may not: fine, unless it hears its own groups only. */
static void check_helpers(struct exam *x, const struct opening *o)
{
	struct finding *f;

	if (!o->more)
		return;
	if (groups_heard(o->target.fd, o->target.family, o->more)) {
		exam_add(x, FIND_NOTE, xstrdup("one socket may not join so many groups"),
			 xstrdup("helper sockets join the rest for it"));
		return;
	}
	f = exam_add(x, FIND_PROBLEM, xstrdup("one socket may not join so many groups"),
		     xstrdup("and with ip-multicast-all=0 it hears only what it has joined"));
	if (o->target.family == AF_INET6)
		exam_command(f, "sysctl -w net.core.optmem_max=%ld",
			     sysctl_read(20480, "net/core/optmem_max") * 4);
	else
		exam_command(f, "sysctl -w net.ipv4.igmp_max_memberships=%ld",
			     sysctl_read(20, "net/ipv4/igmp_max_memberships") + GROUPS_MAX);
}

static void on_option(struct opening *o, const struct opt *opt, const struct err *err)
{
	struct exam *x = o->arg;

	if (err)
		refused_option(x, opt, err);
	if (is_join(opt))
		note_group(x, &o->addr->hosts, opt, !err);
}

static bool stop_before(const struct opening *o, const struct step *step)
{
	(void)o;
	return step->flags & STEP_WAITS_FOR_PEER;
}

static void failed(struct exam *x, const struct opening *o, const struct err *err)
{
	struct finding *f;
	bool binding = o->target.fd != -1;

	if (binding)
		x->bound = false;
	if (binding && err->code == EADDRINUSE)
		return; /* check_port() finds out who has it */
	if (err->code == ENETUNREACH || err->code == EHOSTUNREACH)
		return; /* check_route() finds out why */
	f = exam_add(x, FIND_PROBLEM,
		     xasprintf("the address %s cannot be opened", x->half->keyword),
		     xstrdup(err->text));
	if (err->hint[0])
		exam_advice(f, "%s", err->hint);
	else if (err->code == EADDRNOTAVAIL)
		exam_advice(f, "bind to an address of this host, or to the port only");
	else if (err->code == EPERM || err->code == EACCES)
		exam_advice(f, "run as root, or with the capability CAP_NET_RAW or "
			       "CAP_NET_BIND_SERVICE");
}

/* The port that others must know: the one bound to, or named. */
static unsigned own_port(const struct exam *x)
{
	struct netaddr a = { .len = sizeof(a.raw) };

	if (x->local.len)
		return netaddr_port(&x->local);
	if (x->fd == -1 || x->target.len || getsockname(x->fd, &a.any, &a.len) == -1)
		return 0;
	return netaddr_port(&a);
}

/* What the opening has made belongs to the exam now. */
static void take(struct exam *x, struct opening *o)
{
	x->fd = o->target.fd;
	o->target.fd = -1;
	x->more = o->more;
	o->more = NULL;
	x->impl = o->impl;
	x->impl_free = o->impl_free;
	o->impl = NULL;
	x->socktype = o->socktype;
	x->protocol = o->protocol;
	x->local = o->local;
	if (o->remote.n)
		x->target = o->remote.addr[0];
	x->family = x->target.len  ? x->target.any.sa_family
		    : x->local.len ? x->local.any.sa_family
				   : opening_family(o, true);
}

static void ended(struct opening *o, const struct err *err)
{
	struct exam *x = o->arg;

	x->bound = true;
	if (err)
		failed(x, o, err);
	check_helpers(x, o);
	take(x, o);
	note_target(x);
	x->port = own_port(x);
	loop_stop(o->addr->engine->loop);
}

static const struct opening_watcher watcher = {
	.option = on_option,
	.stop_before = stop_before,
	.ended = ended,
};

static void on_limit(struct timer *t)
{
	struct opening *o = container_of(t, struct stage, limit)->opening;
	struct err err;

	err_set(&err, 0, "%s: not open after %d seconds", o->addr->half->keyword, LIMIT_S);
	ended(o, &err);
	opening_cancel(o);
}

/* ---- the stage ---- */

static void play(struct stage *s, struct exam *x)
{
	struct loop *loop = s->engine.loop;
	struct address *half = s->relay.addr;

	while (half->half != x->half)
		half++;
	s->opening = opening_start_watched(half, MODE_RW, &watcher, x);
	timer_init(&s->limit, on_limit);
	loop_timer(loop, &s->limit, loop_now(loop) + LIMIT_S * NSEC_PER_SEC);
	loop_run(loop);
	loop_timer_stop(loop, &s->limit);
}

void rehearse(struct exam *x)
{
	const struct doctor_ask *ask = x->ask;
	struct stage *s;
	struct loop *loop;
	struct err err;

	x->ip = is_rehearsed(x->half->type);
	loop = x->ip ? loop_new(&err) : NULL;
	if (!loop)
		return;
	s = xcalloc(1, sizeof(*s));
	engine_init(&s->engine, loop);
	relay_make(&s->relay, &s->engine, ask->plan, NULL);
	play(s, x);
	relay_free_addresses(&s->relay);
	engine_done(&s->engine);
	loop_free(loop);
	free(s);
}

void rehearse_close(struct exam *x)
{
	fd_close(&x->fd);
	groups_unref(x->more);
	if (x->impl)
		x->impl_free(x->impl);
}
