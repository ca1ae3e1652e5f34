/* dgram_room.h - waiting until a datagram can be sent */
#ifndef DGRAM_DGRAM_ROOM_H
#define DGRAM_DGRAM_ROOM_H

#include "dgram/dgram_sock.h"
#include "end/endpoint.h"

/* Descriptors beside the socket by which one end waits for room; -1: not needed so far. */
struct dgram_room {
	int observer; /* connected to the peer, and used for nothing else */
	int copy; /* of the socket, which somebody else watches */
};

void dgram_room_init(struct dgram_room *room);
void dgram_room_done(struct dgram_room *room);

/* A send of @ep to @to by @sock has met EAGAIN: choose the descriptor, ep->wfd, whose EPOLLOUT
 * tells that there is room. @shared: somebody else watches @sock. */
void dgram_room_await(struct dgram_room *room, struct endpoint *ep, const struct dgram_sock *sock,
		      const struct netaddr *to, bool shared);

#endif
