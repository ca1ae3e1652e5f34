/* groups.h - memberships of multicast groups, as many as are asked for
 *
 * One socket may join 20 IPv4 groups (sysctl net.ipv4.igmp_max_memberships), and IPv6 groups until
 * net.core.optmem_max is used up. But what one socket of a host has joined is heard by all that
 * are bound to the port (ip(7), IP_MULTICAST_ALL), so others may join for it. */
#ifndef SYS_GROUPS_H
#define SYS_GROUPS_H

#include <stdbool.h>
#include <sys/socket.h>

/* Sockets that only join. */
struct groups;

/* Join with @fd: the arguments are setsockopt(2)'s. Where @fd has no room for more, join with a
 * helper kept in *@more (NULL at first); @more NULL: do not. 0, or -1 with errno. */
int groups_join(int fd, int level, int name, const void *req, socklen_t len, struct groups **more);

/* Leave, whichever socket has joined. 0, or -1 with errno. */
int groups_leave(int fd, int level, int name, const void *req, socklen_t len,
		 const struct groups *more);

/* Would @fd hear what the helpers have joined? NULL: nothing to hear. */
bool groups_heard(int fd, int family, const struct groups *more);

/* Counted: one helper serves all sessions of a socket. NULL is fine for both. */
struct groups *groups_ref(struct groups *more);
void groups_unref(struct groups *more);

#endif
