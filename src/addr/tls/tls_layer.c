/* tls_layer.c - TLS as a layer: on any stream, a socket or another layer
 *
 * States. Shaking hands: the layer is on the end, and an opening drives it (tls_shake.h). Carrying:
 * the session's bytes go through the module (tls_module.c). Closing: our close-notify is to be
 * sent; it is once the stream takes it (flush()).
 *
 * The library works on the socket itself where nothing stands in between, else on what is below by
 * a wire. It may have to write before it can read on, and the other way round: poll() says so.
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
#include "flow/forecast.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

struct tls_end {
	struct layer l;
	const struct tls_api *api;
	struct tls *tls;
	struct err *below; /* what has failed below, or NULL; owned */
	bool read_wants_write, write_wants_read; /* the library has records of its own to move */
	bool closing, notified; /* our close-notify is to be sent; is sent */
};

static struct tls_end *tls_of(struct layer *l)
{
	return container_of(l, struct tls_end, l);
}

/* ---- the wire, where there is no socket of ours ---- */

static void keep_error(struct tls_end *t, const struct err *err)
{
	if (!t->below && errno != EAGAIN)
		t->below = xmemdup(err, sizeof(*err));
}

static ssize_t wire_recv(void *arg, void *buf, size_t cap)
{
	struct tls_end *t = arg;
	struct err err;
	ssize_t n = layer_read(&t->l, buf, cap, &err);

	if (n == -1)
		keep_error(t, &err);
	return n;
}

static ssize_t wire_send(void *arg, const void *buf, size_t len)
{
	struct tls_end *t = arg;
	struct iovec iov = { (void *)buf, len };
	struct err err;
	ssize_t n = layer_write(&t->l, &iov, 1, &err);

	if (n == -1)
		keep_error(t, &err);
	return n;
}

/* ---- the layer ---- */

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
		if (t->below)
			*err = *t->below;
		errno = err->code ? err->code : EPROTO;
		return -1;
	}
}

static ssize_t tls_read(struct layer *l, void *buf, size_t len, struct err *err)
{
	struct tls_end *t = tls_of(l);
	size_t moved;
	enum tls_result r = t->api->read(t->tls, buf, len, &moved, err);

	t->read_wants_write = r == TLS_WANT_WRITE;
	return answer(t, r, moved, err);
}

static ssize_t tls_write(struct layer *l, const struct iovec *iov, int niov, struct err *err)
{
	struct tls_end *t = tls_of(l);
	size_t sum = 0;

	for (int i = 0; i < niov; i++) {
		size_t done = 0;

		while (done < iov[i].iov_len) {
			size_t moved;
			enum tls_result r =
				t->api->write(t->tls, (const char *)iov[i].iov_base + done,
					      iov[i].iov_len - done, &moved, err);

			t->write_wants_read = r == TLS_WANT_READ;
			if (r != TLS_DONE)
				return sum ? (ssize_t)sum : answer(t, r, 0, err);
			done += moved;
			sum += moved;
		}
	}
	return (ssize_t)sum;
}

static bool tls_holds(const struct layer *l)
{
	const struct tls_end *t = container_of(l, const struct tls_end, l);

	return t->api->pending(t->tls);
}

static uint32_t tls_poll(const struct layer *l, uint32_t want)
{
	const struct tls_end *t = container_of(l, const struct tls_end, l);
	uint32_t events = t->closing && !t->notified ? EPOLLOUT : 0;

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
	return !t->closing || t->notified;
}

static void tls_free(struct layer *l)
{
	struct tls_end *t = tls_of(l);

	t->api->free(t->tls);
	free(t->below);
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
	struct tls_wire wire = { wire_recv, wire_send, t };
	struct tls_share *share = tls_share_of(o);
	bool direct = is_socket(o->end);

	t->api = share->api;
	t->tls = share->api->start(share->context, direct ? o->end->rfd : -1, direct ? NULL : &wire,
				   NULL, 0, err);
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
	if (r == STEP_DONE && type->layer == &tls_layer && type->flags & TYPE_CONNECTS)
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
