/* linger.c - the end of a connected stream socket, see linger.h
 *
 *   FLUSHING   what is above has bytes to send (a close-notify that found the socket full); for
 *              what is no socket of ours alone this is the only state, and nothing is read
 *   SENDING    our half is shut; the peer has not acknowledged everything
 *   LISTENING  it has; it may still talk, so that no reset meets what it has not read yet
 *
 * In each of them what the peer says is read and dropped. The end comes with the peer's end of
 * file (but in FLUSHING: it may still read), with an error, in LISTENING when it has said nothing
 * at all, or nothing more for a moment (flag -t), or when nothing has got ahead for close-timeout,
 * or all of it has taken LIMITS times that long. After the last two the kernel goes on alone: with
 * nothing unread it sends the rest as long as the peer is there. That the peer has acknowledged
 * something is told by no event, so a timer looks, at first often, then rarely. */
#include "end/linger.h"

#include "base/log.h"
#include "base/mem.h"
#include "end/relay.h"
#include "sys/fd.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOOK_MIN_NS NSEC_PER_MSEC
#define LOOK_MAX_NS (20 * NSEC_PER_MSEC)
#define LIMITS 6 /* all in all a socket stays for so many close-timeouts, whatever gets ahead */
#define MANY 1000 /* more of them: the oldest goes */
#define DROP_LEN 65536
#define DROP_TURNS 16 /* reads per turn */

enum linger_state { FLUSHING, SENDING, LISTENING };

struct lingering {
	struct address *addr; /* the socket was made for */
	struct list node;
	struct forget forget;
	enum linger_state state;
	int fd;
	int domain;
	struct parting parting;
	struct linger_layer layer;
	struct watch watch;
	struct timer look;
	struct deferred free;
	int64_t look_ns; /* the next look is after this long */
	int64_t limit_ns; /* close-timeout */
	int64_t begun_ns;
	int64_t progress_ns; /* when something got ahead last */
	int64_t heard_ns; /* when the peer said something last, or LISTENING began */
	size_t kept; /* bytes of the session in the layer, as seen last */
	int unacked; /* bytes, and the end, as seen last */
	bool flush_only; /* the layer closes the descriptor, and nothing is known of it */
	bool ended; /* its end of file is read: only the timer looks on */
	bool talks; /* it has said something that nobody reads: more may come */
};

static void free_lingering(struct deferred *d)
{
	free(container_of(d, struct lingering, free));
}

static void drop_layer(struct lingering *l)
{
	if (l->layer.free)
		l->layer.free(l->layer.arg);
	l->layer = (struct linger_layer){ 0 };
}

static void finish_lingering(struct lingering *l)
{
	struct relay *relay = l->addr->relay;

	loop_timer_stop(relay->engine->loop, &l->look);
	loop_watch(relay->engine->loop, &l->watch, l->fd, 0);
	drop_layer(l);
	if (!l->flush_only)
		fd_close(&l->fd);
	list_del(&l->node);
	list_del(&l->forget.node);
	relay->engine->nlingering--;
	loop_defer(relay->engine->loop, &l->free, free_lingering);
	engine_settle(relay->engine);
}

/* Bytes that the peer has not acknowledged, 1 more while it has not seen our end. What a local
 * socket was given is with its peer. */
static int unacknowledged(const struct lingering *l)
{
	int n = 0;

	if (l->domain == AF_UNIX || ioctl(l->fd, SIOCOUTQ, &n) == -1)
		return 0;
	return n;
}

#define MANY_UNREAD 65536 /* a local peer may never read some small message, and yet answer */

int linger_unacknowledged(int fd)
{
	socklen_t len = sizeof(int);
	int n = 0, domain = AF_UNSPEC;

	if (ioctl(fd, SIOCOUTQ, &n) == -1 || n <= 1) /* 1: our end */
		return 0;
	(void)getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
	return domain == AF_UNIX && n < MANY_UNREAD ? 0 : n;
}

static bool tcp_info(const struct lingering *l, struct tcp_info *info)
{
	socklen_t len = sizeof(*info);

	*info = (struct tcp_info){ 0 };
	return getsockopt(l->fd, IPPROTO_TCP, TCP_INFO, info, &len) == 0;
}

/* Something has come from the peer's side within the last @ns: it lives, it is only slow. */
static bool peer_lives(const struct lingering *l, int64_t ns)
{
	struct tcp_info info;

	return tcp_info(l, &info) && (int64_t)info.tcpi_last_ack_recv * NSEC_PER_MSEC < ns;
}

/* There is no connection any more, and somebody else has been told why: the error comes once. */
static bool connection_is_dead(const struct lingering *l)
{
	struct tcp_info info;

	return tcp_info(l, &info) && info.tcpi_state == TCP_CLOSE;
}

