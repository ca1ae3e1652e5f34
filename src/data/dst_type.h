/* dst_type.h - what a datagram was sent to: this host, a group, everybody
 *
 * Linux tells with each datagram the address in its header and the local address that took it
 * (packet information, ip(7)). They are the same for unicast; where they differ and the first is no
 * group it is a broadcast address, of whatever interface. */
#ifndef DATA_DST_TYPE_H
#define DATA_DST_TYPE_H

#include <netinet/in.h>

enum dst_type { DST_UNICAST = 1, DST_MULTICAST = 2, DST_BROADCAST = 4 };

/* "unicast", "multicast", "broadcast" */
const char *dst_type_word(enum dst_type type);

/* Type of an IPv4 destination @addr that the local address @local took. What was queued before
 * IP_PKTINFO was asked for says 0.0.0.0: that of a network's broadcast is then not known, and who
 * refuses his own address must not take it for one. */
enum dst_type dst_type_ip4(const struct in_addr *addr, const struct in_addr *local);

#endif
