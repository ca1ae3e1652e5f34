/* doctor.c - the table of checks, and running them, see doctor.h */
#include "doctor/doctor.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "doctor/exam.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* Which examinations a check belongs to. */
enum scope { OF_HOST = 1, OF_IP = 2, OF_OTHER = 4 };

static const struct {
	const char *name;
	exam_check *fn;
	unsigned scope;
} checks[] = {
	{ "interface", check_links, OF_HOST | OF_IP },
	{ "route", check_route, OF_HOST | OF_IP },
	{ "membership", check_membership, OF_HOST | OF_IP },
	{ "port", check_port, OF_IP },
	{ "source", check_source, OF_HOST | OF_IP },
	{ "igmp", check_igmp, OF_HOST | OF_IP },
	{ "bridge", check_bridge, OF_HOST | OF_IP },
	{ "firewall", check_firewall, OF_HOST | OF_IP },
	{ "buffer", check_buffer, OF_HOST | OF_IP },
	{ "send", check_send, OF_IP },
	{ "probe", check_probe, OF_HOST | OF_IP },
	{ "unix", check_unix, OF_OTHER },
};

static char *format(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));
static char *format(const char *fmt, va_list ap)
{
	char text[ERR_TEXT_LEN * 2];

	vsnprintf(text, sizeof(text), fmt, ap);
	return xstrdup(text);
}

struct finding *exam_add(struct exam *x, enum finding_level level, char *what, char *evidence)
{
	struct findings *all = x->out;

	for (size_t i = 0; i < all->n; i++) {
		if (strcmp(all->find[i].what, what) == 0 && all->find[i].level == level) {
			free(what);
			free(evidence);
			return &all->find[i];
		}
	}
	all->find = xrealloc(all->find, (all->n + 1) * sizeof(*all->find));
	all->find[all->n] = (struct finding){
		.level = level,
		.check = x->check,
		.what = what,
		.evidence = evidence ? evidence : xstrdup(""),
		.cure = xstrdup(""),
	};
	return &all->find[all->n++];
}

void exam_command(struct finding *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	free(f->cure);
	f->cure = format(fmt, ap);
	f->command = true;
	va_end(ap);
}

void exam_advice(struct finding *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	free(f->cure);
	f->cure = format(fmt, ap);
	f->command = false;
	va_end(ap);
}

const char *ip_text(const struct netaddr *a, char buf[IP_TEXT_LEN])
{
	bool v6 = a->any.sa_family == AF_INET6;
	const void *ip = v6 ? (const void *)&a->in6.sin6_addr : (const void *)&a->in.sin_addr;

	if (!inet_ntop(v6 ? AF_INET6 : AF_INET, ip, buf, IP_TEXT_LEN))
		buf[0] = '\0';
	return buf;
}

bool exam_is_broadcast(const struct exam *x, const struct netaddr *a)
{
	if (!a->len || a->any.sa_family != AF_INET)
		return false;
	if (netaddr_is_broadcast(a))
		return true;
	for (size_t i = 0; i < x->nlinks; i++) {
		const struct exam_link *l = &x->link[i];

		for (size_t k = 0; k < l->naddrs && l->flags & IFF_BROADCAST; k++) {
			uint32_t host = l->bits[k] < 31 ? UINT32_MAX >> l->bits[k] : 0;

			if (host && l->addr[k].any.sa_family == AF_INET &&
			    (ntohl(l->addr[k].in.sin_addr.s_addr) | host) ==
				    ntohl(a->in.sin_addr.s_addr))
				return true;
		}
	}
	return false;
}

const struct netaddr *exam_destination(const struct exam *x)
{
	if (exam_is_group(&x->target) || exam_is_broadcast(x, &x->target))
		return &x->target;
	return x->ngroups ? &x->group[0].group : NULL;
}

int exam_family(const struct exam *x)
{
	return x->ngroups ? x->group[0].group.any.sa_family : x->family;
}

const struct exam_link *exam_link_used(const struct exam *x)
{
	for (size_t i = 0; i < x->ngroups; i++) {
		if (x->group[i].ifindex)
			return link_by_index(x, x->group[i].ifindex);
	}
	return link_by_index(x, x->out_index);
}

static void run_checks(struct exam *x)
{
	unsigned scope = !x->half ? OF_HOST : x->ip ? OF_IP : OF_OTHER;

	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		x->check = checks[i].name;
		if (checks[i].scope & scope)
			checks[i].fn(x);
	}
}

/* All of it inside the network namespace of the address. */
static void examine(struct findings *out, const struct doctor_ask *ask, const struct half *half)
{
	struct exam *x = xcalloc(1, sizeof(*x));
	struct ident_saved saved;
	struct err err;

	x->out = out;
	x->ask = ask;
	x->half = half;
	x->check = "address";
	x->fd = -1;
	x->family = AF_INET;
	if (half && ident_enter(&half->conf.ident, &saved, &err) == -1) {
		exam_add(x, FIND_PROBLEM, xstrdup(err.text), xstrdup(half->keyword));
		free(x);
		return;
	}
	links_read(x);
	if (half)
		rehearse(x);
	route_find(x);
	run_checks(x);
	rehearse_close(x);
	if (half)
		ident_leave(&saved);
	free(x);
}

void doctor_examine(struct findings *out, const struct doctor_ask *ask)
{
	bool any = false;
	/* what the steps would warn about comes as findings */
	int before = log_shutup(2);

	*out = (struct findings){ 0 };
	for (int i = 0; i < 2; i++) {
		const struct side *side = &ask->plan->side[i];

		for (size_t k = 0; k < side->nhalves; k++) {
			examine(out, ask, &side->half[k]);
			any = true;
		}
	}
	if (!any)
		examine(out, ask, NULL);
	log_shutup(before);
}

void findings_done(struct findings *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->find[i].what);
		free(f->find[i].evidence);
		free(f->find[i].cure);
	}
	free(f->find);
	*f = (struct findings){ 0 };
}
