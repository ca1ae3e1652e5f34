/* path_drop.c - to an end that cannot be written to
 *
 * "STDIN TCP:server": standard input takes nothing back. What the server says is read, so that its
 * end is noticed and it is not held up, and dropped; the session says how much it was. */
#include "data/packet.h"
#include "end/relay.h"
#include "flow/flow.h"

#include <errno.h>

static const char *against(const struct path_ask *ask)
{
	return ask->dst.caps & EP_NO_WRITE ? NULL : "the destination can be written to";
}

static long drop_batch(struct flow *f)
{
	struct batch *b = pool_batch(&f->relay->engine->pool);
	long n;
	int code;

	b->n = b->next = 0;
	n = endpoint_recv(f->src, b, BATCH_MAX, f->err);
	code = errno;
	for (size_t i = 0; n > 0 && i < b->n; i++) {
		if (!b->packet[i].drop)
			f->dropped += b->packet[i].len;
	}
	if (n > 0)
		flow_received_batch(f, b);
	f->drained = n > 0 && b->all;
	pool_batch_back(&f->relay->engine->pool, b);
	errno = code;
	return n;
}

static long drop_bytes(struct flow *f)
{
	size_t len = f->src->read_left < POOL_BUF_LEN ? (size_t)f->src->read_left : POOL_BUF_LEN;
	uint8_t *buf = pool_buf(&f->relay->engine->pool, POOL_BUF_LEN);
	ssize_t n = endpoint_read(f->src, buf, len, f->err);
	int code = errno;

	pool_buf_back(&f->relay->engine->pool, buf, POOL_BUF_LEN);
	if (n > 0) {
		f->dropped += (uint64_t)n;
		flow_received(f, (uint64_t)n);
		f->drained = (size_t)n < len && n < FLOW_SHORT;
		if (f->src->read_left != UINT64_MAX)
			f->src->read_left -= (uint64_t)n;
	}
	errno = code;
	return n;
}

static enum move_result move(struct flow *f)
{
	long n = f->src->caps & EP_DGRAM_IN ? drop_batch(f) : drop_bytes(f);

	if (n == -1)
		return errno == EAGAIN ? MOVE_WANT_READ : MOVE_FAIL;
	return n == 0 || !f->src->read_left ? MOVE_END : MOVE_SOME;
}

static void idle(struct flow *f)
{
	(void)f;
}

static size_t pending(const struct flow *f)
{
	(void)f;
	return 0;
}

const struct path path_drop = { "dropping", "dropped: that address can only be read from",
				against,    move,
				idle,       pending };
