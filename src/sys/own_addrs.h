/* own_addrs.h - the addresses of this host's interfaces, at most a second old */
#ifndef SYS_OWN_ADDRS_H
#define SYS_OWN_ADDRS_H

#include "sys/netaddr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OWN_ADDRS_MAX 64 /* a host with more is known by these */

/* Zero-initialise; holds no memory of its own. */
struct own_addrs {
	struct netaddr addr[OWN_ADDRS_MAX];
	size_t n;
	int64_t at_ns; /* when they were noted, 0: never */
};

/* Are they older than a second? */
bool own_addrs_are_old(const struct own_addrs *o, int64_t now_ns);

/* Note those of the present network namespace. */
void own_addrs_note(struct own_addrs *o, int64_t now_ns);

/* Is the host of @a, IPv4 or IPv6, among them? All of 127.0.0.0/8 is. */
bool own_addrs_have(const struct own_addrs *o, const struct netaddr *a);

#endif
