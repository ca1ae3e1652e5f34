/* ifset.c - several network interfaces by one text, see ifset.h */
#include "sys/ifset.h"

#include "base/mem.h"
#include "base/str.h"
#include "sys/route.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static size_t find(const struct ifset *set, unsigned index)
{
	size_t i = 0;

	while (i < set->n && set->member[i].index != index)
		i++;
	return i;
}

void ifset_add(struct ifset *set, const struct ifset_member *m)
{
	if (set->n == IFSET_MAX || find(set, m->index) < set->n)
		return;
	set->member = xrealloc(set->member, (set->n + 1) * sizeof(*set->member));
	set->member[set->n++] = *m;
}

static void add(struct ifset *set, unsigned index, const char *name)
{
	struct ifset_member m = { .index = index };

	snprintf(m.name, sizeof(m.name), "%s", name);
	ifset_add(set, &m);
}

void ifset_remove(struct ifset *set, unsigned index)
{
	size_t i = find(set, index);

	if (i == set->n)
		return;
	set->n--;
	memmove(&set->member[i], &set->member[i + 1], (set->n - i) * sizeof(*set->member));
}

static bool takes_multicast(const struct ifaddrs *ifa)
{
	return ifa->ifa_flags & IFF_UP && ifa->ifa_flags & IFF_MULTICAST;
}

static bool has_address(const struct ifaddrs *ifa, const char *text)
{
	char own[INET6_ADDRSTRLEN];
	const void *ip;

	if (!ifa->ifa_addr)
		return false;
	if (ifa->ifa_addr->sa_family == AF_INET)
		ip = &((const struct sockaddr_in *)ifa->ifa_addr)->sin_addr;
	else if (ifa->ifa_addr->sa_family == AF_INET6)
		ip = &((const struct sockaddr_in6 *)ifa->ifa_addr)->sin6_addr;
	else
		return false;
	return inet_ntop(ifa->ifa_addr->sa_family, ip, own, sizeof(own)) && strcmp(own, text) == 0;
}

/* By name, number or address; 0: there is none. */
static unsigned index_of(const struct ifaddrs *all, const char *text, char name[IF_NAMESIZE])
{
	unsigned index = if_nametoindex(text);
	int64_t n;

	if (!index && num_parse(text, &n, NULL) == NUM_OK && n > 0 && n <= INT32_MAX)
		index = (unsigned)n;
	for (const struct ifaddrs *ifa = all; ifa && !index; ifa = ifa->ifa_next) {
		if (has_address(ifa, text))
			index = if_nametoindex(ifa->ifa_name);
	}
	return index && if_indextoname(index, name) ? index : 0;
}

/* One word of the text. */
static int apply(struct ifset *set, const struct ifaddrs *all, const char *word, struct err *err)
{
	bool out = *word == '!';
	char name[IF_NAMESIZE], have[ERR_TEXT_LEN / 2];
	unsigned index;

	if (strcmp(word, "all") == 0) {
		for (const struct ifaddrs *ifa = all; ifa; ifa = ifa->ifa_next) {
			if (takes_multicast(ifa))
				add(set, if_nametoindex(ifa->ifa_name), ifa->ifa_name);
		}
		return 0;
	}
	index = index_of(all, word + out, name);
	if (out) {
		ifset_remove(set, index);
		return 0;
	}
	if (index) {
		add(set, index, name);
		return 0;
	}
	err_set(err, ENODEV, "interface \"%s\" not found", word);
	route_interfaces(have, sizeof(have));
	return err_hint(err, "no interface is named \"%s\" or has it as its address; there are: %s",
			word, have);
}

