/* netif.h - network interfaces: flags, size of packets, addresses
 *
 * All by ioctl(2) on a socket, see netdevice(7). Which network namespace is meant is decided by the
 * socket: the one it was made in. */
#ifndef SYS_NETIF_H
#define SYS_NETIF_H

#include "base/err.h"
#include "sys/netaddr.h"

#include <net/if.h>
#include <stdint.h>

/* What was changed on an interface. */
struct netif_undo {
	int index;
	int set, clear; /* IFF_* flags that have been switched on, and off */
	int mtu; /* the former one, or -1: not changed */
};

/* Number of interface @name as seen from @fd, or -1 with @err ('unknown interface "x"'). */
int netif_index(int fd, const char *name, struct err *err);

/* Switch the flags @set on and @clear off, and set the largest packet to @mtu bytes unless
 * negative. Flags that the kernel does not let go are ignored by it. @undo, if not NULL, tells what
 * has changed, even on failure. 0, or -1 with @err. */
int netif_configure(int fd, int index, int set, int clear, int64_t mtu, struct netif_undo *undo,
		    struct err *err);

/* Put back what netif_configure() has changed; a failure is a warning, an interface that is gone is
 * none. */
void netif_restore(int fd, const struct netif_undo *undo);

enum netif_state { NETIF_GONE, NETIF_DOWN, NETIF_UP };
enum netif_state netif_state(int fd, int index);

/* Parse "10.0.0.1/24" or "[fd00::1]/64" into @addr and @bits; numbers only. 0, or -1 with @err. */
int netif_parse_network(const char *text, struct netaddr *addr, unsigned *bits, struct err *err);

/* Give interface @index an address with the length of its network's prefix. */
int netif_add_address(int index, const struct netaddr *addr, unsigned bits, struct err *err);

#endif