static void peer_failed(struct lingering *l, int code)
{
	struct relay *relay = l->addr->relay;
	unsigned n = 0;
	char more[80];
	struct err err;

	/* it had to take no more than a farewell */
	if (l->parting.told || l->parting.all_taken || !l->parting.written_to)
		return;
	if (relay_is_crowded(relay) && !log_limit_pass(&relay->shared->lost_ends, l->addr->number,
						       loop_now(relay->engine->loop), &n))
		return;
	err_set(&err, code, "the peer of socket %u did not take all that was written to it%s",
		l->addr->number,
		log_limit_text(&relay->shared->lost_ends, n, "side", more, sizeof(more)));
	relay_failed(relay, &err);
}

/* The peer has reset the connection. A peer that had everything, and was heard to the end of the
 * session, may leave as it likes; of one whose answers nobody reads, this is the only one. */
static void on_reset(struct lingering *l, int code)
{
	l->unacked = unacknowledged(l); /* some may have been taken since we asked */
	if (l->unacked || !l->parting.read_from)
		peer_failed(l, code);
	else
		log_info("socket %u was reset after its end: %s", l->addr->number, strerror(code));
}

static void say_untold(const struct lingering *l)
{
	log_warn("socket %u takes nothing for %g seconds (close-timeout): it is not told the end",
		 l->addr->number, (double)l->limit_ns / 1e9);
}

static void on_limit(struct lingering *l)
{
	if (l->unacked && !peer_lives(l, l->limit_ns))
		peer_failed(l, ETIMEDOUT);
	else if (l->state == FLUSHING)
		say_untold(l);
	else if (l->unacked)
		log_warn("the peer of socket %u has not taken %d bytes yet, for %g seconds "
			 "(close-timeout): the kernel goes on alone",
			 l->addr->number, l->unacked, (double)l->limit_ns / 1e9);
}

static bool has_everything(const struct lingering *l)
{
	return l->state != FLUSHING && !l->unacked;
}

/* Read and drop. True when this is the end: end of file or an error. */
static bool heard_the_end(struct lingering *l)
{
	char buf[DROP_LEN];

	for (int i = 0; i < DROP_TURNS; i++) {
		ssize_t n = recv(l->fd, buf, sizeof(buf), MSG_DONTWAIT);

		if (n == 0) {
			l->ended = true;
			return has_everything(l);
		}
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN)
			return false;
		if (n == -1) {
			on_reset(l, errno);
			return true;
		}
		l->heard_ns = loop_now(l->addr->engine->loop);
		l->talks = true;
	}
	return false;
}

static void shut_lingering(struct lingering *l)
{
	drop_layer(l);
	(void)shutdown(l->fd, SHUT_WR);
	l->state = SENDING;
}

static size_t kept(const struct lingering *l)
{
	return l->layer.kept ? l->layer.kept(l->layer.arg) : 0;
}

/* Nothing has got ahead for the time it has, or not all in a multiple of that. */
static bool is_over(const struct lingering *l)
{
	int64_t now = loop_now(l->addr->engine->loop);

	return now - l->progress_ns >= l->limit_ns || now - l->begun_ns >= LIMITS * l->limit_ns;
}

/* True when all is sent, or the time is over. */
static bool layer_is_flushed(struct lingering *l)
{
	size_t before = l->kept;

	if (l->layer.flush(l->layer.arg))
		return true;
	l->kept = kept(l);
	if (l->kept < before)
		l->progress_ns = loop_now(l->addr->engine->loop);
	if (!is_over(l))
		return false;
	say_untold(l);
	return true;
}

/* Go as far as possible. True when there is nothing more to wait for. */
static bool advance_lingering(struct lingering *l)
{
	int64_t now = loop_now(l->addr->engine->loop);
	int before = l->unacked;

	if (l->flush_only)
		return layer_is_flushed(l);
	if (l->state == FLUSHING && (!l->layer.flush || l->layer.flush(l->layer.arg)))
		shut_lingering(l);
	l->unacked = unacknowledged(l);
	if (l->ended ? has_everything(l) : heard_the_end(l))
		return true;
	if (l->unacked && connection_is_dead(l)) {
		l->unacked = unacknowledged(l); /* it may have been taken since, and all be well */
		if (l->unacked)
			peer_failed(l, ECONNRESET);
		return true;
	}
	if (l->unacked < before)
		l->progress_ns = now;
	if (l->state == SENDING && !l->unacked) {
		l->state = LISTENING;
		l->heard_ns = l->progress_ns = now;
	}
	if (l->state == LISTENING && (!l->talks || now - l->heard_ns >= l->parting.grace_ns))
		return true;
	if (!is_over(l))
		return false;
	on_limit(l);
	return true;
}

