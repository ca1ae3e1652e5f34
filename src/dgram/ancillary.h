/* ancillary.h - what the kernel tells about a datagram: records and variables */
#ifndef DGRAM_ANCILLARY_H
#define DGRAM_ANCILLARY_H

#include "data/dst_type.h"
#include "data/packet.h"
#include "end/vars.h"
#include "sys/netaddr.h"

#include <stdbool.h>

/* Report the ancillary data of @m: with @vars NULL as classic's records, else as variables
 * (IP_DSTADDR, IP_IF, TIMESTAMP, ...), silently. Packet information is reported only if @pktinfo:
 * we may have asked for it on our own behalf. */
void ancillary_report(const struct message *m, bool pktinfo, struct vars *vars);

/* Destination address of the datagram, from its packet information, as an address without port;
 * false when there is none. @ifindex may be NULL. */
bool ancillary_destination(const struct message *m, struct netaddr *dst, unsigned *ifindex);

/* The same with what it is: one of this host, a group, a broadcast address. */
bool ancillary_destination_type(const struct message *m, struct netaddr *dst, enum dst_type *type);

/* The kernel's drop counter of the socket (SO_RXQ_OVFL), or false when none came. */
bool ancillary_drops(const struct message *m, uint32_t *total);

/* The VLAN tag that was taken out of a frame (PACKET_AUXDATA), as the four bytes that stood behind
 * its two addresses; false when there was none. */
bool ancillary_vlan(const struct message *m, uint8_t tag[4]);

/* The frame's checksum was left to hardware that it has not passed (PACKET_AUXDATA). */
bool ancillary_checksum_due(const struct message *m);

#endif
