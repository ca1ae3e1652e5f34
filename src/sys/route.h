/* route.h - what the machine's interfaces say about an unreachable destination */
#ifndef SYS_ROUTE_H
#define SYS_ROUTE_H

#include "base/err.h"
#include "sys/netaddr.h"

#include <stddef.h>

/* Packets to @to failed as @err tells (ENETUNREACH, EACCES, ...): set its hint to one line with the
 * likely cause and the command or option that mends it, built from the real interfaces: "no route
 * for 224.1.0.1; try: ip route add 224.0.0.0/4 dev eth0"; or leave it, where nothing is known. */
void route_hint(struct err *err, const struct netaddr *to);

/* "eth0 192.168.10.2, lo 127.0.0.1": interfaces that are up, with their IPv4 addresses. */
void route_interfaces(char *buf, size_t cap);

#endif
