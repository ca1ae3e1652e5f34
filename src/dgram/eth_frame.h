/* eth_frame.h - frames of packet sockets as they would be on a wire
 *
 * The kernel takes VLAN tags out of what it delivers, and delivers frames of virtual hosts whose
 * checksum nobody has computed, because they never were on a wire. */
#ifndef DGRAM_ETH_FRAME_H
#define DGRAM_ETH_FRAME_H

#include "data/packet.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Make packet @i of @b, received by socket @fd, as it would be on a wire: finish its checksum, and
 * with @vlan (option retrieve-vlan) put its VLAN tag back. */
void eth_frame_complete(struct batch *b, size_t i, bool vlan, int fd);

/* Finish the TCP or UDP checksum of an Ethernet frame; its field holds the sum over the pseudo
 * header. The frame may be anything: false when it is not such a frame, which stays as it is.
 * RFC 1071, RFC 8200 section 8.1. */
bool eth_frame_finish_checksum(uint8_t *frame, size_t len);

#endif
