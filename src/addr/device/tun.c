/* tun.c - TUN: a network interface whose packets we read and write
 *
 * The kernel makes the interface when the device is opened, and removes it when it is closed; what
 * it sends there is read, what is written arrives there. One read or write is one packet. Out of a
 * stream, which keeps no borders, IP packets are cut by the length in their header; frames cannot,
 * so for them the other side must keep borders: a datagram address, or a program behind one. Type
 * tun has IP packets, tap Ethernet frames; both have four bytes of packet information in front
 * (flags, protocol) unless option iff-no-pi. Source: Documentation/networking/tuntap.rst of Linux.
 *
 * A tunnel outlives bad packets: what the interface refuses is counted and said, no more. */
#include "addr/addr.h"
#include "base/list.h"
#include "base/log.h"
#include "base/log_limit.h"
#include "base/mem.h"
#include "data/packet.h"
#include "end/fd_end.h"
#include "flow/forecast.h"
#include "sys/netif.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEVICE "/dev/net/tun"

/* ---- the endpoint ---- */

struct tun_ep {
	struct endpoint ep;
	char name[IF_NAMESIZE];
	bool tap, no_pi;
	uint64_t refused; /* packets written that the interface did not take */
	/* packets out of a stream */
	uint8_t *rest; /* beginning of one whose end has not come, PACKET_MAX bytes; owned, or NULL
			*/
	size_t nrest;
	size_t fed; /* bytes of the block in hand that are done with */
	bool warned; /* it is known that they cannot be told apart */
	struct log_limit limit;
};

static long recv_packets(struct endpoint *ep, struct batch *b, size_t max, struct err *err)
{
	const struct tun_ep *t = (const struct tun_ep *)ep;
	long n = batch_read(b, ep->rfd, max);

	if (n == -1 && errno != EAGAIN) {
		if (errno == EBADFD)
			err_set(err, 0, "interface \"%s\" has been removed", t->name);
		else
			err_set(err, errno, "read(%d): interface \"%s\"", ep->rfd, t->name);
		errno = EIO;
	}
	for (long i = 0; i < n; i++)
		log_debug("packet with %u bytes from interface \"%s\"", (unsigned)b->packet[i].len,
			  t->name);
	return n;
}

/* Why the packet was refused, for somebody who sets a tunnel up. */
static const char *advice(const struct tun_ep *t, int code)
{
	if (code == EIO)
		return "the interface is down: use option up, or ip link set ... up";
	if (code != EINVAL)
		return "";
	return t->tap ? "this is no Ethernet frame: both ends of a tunnel need the same tun-type "
			"and "
			"iff-no-pi"
		      : "this is no IP packet: both ends of a tunnel need the same tun-type and "
			"iff-no-pi";
}

/* A packet that cannot be delivered is lost, as on any network. False: it is more than that. */
static bool count_refused(struct tun_ep *t, size_t len, int code)
{
	static const int harmless[] = { EINVAL, EIO, EMSGSIZE, ENOBUFS, ENOMEM };
	bool known = false;
	char more[64] = "";
	unsigned hidden;

	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
		known |= code == harmless[i];
	if (!known)
		return false;
	t->refused++;
	tally_add(&t->ep.addr->tally->lost[LOSS_INTERFACE], 1);
	if (!log_limit_pass(&t->limit, (uint64_t)code, loop_now(t->ep.addr->engine->loop), &hidden))
		return true;
	if (hidden)
		snprintf(more, sizeof(more), " (%u more since)", hidden);
	log_warn("interface \"%s\" refused a packet of %u bytes, which is dropped: %s; %s%s",
		 t->name, (unsigned)len, strerror(code), advice(t, code), more);
	return true;
}

enum written { WRITTEN, REFUSED, FAILED };

/* Give the interface one packet. FAILED: errno and, but for EAGAIN, @err. */
static enum written write_packet(struct tun_ep *t, const void *data, size_t len, struct err *err)
{
	ssize_t rc;

	do
		rc = write(t->ep.wfd, data, len);
	while (rc == -1 && errno == EINTR);
	if (rc != -1)
		return WRITTEN;
	if (count_refused(t, len, errno))
		return REFUSED;
	if (errno == EAGAIN)
		return FAILED;
	if (errno == EBADFD)
		err_set(err, 0, "interface \"%s\" has been removed", t->name);
	else
		err_set(err, errno, "write(%d, %p, %u): interface \"%s\"", t->ep.wfd, data,
			(unsigned)len, t->name);
	errno = EIO;
	return FAILED;
}

