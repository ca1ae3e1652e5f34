/* peers.c - one datagram socket, many sessions
 *
 * RECVFROM,fork makes a session of every datagram. LISTEN,fork keeps a table of peers: a datagram
 * finds the session of its sender (and of the local address it was sent to) or begins one, and
 * replies leave by the same socket from that local address, so there is no moment in which a
 * stranger's datagram can end up in somebody's session. Sessions of silent peers expire, and their
 * number is bounded: the longest silent one goes first. */
#include "base/mem.h"
#include "relay/ancillary.h"
#include "relay/dgram.h"
#include "relay/session.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define BATCHES_PER_TURN 4
#define TABLE_FIRST 64 /* buckets; doubled when there are more peers than buckets */

/* A peer with a session. */
struct peer {
	struct peers *table;
	struct peer *next; /* in its bucket */
	struct list age; /* in table->oldest_first */
	struct netaddr addr, local;
	uint64_t hash;
	int64_t last_ns; /* of its last datagram */
	struct dgram_ep *ep; /* its session's end; NULL when that is in another process */
	int feed; /* where its datagrams go then, else -1 */
	struct watch gone; /* on feed: the other process has ended */
	struct list waiting; /* in table->waiting: no session yet, max-children are active */
	struct vars vars; /* while waiting */
};

struct peers {
	struct source src;
	struct dgram_sock *sock;
	const struct half *half; /* the address, and how it was opened */
	enum open_mode mode;
	struct watch watch;
	bool per_peer; /* LISTEN; else RECVFROM */
	struct batch *batch; /* received, not all handed out (while paused) */
	struct peer **bucket;
	size_t nbuckets, npeers;
	struct list oldest_first, waiting;
	struct timer expiry;
	struct deferred again;
};

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

/* ---- the table ---- */

static uint64_t hash_pair(const struct netaddr *addr, const struct netaddr *local)
{
	uint64_t h = netaddr_hash(addr, true, 0);

	return local->len ? netaddr_hash(local, true, h) : h;
}

static struct peer *find(const struct peers *t, const struct netaddr *addr,
			 const struct netaddr *local, uint64_t hash)
{
	for (struct peer *p = t->bucket[hash & (t->nbuckets - 1)]; p; p = p->next) {
		if (p->hash == hash && netaddr_same(&p->addr, addr) && p->local.len == local->len &&
		    (!local->len || netaddr_same_host(&p->local, local)))
			return p;
	}
	return NULL;
}

static void grow(struct peers *t)
{
	size_t n = t->nbuckets ? 2 * t->nbuckets : TABLE_FIRST;
	struct peer **bucket = xcalloc(n, sizeof(*bucket)); /* NOLINT: of pointers, on purpose */

	for (size_t i = 0; i < t->nbuckets; i++) {
		for (struct peer *p = t->bucket[i], *next; p; p = next) {
			next = p->next;
			p->next = bucket[p->hash & (n - 1)];
			bucket[p->hash & (n - 1)] = p;
		}
	}
	free(t->bucket);
	t->bucket = bucket;
	t->nbuckets = n;
}

static void forget(struct peer *p)
{
	struct peers *t = p->table;
	struct peer **at;

	for (at = &t->bucket[p->hash & (t->nbuckets - 1)]; *at != p; at = &(*at)->next)
		;
	*at = p->next;
	t->npeers--;
	list_del(&p->age);
	list_del(&p->waiting);
	vars_done(&p->vars);
	if (p->feed >= 0)
		loop_watch(t->src.relay->loop, &p->gone, p->feed, 0);
	fd_close(&p->feed);
	free(p);
}

/* The endpoint of a peer is being closed. */
static void on_peer_close(struct dgram_ep *d, void *arg)
{
	struct peer *p = arg;

	d->on_close = NULL;
	forget(p);
}

static void on_gone(struct watch *w, uint32_t events)
{
	(void)events;
	forget(container_of(w, struct peer, gone));
}

