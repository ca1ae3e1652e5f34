/* memory_end.h - endpoints made of memory, which a test can make as awkward as it likes
 *
 * Reads deliver a given text in pieces, writes take pieces; a function of the test decides how long
 * each is and when nothing is possible. What came out, and when the half-close and the close came,
 * stays in struct memory_side, which outlives the endpoint. There is no descriptor: after every
 * EAGAIN an end says by endpoint_ready() that it can be tried again. */
#ifndef TESTS_MEMORY_END_H
#define TESTS_MEMORY_END_H

#include "base/mem.h"
#include "base/str.h"
#include "end/endpoint.h"
#include "open/opening.h"
#include "end/relay.h"
#include "relay/relay_run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct memory_side {
	const uint8_t *in; /* what can be read; borrowed */
	size_t in_len, in_off;
	struct str out; /* what was written */
	unsigned shuts, closes; /* how often each was called */
	size_t out_at_shut; /* bytes written when the half-close came */
	bool late_write; /* something was written behind the half-close */
	size_t (*dice)(void *arg, size_t n); /* a number below @n */
	void *arg;
};

struct memory_end {
	struct endpoint ep;
	struct memory_side *side;
};

static inline struct memory_side *memory_side_of(struct endpoint *ep)
{
	return ((struct memory_end *)ep)->side;
}

/* One call in six finds nothing possible; the next turn may. */
static inline bool memory_again(struct endpoint *ep, uint32_t bit)
{
	struct memory_side *m = memory_side_of(ep);

	if (m->dice(m->arg, 6) != 0)
		return false;
	endpoint_ready(ep, bit);
	errno = EAGAIN;
	return true;
}

static inline ssize_t memory_read(struct endpoint *ep, void *buf, size_t len, struct err *err)
{
	struct memory_side *m = memory_side_of(ep);
	size_t left = m->in_len - m->in_off, n = left < len ? left : len;

	(void)err;
	if (memory_again(ep, EPOLLIN))
		return -1;
	if (n == 0)
		return 0;
	n = 1 + m->dice(m->arg, n);
	memcpy(buf, m->in + m->in_off, n);
	m->in_off += n;
	return (ssize_t)n;
}

static inline ssize_t memory_write(struct endpoint *ep, const struct iovec *iov, int niov,
				   struct err *err)
{
	struct memory_side *m = memory_side_of(ep);
	size_t n;

	(void)err;
	(void)niov;
	if (memory_again(ep, EPOLLOUT))
		return -1;
	m->late_write |= m->shuts > 0;
	n = 1 + m->dice(m->arg, iov[0].iov_len);
	str_add(&m->out, iov[0].iov_base, n);
	return (ssize_t)n;
}

static inline void memory_shut(struct endpoint *ep)
{
	struct memory_side *m = memory_side_of(ep);

	if (m->shuts++ == 0)
		m->out_at_shut = m->out.len;
}

static inline void memory_close(struct endpoint *ep)
{
	memory_side_of(ep)->closes++;
}

/* There is always more, or the end. */
static inline bool memory_holds(const struct endpoint *ep)
{
	(void)ep;
	return true;
}

static const struct endpoint_ops memory_ops = {
	.read = memory_read,
	.write = memory_write,
	.shut_write = memory_shut,
	.close = memory_close,
	.holds = memory_holds,
};

/* An end of @addr that works on @side, which is borrowed. */
static inline struct endpoint *memory_end_new(struct address *addr, struct memory_side *side)
{
	struct memory_end *e = xcalloc(1, sizeof(*e));

	endpoint_init(&e->ep, &memory_ops, addr, -1, -1);
	e->side = side;
	return &e->ep;
}

static const struct addr_type memory_type = { .names = "MEMORY", .reads = true, .writes = true };

/* A relay without texts in its plan: two addresses with the defaults, and the settings. */
struct memory_relay {
	struct plan plan;
	struct side side[2]; /* the plan's */
	struct engine engine;
	struct relay relay;
	struct loop *loop; /* the engine's */
};

/* The plan's settings and whatever else the test wants to set come between the two. */
static inline void memory_plan(struct memory_relay *m)
{
	memset(m->side, 0, sizeof(m->side));
	m->plan = (struct plan){ .set = { .idle_ns = -1 }, .side = m->side, .nsides = 2 };
	for (int i = 0; i < 2; i++) {
		m->plan.side[i].nhalves = 1;
		m->plan.side[i].half[0].type = &memory_type;
		conf_init(&m->plan.side[i].half[0].conf);
	}
}

static inline void memory_relay_start_on(struct memory_relay *m, struct loop *loop)
{
	struct err err;

	m->loop = loop;
	engine_init(&m->engine, m->loop);
	if (!loop || relay_init(&m->relay, &m->engine, &m->plan, &err) == -1)
		abort();
}

static inline void memory_relay_start(struct memory_relay *m)
{
	struct err err;

	memory_relay_start_on(m, loop_new(&err));
}

/* For loop_turn(). */
static inline void memory_relay_start_by_hand(struct memory_relay *m)
{
	struct err err;

	memory_relay_start_on(m, loop_new_by_hand(&err));
}

static inline void memory_relay_done(struct memory_relay *m)
{
	relay_done(&m->relay);
	engine_done(&m->engine);
	loop_free(m->loop);
	for (int i = 0; i < 2; i++)
		conf_done(&m->plan.side[i].half[0].conf);
}

#endif
