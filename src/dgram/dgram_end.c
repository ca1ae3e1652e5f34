/* dgram_end.c - an end of a session that is made of datagrams, see dgram_end.h
 *
 * Several ends may share a socket; what is judged and counted for all of them is in dgram.c. */
#include "dgram/dgram_end.h"

#include "base/log.h"
#include "base/mem.h"
#include "data/packet.h"
#include "dgram/destination.h"
#include "dgram/dgram.h"
#include "dgram/dgram_drops.h"
#include "dgram/dgram_seal.h"
#include "dgram/dgram_self.h"
#include "dgram/dgram_send.h"
#include "dgram/echo.h"
#include "dgram/frames.h"
#include "dgram/membership.h"
#include "end/relay.h"
#include "end/vars.h"
#include "sys/groups.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define FEED_TELL_NS (50 * NSEC_PER_MSEC)

struct dgram_sock *dgram_ep_sock(struct endpoint *ep)
{
	return ((struct dgram_ep *)ep)->sock;
}

/* A session that has not begun yet may have little waiting. */
static size_t share_of(struct dgram_ep *d)
{
	const struct endpoint *ep = &d->ep;

	return ep->user && ep->user->has_begun(ep) ? INBOX_SHARE : INBOX_SHARE_EARLY;
}

bool dgram_ep_push(struct dgram_ep *d, const void *data, size_t len)
{
	if (inbox_push(&d->inbox, data, len, share_of(d)))
		return true;
	tally_add(&d->sock->addr->tally->lost[LOSS_SLOW], 1);
	d->overflow++;
	return false;
}

/* Take the first datagram of the inbox. */
static long pop(struct dgram_ep *d, struct batch *b)
{
	size_t len = 0;
	const uint8_t *data = inbox_first(&d->inbox, &len);

	batch_put(b, data, len);
	inbox_drop(&d->inbox);
	return 1;
}

static long would_block(void)
{
	errno = EAGAIN;
	return -1;
}

/* Empty datagrams among what was received: nothing, or the end. Returns true at the end; what
 * follows it is dropped. */
static bool meet_empty(struct dgram_ep *d, struct batch *b)
{
	/* the other end of a feed sends nothing empty: it has closed */
	bool is_end = d->feed >= 0 ||
		      (!d->ep.top && (d->sock->connected || d->ep.addr->conf->sock.null_eof));

	for (size_t i = 0; i < b->n; i++) {
		if (b->packet[i].drop || b->packet[i].len)
			continue;
		b->packet[i].drop = true;
		if (!is_end) {
			tally_add(&d->sock->addr->tally->lost[LOSS_EMPTY], 1);
			continue;
		}
		while (++i < b->n)
			b->packet[i].drop = true;
		b->all = false; /* the reader must come back for its end of file */
		return true;
	}
	return false;
}

/* The host of the peer has said by ICMP that nobody has this port. */
static void hint_nobody(const struct dgram_ep *d, struct err *err)
{
	struct netaddr peer = { .len = sizeof(peer.raw) };
	char text[NETADDR_TEXT_LEN];

	if (getpeername(d->sock->fd, &peer.any, &peer.len) == 0 && netaddr_port(&peer))
		err_hint(err, "nobody listens at port %u of %s", netaddr_port(&peer),
			 netaddr_host_text(&peer, text));
}

static long recv_error(struct dgram_ep *d, struct err *err)
{
	int code = errno;

	if (d->sock->frames && (code == ENETDOWN || (code == EAGAIN && d->sock->down)))
		return frames_down(d->sock, &d->ep, &d->to, code, err);
	if (code == EAGAIN)
		return -1;
	/* an ICMP error of an earlier packet: ours only on connected sockets */
	if (!d->sock->connected && (code == ECONNREFUSED || code == EHOSTUNREACH ||
				    code == ENETUNREACH || code == EPROTO || code == EMSGSIZE)) {
		log_info("recvfrom(%d): %s (told by ICMP)", d->sock->fd, strerror(code));
		return would_block();
	}
	err_set(err, code, "read(%d, %p, %zu)", d->sock->fd, (void *)d,
		d->sock->addr->relay->plan->set.block);
	if (code == ECONNREFUSED)
		hint_nobody(d, err);
	errno = code;
	return -1;
}