static struct peer *add(struct peers *t, const struct netaddr *addr, const struct netaddr *local,
			uint64_t hash, struct dgram_ep *ep)
{
	struct peer *p = xcalloc(1, sizeof(*p));

	if (t->npeers >= t->nbuckets)
		grow(t);
	p->table = t;
	p->addr = *addr;
	p->local = *local;
	p->hash = hash;
	p->ep = ep;
	p->feed = -1;
	watch_init(&p->gone, on_gone);
	p->next = t->bucket[hash & (t->nbuckets - 1)];
	t->bucket[hash & (t->nbuckets - 1)] = p;
	t->npeers++;
	list_add_tail(&t->oldest_first, &p->age);
	list_init(&p->waiting);
	ep->on_close = on_peer_close;
	ep->arg = p;
	return p;
}

/* The peer leaves the table at once, though a program behind its session may take a while to end.
 */
static void end_peer(struct peer *p, const char *why)
{
	char text[NETADDR_TEXT_LEN];
	struct dgram_ep *ep = p->ep;
	struct session *s = ep ? dgram_ep_top(ep)->owner : NULL;

	log_notice("session with %s ends: %s", netaddr_text(&p->addr, text), why);
	if (ep)
		ep->on_close = NULL;
	forget(p); /* another process reads end of file */
	if (s)
		session_end(s, why);
	else if (ep && ep->opening)
		opening_cancel(ep->opening);
	else if (ep && !(ep->ep.caps & EP_LENT))
		endpoint_free(&ep->ep);
}

static struct peer *oldest(const struct peers *t)
{
	return list_empty(&t->oldest_first) ? NULL /* NOLINT: see peers_close() */
					    : container_of(t->oldest_first.next, struct peer, age);
}

static void arm_expiry(struct peers *t)
{
	int64_t timeout = t->src.conf->listen.session_timeout_ns;
	struct peer *p = oldest(t);

	if (timeout > 0 && p && !t->expiry.index)
		loop_timer(t->src.relay->loop, &t->expiry, p->last_ns + timeout);
}

/* A session that answers is alive as well: what its flows have moved counts. */
static int64_t last_activity(const struct peer *p)
{
	const struct session *s = p->ep ? dgram_ep_top(p->ep)->owner : NULL;

	return s && s->last_active_ns > p->last_ns ? s->last_active_ns : p->last_ns;
}

static void on_expiry(struct timer *timer)
{
	struct peers *t = container_of(timer, struct peers, expiry);
	int64_t now = loop_now(t->src.relay->loop);
	int64_t timeout = t->src.conf->listen.session_timeout_ns;
	struct peer *p;

	while ((p = oldest(t)) && p->last_ns + timeout <= now) {
		p->last_ns = last_activity(p);
		list_del(&p->age);
		list_add_tail(&t->oldest_first, &p->age);
		if (p->last_ns + timeout <= now)
			end_peer(p, "silent for session-timeout");
	}
	arm_expiry(t);
}

/* ---- handing datagrams out ---- */

static struct vars vars_of(struct peers *t, const struct message *m)
{
	struct vars vars = { 0 };

	dgram_peer_vars(t->sock, &m->peer, &vars);
	ancillary_report(m, t->sock->conf->sock.pktinfo_given, &vars);
	return vars;
}

/* The address replies leave from: the one the datagram was sent to, if that is an address of ours
 * and not a group. */
static struct netaddr reply_source(const struct message *m)
{
	struct netaddr dst = { 0 };
	unsigned ifindex;

	if (!ancillary_destination(m, &dst, &ifindex))
		return (struct netaddr){ 0 };
	if (netaddr_is_multicast(&dst) || netaddr_is_broadcast(&dst))
		return (struct netaddr){ 0 };
	if (dst.any.sa_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&dst.in6.sin6_addr))
		dst.in6.sin6_scope_id = ifindex;
	return dst;
}

static struct dgram_ep *new_end(struct peers *t, const struct message *m)
{
	struct dgram_ep *d = dgram_ep_new(t->sock, &m->peer);

	d->ep.caps |= EP_QUEUED;
	return d;
}

