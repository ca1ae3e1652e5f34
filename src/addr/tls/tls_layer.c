/* tls_layer.c - TLS as a layer: on any stream, a socket or another layer
 *
 * States. Shaking hands: the layer is on the end, and an opening drives it (tls_shake.h). Carrying:
 * the session's bytes go through the module (tls_module.c). Closing: our close-notify is to be
 * sent; it is once the stream takes it (flush()).
 *
 * Writing. Whatever the library writes, be it records, a handshake, an alert or the answer to a key
 * update, goes into the outbox, so that nothing overtakes anything. Behind each call of the library
 * the layer hands down what is in it: all records of one write by one call. A write finds the
 * outbox empty, or has to wait: at most one of them is in memory.
 *
 * Reading. The library reads the socket itself where nothing stands in between, else what is below
 * by a wire. It may have to write before it can read on, and the other way round: poll() says so.
 *
 * Ownership. The layer owns the connection of the library; certificates are the address's
 * (tls_share.h). What has failed below, with its sentence, is kept for who reads or writes. */
#include "addr/tls/tls_shake.h"
#include "addr/tls/tls_share.h"
#include "addr/tls/tls_tell.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "end/fd_end.h"
#include "end/layer.h"
#include "end/outbox.h"
#include "flow/forecast.h"
#include "open/layer_target.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#define RECORD 16384 /* bytes of payload, at most */
#define RECORD_MORE 512 /* what a record is larger than its payload, at most */

struct tls_end {
	struct layer l;
	const struct tls_api *api;
	struct tls *tls;
	struct outbox out;
	struct err *unread, *unsent; /* what has failed below, or NULL; owned */
	bool direct; /* the library reads the socket, and all is told in its words */
	bool read_wants_write, write_wants_read; /* the library has records of its own to move */
	bool closing, notified; /* our close-notify is to be sent; is sent */
};

static struct tls_end *tls_of(struct layer *l)
{
	return container_of(l, struct tls_end, l);
}

/* ---- the wire, where there is no socket of ours ---- */

static void keep_error(struct err **where, const struct err *err)
{
	if (!*where && errno != EAGAIN)
		*where = xmemdup(err, sizeof(*err));
}

static ssize_t wire_recv(void *arg, void *buf, size_t cap)
{
	struct tls_end *t = arg;
	struct err err;
	ssize_t n = layer_read(&t->l, buf, cap, &err);

	if (n == -1)
		keep_error(&t->unread, &err);
	return n;
}

/* Never anything but the outbox: it cannot fail, but be full. */
static ssize_t wire_send(void *arg, const void *buf, size_t len)
{
	struct tls_end *t = arg;
	size_t n = outbox_put(&t->out, &t->l, buf, len);

	errno = EAGAIN;
	return n || !len ? (ssize_t)n : -1;
}

/* Hand down what the library has written; true when nothing is left. */
static bool hand_down(struct tls_end *t)
{
	struct err err;

	if (outbox_is_empty(&t->out) || outbox_hand_down(&t->out, &t->l, &err) == 0)
		return true;
	if (errno != EAGAIN && t->direct)
		err_set(&err, errno, "SSL_write()");
	keep_error(&t->unsent, &err);
	return false;
}

/* ---- the layer ---- */

/* -1 as of read(2) and write(2): what is below has failed. */
static ssize_t fail_below(const struct err *below, struct err *err)
{
	*err = *below;
	errno = err->code ? err->code : EPROTO;
	return -1;
}

/* What a result means to whoever reads or writes: as read(2) and write(2). */
static ssize_t answer(struct tls_end *t, enum tls_result r, size_t moved, struct err *err)
{
	switch (r) {
	case TLS_DONE:
		return (ssize_t)moved;
	case TLS_END:
		return 0;
	case TLS_WANT_READ:
	case TLS_WANT_WRITE:
		layer_repoll(&t->l);
		errno = EAGAIN;
		return -1;
	default:
		if (t->unread)
			return fail_below(t->unread, err);
		errno = err->code ? err->code : EPROTO;
		return -1;
	}
}

