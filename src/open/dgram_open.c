/* dgram_open.c - from an opening to a datagram endpoint
 *
 * The makers of the datagram types, and the steps with which LISTEN and RECVFROM (without fork)
 * wait for their first datagram. What such an endpoint does is in dgram.c. */
#include "base/log.h"
#include "base/mem.h"
#include "data/packet.h"
#include "dgram/ancillary.h"
#include "dgram/dgram.h"
#include "dgram/dgram_end.h"
#include "end/relay.h"
#include "open/dgram_open.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct dgram_kind dgram_kind_of(const struct opening *o)
{
	return (struct dgram_kind){ o->target.family, o->socktype, o->protocol };
}

void dgram_say_waiting(const struct dgram_sock *sock, bool listens)
{
	struct netaddr local = { .len = sizeof(local.raw) };
	char text[NETADDR_TEXT_LEN];

	getsockname(sock->fd, &local.any, &local.len);
	netaddr_text(&local, text);
	log_switch(listens ? "starting accept loop" : "starting recvfrom loop", true);
	if (listens && sock->kind.protocol == IPPROTO_UDP)
		log_notice("listening on UDP %s", text);
	else if (listens)
		log_notice("listening on PROTO%d %s", sock->kind.protocol, text);
	else if (sock->kind.type == SOCK_RAW && netaddr_is_any(&local))
		log_notice("receiving IP protocol %d", sock->kind.protocol);
	else
		log_notice("receiving on %s", text);
}

/* The socket of @o becomes a dgram_sock; the opening loses the descriptor. */
static struct dgram_sock *take_socket(struct opening *o, struct dgram_kind kind,
				      unsigned target_port, struct err *err)
{
	struct dgram_sock *sock = dgram_sock_new(o->addr, o->target.fd, kind, target_port, err);

	if (!sock)
		return NULL;
	o->target.fd = -1;
	if (dgram_take_groups(sock, &o->more, err) == 0)
		return sock;
	dgram_sock_unref(sock);
	return NULL;
}

static struct endpoint *make_kind(struct opening *o, struct dgram_kind kind, unsigned target_port,
				  enum dgram_accept accept, bool connected,
				  enum shut_how half_close, struct err *err)
{
	static const struct netaddr nowhere;
	const struct netaddr *to = o->remote.n ? &o->remote.addr[o->remote_i] : &nowhere;
	struct dgram_sock *sock = take_socket(o, kind, target_port, err);
	struct dgram_ep *d;

	if (!sock)
		return NULL;
	sock->connected = connected;
	d = dgram_ep_new(sock, to);
	dgram_sock_unref(sock); /* the endpoint holds it */
	d->accept = accept;
	d->ep.half_close = half_close;
	return &d->ep;
}

static struct endpoint *make(struct opening *o, unsigned target_port, enum dgram_accept accept,
			     bool connected, enum shut_how half_close, struct err *err)
{
	return make_kind(o, dgram_kind_of(o), target_port, accept, connected, half_close, err);
}

static void say_prepared(const struct opening *o)
{
	struct netaddr local = { .len = sizeof(local.raw) };
	char text[NETADDR_TEXT_LEN];

	if (log_threshold > LV_NOTICE)
		return;
	getsockname(o->target.fd, &local.any, &local.len);
	log_notice("successfully prepared local socket %s", netaddr_text(&local, text));
}

/* A port chosen by the kernel must be told. */
static void say_bound(const struct opening *o, int fd, const char *where)
{
	struct netaddr local = { .len = sizeof(local.raw) };
	char text[NETADDR_TEXT_LEN];

	if (strcmp(opening_param(o, 0), "0") != 0 || log_threshold > LV_NOTICE)
		return;
	getsockname(fd, &local.any, &local.len);
	log_notice("%s(): bound to %s", where, netaddr_text(&local, text));
}

struct endpoint *dgram_make_connect(struct opening *o, struct err *err)
{
	log_notice("successfully connected to %s:%s", opening_param(o, 0), opening_param(o, 1));
	return make(o, 0, ACCEPT_PEER, true, SHUT_NULL, err);
}

struct endpoint *dgram_make_sendto(struct opening *o, struct err *err)
{
	say_prepared(o);
	return make(o, 0, ACCEPT_PEER, false, SHUT_NONE, err);
}