/* ---- packets out of a stream ---- */

#define INFO_LEN 4 /* packet information in front */
#define PACKET_MAX (INFO_LEN + 40 + 65535) /* an IPv6 header and its payload */
#define NO_PACKET SIZE_MAX

static unsigned be16(const uint8_t *p)
{
	return (unsigned)(p[0] << 8 | p[1]);
}

/* Bytes of the packet that begins with the @n bytes at @d, 0 if they are too few to tell, or
 * NO_PACKET. RFC 791 3.1, RFC 8200 3. */
static size_t packet_len(const struct tun_ep *t, const uint8_t *d, size_t n)
{
	size_t info = t->no_pi ? 0 : INFO_LEN;
	const uint8_t *ip = d + info;
	unsigned version, len;

	if (n < info + 6)
		return 0;
	version = ip[0] >> 4;
	if (!t->no_pi && (be16(d) || be16(d + 2) != (version == 4 ? 0x0800 : 0x86dd)))
		return NO_PACKET;
	if (version == 6)
		return info + 40 + be16(ip + 4);
	len = be16(ip + 2);
	return version == 4 && len >= 20 ? info + len : NO_PACKET;
}

/* Borders are lost: what the next block begins with may be a packet again. */
static enum written give_up(struct tun_ep *t, const uint8_t *data, size_t len, struct err *err)
{
	if (!t->warned)
		log_warn("interface \"%s\": the stream holds something else than IP packets, so "
			 "each block of it is taken for one; both ends of a tunnel need the same "
			 "tun-type and iff-no-pi",
			 t->name);
	t->warned = true;
	return write_packet(t, data, len, err);
}

static void keep(struct tun_ep *t, const uint8_t *data, size_t len)
{
	if (!t->rest)
		t->rest = xmalloc(PACKET_MAX);
	memcpy(t->rest + t->nrest, data, len);
	t->nrest += len;
}

/* Complete the packet at hand from the @n bytes at @data: how many of them it takes; *@done when it
 * is whole or hopeless. */
static size_t complete(struct tun_ep *t, const uint8_t *data, size_t n, bool *done)
{
	size_t used = 0, len;

	/* the header first */
	while ((len = packet_len(t, t->rest, t->nrest)) == 0 && used < n)
		keep(t, data + used++, 1);
	*done = len == NO_PACKET;
	if (len && len != NO_PACKET) {
		size_t more = len - t->nrest < n - used ? len - t->nrest : n - used;

		keep(t, data + used, more);
		used += more;
		*done = t->nrest == len;
	}
	return used;
}

/* Cut the block @p; 0, or -1 as send_batch(). */
static int send_block(struct tun_ep *t, struct packet *p, struct err *err)
{
	while (t->fed < p->len) {
		const uint8_t *data = p->data + t->fed;
		size_t n = p->len - t->fed, used, len;
		enum written rc = WRITTEN;
		bool whole = false;

		if (t->nrest) {
			used = complete(t, data, n, &whole);
			t->fed += used;
			if (whole)
				rc = write_packet(t, t->rest, t->nrest, err);
			if (rc == FAILED) {
				t->fed -= used; /* they come again */
				t->nrest -= used;
				return -1;
			}
			if (whole)
				t->nrest = 0;
			continue;
		}
		len = packet_len(t, data, n);
		if (len == NO_PACKET) {
			len = n;
			rc = give_up(t, data, n, err);
		} else if (!len || len > n) {
			keep(t, data, n);
			len = n;
		} else {
			rc = write_packet(t, data, len, err);
		}
		if (rc == FAILED)
			return -1;
		t->fed += len;
	}
	t->fed = 0;
	return 0;
}

static void warn_frames(struct tun_ep *t)
{
	if (!t->warned)
		log_warn("interface \"%s\": frames out of a stream cannot be told apart, and those "
			 "that stick together are lost; use UDP between the ends of the tunnel",
			 t->name);
	t->warned = true;
}