static size_t tls_kept(const struct layer *l)
{
	return outbox_kept(&container_of(l, const struct tls_end, l)->out);
}

static ssize_t tls_read(struct layer *l, void *buf, size_t len, struct err *err)
{
	struct tls_end *t = tls_of(l);
	size_t moved;
	enum tls_result r = t->api->read(t->tls, buf, len, &moved, err);

	t->read_wants_write = r == TLS_WANT_WRITE;
	if (!hand_down(t) && !t->out.failed)
		layer_repoll(l);
	if (t->out.failed && tls_kept(l) && !l->end->parting.only_farewells &&
	    (r == TLS_WANT_READ || r == TLS_WANT_WRITE))
		return fail_below(t->unsent, err); /* there will be no answer */
	return answer(t, r, moved, err);
}

/* Make records of @len bytes, as many as there is room for. @sum is added what they take. */
static enum tls_result gather(struct tls_end *t, const uint8_t *data, size_t len, size_t *sum,
			      struct err *err)
{
	while (len) {
		size_t moved, piece = len < RECORD ? len : RECORD;
		enum tls_result r;

		if (outbox_room(&t->out) < piece + RECORD_MORE)
			return TLS_WANT_WRITE;
		/* one record; told of all, the library keeps its buffer up to the last one */
		r = t->api->write(t->tls, data, len, &moved, err);
		if (r != TLS_DONE)
			return r;
		data += moved;
		len -= moved;
		*sum += moved;
	}
	return TLS_DONE;
}

static ssize_t tls_write(struct layer *l, const struct iovec *iov, int niov, struct err *err)
{
	struct tls_end *t = tls_of(l);
	enum tls_result r = TLS_DONE;
	size_t sum = 0;

	if (!hand_down(t))
		return t->out.failed ? fail_below(t->unsent, err)
				     : answer(t, TLS_WANT_WRITE, 0, err);
	for (int i = 0; i < niov && r == TLS_DONE; i++)
		r = gather(t, iov[i].iov_base, iov[i].iov_len, &sum, err);
	t->write_wants_read = r == TLS_WANT_READ;
	t->out.payload += sum;
	if (!hand_down(t) && !t->out.failed)
		layer_repoll(l);
	return sum ? (ssize_t)sum : answer(t, r, 0, err);
}

static bool tls_holds(const struct layer *l)
{
	const struct tls_end *t = container_of(l, const struct tls_end, l);

	return t->api->pending(t->tls);
}

static uint32_t tls_poll(const struct layer *l, uint32_t want)
{
	const struct tls_end *t = container_of(l, const struct tls_end, l);
	bool says = !outbox_is_empty(&t->out) || (t->closing && !t->notified);
	uint32_t events = says && !t->out.failed ? EPOLLOUT : 0;

	if (want & EPOLLIN)
		events |= t->read_wants_write ? EPOLLOUT : EPOLLIN;
	if (want & EPOLLOUT)
		events |= t->write_wants_read ? EPOLLIN : EPOLLOUT;
	return events;
}

/* The stream below is left open by default: a peer that has read our close-notify may go on. */
static bool tls_shut_write(struct layer *l)
{
	struct tls_end *t = tls_of(l);
	enum shut_how how = l->end->addr->conf->flow.shut;

	if (how == SHUT_NONE)
		return false;
	if (how == SHUT_DEFAULT)
		log_info("sending close-notify on %d", l->end->wfd);
	t->closing = true;
	return how != SHUT_DEFAULT;
}

static void tls_finish(struct layer *l)
{
	tls_of(l)->closing = true;
}