/* A hang-up would be told again and again: once the end is read, only room is waited for. What is
 * in memory has no descriptor, and the timer looks. */
static void watch_on(struct lingering *l)
{
	uint32_t events = l->state == FLUSHING ? EPOLLOUT : 0;

	if (!l->ended && !l->flush_only)
		events |= EPOLLIN;
	if (l->fd >= 0)
		loop_watch(l->addr->engine->loop, &l->watch, l->fd, events);
}

static void look_later(struct lingering *l)
{
	loop_timer(l->addr->engine->loop, &l->look, loop_now(l->addr->engine->loop) + l->look_ns);
	if (l->look_ns < LOOK_MAX_NS)
		l->look_ns *= 2;
}

static void on_watch(struct watch *w, uint32_t events)
{
	struct lingering *l = container_of(w, struct lingering, watch);

	(void)events;
	if (advance_lingering(l))
		finish_lingering(l);
	else
		watch_on(l);
}

static void on_look(struct timer *t)
{
	struct lingering *l = container_of(t, struct lingering, look);

	if (advance_lingering(l)) {
		finish_lingering(l);
		return;
	}
	watch_on(l);
	look_later(l);
}

/* Option linger: 0 asks for a reset; more is a limit, which close(2) would wait for. False: the
 * options want it closed at once. */
static bool obey_options(struct lingering *l)
{
	struct linger linger = { 0 };
	socklen_t len = sizeof(linger);

	if (!l->limit_ns)
		return false;
	if (getsockopt(l->fd, SOL_SOCKET, SO_LINGER, &linger, &len) == -1 || !linger.l_onoff)
		return true;
	if (!linger.l_linger)
		return false;
	l->limit_ns = linger.l_linger * NSEC_PER_SEC;
	linger.l_onoff = 0;
	(void)setsockopt(l->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	return true;
}

/* The common end: the peer has said and taken everything. */
static bool all_is_over(int fd, const struct parting *parting, const struct linger_layer *layer)
{
	int n = 1;

	return parting->ended && !parting->expected && !(layer && layer->flush) &&
	       ioctl(fd, SIOCOUTQ, &n) == 0 && n == 0;
}

/* In a session process: the socket is another's. */
static void forget_lingering(struct forget *f)
{
	struct lingering *l = container_of(f, struct lingering, forget);

	list_del(&l->node);
	l->addr->engine->nlingering--;
	drop_layer(l);
	if (!l->flush_only)
		close(l->fd);
	free(l);
}

void linger_close(struct address *addr, int fd, const struct parting *parting,
		  const struct linger_layer *layer)
{
	struct engine *engine = addr->engine;
	socklen_t len = sizeof(int);
	struct lingering *l;

	if (!(layer && layer->closes) && all_is_over(fd, parting, layer)) {
		if (layer)
			layer->free(layer->arg);
		close(fd);
		return;
	}
	l = xcalloc(1, sizeof(*l));
	*l = (struct lingering){
		.addr = addr,
		.fd = fd,
		.parting = *parting,
		.limit_ns = addr->conf->sock.close_timeout_ns,
		.begun_ns = loop_now(engine->loop),
		.progress_ns = loop_now(engine->loop),
		.heard_ns = loop_now(engine->loop),
		.look_ns = LOOK_MIN_NS,
		.talks = parting->expected,
	};
	if (layer)
		l->layer = *layer;
	l->flush_only = layer && layer->closes;
	l->kept = kept(l);
	list_add_tail(&engine->lingering, &l->node);
	engine_on_fork(engine, &l->forget, forget_lingering);
	engine->nlingering++;
	watch_init(&l->watch, on_watch);
	timer_init(&l->look, on_look);
	(void)getsockopt(l->fd, SOL_SOCKET, SO_DOMAIN, &l->domain, &len);
	l->unacked = l->flush_only ? 0 : unacknowledged(l);
	if (!obey_options(l) || advance_lingering(l) || addr->relay->ending ||
	    !engine_has_descriptors(engine)) {
		finish_lingering(l);
		return;
	}
	if (engine->nlingering > MANY)
		finish_lingering(container_of(engine->lingering.next, struct lingering, node));
	log_info("socket %u lingers: waiting for its peer to take and end", l->addr->number);
	watch_on(l);
	look_later(l);
}

void lingers_end(struct relay *relay)
{
	list_for_each_safe (node, tmp, &relay->engine->lingering) {
		struct lingering *l = container_of(node, struct lingering, node);

		if (l->addr->relay == relay)
			finish_lingering(l);
	}
}
