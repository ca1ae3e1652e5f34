/* peers.c - one datagram socket, many sessions
 *
 * RECVFROM,fork makes a session of every datagram. LISTEN,fork keeps a table of peers: a datagram
 * finds the session of its sender (and of the local address it was sent to) or begins one, and
 * replies leave by the same socket from that local address, so there is no moment in which a
 * stranger's datagram can end up in somebody's session. Sessions of silent peers expire, and their
 * number is bounded: the longest silent one goes first.
 *
 * A turn. on_readable() receives batches, judges them (dgram_judge()), and hands them out flat: a
 * datagram is put into the inbox of its peer, and the peer's endpoint, or what opens it, is queued
 * as ready. Nothing of a session runs in between; all of it runs behind, in the same turn. So that
 * nothing is lost by that, hand_out() stops where the inbox of a peer that is due holds enough
 * (peer_has_enough()), or where somebody new would push out somebody who has not been served yet
 * (is_too_early()), and goes on behind the sessions (on_more()).
 *
 * A peer is waiting (no session: max-children are active), or has an endpoint (p->ep: a session
 * here), or a feed (p->feed: a session in another process, peer_feed.c), or neither (another
 * process, and there were no descriptors for a feed: what it sends is dropped).
 *
 * With layers on the datagrams (DTLS) an opening is the user of the peer's endpoint first, while
 * they shake hands, and then the session. The lowest layer's greets() judges strangers.
 *
 * Who calls what. The loop: on_readable(), on_more(), on_expiry(). source.c: peers_pause() and
 * peers_resume(), when places run out and come back. The end of a peer: on_peer_sent(), when it has
 * answered, on_peer_close(), when its session has gone. Its user hears by endpoint_ready(), or by
 * end() that somebody else takes its place.
 *
 * Ownership. The table has the peers and their feeds; their ends belong to who uses them, and to
 * nobody but the table while they wait. All of them hold a reference of the socket, so it outlives
 * the source by its last session. A batch that is not handed out to its end is kept.
 *
 * What receives may find the socket lost, and the last session gone with it: then the batch has
 * been given back, and every step looks at t->batch again. */
#include "base/log.h"
#include "base/mem.h"
#include "dgram/ancillary.h"
#include "dgram/dgram.h"
#include "dgram/dgram_end.h"
#include "dgram/peer_feed.h"
#include "dgram/peer_table.h"
#include "end/relay.h"
#include "open/dgram_open.h"
#include "open/peers.h"
#include "open/source.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define BATCHES_PER_TURN 4 /* of known peers; where each datagram begins a session, one */

struct peers {
	struct source src;
	struct dgram_sock *sock;
	enum open_mode mode;
	struct watch watch;
	bool per_peer; /* LISTEN; else RECVFROM */
	bool released;
	struct batch *batch; /* received, not all handed out (while paused) */
	struct peer_table table;
	struct list waiting; /* peers without a session: max-children are active */
	struct inbox_budget budget;
	struct log_limit limit; /* datagrams lost between processes */
	struct timer expiry;
	struct ready more; /* there may be more to hand out, behind what sessions do now */
};

/* ---- peers ---- */

/* The endpoint of a peer is being closed; it has sent something. */
static void on_peer_close(struct dgram_ep *d, void *arg)
{
	d->on_close = d->on_sent = NULL;
	peer_forget(arg);
}

static void on_peer_sent(struct dgram_ep *d, void *arg)
{
	(void)d;
	peer_touch(arg);
}

/* The endpoint lives on, the peer does not. */
static void part_from_peer(struct peer *p)
{
	if (p->ep)
		p->ep->on_close = p->ep->on_sent = NULL;
	peer_forget(p); /* another process reads end of file */
}

/* The peer leaves the table at once, though a program behind its session may take a while to end.
 */
