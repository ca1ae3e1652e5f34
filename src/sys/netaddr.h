/* netaddr.h - one type for all socket addresses: print, compare, ranges
 *
 * Look-ups of names belong to resolve.h; nothing here touches the network. */
#ifndef SYS_NETADDR_H
#define SYS_NETADDR_H

#include "base/err.h"
#include "base/siphash.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

/* A socket address and its length as the kernel wants it. An unset address is all zero
 * (family AF_UNSPEC, len 0). */
struct netaddr {
	socklen_t len;
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
		uint8_t raw[sizeof(struct sockaddr_un) + 2];
	};
};

#define NETADDR_TEXT_LEN 512 /* enough for every rendering below, including the NUL */

/* The classic rendering used in all records (core specification 5.4): "AF=2 127.0.0.1:80",
 * "AF=10 [0000:…:0001]:80", "AF=1 \"path\"", "AF=1 \"\\0name\"", "AF=1 \"<anon>\"",
 * "AF=40 cid:1 port:7", others "AF=17 AF=17 0x" and 14 bytes in hex. Returns @buf. */
const char *netaddr_text(const struct netaddr *a, char buf[NETADDR_TEXT_LEN]);

/* The address without port as it stands in SOCAT_PEERADDR: "127.0.0.1", "[0000:…:0001]", the path,
 * "\\0name", "<anon>". Returns @buf. */
const char *netaddr_host_text(const struct netaddr *a, char buf[NETADDR_TEXT_LEN]);

/* Text of an IPv6 address as eight groups of four digits in brackets. Returns @buf. */
const char *netaddr_ip6_text(const struct in6_addr *ip, char buf[NETADDR_TEXT_LEN]);

/* Port in host order, 0 for families without one; and its counterpart (ignored there). */
unsigned netaddr_port(const struct netaddr *a);
void netaddr_set_port(struct netaddr *a, unsigned port);

/* Wildcard address of @family (AF_INET or AF_INET6) with @port. */
void netaddr_any(struct netaddr *a, int family, unsigned port);

/* Same host: IPv4 and IPv6 by address (scope and flow label ignored), UNIX by name. */
bool netaddr_same_host(const struct netaddr *a, const struct netaddr *b);

/* Same host and same port. */
bool netaddr_same(const struct netaddr *a, const struct netaddr *b);

/* Hash over what netaddr_same() compares, or with @port false over the host alone; nobody can
 * foresee it without @key. @seed chains. The scope of an IPv6 address counts. */
uint64_t netaddr_hash(const struct netaddr *a, bool port, const struct hash_key *key,
		      uint64_t seed);

/* What an IP address is when packets are sent to it. 255.255.255.255 is the only broadcast that
 * can be told without knowing the interfaces. */
bool netaddr_is_multicast(const struct netaddr *a);
bool netaddr_is_any(const struct netaddr *a);
bool netaddr_is_broadcast(const struct netaddr *a);

/* A set of addresses: network and mask over the address bytes. */
struct range {
	int family; /* AF_INET, AF_INET6; AF_UNSPEC: net and mask are about the bytes after the
		     * family, whatever it is */
	size_t len; /* bytes used of net and mask */
	uint8_t net[128], mask[128];
};

/* Parse the value of option range for sockets of @family. IPv4: "addr/bits" or "addr:mask"; IPv6:
 * "[addr]/bits". Host bits are cleared. @lookup resolves a host name into an address of @family
 * without port and returns 0 or -1 (may be NULL: numbers only); it gets @arg. Other families, and
 * AF_UNSPEC, are refused: 'syntax error in range "x" of unspecified address family: use
 * <addr>:<mask>'. Messages are those of the core specification 2.8. Returns 0, or -1 with @err. */
typedef int netaddr_lookup(void *arg, const char *host, int family, struct netaddr *out,
			   struct err *err);
int range_parse(struct range *r, const char *text, int family, netaddr_lookup *lookup, void *arg,
		struct err *err);

/* True if the peer @a lies inside. An IPv4 range also matches IPv4-mapped IPv6 peers and the other
 * way round. IPv4 0.0.0.0 is never inside. */
bool range_match(const struct range *r, const struct netaddr *a);

#endif
