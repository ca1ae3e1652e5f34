/* hosts.h - names of hosts in values of options, and what they mean
 *
 * Values like range=NAME/24 are read in the middle of things, where nobody can wait for a name
 * server. So an address has a table: before it is opened each value is read once just to learn its
 * names ("collecting"), those are looked up in the loop, and from then on they are only read from
 * here. Numeric addresses need no table. */
#ifndef SYS_HOSTS_H
#define SYS_HOSTS_H

#include "sys/netaddr.h"

#include <stdbool.h>

struct host {
	char *name; /* owned */
	int family;
	struct netaddr addr; /* len 0: not known yet */
	char *why; /* it has none, says this sentence; owned, or NULL */
};

/* Zero-initialise. */
struct hosts {
	struct host *host; /* owned */
	size_t n;
	size_t nlinks; /* the first of them stand where interfaces may stand, too */
	bool collecting; /* unknown names are noted, and mean nothing yet */
	bool collected;
};

/* The address of @name in @family, without port. @h NULL: ask and wait; for what is done before the
 * loop runs. While collecting an unknown name is noted and means the wildcard, unless it can be
 * none because of what is in it. One with a sentence why it has none fails with that. Returns 0, or
 * -1 with classic's sentence 'xioresolve(node="x", pf=2, ...): Name or service not known'. */
int hosts_find(struct hosts *h, const char *name, int family, struct netaddr *out, struct err *err);

/* The same as a netaddr_lookup; @h is the struct hosts or NULL. */
int hosts_lookup(void *h, const char *name, int family, struct netaddr *out, struct err *err);

/* The first name that has no address yet, and no sentence why, or NULL. */
struct host *hosts_unknown(struct hosts *h);

void hosts_done(struct hosts *h);

#endif