static void end_peer(struct peer *p, const char *why)
{
	char text[NETADDR_TEXT_LEN];
	struct dgram_ep *ep = p->ep;

	log_notice("session with %s ends: %s", netaddr_text(&p->addr, text), why);
	part_from_peer(p);
	if (ep && ep->ep.user)
		ep->ep.user->end(&ep->ep, why);
	else if (ep && !(ep->ep.caps & EP_LENT))
		endpoint_free(&ep->ep);
}

static void arm_expiry(struct peers *t)
{
	int64_t timeout = t->src.addr->conf->listen.session_timeout_ns;
	struct peer *p = peer_oldest(&t->table);

	if (timeout > 0 && p && !t->expiry.index)
		loop_timer(t->src.addr->engine->loop, &t->expiry, p->last_ns + timeout);
}

static void on_expiry(struct timer *timer)
{
	struct peers *t = container_of(timer, struct peers, expiry);
	int64_t now = loop_now(t->src.addr->engine->loop);
	int64_t timeout = t->src.addr->conf->listen.session_timeout_ns;
	struct peer *p;

	while ((p = peer_oldest(&t->table)) && p->last_ns + timeout <= now)
		end_peer(p, "silent for session-timeout");
	arm_expiry(t);
}

/* Somebody new wants a session: who has been silent longest makes room, where there is none. True:
 * what he had is free for the new one, though others of the same size would have to wait. */
static bool make_room_for_peer(struct peers *t)
{
	int64_t max = t->src.addr->conf->listen.max_sessions;
	struct peer *p = peer_oldest(&t->table);

	if (!p)
		return false;
	if (max > 0 && t->table.n >= (size_t)max)
		end_peer(p, "more than max-sessions, and this one is silent longest");
	if (!t->src.paused || engine_has_descriptors(t->src.addr->engine) ||
	    !(p = peer_oldest(&t->table)))
		return false;
	end_peer(p, "no more descriptors (ulimit -n), and this one is silent longest");
	return true;
}

/* ---- handing datagrams out ---- */

static struct vars vars_of_message(struct peers *t, const struct message *m)
{
	struct vars vars = { 0 };

	dgram_peer_vars(t->sock, &m->peer, &vars);
	ancillary_report(m, t->sock->addr->conf->sock.pktinfo_given, &vars);
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

static struct dgram_ep *new_peer_end(struct peers *t, const struct message *m)
{
	struct dgram_ep *d = dgram_ep_new(t->sock, &m->peer);

