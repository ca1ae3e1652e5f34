/* frames.h - what is particular to packet sockets, for relay/dgram.c
 *
 * They carry the frames of a network interface. An interface loses what it cannot send, may be down
 * for a while, takes VLAN tags out of what it receives, and delivers frames of virtual hosts whose
 * checksum nobody has computed, because they never were on a wire. */
#ifndef RELAY_FRAMES_H
#define RELAY_FRAMES_H

#include "relay/dgram.h"

/* Make packet @i of @b as it would be on a wire: finish its checksum, and with option retrieve-vlan
 * put its VLAN tag back. */
void frames_complete(struct dgram_sock *sock, struct batch *b, size_t i);

/* Finish the TCP or UDP checksum of an Ethernet frame; its field holds the sum over the pseudo
 * header. The frame may be anything: false when it is not such a frame, which stays as it is.
 * RFC 1071, RFC 8200 section 8.1. */
bool frame_finish_checksum(uint8_t *frame, size_t len);

/* Sending a frame has failed (errno, @err): true if that one is lost and no more than that; then it
 * is counted, and said once a minute. */
bool frames_lose(struct dgram_sock *sock, const struct err *err);

/* Receiving has failed with @code because the interface is or was down. -1 with EAGAIN, and the
 * session is woken in a second to look again; or with ENODEV and @err when it has been removed. */
long frames_down(struct dgram_ep *d, int code, struct err *err);

#endif
