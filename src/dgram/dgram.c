/* dgram.c - datagram sockets: made, received from and judged, see dgram.h; the ends on
 * them are in dgram_end.c */
#include "dgram/dgram.h"

#include "base/log.h"
#include "base/mem.h"
#include "data/packet.h"
#include "dgram/ancillary.h"
#include "dgram/destination.h"
#include "dgram/dgram_drops.h"
#include "dgram/dgram_seal.h"
#include "dgram/dgram_self.h"
#include "dgram/echo.h"
#include "dgram/eth_frame.h"
#include "dgram/membership.h"
#include "end/relay.h"
#include "sys/fd.h"
#include "sys/groups.h"

#include <errno.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>

#ifndef UDP_GRO
#define UDP_GRO 104 /* Linux 5.0 */
#endif

#define RCVBUF_WANTED (4 << 20) /* bytes; the kernel cuts it to net.core.rmem_max */
#define RCVBUF_MANY (3 << 19) /* where each datagram may begin a session, which takes 15 us */

static void set_on(int fd, int level, int name)
{
	int one = 1;

	/* conveniences: their absence costs speed or a counter, not data */
	(void)setsockopt(fd, level, name, &one, sizeof(one));
}

static bool is_on(int fd, int level, int name)
{
	int value = 0;
	socklen_t len = sizeof(value);

	return getsockopt(fd, level, name, &value, &len) == 0 && value;
}

/* A queue that holds a burst: as large as the system allows, unless the user decides. */
static void enlarge_queue(const struct conf *conf, int fd)
{
	int want = RCVBUF_WANTED, now = 0;
	socklen_t len = sizeof(now);

	if (conf->sock.rcvbuf_given)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &now, &len) == 0 && now < want)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &want, sizeof(want));
}

void dgram_serves_many(struct dgram_sock *sock)
{
	int want = RCVBUF_MANY, now = 0;
	socklen_t len = sizeof(now);

	/* the kernel tells twice of what it was asked for */
	if (!sock->addr->conf->sock.rcvbuf_given &&
	    getsockopt(sock->fd, SOL_SOCKET, SO_RCVBUF, &now, &len) == 0 && now > 2 * want)
		(void)setsockopt(sock->fd, SOL_SOCKET, SO_RCVBUF, &want, sizeof(want));
}

/* Linux tells what a datagram was sent to only when asked; refused by sockets of the other version.
 */
static void ask_destination(int fd)
{
	set_on(fd, SOL_IP, IP_PKTINFO);
	set_on(fd, SOL_IPV6, IPV6_RECVPKTINFO);
}

void dgram_answers(struct dgram_sock *sock)
{
	sock->answers = true;
	sock->bound.len = sizeof(sock->bound.raw);
	if (getsockname(sock->fd, &sock->bound.any, &sock->bound.len) == -1)
		sock->bound.len = 0;
	if (netaddr_port(&sock->bound))
		ask_destination(sock->fd);
}

int dgram_hear_only(struct dgram_sock *sock, const char *dst, struct err *err)
{
	sock->dst = dst_rule_new(dst, sock->kind.family, err);
	if (!sock->dst)
		return -1;
	ask_destination(sock->fd);
	return 0;
}

/* What names in option range mean. */
static struct hosts *names_of(struct address *addr)
{
	if (!addr->conf->sock.range)
		return NULL;
	return &addr->hosts;
}

struct dgram_sock *dgram_sock_new(struct address *addr, int fd, struct dgram_kind kind,
				  unsigned target_port, struct err *err)
{
	struct dgram_sock *sock = xcalloc(1, sizeof(*sock));
	const struct conf *conf = addr->conf;

	sock->addr = addr;
	sock->fd = fd;
	sock->refs = 1;
	sock->kind = kind;
	sock->raw4 = kind.type == SOCK_RAW && kind.family == AF_INET;
	sock->frames = kind.family == AF_PACKET;
	sock->no_gso = addr->relay->plan->set.plain || kind.type != SOCK_DGRAM ||
		       kind.protocol != IPPROTO_UDP;
	if (admission_init(&sock->admission, conf, kind.family, target_port, names_of(addr), err) ==
	    -1) {
		free(sock);
		return NULL;
	}
	sock->admission.total = sock->addr->tally->refused;
	sock->admission.limit = addr->limit;
	if (conf->sock.dst && dgram_hear_only(sock, conf->sock.dst, err) == -1) {
		free(sock);
		return NULL;
	}
	if (conf->seal.file) {
		sock->seal = dgram_seal_new(addr);
		ask_destination(fd);
	}
	if (conf->sock.no_echo)
		sock->echo = echo_new();
	sock->errqueue = is_on(fd, SOL_IP, IP_RECVERR) || is_on(fd, SOL_IPV6, IPV6_RECVERR);
	set_on(fd, SOL_SOCKET, SO_RXQ_OVFL);
	if (!relay_has_source(addr->relay)) {
		enlarge_queue(conf, fd);
		if (!sock->no_gso)
			set_on(fd, IPPROTO_UDP, UDP_GRO);
	}
	sock->seen = &sock->drops_seen;
	dgram_sock_enlist(sock);
	return sock;
}

