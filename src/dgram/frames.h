/* frames.h - packet sockets and the state of their interface
 *
 * They carry the frames of a network interface. An interface loses what it cannot send, and may be
 * down for a while. */
#ifndef DGRAM_FRAMES_H
#define DGRAM_FRAMES_H

#include "dgram/dgram_sock.h"
#include "end/endpoint.h"

/* Sending a frame has failed (errno, @err): true if that one is lost and no more than that; then it
 * is counted, and said once a minute. */
bool frames_lose(struct dgram_sock *sock, const struct err *err);

/* Receiving has failed with @code because the interface @link is or was down. -1 with EAGAIN, and
 * the session of @ep is woken in a second to look again; or with ENODEV and @err when it has been
 * removed. */
long frames_down(struct dgram_sock *sock, struct endpoint *ep, const struct netaddr *link, int code,
		 struct err *err);

#endif
