/* dgram_self.c - datagrams that say they come from the socket that receives them
 *
 * Sources can be forged. Who asks an echo service in the name of the service itself would have it
 * talk to itself without end. So a socket that answers (dgram_answers()) refuses what comes from
 * its own address and port; bound to no address in particular, from any address of this host with
 * its port. What was sent to a group or to all is another matter: others of this host may share the
 * port with us there, and an answer, being for one receiver, would be refused when it came back.
 *
 * Raw sockets have no ports that tell us from others of this host.
 *
 * A group is another circle: what is sent to it comes back to a socket that hears it. That is what
 * groups are for, so nothing is refused; whoever gives back what it hears is warned of it. */
#include "dgram/dgram_self.h"

#include "base/mem.h"
#include "dgram/ancillary.h"
#include "sys/own_addrs.h"

#include <string.h>

/* IPv4 by way of an IPv6 socket is IPv4 to the interfaces. */
static struct netaddr unmapped(const struct netaddr *a)
{
	struct netaddr ip4;

	if (a->any.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr))
		return *a;
	netaddr_any(&ip4, AF_INET, netaddr_port(a));
	memcpy(&ip4.in.sin_addr, a->in6.sin6_addr.s6_addr + 12, 4);
	return ip4;
}

/* The host's addresses where the socket is, which may be another network namespace. */
static void note_own(struct own_addrs *own, const struct ident *ident, int64_t now_ns)
{
	struct ident_saved saved;
	struct err err;

	if (!ident->netns) {
		own_addrs_note(own, now_ns);
	} else if (ident_enter(ident, &saved, &err) == 0) {
		own_addrs_note(own, now_ns);
		ident_leave(&saved);
	}
}

static bool is_own(struct dgram_sock *sock, const struct netaddr *host)
{
	int64_t now = loop_now(sock->addr->engine->loop);
	struct netaddr a = unmapped(host);

	if (!sock->own)
		sock->own = xcalloc(1, sizeof(*sock->own));
	if (own_addrs_are_old(sock->own, now))
		note_own(sock->own, &sock->addr->conf->ident, now);
	return own_addrs_have(sock->own, &a);
}

bool dgram_is_self(struct dgram_sock *sock, const struct message *m)
{
	enum dst_type type = DST_UNICAST;
	struct netaddr dst = { 0 };

	if (sock->kind.type == SOCK_RAW || !netaddr_port(&m->peer) ||
	    netaddr_port(&m->peer) != netaddr_port(&sock->bound))
		return false;
	if (ancillary_destination_type(m, &dst, &type) && type != DST_UNICAST)
		return false;
	if (!netaddr_is_any(&sock->bound))
		return netaddr_same_host(&m->peer, &sock->bound);
	return netaddr_same_host(&m->peer, &dst) || is_own(sock, &m->peer);
}

static bool is_on(int fd, int level, int option)
{
	int value = 0;
	socklen_t len = sizeof(value);

	return getsockopt(fd, level, option, &value, &len) == 0 && value;
}

bool dgram_hears_itself(const struct dgram_sock *sock, const struct netaddr *to)
{
	struct netaddr bound = { .len = sizeof(bound.raw) };

	if (sock->echo || sock->kind.type == SOCK_RAW || !netaddr_port(to) ||
	    getsockname(sock->fd, &bound.any, &bound.len) == -1 ||
	    netaddr_port(&bound) != netaddr_port(to))
		return false;
	if (!netaddr_is_multicast(to))
		return to->any.sa_family == AF_INET && is_on(sock->fd, SOL_SOCKET, SO_BROADCAST);
	return to->any.sa_family == AF_INET ? is_on(sock->fd, IPPROTO_IP, IP_MULTICAST_LOOP)
					    : is_on(sock->fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP);
}