int dgram_take_groups(struct dgram_sock *sock, struct groups **more, struct err *err)
{
	if (!groups_heard(sock->fd, sock->kind.family, *more)) {
		err_set(err, 0, "more groups than one socket may join");
		return err_hint(err,
				"with ip-multicast-all=0 a socket has to join all it hears: raise "
				"sysctl net.ipv4.igmp_max_memberships (IPv6: net.core.optmem_max)");
	}
	sock->more = *more;
	*more = NULL;
	return 0;
}

void dgram_member(struct dgram_sock *sock, struct membership *m)
{
	sock->member = m;
	if (m->answers)
		ask_destination(sock->fd);
	if (sock->kind.family == AF_INET6) /* for IPv4 the kernel compares all of it */
		set_on(sock->fd, SOL_IPV6, IPV6_RECVPKTINFO);
}

/* MCAST: it was sent to this host alone, and such answers are heard. */
static bool is_answer(const struct dgram_sock *sock, const struct message *m)
{
	const struct membership *member = sock->member;
	struct netaddr dst = { 0 };
	enum dst_type type;

	return member->answers && ancillary_destination_type(m, &dst, &type) &&
	       type == DST_UNICAST &&
	       (!member->answer_port || netaddr_port(&m->peer) == member->answer_port) &&
	       (!member->source.len || netaddr_same_host(&m->peer, &member->source));
}

/* Was it sent to what this socket is for? */
static bool is_for_us(const struct dgram_sock *sock, const struct message *m)
{
	struct netaddr dst = { 0 };
	unsigned ifindex;

	if (sock->dst && !dst_rule_permits(sock->dst, m))
		return false;
	return !sock->member || !membership_is_ours_to_check(sock->member) ||
	       !ancillary_destination(m, &dst, &ifindex) ||
	       membership_hears(sock->member, &dst, ifindex, &m->peer) || is_answer(sock, m);
}

struct seal_socket dgram_seal_socket(const struct dgram_sock *sock)
{
	return (struct seal_socket){
		.fd = sock->fd,
		.protocol = sock->kind.type == SOCK_RAW ? sock->kind.protocol : -1,
		.answers = sock->answers,
	};
}

void dgram_sock_ref(struct dgram_sock *sock)
{
	sock->refs++;
}

void dgram_sock_unref(struct dgram_sock *sock)
{
	if (--sock->refs)
		return;
	dgram_ask_for_drops(sock);
	dgram_sock_delist(sock);
	membership_unref(sock->member);
	groups_unref(sock->more);
	fd_close(&sock->fd);
	free(sock->dst);
	free(sock->echo);
	free(sock->own);
	dgram_seal_unref(sock->seal);
	free(sock);
}

static void empty_error_queue(struct dgram_sock *sock)
{
	struct message m = { 0 };

	for (int i = 0; i < BATCH_MAX; i++) {
		struct msghdr h = { .msg_control = m.ctl, .msg_controllen = sizeof(m.ctl) };

		if (recvmsg(sock->fd, &h, MSG_ERRQUEUE | MSG_DONTWAIT) == -1)
			return;
		m.ctl_len = h.msg_controllen;
		ancillary_report(&m, sock->addr->conf->sock.pktinfo_given, NULL);
	}
}

long dgram_recv(struct dgram_sock *sock, struct batch *b, size_t max)
{
	long n = batch_recv(b, sock->fd, max, true, true);
	int code = errno;

	if (n <= 0 && sock->errqueue) {
		empty_error_queue(sock);
		errno = code;
	}
	return n;
}

static void count_truncated(struct dgram_sock *sock, const struct message *m)
{
	char text[NETADDR_TEXT_LEN];
	unsigned hidden;

	sock->count.truncated++;
	tally_add(&sock->addr->tally->oversize, 1);
	if (log_limit_pass(sock->addr->limit, 4, loop_now(sock->addr->engine->loop), &hidden))
		log_warn("a datagram from %s was longer than %u bytes and has been cut",
			 netaddr_text(&m->peer, text), (unsigned)(BATCH_HEAD + BATCH_TAIL));
}

/* Descriptors cannot be relayed; classic drops them as well. */
static void count_passed(struct dgram_sock *sock, const struct message *m)
{
	char text[NETADDR_TEXT_LEN];
	unsigned hidden;

	sock->count.passed += m->passed;
	if (log_limit_pass(sock->addr->limit, 16, loop_now(sock->addr->engine->loop), &hidden))
		log_warn("%u descriptors passed by %s have been closed: only data are relayed",
			 m->passed, netaddr_text(&m->peer, text));
}

