/* interface.c - INTERFACE: the frames of a network interface
 *
 * A packet socket bound to the interface: what arrives there is read with its link-layer header,
 * what is written leaves there and must have one. What this host sends is not read. Flags and MTU
 * that options change are put back when the address is closed. See packet(7). Option pf asks for
 * another family that is bound to interfaces, such as CAN (pf=29,type=3,prototype=1). */
#include "addr/addr.h"
#include "base/list.h"
#include "base/mem.h"
#include "dgram/dgram_end.h"
#include "flow/forecast.h"
#include "open/dgram_open.h"
#include "open/steps.h"
#include "sys/netif.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23 /* Linux 4.20 */
#endif

/* What the address has changed; forked copies do not undo it. */
struct changes {
	int fd; /* socket to undo it by; borrowed */
	pid_t owner;
	struct netif_undo undo;
};

static void undo_changes(void *impl)
{
	struct changes *c = impl;

	if (c->owner == getpid())
		netif_restore(c->fd, &c->undo);
	free(c);
}

static void on_close(struct dgram_ep *d, void *arg)
{
	d->on_close = NULL;
	undo_changes(arg);
}

/* Options that share their group with TUN. */
static int check(const struct opening *o, struct err *err)
{
	const struct conf *c = o->addr->conf;
	const char *name = c->netif.tun_name     ? "tun-name"
			   : c->netif.tun_type   ? "tun-type"
			   : c->netif.tun_device ? "tun-device"
			   : c->netif.no_pi      ? "iff-no-pi"
						 : NULL;

	return name ? err_set(err, 0, "option \"%s\" fits TUN only", name) : 0;
}

static enum step_result check_interface(struct opening *o, struct err *err)
{
	return check(o, err) == -1 ? STEP_FAIL : STEP_DONE;
}

static enum step_result step_interface(struct opening *o, struct err *err)
{
	int family = o->addr->conf->sock.family;
	/* with option pf: sockaddr_can, for one, has the interface at the same place */
	struct sockaddr_ll ll = { .sll_family = family >= 0 ? (sa_family_t)family : AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL) };
	int fd;

	if (check(o, err) == -1)
		return STEP_FAIL;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd == -1) {
		err_set(err, errno, "socket(%d, %d, 0)", AF_UNIX, SOCK_DGRAM);
		return STEP_FAIL;
	}
	ll.sll_ifindex = netif_index(fd, opening_param(o, 0), err);
	close(fd);
	if (ll.sll_ifindex == -1)
		return STEP_FAIL;
	o->local = (struct netaddr){ .len = sizeof(ll) };
	memcpy(o->local.raw, &ll, sizeof(ll));
	o->remote.addr[0] = o->local;
	o->remote.n = 1;
	return STEP_DONE;
}

/* Protocol 0: nothing is received until the socket is bound. */
static enum step_result step_packet_socket(struct opening *o, struct err *err)
{
	int one = 1;

	if (step_socket(o, err) == STEP_FAIL) {
		if (err->code == EPERM)
			err_hint(err,
				 "sending and receiving frames needs the capability CAP_NET_RAW");
		return STEP_FAIL;
	}
	if (o->target.family != AF_PACKET)
		return STEP_DONE;
	if (setsockopt(o->target.fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) == -1) {
		err_set(err, errno, "setsockopt(%d, SOL_PACKET, PACKET_IGNORE_OUTGOING, {1}, 4)",
			o->target.fd);
		return STEP_FAIL;
	}
	if (setsockopt(o->target.fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)) == -1) {
		err_set(err, errno, "setsockopt(%d, SOL_PACKET, PACKET_AUXDATA, {1}, 4)",
			o->target.fd);
		return STEP_FAIL;
	}
	return STEP_DONE;
}

static int interface_of(const struct opening *o)
{
	struct sockaddr_ll ll;

	memcpy(&ll, o->local.raw, sizeof(ll));
	return ll.sll_ifindex;
}

static enum step_result step_configure(struct opening *o, struct err *err)
{
	const struct conf *conf = o->addr->conf;
	struct changes *c = xcalloc(1, sizeof(*c));

	c->fd = o->target.fd;
	c->owner = getpid();
	o->impl = c;
	o->impl_free = undo_changes;
	if (netif_configure(c->fd, interface_of(o), conf->netif.set, conf->netif.clear,
			    conf->netif.mtu, &c->undo, err) == -1)
		return STEP_FAIL;
	return STEP_DONE;
}

static struct endpoint *make_interface(struct opening *o, struct err *err)
{
	struct changes *c = o->impl;
	struct endpoint *ep = dgram_make_datagram(o, err);
	struct dgram_ep *d = (struct dgram_ep *)ep;

	if (!ep)
		return NULL;
	d->on_close = on_close;
	d->arg = c;
	o->impl = NULL; /* the endpoint's now */
	return ep;
}

static const struct step interface_steps[] = {
	{ .run = step_interface, .check = check_interface },
	{ .run = step_packet_socket, .after = PH_PASTSOCKET },
	{ .after = PH_FD },
	{ .run = step_configure, .after = PH_PREBIND },
	{ .run = step_bind, .after = PH_CONNECTED },
	STEP_END,
};

static const struct addr_type types[] = {
	{ .names = "INTERFACE IF",
	  .syntax = ":<interface>",
	  .help = "the frames that arrive at a network interface; what is written leaves there",
	  .groups = G_FD | G_SOCKET | G_INTERFACE,
	  .reads = true,
	  .writes = true,
	  .min_params = 1,
	  .max_params = 1,
	  .net = { AF_PACKET, SOCK_RAW, 0 },
	  .flags = TYPE_MANY,
	  .steps = interface_steps,
	  .needs = "CAP_NET_RAW",
	  .forecast = forecast_packets,
	  .make = make_interface },
};

const struct addr_family interface_family = { types, ARRAY_SIZE(types) };
