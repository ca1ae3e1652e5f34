/* destination.h - what a datagram was sent to: this host, a group, everybody
 *
 * Linux tells with each datagram the address in its header and the local address that took it
 * (packet information, ip(7)). They are the same for unicast; where they differ and the first is no
 * group it is a broadcast address, of whatever interface. */
#ifndef RELAY_DESTINATION_H
#define RELAY_DESTINATION_H

#include "base/err.h"
#include "relay/packet.h"

#include <stdbool.h>

enum dst_type { DST_UNICAST = 1, DST_MULTICAST = 2, DST_BROADCAST = 4 };

/* "unicast", "multicast", "broadcast" */
const char *dst_type_word(enum dst_type type);

/* Type of an IPv4 destination @addr that the local address @local took. */
enum dst_type dst_type_ip4(const struct in_addr *addr, const struct in_addr *local);

/* Option dst: types and networks, any of which will do. */
struct dst_rule;

/* Parse "multicast+192.168.10.0/24" for sockets of @family: words, addresses, prefixes joined by
 * '+'; IPv6 in brackets. NULL with @err: 'option "dst=x": …'. Freed by free(3). */
struct dst_rule *dst_rule_new(const char *text, int family, struct err *err);

struct dst_rule *dst_rule_copy(const struct dst_rule *r);

/* True if the destination of @m fits. Without packet information: true. */
bool dst_rule_permits(const struct dst_rule *r, const struct message *m);

#endif
