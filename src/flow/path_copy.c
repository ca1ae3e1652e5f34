/* path_copy.c - stream to stream through a buffer
 *
 * Reads as much as the buffer holds, lets the filters see it, and writes it out. Dumps show blocks
 * of -b bytes, so with filters no read takes more than that; without, -b does not matter here and
 * a large buffer saves system calls. The buffer is borrowed while it holds bytes. */
#include "end/relay.h"
#include "flow/filter.h"
#include "flow/flow.h"

#include <errno.h>
#include <string.h>

static const char *against(const struct path_ask *ask)
{
	return ask->src.caps & EP_DGRAM_IN || ask->dst.caps & EP_DGRAM_OUT
		       ? "the borders of datagrams have to be kept"
		       : NULL;
}

static size_t read_size(const struct flow *f)
{
	const struct settings *set = &f->relay->plan->set;
	size_t len = POOL_BUF_LEN;

	if (f->filters || set->plain || set->block > len)
		len = set->block;
	return len < f->src->read_left ? len : (size_t)f->src->read_left;
}

/* Write what waits; MOVE_SOME when all is gone. */
static enum move_result deliver(struct flow *f)
{
	while (f->copy.len) {
		struct iovec iov = { f->copy.buf + f->copy.off, f->copy.len };
		ssize_t n = flow_write(f, &iov, 1);

		if (n == -1)
			return errno == EAGAIN ? MOVE_WANT_WRITE : flow_write_failed(f);
		f->copy.off += (size_t)n;
		f->copy.len -= (size_t)n;
		flow_count(f, f->copy.len ? 0 : 1, (uint64_t)n);
	}
	return MOVE_SOME;
}

/* Make room for @len converted bytes, which may be twice as many as were read. */
static void put(struct flow *f, const uint8_t *data, size_t len)
{
	if (len > f->copy.cap) {
		pool_buf_back(&f->relay->engine->pool, f->copy.buf, f->copy.cap);
		f->copy.cap = len > POOL_BUF_LEN ? len : POOL_BUF_LEN;
		f->copy.buf = pool_buf(&f->relay->engine->pool, f->copy.cap);
	}
	if (data != f->copy.buf)
		memmove(f->copy.buf, data, len);
	f->copy.off = 0;
	f->copy.len = len;
}

static enum move_result move(struct flow *f)
{
	size_t want = read_size(f);
	const uint8_t *data;
	enum move_result r;
	size_t len;
	ssize_t n;

	r = deliver(f);
	if (r != MOVE_SOME)
		return r;
	if (f->end_seen)
		return MOVE_END;
	if (!f->copy.buf) {
		f->copy.cap = want > POOL_BUF_LEN ? want : POOL_BUF_LEN;
		f->copy.buf = pool_buf(&f->relay->engine->pool, f->copy.cap);
	}
	n = endpoint_read(f->src, f->copy.buf, want, f->err);
	if (n == -1)
		return errno == EAGAIN ? MOVE_WANT_READ : MOVE_FAIL;
	if (n == 0)
		return MOVE_END;
	flow_received(f, (uint64_t)n);
	f->drained = (size_t)n < want && n < FLOW_SHORT;
	if (f->src->read_left != UINT64_MAX) {
		f->src->read_left -= (uint64_t)n;
		f->end_seen = f->src->read_left == 0;
	}
	data = f->copy.buf;
	len = (size_t)n;
	if (f->filters) {
		filters_apply(f->filters, &data, &len);
		f->end_seen |= f->filters->escaped;
	}
	put(f, data, len);
	r = deliver(f);
	return r == MOVE_SOME && f->end_seen ? MOVE_END : r;
}

static void idle(struct flow *f)
{
	if (f->copy.buf)
		pool_buf_back(&f->relay->engine->pool, f->copy.buf, f->copy.cap);
	f->copy.buf = NULL;
	f->copy.cap = f->copy.off = f->copy.len = 0;
}

static size_t pending(const struct flow *f)
{
	return f->copy.len;
}

const struct path path_copy = { "copying", "copied through a buffer, by read(2) and write(2)",
				against,   move,
				idle,      pending };