/* A session process gets its datagrams from the process that has the table. */
static long recv_feed(struct dgram_ep *d, struct batch *b, size_t max)
{
	long n = batch_recv(b, d->feed, max, false, false);

	/* it may have closed with something unread that we have told: a reset, which is the end */
	if (n == -1 && errno != EAGAIN)
		n = 0;
	if (n == 0 || (n > 0 && meet_empty(d, b)))
		d->end = true;
	return n > 0 && d->end && b->packet[0].drop ? 0 : n;
}

static const struct endpoint_ops shared_ops;

/* Somebody else watches its socket, and pushes what is for it. */
static bool shares_socket(const struct dgram_ep *d)
{
	return d->ep.ops == &shared_ops;
}

static long ep_recv(struct endpoint *ep, struct batch *b, size_t max, struct err *err)
{
	struct dgram_ep *d = (struct dgram_ep *)ep;
	const struct netaddr *peer = d->accept == ACCEPT_PEER ? &d->to : NULL;

	if (d->inbox.len)
		return pop(d, b);
	if (d->icmp) {
		errno = d->icmp;
		return recv_error(d, err);
	}
	if (d->one_shot || d->end)
		return 0;
	if (d->feed >= 0)
		return recv_feed(d, b, max);
	if (shares_socket(d))
		return would_block();
	for (;;) {
		long n = dgram_recv(d->sock, b, max);

		if (n < 0)
			return recv_error(d, err);
		dgram_judge(d->sock, b, peer);
		if (meet_empty(d, b))
			d->end = true;
		for (size_t i = 0; i < b->n; i++) {
			if (!b->packet[i].drop)
				return n;
		}
		if (d->end)
			return 0;
		if (max > 1)
			return would_block(); /* bounded: the loop comes back if more is queued */
	}
}

static bool ep_holds(const struct endpoint *ep)
{
	const struct dgram_ep *d = (const struct dgram_ep *)ep;

	return d->inbox.len || d->icmp || d->one_shot || d->end;
}

/* An answer to a socket without a name goes nowhere; the session lasts as long as it would. */
static int send_nowhere(struct dgram_ep *d, struct batch *b)
{
	unsigned hidden;

	for (; b->next < b->n; b->next++) {
		if (b->packet[b->next].drop)
			continue;
		b->packet[b->next].drop = true; /* not counted as transferred */
		tally_add(&d->sock->addr->tally->lost[LOSS_NAMELESS], 1);
	}
	if (log_limit_pass(d->sock->addr->limit, 8, loop_now(d->sock->addr->engine->loop), &hidden))
		log_warn("the sender's socket has no name, so answers cannot reach it: use option "
			 "bind or bind-tempname on the client");
	return 0;
}

/* Option forever, for datagrams to a UNIX socket: its receiver is away, and may come back. */
static bool is_awaited(const struct dgram_sock *sock)
{
	return sock->kind.family == AF_UNIX && sock->addr->conf->retry.forever &&
	       (errno == ENOENT || errno == ECONNREFUSED);
}

static void lose_receiver(struct dgram_sock *sock, const struct err *err)
{
	char more[80];
	unsigned hidden;

	tally_add(&sock->addr->tally->lost[LOSS_RECEIVER], 1);
	if (log_limit_pass(sock->addr->limit, 32, loop_now(sock->addr->engine->loop), &hidden))
		log_warn("%s; lost until it is there again (option forever)%s", err->text,
			 log_limit_text(sock->addr->limit, hidden, "kind", more, sizeof(more)));
}

/* The interface is down or away, or so is a receiver that is waited for, which is no end: what is
 * refused is lost and counted. */
static bool is_lost(struct dgram_sock *sock, struct err *err)
{
	if (is_awaited(sock)) {
		lose_receiver(sock, err);
		return true;
	}
	if (sock->frames)
		return frames_lose(sock, err);
	if (!sock->member || errno == EAGAIN || !membership_lose(sock->member, err))
		return false;
	tally_add(&sock->addr->tally->lost[LOSS_INTERFACE], 1);
	return true;
}

/* Whoever is talked to is not silent: the table of peers wants to know, and if it is in another
 * process, now and then is enough. */
