/* exam.c - what the checks share: findings, and what the examination is about; see exam.h */
#include "doctor/exam.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void cure(struct finding *f, bool command, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));
static void cure(struct finding *f, bool command, const char *fmt, va_list ap)
{
	char text[ERR_TEXT_LEN * 2];

	vsnprintf(text, sizeof(text), fmt, ap);
	free(f->cure);
	f->cure = xstrdup(text);
	f->command = command;
}

void exam_command(struct finding *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	cure(f, true, fmt, ap);
	va_end(ap);
}

void exam_advice(struct finding *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	cure(f, false, fmt, ap);
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

const struct exam_link *link_by_index(const struct exam *x, int index)
{
	for (size_t i = 0; i < x->nlinks; i++) {
		if (index > 0 && x->link[i].index == index)
			return &x->link[i];
	}
	return NULL;
}

const struct exam_link *link_by_name(const struct exam *x, const char *name)
{
	for (size_t i = 0; i < x->nlinks; i++) {
		if (strcmp(x->link[i].name, name) == 0)
			return &x->link[i];
	}
	return NULL;
}

bool link_has_family(const struct exam_link *l, int family)
{
	for (size_t k = 0; k < l->naddrs; k++) {
		if (l->addr[k].any.sa_family == family)
			return true;
	}
	return false;
}

/* IPv4 addresses @a and @b share their first @bits bits. */
static bool same_network(const struct netaddr *a, const struct netaddr *b, unsigned bits)
{
	uint32_t mask = bits ? UINT32_MAX << (32 - bits) : 0;

	return !((ntohl(a->in.sin_addr.s_addr) ^ ntohl(b->in.sin_addr.s_addr)) & mask);
}

const struct exam_link *link_of_network(const struct exam *x, const struct netaddr *a)
{
	for (size_t i = 0; i < x->nlinks && a->any.sa_family == AF_INET; i++) {
		const struct exam_link *l = &x->link[i];

		for (size_t k = 0; k < l->naddrs; k++) {
			if (l->addr[k].any.sa_family == AF_INET &&
			    same_network(&l->addr[k], a, l->bits[k]))
				return l;
		}
	}
	return NULL;
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
