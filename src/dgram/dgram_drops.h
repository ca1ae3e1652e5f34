/* dgram_drops.h - datagrams that the kernel has dropped, counted once */
#ifndef DGRAM_DGRAM_DROPS_H
#define DGRAM_DGRAM_DROPS_H

#include "dgram/dgram_sock.h"

/* The kernel's counter of drops is @total now, or was when a datagram came in: count its news. */
void dgram_drops_are(struct dgram_sock *sock, uint32_t total);

/* Ask the kernel for it. */
void dgram_ask_for_drops(struct dgram_sock *sock);

/* @sock gets twins with descriptors of the same socket: its news are to be counted once. */
void dgram_share_drops(struct dgram_sock *sock);

/* Ask for losses that no later datagram has told of: of all sockets. */
void dgram_count_drops(struct engine *engine);

/* @sock is one of its engine's, from now on and no longer. In a session process what was open
 * before is counted by the process that forked it. */
void dgram_sock_enlist(struct dgram_sock *sock);
void dgram_sock_delist(struct dgram_sock *sock);

#endif
