/* flow.c - one direction of a session, see flow.h
 *
 * States. Active: it has a source end, a destination end and a path; @waiting says for what of them
 * it waits (0: for nothing, somebody calls again). Not active: it never was, or has ended.
 *
 * Who calls what. The session calls flow_run() for every event of one of the ends that the flow
 * waits for; flow_run() calls the path's move() at most FLOW_QUOTA times, and from its last result
 * follows what is waited for: the destination while something is in hand, else the source. The path
 * is the first row of the table that both ends allow; it is chosen by flow_init(), and anew when
 * something has come to speak against it (choose()).
 *
 * Ownership. The ends are the session's. Buffers, pipes and batches are borrowed from the engine's
 * pool while bytes are in hand, and go back when the flow falls silent (idle()).
 *
 * What may not happen: bytes in hand when the path changes; a write that takes nothing and is no
 * failure; a move without bound. */
#include "flow/flow.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "data/packet.h"
#include "end/fd_end.h"
#include "end/relay.h"
#include "flow/filter.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

/* The ways to move, best first. */
static const struct path *const paths[] = { &path_drop, &path_dgram, &path_sendfile, &path_splice,
					    &path_copy };

const struct path *path_number(size_t i)
{
	return i < ARRAY_SIZE(paths) ? paths[i] : NULL;
}

const struct path *path_choose(const struct path_ask *ask)
{
	size_t i = 0;

	while (paths[i]->against(ask)) /* either the first or the last one always fits */
		i++;
	return paths[i];
}

static struct path_ask ask_of(const struct flow *f)
{
	return (struct path_ask){
		.src = { f->src->caps, f->src->rkind,
			 f->src->ops->read == ep_fd_read && endpoint_is_bare(f->src) },
		.dst = { f->dst->caps, f->dst->wkind,
			 f->dst->ops->write == ep_fd_write && !f->dst->top },
		.plain = f->relay->plan->set.plain,
		.seen = f->filters ? "the bytes have to be seen" : NULL,
		.no_splice = f->no_splice,
		.no_sendfile = f->no_sendfile,
	};
}

static void choose(struct flow *f)
{
	const struct path_ask ask = ask_of(f);

	if (f->path)
		f->path->idle(f);
	f->src->changed = false;
	memset(&f->copy, 0, sizeof(f->copy)); /* the largest: all are zero then */
	f->path = path_choose(&ask);
	log_info("moving from %d to %d by %s", f->src->rfd, f->dst->wfd, f->path->name);
}

/* The kernel has refused it meanwhile, or a better one may fit now. */
static bool path_is_over(const struct flow *f)
{
	const struct path_ask ask = ask_of(f);

	return f->path->against(&ask) != NULL || (f->src->changed && !flow_pending(f));
}

int flow_init(struct flow *f, struct relay *relay, struct endpoint *src, struct endpoint *dst,
	      bool from_left)
{
	const struct settings *set = &relay->plan->set;
	int rc;

	*f = (struct flow){ .relay = relay, .src = src, .dst = dst, .err = &relay->engine->err };
	f->filters = filters_new(set, src->addr->conf, address_write_conf(dst->addr), from_left,
				 src->caps & EP_DGRAM_IN, &rc, f->err);
	if (rc == -1)
		return -1;
	if (f->filters)
		f->filters->patient = !relay_is_crowded(relay);
	f->active = true;
	choose(f);
	return 0;
}

/* Before the first byte is taken from the source, the destination must be able to take it: what is
 * never writable must not make bytes disappear. Later a refused write says it. */
static bool writable(struct flow *f)
{
	struct pollfd p = { .fd = f->dst->wfd, .events = POLLOUT };

	if (f->dst->caps & EP_NEVER_WRITABLE)
		return false;
	if (f->checked_writable || f->dst->caps & EP_NO_WRITE || f->dst->wfd < 0 ||
	    f->dst->wkind == FD_SOCKET || f->dst->caps & EP_DGRAM_OUT)
		return true;
	if (poll(&p, 1, 0) == 0)
		return false;
	f->checked_writable = true;
	return true;
}

static void wait_for(struct flow *f, uint32_t what)
{
	uint32_t src_off = what & EPOLLIN ? 0 : EPOLLIN, dst_off = what & EPOLLOUT ? 0 : EPOLLOUT;

	f->waiting = (uint8_t)what;
	endpoint_want(f->src, what & EPOLLIN, src_off);
	endpoint_want(f->dst, what & EPOLLOUT, dst_off);
}

void flow_wait(struct flow *f)
{
	wait_for(f, EPOLLIN);
}

/* What layers of the destination have taken and not handed down is still in hand: it goes before
 * anything else is read, and before @r, the end too, is told. */
static enum move_result settle(struct flow *f, enum move_result r, bool *moved)
{
	bool waits;
	size_t kept;

	if (r == MOVE_FAIL || r == MOVE_QUIET)
		return r;
	waits = endpoint_settle(f->dst, f->err) == -1;
	if (waits && errno != EAGAIN)
		return flow_write_failed(f);
	kept = waits ? endpoint_kept(f->dst) : 0;
	*moved |= kept < f->kept;
	f->kept = (uint32_t)kept;
	f->ended = waits && r == MOVE_END;
	return waits ? MOVE_WANT_WRITE : r;
}