struct endpoint *dgram_make_datagram(struct opening *o, struct err *err)
{
	say_prepared(o);
	return make(o, netaddr_port(&o->remote.addr[0]), ACCEPT_ANY, false, SHUT_NONE, err);
}

struct endpoint *dgram_make_recv(struct opening *o, struct err *err)
{
	say_bound(o, o->target.fd, "_xioopen_dgram_recv");
	log_switch("starting recv loop", true);
	return make(o, 0, ACCEPT_ANY, false, SHUT_NONE, err);
}

struct endpoint *dgram_make_generic(struct opening *o, struct err *err)
{
	say_prepared(o);
	return make(o, 0, ACCEPT_ANY, false, SHUT_NONE, err);
}

struct endpoint *dgram_make_packets(struct opening *o, int type, struct err *err)
{
	struct dgram_kind kind = { o->target.family, type, o->protocol };

	o->remote.n = 0; /* the kernel knows where to */
	return make_kind(o, kind, 0, ACCEPT_ANY, true, SHUT_DOWN, err);
}

struct endpoint *dgram_make_program(struct opening *o, int type, struct err *err)
{
	struct dgram_kind kind = { AF_UNIX, type, 0 };
	/* a seqpacket socket says end of file with an empty packet, a datagram one never does */
	bool has_end = type == SOCK_SEQPACKET;
	struct endpoint *ep =
		make_kind(o, kind, 0, ACCEPT_ANY, has_end, has_end ? SHUT_DOWN : SHUT_NONE, err);

	if (ep)
		ep->caps |= EP_QUIET_PIPE;
	return ep;
}

/* The first datagram, waiting for its endpoint. */
struct first {
	struct dgram_sock *sock;
	struct dgram_ep *ep;
	int64_t due_ns; /* accept-timeout ends the waiting then; 0: never */
};

static void first_free(void *impl)
{
	struct first *f = impl;

	endpoint_free(f->ep ? &f->ep->ep : NULL);
	dgram_sock_unref(f->sock);
	free(f);
}

static struct first *begin_waiting(struct opening *o, struct err *err)
{
	struct first *f;
	struct dgram_sock *sock = take_socket(o, dgram_kind_of(o), 0, err);

	if (!sock)
		return NULL;
	f = xcalloc(1, sizeof(*f));
	f->sock = sock;
	dgram_answers(sock);
	if (o->addr->conf->listen.accept_timeout_ns > 0)
		f->due_ns =
			loop_now(o->addr->engine->loop) + o->addr->conf->listen.accept_timeout_ns;
	o->impl = f;
	o->impl_free = first_free;
	if (!(o->addr->half->type->groups & G_LISTEN))
		say_bound(o, sock->fd, "_xioopen_dgram_recvfrom");
	dgram_say_waiting(sock, o->addr->half->type->groups & G_LISTEN);
	relay_ready(o->addr->relay);
	return f;
}

enum step_result step_first_packet(struct opening *o, struct err *err)
{
	enum step_result r = STEP_AGAIN;
	char text[NETADDR_TEXT_LEN];
	struct batch *b;
	struct first *f;

	if (o->addr->conf->listen.fork)
		return STEP_DONE; /* a source will wait */
	f = o->impl ? o->impl : begin_waiting(o, err);
	if (!f)
		return STEP_FAIL;
	b = pool_batch(&o->addr->engine->pool);
	/* a flood of refused datagrams must not keep us from everything else */
	for (int i = 0; i < BATCH_MAX && r == STEP_AGAIN; i++) {
		struct message *m = &b->msg[0];

		if (dgram_recv(f->sock, b, 1) <= 0)
			break;
		log_notice(o->addr->half->type->groups & G_LISTEN
				   ? "accepting UDP connection from %s"
				   : "receiving packet from %s",
			   netaddr_text(&m->peer, text));
		/* a merged message is a run of datagrams of one sender: all are kept */
		if (!dgram_judge(f->sock, b, NULL)) {
			if (o->addr->half->type->groups & G_LISTEN)
				log_notice("forbidding UDP connection from %s",
					   netaddr_text(&m->peer, text));
			continue;
		}
		if (o->addr->half->type->groups & G_LISTEN)
			log_info("permitting UDP connection from %s", netaddr_text(&m->peer, text));
		f->ep = dgram_ep_new(f->sock, &m->peer);
		for (size_t k = 0; k < b->n; k++) {
			if (b->packet[k].len)
				dgram_ep_push(f->ep, b->packet[k].data, b->packet[k].len);
		}
		dgram_peer_vars(f->sock, &m->peer, &o->vars);
		ancillary_report(m, o->addr->conf->sock.pktinfo_given, &o->vars);
		r = STEP_DONE;
	}
	pool_batch_back(&o->addr->engine->pool, b);
	if (r != STEP_AGAIN)
		return r;
	if (f->due_ns && loop_now(o->addr->engine->loop) >= f->due_ns) {
		log_warn("accept: Connection timed out");
		err_over(err);
		return STEP_FAIL;
	}
	opening_wait(o, f->sock->fd, EPOLLIN, f->due_ns);
	return STEP_AGAIN;
}