/* RECVFROM: one datagram, one session. */
static void begin_one_shot(struct peers *t, const struct packet *p)
{
	const struct message *m = &t->batch->msg[p->msg];
	char text[NETADDR_TEXT_LEN];
	struct dgram_ep *d;
	struct vars vars;

	log_notice("receiving packet from %s", netaddr_text(&m->peer, text));
	if (!p->len && !t->sock->conf->sock.null_eof) {
		tally_add(&t->sock->tally->lost[LOSS_EMPTY], 1);
		return; /* the closing datagram of a CONNECT type asks nothing */
	}
	d = new_end(t, m);
	vars = vars_of(t, m);
	dgram_ep_one_shot(d);
	if (p->len)
		dgram_ep_push(d, p->data, p->len);
	source_yield(&t->src, &d->ep, &vars);
	vars_done(&vars);
}

static void set_local_vars(struct peers *t, const struct netaddr *local, struct vars *vars)
{
	struct netaddr bound = { .len = sizeof(bound.raw) };
	char text[NETADDR_TEXT_LEN];

	getsockname(t->sock->fd, &bound.any, &bound.len);
	vars_set(vars, "SOCKADDR", "%s", netaddr_host_text(local->len ? local : &bound, text));
	vars_set(vars, "SOCKPORT", "%u", netaddr_port(&bound));
}

/* The session will be in a process of its own, the table stays here: a pair of sockets carries the
 * peer's datagrams over, so that there is still one place that judges and sorts them. */
static void feed_other_process(struct peers *t, struct peer *p)
{
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd) == -1) {
		log_warn("socketpair(): %m; only the first datagram of this session is delivered");
		return;
	}
	p->feed = fd[0];
	p->ep->feed = fd[1];
	p->ep->ep.caps &= ~(unsigned)EP_QUEUED;
	p->ep->ep.rfd = fd[1];
	p->ep->on_close = NULL; /* the peer stays when the endpoint goes over */
	p->ep = NULL;
	loop_watch(t->src.relay->loop, &p->gone, p->feed, EPOLLRDHUP);
}

/* The same for a layer above: its lower end still knows the peer. */
static void feed_layer(struct peers *t, struct endpoint *top)
{
	for (struct list *node = t->oldest_first.next; node != &t->oldest_first;
	     node = node->next) {
		struct peer *p = container_of(node, struct peer, age);

		struct dgram_ep *lower = p->ep;

		if (!lower || lower->top != top)
			continue;
		feed_other_process(t, p);
		top->rfd = lower->ep.rfd;
		top->caps &= ~(unsigned)EP_QUEUED;
		return;
	}
}

static void pass_on(struct peer *p, const struct packet *packet)
{
	char text[NETADDR_TEXT_LEN];

	if (send(p->feed, packet->data, packet->len, MSG_DONTWAIT | MSG_NOSIGNAL) == -1) {
		tally_add(&p->table->sock->tally->lost[LOSS_SLOW], 1);
		log_warn("datagram from %s dropped: its session is too slow (%m)",
			 netaddr_text(&p->addr, text));
	}
}

/* The layer above (DTLS) has shaken hands with its peer, or will not. */
static void on_layer(struct opening *o, struct endpoint *ep, struct source *none, struct err *err)
{
	struct source *src = o->arg;
	struct peers *t = container_of(src, struct peers, src);

	(void)none;
	if (err)
		log_err(LV_ERROR, err);
	if (ep && t->src.relay->plan->isolate && !src->closed)
		feed_layer(t, ep);
	source_opened(src, ep, &o->vars);
}

/* Begin the session of a peer that is in the table. */
static void begin_session(struct peers *t, struct peer *p)
{
	char text[NETADDR_TEXT_LEN];
	struct dgram_ep *ep = p->ep;
	struct vars vars = p->vars;

	p->vars = (struct vars){ 0 };
	list_del(&p->waiting);
	log_notice("accepting UDP connection from %s", netaddr_text(&p->addr, text));
	log_info("permitting UDP connection from %s", text);
	if (t->half->type->conn_steps) {
		opening_start_single(&t->src, t->half, t->mode, -1, &ep->ep, &vars, on_layer);
	} else {
		if (t->src.relay->plan->isolate)
			feed_other_process(t, p);
		source_yield(&t->src, &ep->ep, &vars);
	}
	vars_done(&vars);
}

