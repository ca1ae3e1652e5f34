/* outbox.c - output that a layer gathers, see outbox.h */
#include "end/outbox.h"

#include "end/endpoint.h"
#include "end/engine.h"
#include "end/layer.h"

#include <errno.h>
#include <string.h>

static struct pool *pool_of(const struct layer *l)
{
	return &l->end->addr->engine->pool;
}

size_t outbox_room(const struct outbox *o)
{
	return OUTBOX_ROOM - o->len;
}

size_t outbox_put(struct outbox *o, struct layer *l, const void *data, size_t len)
{
	if (o->failed)
		return len; /* to nobody */
	if (len > outbox_room(o))
		len = outbox_room(o);
	if (!o->buf && len)
		o->buf = pool_buf(pool_of(l), OUTBOX_ROOM);
	if (len)
		memcpy(o->buf + o->len, data, len);
	o->len += len;
	return len;
}

uint8_t *outbox_space(struct outbox *o, struct layer *l, size_t len)
{
	if (len > outbox_room(o))
		return NULL;
	if (!o->buf)
		o->buf = pool_buf(pool_of(l), OUTBOX_ROOM);
	return o->buf + o->len;
}

int outbox_hand_down(struct outbox *o, struct layer *l, struct err *err)
{
	errno = EPIPE;
	if (o->failed)
		return -1;
	while (o->off < o->len) {
		struct iovec iov = { o->buf + o->off, o->len - o->off };
		ssize_t n = layer_write(l, &iov, 1, err);

		if (n == 0) {
			err_set(err, EPIPE, "write(%d): nothing was taken", l->end->wfd);
			errno = EPIPE;
		}
		if (n <= 0) {
			o->failed = errno != EAGAIN;
			return -1;
		}
		o->off += (size_t)n;
	}
	outbox_done(o, l);
	return 0;
}

size_t outbox_kept(const struct outbox *o)
{
	return o->off < o->len ? o->payload * (o->len - o->off) / o->len : 0;
}

void outbox_done(struct outbox *o, struct layer *l)
{
	if (o->buf)
		pool_buf_back(pool_of(l), o->buf, OUTBOX_ROOM);
	*o = (struct outbox){ .failed = o->failed };
}