static enum move_result move_on(struct flow *f, bool *moved)
{
	enum move_result r = MOVE_SOME;

	f->drained = false;
	for (int i = 0; i < FLOW_QUOTA && r == MOVE_SOME && !f->drained; i++) {
		r = f->path->move(f);
		if (r == MOVE_SOME)
			*moved = true;
		if (path_is_over(f)) {
			choose(f);
			r = MOVE_SOME;
		}
		if (endpoint_kept(f->dst))
			break;
	}
	return r;
}

enum move_result flow_run(struct flow *f, bool *moved)
{
	enum move_result r;

	*moved = false;
	if (!f->active)
		return MOVE_END;
	if (f->src->ops->broken && f->src->ops->broken(f->src, f->err)) {
		wait_for(f, 0);
		return MOVE_FAIL;
	}
	if (!writable(f)) {
		wait_for(f, f->dst->caps & EP_NEVER_WRITABLE ? 0 : EPOLLOUT);
		return MOVE_WANT_WRITE;
	}
	r = settle(f, f->ended ? MOVE_END : MOVE_SOME, moved);
	if (r == MOVE_SOME)
		r = settle(f, move_on(f, moved), moved);
	if (r == MOVE_SOME && f->drained && f->dense)
		r = MOVE_NAP;
	if (r == MOVE_SOME && endpoint_holds(f->src))
		r = MOVE_AGAIN;
	if (r == MOVE_SOME && f->drained)
		r = MOVE_WANT_READ;
	switch (r) {
	case MOVE_SOME:
		wait_for(f, flow_pending(f) ? EPOLLOUT : EPOLLIN);
		break;
	case MOVE_WANT_READ:
		f->path->idle(f);
		wait_for(f, EPOLLIN);
		break;
	case MOVE_WANT_WRITE:
		if (!flow_pending(f))
			f->path->idle(f);
		wait_for(f, EPOLLOUT);
		break;
	case MOVE_NAP:
	case MOVE_AGAIN:
	case MOVE_END:
	case MOVE_QUIET:
	case MOVE_FAIL:
		wait_for(f, 0);
		break;
	}
	return r;
}

size_t flow_pending(const struct flow *f)
{
	return f->path ? f->path->pending(f) : 0;
}

void flow_stop(struct flow *f)
{
	if (f->active)
		wait_for(f, 0);
	f->active = false;
	if (f->path)
		f->path->idle(f);
	filters_free(f->filters);
	f->filters = NULL;
	free(f->meter);
	f->meter = NULL;
}

#define WINDOW_NS (10 * 1000 * 1000)

bool flow_measure(struct flow *f, size_t amount)
{
	int64_t now = loop_now(f->relay->engine->loop), length;
	struct flow_meter *m = f->meter;

	if (!m)
		m = f->meter = xcalloc(1, sizeof(*m));
	length = now - m->since_ns;
	m->amount += amount;
	if (length < WINDOW_NS)
		return false;
	m->per_ms = length < 5 * WINDOW_NS ? m->amount / (size_t)(length / 1000000) : 0;
	m->since_ns = now;
	m->amount = 0;
	return true;
}

void flow_received(struct flow *f, uint64_t bytes)
{
	tally_add(&f->src->addr->tally->received_bytes, bytes);
}

void flow_received_batch(struct flow *f, const struct batch *b)
{
	uint64_t packets = 0, bytes = 0;

	for (size_t i = 0; i < b->n; i++) {
		if (b->packet[i].drop)
			continue;
		packets++;
		bytes += b->packet[i].len;
	}
	tally_add(&f->src->addr->tally->received_datagrams, packets);
	flow_received(f, bytes);
}

void flow_count(struct flow *f, uint64_t packets, uint64_t bytes)
{
	struct tally *t = f->dst->addr->tally;

	f->packets += packets;
	f->bytes += bytes;
	tally_add(&t->sent_bytes, bytes);
	if (f->dst->caps & EP_DGRAM_OUT)
		tally_add(&t->sent_datagrams, packets);
	log_info("transferred %llu bytes from %d to %d", (unsigned long long)bytes, f->src->rfd,
		 f->dst->wfd);
}

ssize_t flow_write(struct flow *f, const struct iovec *iov, int niov)
{
	ssize_t n = endpoint_write(f->dst, iov, niov, f->err);
	size_t len = 0;

	if (n != 0)
		return n;
	for (int i = 0; i < niov; i++)
		len += iov[i].iov_len;
	if (!len)
		return 0;
	err_set(f->err, EPIPE, "write(%d): nothing was taken", f->dst->wfd);
	errno = EPIPE;
	return -1;
}

enum move_result flow_write_failed(struct flow *f)
{
	int code = f->err->code;
	bool gone = code == EPIPE || code == ECONNRESET ||
		    (code == EIO && f->dst->caps & EP_HUP_IS_EOF);

	if (code == EMSGSIZE)
		tally_add(&f->dst->addr->tally->oversize, 1);
	if (gone && f->dst->caps & EP_QUIET_PIPE && !f->dst->top) {
		log_info("%s (nobody reads it any more)", f->err->text);
		return MOVE_QUIET;
	}
	f->write_failed = true;
	return MOVE_FAIL;
}