static void shut_write(struct endpoint *ep)
{
	struct tun_ep *t = (struct tun_ep *)ep;

	if (t->nrest)
		log_warn("interface \"%s\": the stream has ended within a packet, %zu bytes are "
			 "dropped",
			 t->name, t->nrest);
	t->nrest = 0;
	ep_fd_shut_write(ep);
}

static void close_tun(struct endpoint *ep)
{
	free(((struct tun_ep *)ep)->rest);
	ep_fd_close(ep);
}

static int send_packets(struct endpoint *ep, struct batch *b, struct err *err)
{
	struct tun_ep *t = (struct tun_ep *)ep;

	for (; b->next < b->n; b->next++) {
		struct packet *p = &b->packet[b->next];

		p->drop |= !p->len; /* an empty datagram is no packet */
		if (p->drop)
			continue;
		if (b->stream && t->tap)
			warn_frames(t);
		if (b->stream && !t->tap) {
			if (send_block(t, p, err) == -1)
				return -1;
			continue;
		}
		switch (write_packet(t, p->data, p->len, err)) {
		case WRITTEN:
			break;
		case REFUSED: /* not counted as transferred */
			p->drop = true;
			break;
		case FAILED:
			return -1;
		}
	}
	return 0;
}

static void report(struct endpoint *ep)
{
	const struct tun_ep *t = (const struct tun_ep *)ep;

	if (t->refused)
		log_put(LV_INFO, "COUNTERS: socket %u packets: %llu refused by interface \"%s\"",
			ep->addr->number, (unsigned long long)t->refused, t->name);
}

static struct endpoint *share(struct endpoint *ep, struct err *err);

static const struct endpoint_ops tun_ops = {
	.recv_batch = recv_packets,
	.send_batch = send_packets,
	.shut_write = shut_write,
	.close = close_tun,
	.report = report,
	.share = share,
};

static struct tun_ep *tun_ep_new(struct address *addr, int fd)
{
	struct tun_ep *t = xcalloc(1, sizeof(*t));

	endpoint_init(&t->ep, &tun_ops, addr, fd, fd);
	t->ep.caps = EP_DGRAM_IN | EP_DGRAM_OUT;
	return t;
}

static struct endpoint *share(struct endpoint *ep, struct err *err)
{
	const struct tun_ep *t = (const struct tun_ep *)ep;
	int fd = fcntl(ep->rfd, F_DUPFD_CLOEXEC, 3);
	struct tun_ep *twin;

	if (fd == -1) {
		err_set(err, errno, "dup(%d)", ep->rfd);
		return NULL;
	}
	twin = tun_ep_new(ep->addr, fd);
	memcpy(twin->name, t->name, sizeof(t->name));
	twin->tap = t->tap;
	twin->no_pi = t->no_pi;
	twin->ep.caps |= EP_SHARED;
	return &twin->ep;
}

/* ---- opening ---- */

/* What the steps learn. */
struct tun_opening {
	struct netaddr addr; /* len 0: none */
	unsigned bits;
	struct ifreq req; /* name and flags of the interface */
};

/* Everything that can be wrong in what was written, before anything is made. */
static int check(const struct opening *o, struct tun_opening *t, struct err *err)
{
	const struct conf *c = o->addr->conf;
	const char *type = c->netif.tun_type ? c->netif.tun_type : "tun";
	const char *name = c->netif.tun_name ? c->netif.tun_name : "";

	if (c->netif.retrieve_vlan)
		return err_set(err, 0, "option \"retrieve-vlan\" fits INTERFACE only");
	if (strcasecmp(type, "tun") != 0 && strcasecmp(type, "tap") != 0)
		return err_set(err, 0, "unknown tun-type \"%s\"", type);
	if (strlen(name) >= sizeof(t->req.ifr_name))
		return err_set(err, 0,
			       "tun-name \"%s\" is too long: names of interfaces have up to %d "
			       "bytes",
			       name, IF_NAMESIZE - 1);
	memcpy(t->req.ifr_name, name, strlen(name));
	t->req.ifr_flags = strcasecmp(type, "tap") == 0 ? IFF_TAP : IFF_TUN;
	if (c->netif.no_pi)
		t->req.ifr_flags |= IFF_NO_PI;
	if (!o->addr->half->nparams)
		return 0;
	return netif_parse_network(opening_param(o, 0), &t->addr, &t->bits, err);
}

static enum step_result check_tun(struct opening *o, struct err *err)
{
	struct tun_opening t = { 0 };

