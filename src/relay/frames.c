/* frames.c - what is particular to packet sockets, see frames.h */
#include "relay/frames.h"

#include "relay/ancillary.h"
#include "relay/session.h"
#include "sys/netif.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <stdio.h>
#include <string.h>

#define VLAN_AT 12 /* bytes of a frame before its tag: the two addresses */

void frames_restore_vlan(struct dgram_sock *sock, struct batch *b, size_t i)
{
	uint8_t tag[4];

	if (!ancillary_vlan(&b->msg[b->packet[i].msg], tag))
		return;
	if (!batch_insert(b, i, VLAN_AT, tag, sizeof(tag)))
		log_info("a frame of %u bytes on socket %d stays without its VLAN tag",
			 (unsigned)b->packet[i].len, sock->fd);
}

bool frames_lose(struct dgram_sock *sock, const struct err *err)
{
	char more[64] = "";
	unsigned hidden;

	if (errno != EMSGSIZE && errno != EINVAL && errno != ENETDOWN)
		return false;
	sock->count.unsent++;
	if (!log_limit_pass(&sock->limit, (uint64_t)errno << 8, loop_now(sock->relay->loop),
			    &hidden))
		return true;
	if (hidden)
		snprintf(more, sizeof(more), " (%u more since)", hidden);
	log_warn("%s; this frame is dropped%s%s", err->text,
		 err->code == EMSGSIZE ? ": it is longer than the MTU allows (if it was put "
					 "together on the way here, switch that off: ethtool -K "
					 "... gro off gso off tso off)"
				       : "",
		 more);
	return true;
}

/* Nobody tells when an interface comes up again. */
long frames_down(struct dgram_ep *d, int code, struct err *err)
{
	struct dgram_sock *sock = d->sock;
	struct sockaddr_ll ll;
	enum netif_state state;

	memcpy(&ll, d->to.raw, sizeof(ll));
	state = netif_state(sock->fd, ll.sll_ifindex);
	if (state == NETIF_GONE) {
		err_set(err, 0, "interface number %d has been removed", ll.sll_ifindex);
		errno = ENODEV;
		return -1;
	}
	if (code == ENETDOWN && !sock->down)
		log_warn("interface number %d is down: nothing is sent or received until it is up "
			 "again",
			 ll.sll_ifindex);
	if (state == NETIF_UP && sock->down)
		log_notice("interface number %d is up again", ll.sll_ifindex);
	sock->down = state == NETIF_DOWN;
	if (sock->down)
		loop_timer(sock->relay->loop, &d->ep.sitout,
			   loop_now(sock->relay->loop) + NSEC_PER_SEC);
	errno = EAGAIN;
	return -1;
}