/* All words; those that fail are passed over where @err is NULL. */
static int apply_all(struct ifset *set, const char *text, struct err *err)
{
	char *copy = xstrdup(text), *rest = copy, *word;
	struct ifaddrs *all = NULL;
	struct err missing;
	int rc = 0;

	*set = (struct ifset){ 0 };
	if (getifaddrs(&all) == -1)
		rc = err_set(err ? err : &missing, errno, "getifaddrs()");
	while (rc == 0 && (word = strsep(&rest, "+,"))) {
		rc = apply(set, all, word, err ? err : &missing);
		if (!err)
			rc = 0;
	}
	freeifaddrs(all);
	free(copy);
	return rc;
}

int ifset_parse(struct ifset *set, const char *text, struct err *err)
{
	int rc = apply_all(set, text, err);

	if (rc == 0 && !set->n)
		rc = err_set(err, ENODEV, "\"%s\" leaves no interface", text);
	if (rc == -1)
		ifset_done(set);
	return rc;
}

void ifset_present(struct ifset *set, const char *text)
{
	(void)apply_all(set, text, NULL);
}

bool ifset_has(const struct ifset *set, unsigned index)
{
	return find(set, index) < set->n;
}

/* The own address that packets to @to would leave from; false without a route. */
static bool route_source(const struct netaddr *to, struct netaddr *from)
{
	int fd = socket(to->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool found = fd != -1 && connect(fd, &to->any, to->len) == 0;

	from->len = sizeof(from->raw);
	found = found && getsockname(fd, &from->any, &from->len) == 0;
	if (fd != -1)
		close(fd);
	return found;
}

static void add_by_address(struct ifset *set, const struct ifaddrs *all, const struct netaddr *own)
{
	char text[INET6_ADDRSTRLEN];
	const void *ip = own->any.sa_family == AF_INET ? (const void *)&own->in.sin_addr
						       : (const void *)&own->in6.sin6_addr;

	inet_ntop(own->any.sa_family, ip, text, sizeof(text));
	for (const struct ifaddrs *ifa = all; ifa && !set->n; ifa = ifa->ifa_next) {
		if (has_address(ifa, text))
			add(set, if_nametoindex(ifa->ifa_name), ifa->ifa_name);
	}
}

static void add_the_only_one(struct ifset *set, const struct ifaddrs *all)
{
	for (const struct ifaddrs *ifa = all; ifa; ifa = ifa->ifa_next) {
		if (takes_multicast(ifa) && !(ifa->ifa_flags & IFF_LOOPBACK))
			add(set, if_nametoindex(ifa->ifa_name), ifa->ifa_name);
	}
	if (set->n > 1)
		ifset_done(set);
}

int ifset_choose(struct ifset *set, const struct netaddr *group, const char **why, struct err *err)
{
	char have[ERR_TEXT_LEN / 2];
	struct ifaddrs *all = NULL;
	struct netaddr own;

	*set = (struct ifset){ 0 };
	if (getifaddrs(&all) == -1)
		return err_set(err, errno, "getifaddrs()");
	*why = "by route";
	if (route_source(group, &own))
		add_by_address(set, all, &own);
	if (!set->n) {
		*why = "the only one that is up";
		add_the_only_one(set, all);
	}
	freeifaddrs(all);
	if (set->n)
		return 0;
	route_interfaces(have, sizeof(have));
	err_set(err, ENODEV, "no route tells which interface the group is on");
	return err_hint(err, "name it with option if=INTERFACE; there are: %s", have);
}

void ifset_prefer(struct ifset *set, const struct netaddr *group)
{
	struct ifset routed;
	struct ifset_member m;
	const char *why;
	struct err err;
	size_t i;

	if (set->n < 2 || ifset_choose(&routed, group, &why, &err) == -1)
		return;
	i = routed.n ? find(set, routed.member[0].index) : set->n;
	if (i < set->n) {
		m = set->member[i];
		memmove(&set->member[1], &set->member[0], i * sizeof(m));
		set->member[0] = m;
	}
	ifset_done(&routed);
}

void ifset_done(struct ifset *set)
{
	free(set->member);
	*set = (struct ifset){ 0 };
}
