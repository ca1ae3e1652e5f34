/* rehearse.c - open the socket of an address as a session would
 *
 * The steps and options are the ones every opening runs, so what is asked of the kernel here is
 * what it will be asked later. It ends where a packet would be waited for, goes on behind an option
 * that is refused, and collects refusals as findings. Only UDP, UDP-Lite and raw IP addresses are
 * rehearsed: others might start programs or make files. */
#include "base/mem.h"
#include "doctor/doctor.h"
#include "doctor/exam.h"
#include "end/plan.h"
#include "end/relay.h"
#include "open/opening.h"
#include "sys/fd.h"
#include "sys/groups.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STEPS_MAX 64 /* more than any type has; STEP_AGAIN counts as well */
#define LOOKUP_MS 30000 /* a name that is not found by then is not found */

/* A relay with nothing in it, because steps may look at one. */
struct stage {
	struct engine engine;
	struct relay relay;
	struct opening opening;
};

static void never(struct watch *w, uint32_t events)
{
	(void)w;
	(void)events;
}

static void never_due(struct timer *t)
{
	(void)t;
}

static bool is_rehearsed(const struct addr_type *t)
{
	return (t->net.type == SOCK_DGRAM || t->net.type == SOCK_RAW) &&
	       t->groups & (G_IP4 | G_IP6) && !(t->groups & G_OPENSSL);
}

static bool waits_for_packets(const struct step *s)
{
	return s->flags & STEP_WAITS_FOR_PEER;
}

/* ---- groups ---- */

static bool is_join(const struct opt *o)
{
	return o->row->type == V_MREQN || o->row->type == V_MREQ_SOURCE ||
	       o->row->type == V_GROUP_SOURCE;
}

/* Part @i of "a:[b:c]:d", without brackets. */
static bool part_of(const char *text, int i, char *buf, size_t cap)
{
	size_t len = 0;

	for (bool inside = false; *text; text++) {
		if (*text == '[' || *text == ']')
			inside = *text == '[';
		else if (*text == ':' && !inside)
			i--;
		else if (i == 0 && len + 1 < cap)
			buf[len++] = *text;
	}
	buf[len] = '\0';
	return len > 0;
}

/* The interface that the middle or last part of a join means. */
static int link_meant(const struct exam *x, const struct netaddr *group, const char *text)
{
	const struct exam_link *l = link_by_name(x, text);
	struct route_answer way;
	struct netaddr a;
	struct err err;
	int64_t n;

	if (!l && num_parse(text, &n, NULL) == NUM_OK)
		l = link_by_index(x, (int)n);
	if (l)
		return l->index;
	if (resolve_host(text, AF_INET, &a, &err) == -1)
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

static void note_group(struct exam *x, const struct opt *o, bool joined)
{
	struct exam_group *g = &x->group[x->ngroups];
	char part[256];
	struct err err;

	if (x->ngroups == GROUPS_MAX || !part_of(o->val.str, 0, part, sizeof(part)))
		return;
	*g = (struct exam_group){ .joined = joined, .source = o->row->type != V_MREQN };
	if (resolve_host(part, o->val.str[0] == '[' ? AF_INET6 : AF_INET, &g->group, &err) == -1)
		return;
	if ((o->row->type == V_MREQN && part_of(o->val.str, 2, part, sizeof(part))) ||
	    part_of(o->val.str, 1, part, sizeof(part)))
		g->ifindex = link_meant(x, &g->group, part);
	x->ngroups++;
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

/* ---- steps ---- */

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

static void apply_options(struct exam *x, struct opening *o, enum phase phase)
{
	const struct opts *all = &x->half->opts;

	for (size_t i = 0; i < all->n; i++) {
		struct opts one = { .opt = &all->opt[i], .n = 1 };
		struct target target = o->target;
		struct err err = { 0 };
		int rc;

		if (all->opt[i].row->phase != phase)
			continue;
		target.more = &o->more;
		rc = opts_apply(&one, phase, &target, &err);
		if (rc == -1)
			refused_option(x, &all->opt[i], &err);
		if (is_join(&all->opt[i]))
			note_group(x, &all->opt[i], rc == 0);
	}
}

static enum step_result run_step(struct opening *o, struct err *err)
{
	struct pollfd p;

	for (int i = 0; i < STEPS_MAX; i++) {
		enum step_result r = o->step->run ? o->step->run(o, err) : STEP_DONE;

		loop_watch(o->addr->engine->loop, &o->watch, o->watch.fd, 0);
		loop_timer_stop(o->addr->engine->loop, &o->timer);
		o->waiting = r;
		if (r == STEP_DONE || r == STEP_FAIL)
			return r;
		p = (struct pollfd){ .fd = o->job.fd, .events = POLLIN };
		poll(&p, 1, o->job.fd >= 0 ? LOOKUP_MS : 0);
		if (r == STEP_WAIT)
			return r;
	}
	err_set(err, 0, "%s: no end of waiting", o->addr->half->keyword);
	return STEP_FAIL;
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

static void walk(struct exam *x, struct opening *o)
{
	struct err err = { 0 };

	for (; o->step->run || o->step->after != PH_NONE; o->step++) {
		if (waits_for_packets(o->step))
			return;
		if (run_step(o, &err) == STEP_FAIL) {
			failed(x, o, &err);
			return;
		}
		if (o->step->after != PH_NONE)
			apply_options(x, o, o->step->after);
	}
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

static struct address *address_of(const struct relay *r, const struct half *half)
{
	struct address *a = r->addr;

	while (a->half != half)
		a++;
	return a;
}

void rehearse(struct exam *x)
{
	const struct doctor_ask *ask = x->ask;
	const struct addr_type *type = x->half->type;
	const struct conf *c = &x->half->conf;
	struct stage *s = xcalloc(1, sizeof(*s));
	struct opening *o = &s->opening;
	struct err err;

	x->ip = is_rehearsed(type);
	engine_init(&s->engine, x->ip ? loop_new(&err) : NULL);
	if (!s->engine.loop) {
		free(s);
		return;
	}
	relay_make(&s->relay, &s->engine, ask->plan, NULL);
	*o = (struct opening){ .addr = address_of(&s->relay, x->half), .fd2 = -1 };
	o->step = type->steps;
	o->target = (struct target){ .fd = -1, .family = type->net.family };
	o->socktype = c->sock.type >= 0 ? (int)c->sock.type : type->net.type;
	o->protocol = c->sock.protocol >= 0 ? (int)c->sock.protocol : type->net.protocol;
	o->job.fd = -1;
	watch_init(&o->watch, never);
	timer_init(&o->timer, never_due);
	x->bound = true;
	walk(x, o);
	check_helpers(x, o);
	x->fd = o->target.fd;
	x->more = o->more;
	x->impl = o->impl;
	x->impl_free = o->impl_free;
	x->socktype = o->socktype;
	x->protocol = o->protocol;
	x->local = o->local;
	if (o->remote.n)
		x->target = o->remote.addr[0];
	note_target(x);
	x->family = x->target.len  ? x->target.any.sa_family
		    : x->local.len ? x->local.any.sa_family
				   : opening_family(o, true);
	x->port = own_port(x);
	resolve_cancel(&o->job);
	free(o->host);
	free(o->service);
	vars_done(&o->vars);
	relay_free_addresses(&s->relay);
	engine_done(&s->engine);
	loop_free(s->engine.loop);
	free(s);
}

void rehearse_close(struct exam *x)
{
	fd_close(&x->fd);
	groups_unref(x->more);
	if (x->impl)
		x->impl_free(x->impl);
}