	dgram_ep_share_socket(d);
	d->inbox.budget = &t->budget;
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
	if (!p->len && !t->sock->addr->conf->sock.null_eof) {
		tally_add(&t->sock->addr->tally->lost[LOSS_EMPTY], 1);
		return; /* the closing datagram of a CONNECT type asks nothing */
	}
	d = new_peer_end(t, m);
	vars = vars_of_message(t, m);
	dgram_ep_one_shot(d);
	if (p->len)
		dgram_ep_push(d, p->data, p->len);
	source_yield(&t->src, &d->ep, &vars);
	vars_done(&vars);
}

static void set_local_vars(struct peers *t, const struct netaddr *local, struct vars *vars)
{
	const struct netaddr *bound = &t->sock->bound;
	char text[NETADDR_TEXT_LEN];

	vars_set(vars, "SOCKADDR", "%s", netaddr_host_text(local->len ? local : bound, text));
	vars_set(vars, "SOCKPORT", "%u", netaddr_port(bound));
}

/* To a session in another process. */
static void pass_to_process(struct peers *t, struct peer *p, const struct packet *packet)
{
	char text[NETADDR_TEXT_LEN], more[80];
	unsigned hidden;
	int code;

	if (!packet->len && t->src.addr->half->nlayers) { /* layers have their own farewell */
		tally_add(&t->sock->addr->tally->lost[LOSS_EMPTY], 1);
		return;
	}
	if (peer_feed_send(p, packet->data, packet->len))
		return;
	code = errno;
	tally_add(&t->sock->addr->tally->lost[LOSS_SLOW], 1);
	if (log_limit_pass(&t->limit, p->hash, loop_now(t->src.addr->engine->loop), &hidden))
		log_warn("datagram from %s dropped: its session is too slow (%s)%s",
			 netaddr_text(&p->addr, text), strerror(code),
			 log_limit_text(&t->limit, hidden, "peer", more, sizeof(more)));
}

/* The layers (DTLS) have shaken hands with the peer, or will not. */
static void on_layers(struct opening *o, struct endpoint *ep, struct source *none, struct err *err)
{
	struct source *src = o->arg;
	struct dgram_ep *d = (struct dgram_ep *)ep;

	(void)none;
	if (err)
		relay_tell(src->addr->relay, LV_ERROR, err);
	if (ep && src->addr->relay->plan->isolate && d->on_close) /* its peer has not left */
		peer_feed_open(d->arg);
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
	endpoint_ready(&ep->ep, EPOLLIN); /* it runs in this turn, see peer_has_enough() */
	if (t->src.addr->half->nlayers) {
		opening_start_single(&t->src, t->mode, -1, &ep->ep, &vars, on_layers)->peer =
			p->addr;
	} else {
		if (t->src.addr->relay->plan->isolate)
			peer_feed_open(p);
		source_yield(&t->src, &ep->ep, &vars);
	}
	vars_done(&vars);
}

/* Does a stranger's datagram begin a session? The lowest layer knows. */
static bool is_greeting(const struct peers *t, const struct message *m, const struct netaddr *local,
			const struct packet *p)
{
	const struct half *half = t->src.addr->half;
	const struct dgram_greeting g = { t->sock, &m->peer, local, p->data, p->len };

	return !half->nlayers || !half->layer[0].type->greets ||
	       half->layer[0].type->greets(t->src.addr, &g);
}

/* LISTEN: a peer's first datagram. At max-children it waits for its session in the table. */
static void begin_peer(struct peers *t, const struct packet *p, const struct netaddr *local)
{
	const struct message *m = &t->batch->msg[p->msg];
	char text[NETADDR_TEXT_LEN];
	struct peer *peer;
	struct dgram_ep *d;
	bool has_place;

	if (t->src.closed) { /* only those who have a session are still heard */
		tally_add(&t->sock->addr->tally->lost[LOSS_UNREAD], 1);
		return;
	}
	if (!p->len) {
		log_info("empty datagram from %s, who has no session: ignored",
			 netaddr_text(&m->peer, text));
		tally_add(&t->sock->addr->tally->lost[LOSS_EMPTY], 1);
		return;
	}
	if (!is_greeting(t, m, local, p))
		return;
	(void)source_is_open(&t->src); /* who could give way may have talked since */
	has_place = make_room_for_peer(t);
	d = new_peer_end(t, m);
	d->from = *local;
	d->ep.half_close = SHUT_NULL;
	dgram_ep_push(d, p->data, p->len);
	peer = peer_add(&t->table, &m->peer, local);
	peer->ep = d;
	d->on_close = on_peer_close;
	d->on_sent = on_peer_sent;
	d->arg = peer;
	peer->vars = vars_of_message(t, m);
	set_local_vars(t, local, &peer->vars);
	vars_set(&peer->vars, "PEERPORT", "%u", netaddr_port(&m->peer));
	arm_expiry(t);
	/* who has just made room may have done so before the source has noticed */
	has_place |= list_empty(&t->waiting) && source_has_room(&t->src);
	if (t->src.paused && !has_place)
		list_add_tail(&t->waiting, &peer->waiting);
	else
		begin_session(t, peer);
}

/* Its session, or what opens it, runs later in this turn. */
static bool peer_is_due(const struct peer *peer)
{
	struct dgram_ep *d = peer->ep;

	return d && loop_is_ready(&d->ep.ready);
}

/* Until its session has run in this turn, and emptied the inbox, @peer gets no more than a session
 * can always have. */
static bool peer_has_enough(const struct peer *peer, size_t len)
{
	return peer_is_due(peer) && peer->ep->inbox.len + len > INBOX_SHARE_EARLY / 2;
}

/* Somebody new would take the place of somebody who has not been served yet. */
static bool is_too_early(const struct peers *t)
{
	int64_t max = t->src.addr->conf->listen.max_sessions;
	const struct peer *oldest = peer_oldest(&t->table);
	bool full = (max > 0 && t->table.n >= (size_t)max) ||
		    (t->src.paused && !engine_has_descriptors(t->src.addr->engine));

	return full && oldest && peer_is_due(oldest);
}

/* False: not now, but behind what the sessions do in this turn. */
static bool give_to_peer(struct peers *t, const struct packet *p)
{
	const struct message *m = &t->batch->msg[p->msg];
	struct netaddr local = reply_source(m);
	struct peer *peer = peer_find(&t->table, &m->peer, &local);

	if (!peer && is_too_early(t))
		return false;
	if (!peer) {
		begin_peer(t, p, &local);
		return true;
	}
	if (peer_has_enough(peer, p->len))
		return false;
	peer_touch(peer);
	if (peer->feed >= 0) {
		pass_to_process(t, peer, p);
		return true;
	}
	if (!peer->ep) /* in another process, and there were no descriptors for a feed */
		return true;
	if (p->len)
		dgram_ep_push(peer->ep, p->data, p->len);
	else if (!t->src.addr->half->nlayers) /* a layer above has a farewell of its own, which
					       * cannot be forged
					       */
		peer->ep->end = true;
	endpoint_ready(&peer->ep->ep, EPOLLIN);
	return true;
}

/* Hand out what is in the batch; RECVFROM stops when the source pauses, LISTEN when a session has
 * enough to do. True when all is out. */
static bool hand_out(struct peers *t)
{
	while (t->batch && t->batch->next < t->batch->n && (!t->src.paused || t->per_peer)) {
		struct packet *p = &t->batch->packet[t->batch->next++];

		if (p->drop)
			continue;
		if (!t->per_peer) {
			begin_one_shot(t, p);
		} else if (!give_to_peer(t, p)) {
			t->batch->next--;
			loop_ready(t->src.addr->engine->loop, &t->more);
			return false;
		}
	}
	return !t->batch || t->batch->next >= t->batch->n;
}

/* What recvmsg(2) says of a socket that is no use any more; all else is about one datagram. */
static bool socket_is_lost(int code)
{
	return code == EBADF || code == ENOTSOCK || code == EINVAL;
}

static void give_batch_back(struct peers *t)
{
	if (t->batch)
		pool_batch_back(&t->src.addr->engine->pool, t->batch);
	t->batch = NULL;
}

/* True: there may be more. */
static bool receive_batch(struct peers *t)
{
	size_t max = t->src.addr->relay->plan->set.plain ? 1 : BATCH_MAX;
	struct err err;

	if (t->released || (!t->per_peer && (t->src.paused || t->src.closed)))
		return false;
	if (!t->batch)
		t->batch = pool_batch(&t->src.addr->engine->pool);
	if (dgram_recv(t->sock, t->batch, max) > 0) {
		dgram_judge(t->sock, t->batch, NULL);
		return true;
	}
	if (socket_is_lost(errno)) {
		err_set(&err, errno, "recvmsg(%d)", t->sock->fd);
		source_fail(&t->src, &err);
	}
	return false;
}

static void receive_some(struct peers *t)
{
	int most = t->per_peer ? BATCHES_PER_TURN : 1;

	for (int i = 0; i < most && hand_out(t) && receive_batch(t); i++)
		;
	if (hand_out(t))
		give_batch_back(t);
}

static void on_more(struct ready *r)
{
	receive_some(container_of(r, struct peers, more));
}

static void on_readable(struct watch *w, uint32_t events)
{
	struct peers *t = container_of(w, struct peers, watch);
	struct err err;

	receive_some(t);
	if (events & EPOLLHUP && !t->released) {
		loop_watch(t->src.addr->engine->loop, w, w->fd, 0);
		err_set(&err, 0, "socket %d has been shut down", t->sock->fd);
		source_fail(&t->src, &err);
	}
}

/* ---- the source ---- */

static void peers_pause(struct source *src)
{
	struct peers *t = container_of(src, struct peers, src);

	/* known peers go on talking at max-children; for RECVFROM nothing more is read */
	if (!t->per_peer)
		loop_watch(src->addr->engine->loop, &t->watch, t->sock->fd, 0);
}

static void peers_resume(struct source *src)
{
	struct peers *t = container_of(src, struct peers, src);

	loop_watch(src->addr->engine->loop, &t->watch, t->sock->fd, EPOLLIN);
	dgram_say_waiting(t->sock, t->per_peer);
	while (!list_empty(&t->waiting) && !src->paused)
		begin_session(t, container_of(t->waiting.next, struct peer, waiting));
	/* what was received before the pause; not now: we may have been called while handing out */
	if (t->batch)
		loop_ready(src->addr->engine->loop, &t->more);
}

/* Nobody begins a session any more. Those who have one are heard on, and expire, until the source
 * is released; a datagram of RECVFROM that has none is lost. */
static void peers_close(struct source *src)
{
	struct peers *t = container_of(src, struct peers, src);

	while (!list_empty(&t->waiting))
		end_peer(container_of(t->waiting.next, struct peer, waiting),
			 "it has not begun, and listening is over");
	if (t->per_peer)
		return;
	loop_watch(src->addr->engine->loop, &t->watch, t->sock->fd, 0);
	for (; t->batch && t->batch->next < t->batch->n; t->batch->next++)
		tally_add(&t->sock->addr->tally->lost[LOSS_UNREAD],
			  !src->addr->engine->forgetting && !t->batch->packet[t->batch->next].drop);
}

static void peers_release(struct source *src)
{
	struct peers *t = container_of(src, struct peers, src);
	struct peer *p;

	t->released = true;
	loop_watch(src->addr->engine->loop, &t->watch, t->sock->fd, 0);
	loop_timer_stop(src->addr->engine->loop, &t->expiry);
	loop_unready(&t->more);
	give_batch_back(t);
	/* sessions that live on must not find a freed table */
	while ((p = peer_oldest(&t->table)))
		part_from_peer(p);
	peer_table_done(&t->table);
	dgram_sock_unref(t->sock);
}

static void peers_report(struct source *src)
{
	struct peers *t = container_of(src, struct peers, src);
	struct dgram_ep *d = dgram_ep_new(t->sock, NULL);

	endpoint_report(&d->ep);
	endpoint_free(&d->ep);
}

static const struct source_ops ops = {
	.pause = peers_pause,
	.resume = peers_resume,
	.close = peers_close,
	.release = peers_release,
	.report = peers_report,
};

static struct source *new_source(struct opening *o, bool per_peer, struct err *err)
{
	struct dgram_sock *sock = dgram_sock_new(o->addr, o->target.fd, dgram_kind_of(o), 0, err);
	struct peers *t;

	if (!sock)
		return NULL;
	o->target.fd = -1;
	if (dgram_take_groups(sock, &o->more, err) == -1) {
		dgram_sock_unref(sock);
		return NULL;
	}
	dgram_answers(sock);
	dgram_serves_many(sock);
	t = xcalloc(1, sizeof(*t));
	source_init(&t->src, &ops, o->addr);
	t->sock = sock;
	t->mode = o->mode;
	t->per_peer = per_peer;
	if (o->addr->conf->listen.max_sessions > 0)
		t->src.most = (size_t)o->addr->conf->listen.max_sessions;
	t->budget.max = INBOX_BUDGET;
	peer_table_init(&t->table, o->addr->engine->loop);
	list_init(&t->waiting);
	watch_init(&t->watch, on_readable);
	timer_init(&t->expiry, on_expiry);
	ready_init(&t->more, on_more);
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