/* IPv4 raw sockets deliver the IP header; what follows it is the payload. */
static void strip_ip_header(struct dgram_sock *sock, struct packet *p)
{
	size_t header = p->len ? (size_t)(p->data[0] & 15) * 4 : 0;

	if (p->len < sizeof(struct iphdr) || p->len < header) {
		log_warn("xioread(%d, ...)/IP4: short packet", sock->fd);
		tally_add(&sock->addr->tally->lost[LOSS_SHORT], 1);
		p->drop = true;
		return;
	}
	p->data += header;
	p->len -= (uint32_t)header;
}

static bool from_peer(const struct dgram_sock *sock, const struct netaddr *a,
		      const struct netaddr *peer)
{
	if (sock->kind.type == SOCK_RAW)
		return netaddr_same_host(a, peer);
	/* a UNIX socket without a name: whoever answers need not be bound */
	if (sock->kind.family == AF_UNIX && a->len <= sizeof(sa_family_t))
		return true;
	return netaddr_same(a, peer);
}

/* Judge one message: what holds for all datagrams merged in it. */
static bool judge_message(struct dgram_sock *sock, struct message *m, const struct netaddr *peer)
{
	char text[NETADDR_TEXT_LEN];
	uint32_t drops;

	if (m->ctl_len && ancillary_drops(m, &drops))
		dgram_drops_are(sock, drops);
	if (m->passed)
		count_passed(sock, m);
	if (m->truncated)
		count_truncated(sock, m);
	if (peer) {
		if (from_peer(sock, &m->peer, peer))
			return true;
		admit_refuse(&sock->admission, &m->peer, REFUSE_PEER,
			     loop_now(sock->addr->engine->loop));
		log_info("recvfrom(): wrong peer address, ignoring packet");
		return false;
	}
	if (m->ctl_len && log_threshold <= LV_NOTICE) /* records only: formatted for readers */
		ancillary_report(m, sock->addr->conf->sock.pktinfo_given, NULL);
	if (!sock->connected &&
	    !admit(&sock->admission, &m->peer, NULL, loop_now(sock->addr->engine->loop)))
		return false;
	if (sock->answers && dgram_is_self(sock, m)) {
		admit_refuse(&sock->admission, &m->peer, REFUSE_SELF,
			     loop_now(sock->addr->engine->loop));
		return false;
	}
	if (!is_for_us(sock, m)) {
		admit_refuse(&sock->admission, &m->peer, REFUSE_DST,
			     loop_now(sock->addr->engine->loop));
		return false;
	}
	log_info("permitting packet from %s", netaddr_text(&m->peer, text));
	return true;
}

/* Each datagram for itself, also those that came merged. */
static bool is_echo(struct dgram_sock *sock, const struct batch *b, struct packet *p)
{
	const struct netaddr *peer = &b->msg[p->msg].peer;
	int64_t now = loop_now(sock->addr->engine->loop);

	if (!sock->echo || !echo_is(sock->echo, sock->fd, peer, p->data, p->len, now))
		return false;
	admit_refuse(&sock->admission, peer, REFUSE_ECHO, now);
	p->drop = true;
	return true;
}

static void unseal(struct dgram_sock *sock, const struct batch *b, struct packet *p)
{
	const struct message *m = &b->msg[p->msg];
	const struct seal_socket s = dgram_seal_socket(sock);
	enum seal_result r = dgram_seal_open(sock->seal, &s, m, p);

	if (r == SEAL_OK)
		return;
	admit_refuse(&sock->admission, &m->peer, (enum refusal)(REFUSE_SEAL + r),
		     loop_now(sock->addr->engine->loop));
	p->drop = true;
}

size_t dgram_judge(struct dgram_sock *sock, struct batch *b, const struct netaddr *peer)
{
	char text[NETADDR_TEXT_LEN];
	unsigned last = UINT16_MAX;
	bool ok = false;
	size_t left = 0;

	for (size_t i = 0; i < b->n; i++) {
		struct packet *p = &b->packet[i];

		if (p->msg != last) {
			last = p->msg;
			ok = judge_message(sock, &b->msg[last], peer);
		}
		p->drop = !ok;
		if (!ok || is_echo(sock, b, p))
			continue;
		if (sock->frames)
			eth_frame_complete(b, i, sock->addr->conf->netif.retrieve_vlan, sock->fd);
		log_notice("received packet with %u bytes from %s", (unsigned)p->len,
			   netaddr_text(&b->msg[p->msg].peer, text));
		if (sock->raw4)
			strip_ip_header(sock, p);
		if (sock->seal && !p->drop)
			unseal(sock, b, p);
		left += !p->drop;
	}
	return left;
}