/* LISTEN: a peer's first datagram. At max-children it waits for its session in the table. */
static void begin_peer(struct peers *t, const struct packet *p, const struct netaddr *local,
		       uint64_t hash)
{
	const struct message *m = &t->batch->msg[p->msg];
	int64_t max = t->src.conf->listen.max_sessions;
	char text[NETADDR_TEXT_LEN];
	struct peer *peer;
	struct dgram_ep *d;

	if (!p->len) {
		log_info("empty datagram from %s, who has no session: ignored",
			 netaddr_text(&m->peer, text));
		tally_add(&t->sock->tally->lost[LOSS_EMPTY], 1);
		return;
	}
	if (t->half->type->greets) {
		struct dgram_greeting g = { t->sock, &m->peer, local, p->data, p->len };

		if (!t->half->type->greets(t->src.relay, t->half, &g))
			return;
	}
	if (max > 0 && t->npeers >= (size_t)max && (peer = oldest(t)))
		end_peer(peer, "more than max-sessions, and this one is silent longest");
	d = new_end(t, m);
	d->from = *local;
	d->ep.half_close = SHUT_NULL;
	dgram_ep_push(d, p->data, p->len);
	peer = add(t, &m->peer, local, hash, d);
	peer->last_ns = loop_now(t->src.relay->loop);
	peer->vars = vars_of(t, m);
	set_local_vars(t, local, &peer->vars);
	vars_set(&peer->vars, "PEERPORT", "%u", netaddr_port(&m->peer));
	arm_expiry(t);
	if (t->src.paused)
		list_add_tail(&t->waiting, &peer->waiting);
	else
		begin_session(t, peer);
}

static void to_peer(struct peers *t, const struct packet *p)
{
	const struct message *m = &t->batch->msg[p->msg];
	struct netaddr local = reply_source(m);
	uint64_t hash = hash_pair(&m->peer, &local);
	struct peer *peer = find(t, &m->peer, &local, hash);
	struct session *s;

	if (!peer) {
		begin_peer(t, p, &local, hash);
		return;
	}
	peer->last_ns = loop_now(t->src.relay->loop);
	list_del(&peer->age);
	list_add_tail(&t->oldest_first, &peer->age);
	if (peer->feed >= 0) {
		pass_on(peer, p);
		return;
	}
	if (p->len)
		dgram_ep_push(peer->ep, p->data, p->len);
	else if (!peer->ep->top) /* a layer above has a farewell of its own, which cannot be forged
				  */
		peer->ep->end = true;
	if (peer->ep->opening) {
		opening_kick(peer->ep->opening);
		return;
	}
	s = dgram_ep_top(peer->ep)->owner;
	if (s && s->state == SESSION_RELAYING)
		session_kick(dgram_ep_top(peer->ep));
}

/* Hand out what is in the batch; RECVFROM stops when the source pauses. True when all is out, or
 * when the source has been closed meanwhile (a process of its own for a session) and the batch with
 * it. */
static bool hand_out(struct peers *t)
{
	while (t->batch && t->batch->next < t->batch->n && (!t->src.paused || t->per_peer)) {
		struct packet *p = &t->batch->packet[t->batch->next++];

		if (p->drop)
			continue;
		if (t->per_peer)
			to_peer(t, p);
		else
			begin_one_shot(t, p);
	}
	return !t->batch || t->batch->next >= t->batch->n;
}

static void receive(struct peers *t)
{
	size_t max = t->src.relay->plan->set.plain ? 1 : BATCH_MAX;

	if (!t->batch)
		t->batch = pool_batch(&t->src.relay->pool);
	for (int i = 0; i < BATCHES_PER_TURN && hand_out(t); i++) {
		if (t->src.closed || (t->src.paused && !t->per_peer) ||
		    dgram_recv(t->sock, t->batch, max) <= 0)
			break;
		dgram_judge(t->sock, t->batch, NULL);
	}
	if (hand_out(t) && t->batch) {
		pool_batch_back(&t->src.relay->pool, t->batch);
		t->batch = NULL;
	}
}

static void receive_again(struct deferred *d)
{
	struct peers *t = container_of(d, struct peers, again);

	if (!t->src.closed)
		receive(t);
}

