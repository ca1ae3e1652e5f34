/* dgram_send.c - sending datagrams: one at a time, many at a time, and segmented by the kernel
 *
 * A run of datagrams of equal size (the last may be shorter) goes down as one message that the
 * kernel cuts (UDP_SEGMENT, Linux 4.18): it passes the stack once. Where an interface or a size
 * does not take that, the same datagrams are sent one by one; nothing is lost. */
#include "dgram/dgram_send.h"

#include "base/log.h"
#include "data/packet.h"
#include "dgram/dgram.h"
#include "dgram/dgram_seal.h"
#include "dgram/echo.h"
#include "sys/route.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

#define RUN_MAX 64 /* datagrams per segmented message: what every kernel takes */
#define RUN_BYTES 65000 /* of payload; all segments together are one IP datagram at first */
#define RUN_SEGMENT_MAX 60000 /* longer datagrams have no partner anyway */

/* Ancillary data of a message to send: source address, segment size. */
struct send_ctl {
	_Alignas(struct cmsghdr) char buf[CMSG_SPACE(sizeof(struct in6_pktinfo)) +
					  CMSG_SPACE(sizeof(uint16_t))];
	size_t len;
};

static void *add_ctl(struct send_ctl *c, int level, int type, size_t len)
{
	struct cmsghdr *h = (struct cmsghdr *)(c->buf + c->len);

	memset(h, 0, CMSG_SPACE(len));
	h->cmsg_level = level;
	h->cmsg_type = type;
	h->cmsg_len = CMSG_LEN(len);
	c->len += CMSG_SPACE(len);
	return CMSG_DATA(h);
}

static void add_source(struct send_ctl *c, const struct netaddr *from)
{
	if (from->len && from->any.sa_family == AF_INET) {
		struct in_pktinfo info = { .ipi_spec_dst = from->in.sin_addr };

		memcpy(add_ctl(c, SOL_IP, IP_PKTINFO, sizeof(info)), &info, sizeof(info));
	} else if (from->len && from->any.sa_family == AF_INET6) {
		struct in6_pktinfo info = { .ipi6_addr = from->in6.sin6_addr,
					    .ipi6_ifindex = from->in6.sin6_scope_id };

		memcpy(add_ctl(c, SOL_IPV6, IPV6_PKTINFO, sizeof(info)), &info, sizeof(info));
	}
}

static void set_message(struct msghdr *h, const struct netaddr *to, struct iovec *iov, size_t n,
			struct send_ctl *ctl)
{
	*h = (struct msghdr){
		.msg_name = to->len ? (void *)to->raw : NULL,
		.msg_namelen = to->len,
		.msg_iov = iov,
		.msg_iovlen = n,
		.msg_control = ctl->len ? ctl->buf : NULL,
		.msg_controllen = ctl->len,
	};
}

/* How many packets from @i on make one run: equal sizes, the last may be shorter, none empty or
 * dropped. */
static size_t run_length(const struct dgram_sock *sock, const struct batch *b, size_t i)
{
	uint32_t size = b->packet[i].len;
	size_t n = 0, bytes = 0;

	if (sock->no_gso || !size || size > RUN_SEGMENT_MAX ||
	    (sock->gso_max && size > sock->gso_max))
		return 1;
	for (; i < b->n && n < RUN_MAX; i++) {
		const struct packet *p = &b->packet[i];

		if (p->drop || !p->len || p->len > size || bytes + p->len > RUN_BYTES)
			break;
		bytes += p->len;
		n++;
		if (p->len < size)
			break;
	}
	return n ? n : 1;
}

