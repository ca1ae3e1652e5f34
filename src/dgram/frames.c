/* frames.c - packet sockets and the state of their interface, see frames.h */
#include "dgram/frames.h"

#include "base/log.h"
#include "base/log_limit.h"
#include "base/str.h"
#include "sys/netif.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <stdio.h>
#include <string.h>

bool frames_lose(struct dgram_sock *sock, const struct err *err)
{
	char more[64] = "";
	unsigned hidden;

	if (errno != EMSGSIZE && errno != EINVAL && errno != ENETDOWN)
		return false;
	sock->count.unsent++;
	tally_add(errno == EMSGSIZE ? &sock->addr->tally->oversize
				    : &sock->addr->tally->lost[LOSS_INTERFACE],
		  1);
	if (!log_limit_pass(sock->addr->limit, (uint64_t)errno << 8,
			    loop_now(sock->addr->engine->loop), &hidden))
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
long frames_down(struct dgram_sock *sock, struct endpoint *ep, const struct netaddr *link, int code,
		 struct err *err)
{
	struct sockaddr_ll ll;
	enum netif_state state;

	memcpy(&ll, link->raw, sizeof(ll));
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
		endpoint_look_again(ep, NSEC_PER_SEC);
	errno = EAGAIN;
	return -1;
}
