/* echo.h - datagrams that come back to the socket that sent them (option no-echo)
 *
 * Broadcasts, and multicast packets with loopback on, are delivered to the host they come from as
 * well, and nothing in them tells which of its sockets sent them. So the socket remembers what it
 * has sent lately, by hash; a datagram from its own port and from an address of this host that it
 * remembers is its echo. Others of this host are still heard, even at the same port, and so is
 * another host that happens to send the same bytes. Addresses may change meanwhile: ours are those
 * of now and those of the moment of sending. */
#ifndef DGRAM_ECHO_H
#define DGRAM_ECHO_H

#include "sys/netaddr.h"

#include <stdbool.h>
#include <stdint.h>

struct echo;

struct echo *echo_new(void); /* freed by free(3) */

/* @len bytes @data are being sent. */
void echo_sent(struct echo *e, const void *data, size_t len, int64_t now_ns);

/* Are they ours, come back to the socket @fd from @peer? Each is recognised once. */
bool echo_is(struct echo *e, int fd, const struct netaddr *peer, const void *data, size_t len,
	     int64_t now_ns);

#endif