static void on_readable(struct watch *w, uint32_t events)
{
	(void)events;
	receive(container_of(w, struct peers, watch));
}

/* ---- the source ---- */

static void peers_pause(struct source *src)
{
	struct peers *t = container_of(src, struct peers, src);

	/* known peers go on talking at max-children; for RECVFROM nothing more is read */
	if (!t->per_peer)
		loop_watch(src->relay->loop, &t->watch, t->sock->fd, 0);
}

static void peers_resume(struct source *src)
{
	struct peers *t = container_of(src, struct peers, src);

	loop_watch(src->relay->loop, &t->watch, t->sock->fd, EPOLLIN);
	dgram_say_waiting(t->sock, t->per_peer);
	while (!list_empty(&t->waiting) && !src->paused)
		begin_session(t, container_of(t->waiting.next, struct peer, waiting));
	/* what was received before the pause; not now: we may have been called while handing out */
	if (t->batch)
		loop_defer(src->relay->loop, &t->again, receive_again);
}

static void peers_close(struct source *src)
{
	struct peers *t = container_of(src, struct peers, src);
	struct peer *p;

	loop_watch(src->relay->loop, &t->watch, t->sock->fd, 0);
	loop_timer_stop(src->relay->loop, &t->expiry);
	if (t->batch) {
		pool_batch_back(&src->relay->pool, t->batch);
		t->batch = NULL;
	}
	/* sessions that live on must not find a freed table */
	while ((p = oldest(t))) {
		if (!p->ep) {
			forget(p);
			continue;
		}
		/* still waiting for its session */
		if (!dgram_ep_top(p->ep)->owner && !p->ep->opening && !(p->ep->ep.caps & EP_LENT)) {
			endpoint_free(&p->ep->ep);
			continue;
		}
		p->ep->on_close = NULL;
		/* the list forgets it: no use after free, whatever lint thinks */
		list_del(&p->age);
		free(p);
	}
	free(t->bucket);
	t->bucket = NULL;
	dgram_sock_unref(t->sock);
}

static void peers_report(struct source *src)
{
	struct peers *t = container_of(src, struct peers, src);
	struct dgram_ep *d = dgram_ep_new(t->sock, NULL);

	d->ep.number = src->number;
	d->ep.ops->report(&d->ep);
	endpoint_free(&d->ep);
}

static const struct source_ops ops = {
	.pause = peers_pause,
	.resume = peers_resume,
	.close = peers_close,
	.report = peers_report,
};

static struct source *new_source(struct opening *o, bool per_peer, struct err *err)
{
	struct dgram_sock *sock =
		dgram_sock_new(o->relay, &o->half->conf, o->target.fd, dgram_kind_of(o), 0, err);
	struct peers *t;

	if (!sock)
		return NULL;
	o->target.fd = -1;
	if (dgram_take_groups(sock, &o->more, err) == -1) {
		dgram_sock_unref(sock);
		return NULL;
	}
	sock->answers = true;
	t = xcalloc(1, sizeof(*t));
	source_init(&t->src, &ops, o->relay, &o->half->conf, o->number);
	t->sock = sock;
	t->half = o->half;
	t->mode = o->mode;
	t->per_peer = per_peer;
	if (per_peer)
		t->src.max_sessions = t->src.conf->listen.max_sessions;
	list_init(&t->oldest_first);
	list_init(&t->waiting);
	watch_init(&t->watch, on_readable);
	timer_init(&t->expiry, on_expiry);
	grow(t);
	return &t->src;
}

struct source *dgram_source_recvfrom(struct opening *o, struct err *err)
{
	return new_source(o, false, err);
}

struct source *dgram_source_listen(struct opening *o, struct err *err)
{
	int one = 1;

	/* to answer from the address a datagram was sent to */
	if (o->target.family == AF_INET)
		(void)setsockopt(o->target.fd, SOL_IP, IP_PKTINFO, &one, sizeof(one));
	else if (o->target.family == AF_INET6)
		(void)setsockopt(o->target.fd, SOL_IPV6, IPV6_RECVPKTINFO, &one, sizeof(one));
	return new_source(o, true, err);
}