static bool tls_flush(struct layer *l)
{
	struct tls_end *t = tls_of(l);

	if (t->closing && !t->notified)
		t->notified = t->api->close_notify(t->tls) == TLS_DONE;
	return (hand_down(t) && (!t->closing || t->notified)) || t->out.failed;
}

static bool tls_broken(const struct layer *l, struct err *err)
{
	const struct tls_end *t = container_of(l, const struct tls_end, l);

	if (t->out.failed)
		*err = *t->unsent;
	return t->out.failed;
}

static int tls_verdict(struct layer *l, struct err *err)
{
	struct tls_end *t = tls_of(l);
	int rc = t->api->verdict(t->tls, err);

	(void)hand_down(t);
	errno = rc == 1 ? EAGAIN : EPROTO;
	return rc ? -1 : 0;
}

static void tls_free(struct layer *l)
{
	struct tls_end *t = tls_of(l);

	outbox_done(&t->out, l);
	t->api->free(t->tls);
	free(t->unread);
	free(t->unsent);
	free(t);
}

static const struct layer_ops ops = {
	.name = "TLS",
	.read = tls_read,
	.write = tls_write,
	.poll = tls_poll,
	.holds = tls_holds,
	.shut_write = tls_shut_write,
	.finish = tls_finish,
	.flush = tls_flush,
	.kept = tls_kept,
	.broken = tls_broken,
	.verdict = tls_verdict,
	.free = tls_free,
};

/* ---- the handshake ---- */

/* The library may read and write the descriptor itself. */
static bool is_socket(const struct endpoint *ep)
{
	return endpoint_is_bare(ep) && ep->ops == &ep_fd_ops && ep->rfd == ep->wfd &&
	       ep->rkind == FD_SOCKET;
}

static int push(struct opening *o, struct err *err)
{
	struct tls_end *t = xcalloc(1, sizeof(*t));
	bool direct = is_socket(o->end);
	struct tls_wire wire = { direct ? NULL : wire_recv, wire_send, t };
	struct tls_share *share = tls_share_of(o);

	t->api = share->api;
	t->direct = direct;
	t->tls = share->api->start(share->context, o->end->rfd, &wire, NULL, 0, err);
	if (!t->tls) {
		free(t);
		return -1;
	}
	layer_push(o->end, &t->l, &ops);
	tls_shake_begin(o, t->api, t->tls);
	return 0;
}

static enum step_result step_handshake(struct opening *o, struct err *err)
{
	const struct addr_type *type = o->addr->half->type;
	enum step_result r;

	if (!tls_shake_goes_on(o) && push(o, err) == -1)
		return STEP_FAIL;
	r = tls_shake(o, err);
	if (r == STEP_DONE && type->layer == &tls_layer && type->flags & TYPE_CONNECTS &&
	    !layer_is_server(o->addr->half, o->layer))
		log_notice("successfully connected to SSL server %s:%s", opening_param(o, 0),
			   opening_param(o, 1));
	return r;
}

/* The bytes on the descriptor are not those of the session. */
static void forecast(struct forecast *f)
{
	f->in = f->out = (struct path_end){ 0, FD_SOCKET, false };
}

static const struct step before[] = { { STEP_PURE(step_tls_context) }, STEP_END };
static const struct step steps[] = { { .run = step_handshake }, STEP_END };

const struct layer_type tls_layer = {
	.names = "TLS",
	.help = "encrypts a stream",
	.example = "socast - 'TLS(cafile=ca.crt,commonname=db)+UNIX:/run/db.sock'",
	.does = "encrypts all that is said above it on the way to {peer}",
	.serves = "encrypts all that is said above it on the way to each client",
	.client_begins = true,
	.encrypts = true,
	.farewell = "close-notify",
	.whom = tls_whom,
	.tells = tls_tells,
	.groups = G_OPENSSL,
	.before = before,
	.steps = steps,
	.forecast = forecast,
	.module = TLS_MODULE,
	.symbol = TLS_SYMBOL,
	.unavailable = TLS_MISSING,
};