static void tell_sent(struct dgram_ep *d)
{
	int64_t now = loop_now(d->ep.addr->engine->loop);

	if (d->on_sent)
		d->on_sent(d, d->arg);
	if (d->feed < 0 || (d->told_ns && now - d->told_ns < FEED_TELL_NS))
		return;
	d->told_ns = now;
	(void)send(d->feed, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int ep_send(struct endpoint *ep, struct batch *b, struct err *err)
{
	struct dgram_ep *d = (struct dgram_ep *)ep;
	int rc;

	if (d->nameless)
		return send_nowhere(d, b);
	rc = dgram_send(d->sock, b, &d->to, &d->from, err);
	while (rc == -1 && is_lost(d->sock, err)) {
		b->packet[b->next++].drop = true; /* not counted as transferred */
		rc = dgram_send(d->sock, b, &d->to, &d->from, err);
	}
	if (rc == 0)
		tell_sent(d);
	if (rc == -1 && errno == EAGAIN) {
		dgram_room_await(&d->room, ep, d->sock, &d->to, shares_socket(d));
		errno = EAGAIN;
	}
	return rc;
}

static void ep_shut(struct endpoint *ep)
{
	struct dgram_ep *d = (struct dgram_ep *)ep;
	enum shut_how how = ep->addr->conf->flow.shut;
	struct batch *b;
	struct err err;

	if (how == SHUT_DEFAULT)
		how = ep->half_close;
	switch (how) {
	case SHUT_NULL:
		b = pool_batch(&ep->addr->engine->pool);
		batch_put(b, "", 0);
		if (dgram_send(d->sock, b, &d->to, &d->from, &err) == -1 && errno != EAGAIN) {
			log_info("%s", err.text);
			/* the kernel tells an ICMP error once: the reader has to hear it */
			if (d->sock->connected) {
				d->icmp = err.code;
				endpoint_ready(ep, EPOLLIN);
			}
		}
		pool_batch_back(&ep->addr->engine->pool, b);
		break;
	case SHUT_CLOSE:
		endpoint_want(ep, 0, EPOLLIN | EPOLLOUT);
		d->one_shot = true; /* reading ends with it */
		break;
	case SHUT_DOWN:
		log_info("shutdown(%d, %d)", d->sock->fd, SHUT_WR);
		if (d->sock->refs == 1 && shutdown(d->sock->fd, SHUT_WR) == -1)
			log_info("shutdown(%d, %d): %m", d->sock->fd, SHUT_WR);
		break;
	default:
		break;
	}
}

static void ep_report(struct endpoint *ep)
{
	struct dgram_ep *d = (struct dgram_ep *)ep;
	struct str text = { 0 };

	dgram_ask_for_drops(d->sock);
	admission_report(&d->sock->admission, &text);
	if (d->sock->count.kernel_drops)
		str_addf(&text, "%s%llu lost in the receive queue", text.len ? ", " : "",
			 (unsigned long long)d->sock->count.kernel_drops);
	if (d->sock->count.truncated)
		str_addf(&text, "%s%llu cut", text.len ? ", " : "",
			 (unsigned long long)d->sock->count.truncated);
	if (d->sock->count.unsent)
		str_addf(&text, "%s%llu refused by the interface", text.len ? ", " : "",
			 (unsigned long long)d->sock->count.unsent);
	if (d->sock->count.passed)
		str_addf(&text, "%s%llu descriptors closed that came with them",
			 text.len ? ", " : "", (unsigned long long)d->sock->count.passed);
	if (d->overflow)
		str_addf(&text, "%s%llu dropped because this session is too slow",
			 text.len ? ", " : "", (unsigned long long)d->overflow);
	if (text.len)
		log_put(LV_INFO, "COUNTERS: socket %u datagrams: %s", ep->addr->number, text.data);
	str_done(&text);
}

/* What is still in the inbox will not be read. */
static void count_unread(const struct dgram_ep *d)
{
	if (!d->ep.addr->engine->forgetting)
		tally_add(&d->sock->addr->tally->lost[LOSS_UNREAD], inbox_count(&d->inbox));
}

static void ep_close(struct endpoint *ep)
{
	struct dgram_ep *d = (struct dgram_ep *)ep;

	if (d->on_close)
		d->on_close(d, d->arg);
	dgram_room_done(&d->room);
	fd_close(&d->feed);
	ep->rfd = ep->wfd = -1;
	count_unread(d);
	inbox_done(&d->inbox);
	dgram_sock_unref(d->sock);
}

/* One more session on the same socket (the other address forks). */
static struct endpoint *ep_share(struct endpoint *ep, struct err *err)
{
	struct dgram_ep *d = (struct dgram_ep *)ep, *twin;
	int fd = fcntl(d->sock->fd, F_DUPFD_CLOEXEC, 3);
	struct dgram_sock *sock;

	if (fd == -1) {
		err_set(err, errno, "dup(%d)", d->sock->fd);
		return NULL;
	}
	dgram_share_drops(d->sock);
	sock = xmemdup(d->sock, sizeof(*sock));
	dgram_sock_enlist(sock);
	sock->dst = d->sock->dst ? dst_rule_copy(d->sock->dst) : NULL;
	sock->echo = d->sock->echo ? echo_new() : NULL;
	sock->seal = dgram_seal_ref(d->sock->seal);
	sock->member = membership_ref(d->sock->member);
	sock->more = groups_ref(d->sock->more);
	sock->fd = fd;
	sock->refs = 0;
	twin = dgram_ep_new(sock, &d->to);
	twin->from = d->from;
	twin->accept = d->accept;
	twin->ep.caps |= EP_SHARED;
	twin->ep.half_close = SHUT_NONE;
	return &twin->ep;
}

static bool ep_hears_itself(const struct endpoint *ep)
{
	const struct dgram_ep *d = (const struct dgram_ep *)ep;

	return dgram_hears_itself(d->sock, &d->to);
}

static const struct endpoint_ops ops = {
	.recv_batch = ep_recv,
	.send_batch = ep_send,
	.shut_write = ep_shut,
	.close = ep_close,
	.holds = ep_holds,
	.report = ep_report,
	.hears_itself = ep_hears_itself,
	.share = ep_share,
};

/* The socket is watched for all: only another descriptor, by which room is waited for, is not. */
static uint32_t shared_wants(const struct endpoint *ep, uint32_t want)
{
	return ep->wfd != ep->rfd ? want & EPOLLOUT : 0;
}

static const struct endpoint_ops shared_ops = {
	.recv_batch = ep_recv,
	.send_batch = ep_send,
	.shut_write = ep_shut,
	.close = ep_close,
	.holds = ep_holds,
	.wants = shared_wants,
	.report = ep_report,
	.hears_itself = ep_hears_itself,
	.share = ep_share,
};

void dgram_ep_share_socket(struct dgram_ep *d)
{
	d->ep.ops = &shared_ops;
}

const struct netaddr *dgram_ep_peer(const struct endpoint *ep)
{
	static const struct netaddr nobody;

	if (ep->ops != &ops && ep->ops != &shared_ops)
		return &nobody;
	return &container_of(ep, const struct dgram_ep, ep)->to;
}

void dgram_ep_feed(struct dgram_ep *d, int fd)
{
	d->ep.ops = &ops;
	d->feed = d->ep.rfd = fd;
}

void dgram_ep_one_shot(struct dgram_ep *d)
{
	d->one_shot = true;
	d->ep.half_close = SHUT_CLOSE;
	d->nameless = d->sock->kind.family == AF_UNIX && d->to.len <= sizeof(sa_family_t);
}

struct dgram_ep *dgram_ep_new(struct dgram_sock *sock, const struct netaddr *to)
{
	struct dgram_ep *d = xcalloc(1, sizeof(*d));

	endpoint_init(&d->ep, &ops, sock->addr, sock->fd, sock->fd);
	d->ep.caps = EP_DGRAM_IN | EP_DGRAM_OUT;
	d->sock = sock;
	dgram_room_init(&d->room);
	d->feed = -1;
	dgram_sock_ref(sock);
	if (to)
		d->to = *to;
	return d;
}

void dgram_peer_vars(const struct dgram_sock *sock, const struct netaddr *peer, struct vars *vars)
{
	char text[NETADDR_TEXT_LEN];

	vars_set(vars, "PEERADDR", "%s", netaddr_host_text(peer, text));
	if (sock->kind.protocol == IPPROTO_UDP)
		vars_set(vars, "PEERPORT", "%u", netaddr_port(peer));
}