/* Send @n packets from b->next on as one message. 0, or -1 with errno. */
static int send_run(struct dgram_sock *sock, struct batch *b, size_t n, const struct netaddr *to,
		    const struct netaddr *from)
{
	struct iovec iov[RUN_MAX];
	struct send_ctl ctl = { 0 };
	struct msghdr h;
	uint16_t size = (uint16_t)b->packet[b->next].len;
	ssize_t rc;

	for (size_t i = 0; i < n; i++)
		iov[i] = (struct iovec){ b->packet[b->next + i].data, b->packet[b->next + i].len };
	add_source(&ctl, from);
	memcpy(add_ctl(&ctl, IPPROTO_UDP, UDP_SEGMENT, sizeof(size)), &size, sizeof(size));
	set_message(&h, to, iov, n, &ctl);
	do
		rc = sendmsg(sock->fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (rc == -1 && errno == EINTR);
	if (rc != -1)
		tally_set(&sock->addr->tally->gso, 1);
	return rc == -1 ? -1 : 0;
}

/* The kernel refused to segment: remember for what, and go on without. */
static bool segmentation_refused(struct dgram_sock *sock, uint32_t size)
{
	if (errno == EINVAL || errno == EMSGSIZE) {
		sock->gso_max = size - 1; /* longer than the path takes in one piece */
		if (!sock->gso_max)
			sock->no_gso = true;
		return true;
	}
	if (errno == EIO || errno == EOPNOTSUPP || errno == ENOPROTOOPT) {
		log_info("the interface does not segment datagrams for socket %d: sending them one "
			 "by one",
			 sock->fd);
		sock->no_gso = true;
		tally_set(&sock->addr->tally->gso, 0);
		return true;
	}
	return false;
}

static int send_error(struct dgram_sock *sock, const struct batch *b, const struct netaddr *to,
		      struct err *err)
{
	char text[NETADDR_TEXT_LEN];
	const struct packet *p = &b->packet[b->next];
	int code = errno;

	if (code == EAGAIN || code == ENOBUFS) {
		errno = EAGAIN;
		return -1;
	}
	err_set(err, code, "sendto(%d, %p, %u, 0, %s, %u)", sock->fd, (void *)p->data,
		(unsigned)p->len, netaddr_text(to, text), (unsigned)to->len);
	route_hint(err, to);
	errno = code;
	return -1;
}

/* Send packets one message each, many in a call, up to the next run worth segmenting. */
static int send_single(struct dgram_sock *sock, struct batch *b, const struct netaddr *to,
		       const struct netaddr *from)
{
	struct mmsghdr h[BATCH_MAX];
	struct iovec iov[BATCH_MAX];
	struct send_ctl ctl = { 0 };
	size_t at[BATCH_MAX], n = 0;
	int sent;

	add_source(&ctl, from);
	for (size_t i = b->next; i < b->n && n < BATCH_MAX; i++) {
		if (b->packet[i].drop)
			continue;
		if (n && run_length(sock, b, i) > 1)
			break;
		iov[n] = (struct iovec){ b->packet[i].data, b->packet[i].len };
		set_message(&h[n].msg_hdr, to, &iov[n], 1, &ctl);
		at[n++] = i;
	}
	do
		sent = n == 1 ? (int)sendmsg(sock->fd, &h[0].msg_hdr, MSG_DONTWAIT | MSG_NOSIGNAL)
			      : sendmmsg(sock->fd, h, (unsigned)n, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent == -1 && errno == EINTR);
	if (sent == -1)
		return -1;
	b->next = at[n == 1 ? 0 : sent - 1] + 1;
	return 0;
}

/* Where did they leave from? Formatted only when somebody reads it. */
static void say_local(const struct dgram_sock *sock)
{
	struct netaddr local = { .len = sizeof(local.raw) };
	char text[NETADDR_TEXT_LEN];

	if (log_threshold > LV_NOTICE)
		return;
	getsockname(sock->fd, &local.any, &local.len);
	log_notice("local address: %s", netaddr_text(&local, text));
}

/* Before they leave: an echo may be back before the call returns. What is not taken is sent again,
 * and noted again, which does no harm. */
static void note(struct dgram_sock *sock, const struct batch *b)
{
	int64_t now = loop_now(sock->addr->engine->loop);

	for (size_t i = b->next; i < b->n; i++) {
		if (!b->packet[i].drop)
			echo_sent(sock->echo, b->packet[i].data, b->packet[i].len, now);
	}
}

/* What is in @b leaves as it is. */
static int send_batch(struct dgram_sock *sock, struct batch *b, const struct netaddr *to,
		      const struct netaddr *from, struct err *err)
{
	static const struct netaddr connected;
	bool icmp_seen = false;

	/* a connected socket needs no address: the route is looked up once then */
	const struct netaddr *target = sock->connected && !from->len ? &connected : to;

	if (sock->echo)
		note(sock, b);

	while (b->next < b->n) {
		size_t n;
		int rc;

		if (b->packet[b->next].drop) {
			b->next++;
			continue;
		}
		n = run_length(sock, b, b->next);
		rc = n > 1 ? send_run(sock, b, n, target, from)
			   : send_single(sock, b, target, from);
		if (rc == 0) {
			if (n > 1)
				b->next += n;
			say_local(sock);
			continue;
		}
		if (n > 1 && segmentation_refused(sock, b->packet[b->next].len))
			continue;
		/* told about an earlier datagram: the kernel has not sent this one yet */
		if (errno == ECONNREFUSED && !icmp_seen && !sock->connected) {
			icmp_seen = true;
			continue;
		}
		return send_error(sock, b, to, err);
	}
	return 0;
}

/* Sealed copies leave. Those that find no room are sealed anew next time, with counters of their
 * own: receivers meet gaps every day. */
static int send_sealed(struct dgram_sock *sock, struct batch *b, const struct netaddr *to,
		       const struct netaddr *from, struct err *err)
{
	const struct seal_socket at = dgram_seal_socket(sock);
	struct batch *sealed = pool_batch(&sock->addr->engine->pool);
	int rc = 0, code;

	while (rc == 0 && b->next < b->n) {
		rc = dgram_seal_batch(sock->seal, &at, sealed, b, to, err);
		if (rc == 0) {
			rc = send_batch(sock, sealed, to, from, err);
			b->next += sealed->next;
		}
	}
	code = errno;
	pool_batch_back(&sock->addr->engine->pool, sealed);
	errno = code;
	return rc;
}

int dgram_send(struct dgram_sock *sock, struct batch *b, const struct netaddr *to,
	       const struct netaddr *from, struct err *err)
{
	return sock->seal ? send_sealed(sock, b, to, from, err)
			  : send_batch(sock, b, to, from, err);
}
