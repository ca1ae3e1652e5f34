/* ifset.h - several network interfaces by one text */
#ifndef SYS_IFSET_H
#define SYS_IFSET_H

#include "base/err.h"
#include "sys/netaddr.h"

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#define IFSET_MAX 256

struct ifset {
	struct ifset_member {
		unsigned index;
		char name[IF_NAMESIZE];
	} * member; /* in the order of the text, each once; owned */
	size_t n;
};

/* The interfaces that @text names: names, numbers, own addresses, joined by '+' or ','; "all" is
 * every one that is up and takes multicast, and "!NAME" takes one out again: "all,!docker0". An
 * interface that does not exist, or none left, is an error ('interface "x" not found', and which
 * there are). 0, or -1 with @err; freed by ifset_done(). */
int ifset_parse(struct ifset *set, const char *text, struct err *err);

/* As ifset_parse() where what is missing is passed over, and none is no error. */
void ifset_present(struct ifset *set, const char *text);

bool ifset_has(const struct ifset *set, unsigned index);
void ifset_add(struct ifset *set, const struct ifset_member *m); /* unless it is there */
void ifset_remove(struct ifset *set, unsigned index);

/* The interface that the routing table sends packets to @group through, or, without a route, the
 * only one that is up, takes multicast and is no loopback. Sets @why to "by route" or "the only
 * one". 0, or -1 with @err. */
int ifset_choose(struct ifset *set, const struct netaddr *group, const char **why, struct err *err);

/* Put the member that the routing table would send to @group by first, if there is one. */
void ifset_prefer(struct ifset *set, const struct netaddr *group);

void ifset_done(struct ifset *set);

#endif