	return check(o, &t, err) == -1 ? STEP_FAIL : STEP_DONE;
}

static int open_device(struct opening *o, struct err *err)
{
	const struct conf *c = o->addr->conf;
	const char *path = c->netif.tun_device ? c->netif.tun_device : DEVICE;
	int access = c->open.access >= 0 ? c->open.access : O_RDWR;
	int flags = (access | c->open.set) & ~c->open.clear;

	o->target.fd = open(path, flags | O_CLOEXEC | O_NONBLOCK, 0666);
	if (o->target.fd != -1)
		return 0;
	err_set(err, errno, "open(\"%s\", 0%o, 0666)", path, (unsigned)flags);
	if (!c->netif.tun_device && (err->code == ENOENT || err->code == ENODEV))
		err_hint(err, "this kernel has no tun device; try: modprobe tun");
	return -1;
}

static enum step_result step_tun(struct opening *o, struct err *err)
{
	struct tun_opening *t = xcalloc(1, sizeof(*t));

	o->impl = t;
	o->impl_free = free;
	if (check(o, t, err) == -1)
		return STEP_FAIL;
	log_notice("creating tunnel network interface");
	if (open_device(o, err) == -1)
		return STEP_FAIL;
	if (ioctl(o->target.fd, TUNSETIFF, &t->req) == -1) {
		err_set(err, errno, "ioctl(%d, TUNSETIFF, {\"%s\"})", o->target.fd,
			t->req.ifr_name);
		if (err->code == EPERM)
			err_hint(err, "making an interface needs the capability CAP_NET_ADMIN");
		else if (err->code == EBUSY)
			err_hint(err, "another program uses an interface of this name");
		return STEP_FAIL;
	}
	log_notice("TUN: new device \"%s\"", t->req.ifr_name);
	return STEP_DONE;
}

/* MTU first, because IPv6 wants 1280 bytes; flags last, because the address should be there when
 * the interface goes up. */
static enum step_result step_configure(struct opening *o, struct err *err)
{
	const struct conf *c = o->addr->conf;
	const struct tun_opening *t = o->impl;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int index, rc;

	if (fd == -1) {
		err_set(err, errno, "socket(%d, %d, 0)", AF_UNIX, SOCK_DGRAM);
		return STEP_FAIL;
	}
	index = netif_index(fd, t->req.ifr_name, err);
	rc = index == -1 ? -1 : netif_configure(fd, index, 0, 0, c->netif.mtu, NULL, err);
	if (rc == 0 && t->addr.len)
		rc = netif_add_address(index, &t->addr, t->bits, err);
	if (rc == 0)
		rc = netif_configure(fd, index, c->netif.set, c->netif.clear, -1, NULL, err);
	close(fd);
	return rc == -1 ? STEP_FAIL : STEP_DONE;
}

static struct endpoint *make_tun(struct opening *o, struct err *err)
{
	struct tun_opening *state = o->impl;
	struct tun_ep *t;

	(void)err;
	fd_nonblock(o->target.fd); /* whatever option nonblock=0 says: the loop never waits */
	t = tun_ep_new(o->addr, o->target.fd);
	memcpy(t->name, state->req.ifr_name, sizeof(t->name));
	t->tap = state->req.ifr_flags & IFF_TAP;
	t->no_pi = state->req.ifr_flags & IFF_NO_PI;
	free(state);
	o->impl = NULL;
	return &t->ep;
}

static const struct step tun_steps[] = {
	{ .run = step_tun, .check = check_tun, .after = PH_PASTOPEN },
	{ .after = PH_FD },
	{ .run = step_configure },
	STEP_END,
};

static const struct addr_type types[] = {
	{ .names = "TUN",
	  .syntax = "[:<ip-addr>/<bits>]",
	  .help = "makes a network interface; its packets are read and written here",
	  .groups = G_FD | G_CHR | G_OPEN | G_INTERFACE,
	  .reads = true,
	  .writes = true,
	  .max_params = 1,
	  .flags = TYPE_MANY,
	  .steps = tun_steps,
	  .needs = "CAP_NET_ADMIN unless the interface is there and ours",
	  .forecast = forecast_packets,
	  .make = make_tun },
};

const struct addr_family tun_family = { types, ARRAY_SIZE(types) };