enum step_result step_connect_first(struct opening *o, struct err *err)
{
	struct netaddr local = { .len = sizeof(local.raw) };
	struct first *f = o->impl;
	char text[NETADDR_TEXT_LEN];

	if (o->addr->conf->listen.fork)
		return STEP_DONE;
	/* the kernel then reports ICMP errors; what others have queued is refused by dgram_judge */
	if (connect(f->sock->fd, &f->ep->to.any, f->ep->to.len) == -1) {
		err_set(err, errno, "connect(%d, {%s}, %u)", f->sock->fd,
			netaddr_text(&f->ep->to, text), (unsigned)f->ep->to.len);
		return STEP_FAIL;
	}
	f->sock->connected = true;
	getsockname(f->sock->fd, &local.any, &local.len);
	vars_set(&o->vars, "SOCKADDR", "%s", netaddr_host_text(&local, text));
	vars_set(&o->vars, "SOCKPORT", "%u", netaddr_port(&local));
	vars_set(&o->vars, "PEERPORT", "%u", netaddr_port(&f->ep->to));
	return STEP_DONE;
}

static struct endpoint *make_first(struct opening *o)
{
	struct first *f = o->impl;
	struct endpoint *ep = &f->ep->ep;

	f->ep->accept = ACCEPT_PEER;
	f->ep = NULL;
	first_free(f);
	o->impl = NULL;
	return ep;
}

struct endpoint *dgram_make_recvfrom(struct opening *o, struct err *err)
{
	struct endpoint *ep = make_first(o);

	(void)err;
	dgram_ep_one_shot((struct dgram_ep *)ep);
	return ep;
}

struct endpoint *dgram_make_listen(struct opening *o, struct err *err)
{
	struct endpoint *ep = make_first(o);

	(void)err;
	ep->half_close = SHUT_NULL;
	return ep;
}

/* A unicast address hears no group on Linux: the kernel compares the destination with it. */
static void warn_unicast(const struct opening *o, const struct netaddr *local)
{
	char text[NETADDR_TEXT_LEN];

	if (netaddr_is_any(local) || netaddr_is_multicast(local) || netaddr_is_broadcast(local))
		return;
	log_warn("bound to the unicast address %s: no datagram of the joined group will be "
		 "received; %s, or bind to the group",
		 netaddr_host_text(local, text),
		 o->addr->half->nparams == 2 ? "bind to the port only (bind=:PORT)"
					     : "leave bind out");
}

/* The membership of another socket is enough for the kernel (IP_MULTICAST_ALL): only a warning. */
static void warn_not_joined(const struct opening *o, const struct netaddr *local)
{
	const char *option =
		local->any.sa_family == AF_INET6 ? "ipv6-join-group" : "ip-add-membership";
	char text[NETADDR_TEXT_LEN];
	struct err err;

	if (o->mode == MODE_WRITE || !netaddr_is_multicast(local))
		return;
	netaddr_host_text(local, text);
	err_set(&err, 0,
		"bound to the group %s, which this address does not join: it hears nothing of it "
		"unless somebody else on this host does",
		text);
	err_hint(&err, "add option %s=%s:INTERFACE, or use MCAST", option, text);
	log_err(LV_WARN, &err);
}

enum step_result step_warn_bound(struct opening *o, struct err *err)
{
	struct netaddr local = { .len = sizeof(local.raw) };

	(void)err;
	getsockname(o->target.fd, &local.any, &local.len);
	if (o->addr->conf->sock.joins)
		warn_unicast(o, &local);
	else
		warn_not_joined(o, &local);
	return STEP_DONE;
}
