/* membership.h - a socket's membership of one group, on interfaces that come and go
 *
 * Linux forgets a membership when its interface is removed, and an interface that is made again,
 * under the same name, has another number. So changes are followed over rtnetlink(7): what comes
 * back is joined again. */
#ifndef DGRAM_MEMBERSHIP_H
#define DGRAM_MEMBERSHIP_H

#include "ev/loop.h"
#include "sys/ifset.h"
#include "sys/netaddr.h"

#include <stdbool.h>

struct membership {
	unsigned refs; /* endpoints of the socket, one per session that shares it */
	int fd; /* the socket, by a descriptor of its own */
	struct netaddr group;
	struct netaddr source; /* the only sender heard, or len 0 */
	bool hears; /* false: sends only, joins nothing */
	char *join_text, *send_text; /* interfaces as ifset_parse() takes them; owned */
	struct ifset joined;
	struct groups *more; /* sockets that have joined where fd had no room; owned, or NULL */
	bool answers; /* unicast is heard, too */
	unsigned answer_port; /* that it must come from; 0: any */
	struct ifset_member send;
	/* following */
	struct loop *loop; /* NULL: not followed */
	int events; /* the rtnetlink socket, or -1 */
	struct watch watch;
	struct timer soon; /* several events in a row are one change */
	struct deferred free;
	uint64_t lost; /* datagrams that could not leave because the interface was away */
};

/* An empty one for @group and @source (len 0: any). The caller's reference ends by
 * membership_unref(). */
struct membership *membership_new(const struct netaddr *group, const struct netaddr *source);

/* Decide on interfaces: @join to hear the group on, @send to send by, either may be NULL: where
 * the route leads, see ifset_choose(). -1 with @err; its code is ENODEV where waiting may help. */
int membership_choose(struct membership *m, const char *join, const char *send, struct err *err);

/* Join with @fd and send by the chosen interface; a notice about each. 0, or -1 with @err. */
int membership_join(struct membership *m, int fd, struct err *err);

/* Does the kernel let the socket hear more than it should? An IPv6 socket hears its groups on
 * interfaces where others have joined them, one whose memberships others hold hears all. */
bool membership_is_ours_to_check(const struct membership *m);

/* If so: what @src sent to @dst and came in by interface @ifindex came for this member. */
bool membership_hears(const struct membership *m, const struct netaddr *dst, unsigned ifindex,
		      const struct netaddr *src);

/* From now on follow what becomes of the interfaces. */
void membership_follow(struct membership *m, struct loop *loop);

/* A datagram could not be sent: true if that is because the interface is away, which is followed:
 * it is counted as lost then, and not the end. */
bool membership_lose(struct membership *m, const struct err *err);

/* NULL is fine for both. The last one leaves nothing: closing the socket does. */
struct membership *membership_ref(struct membership *m);
void membership_unref(struct membership *m);

#endif
