/* test_queue.c - ends made of memory: borders, bounds, wakes; alone, and as both ends of a session
 *
 * The loop is turned by hand. A port is the inner side of a queue end as a junction would have it:
 * it keeps what is written, and says no when the test wants it to. */
#include "data/packet.h"
#include "end/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/uio.h>

#include <cmocka.h>

#include "base/log.h"
#include "memory_end.h"
#include "relay/session.h"

struct feed;

/* Outlives its end. */
struct port {
	struct queue_end *q; /* NULL: closed */
	struct feed *feed; /* what goes on when there is room */
	bool says_no; /* to writers */
	size_t bite; /* bytes it takes of a write; 0: all */
	struct str out;
	size_t packets, bytes; /* that have come; of a sequence only these */
	bool in_sequence;
	unsigned shuts, drains;
};

struct port_end {
	struct queue_end q;
	struct port *port;
};

static struct {
	struct memory_relay m;
	struct port port[2];
	struct batch *b;
	struct err err;
} r;

static uint8_t bytes[70000];

static uint8_t byte_at(uint64_t i)
{
	return (uint8_t)(i * 7 + (i >> 8));
}

static struct port *port_of(struct queue_end *q)
{
	return ((struct port_end *)q)->port;
}

static void keep(struct port *p, const uint8_t *data, size_t len)
{
	if (p->in_sequence) {
		for (size_t i = 0; i < len; i++)
			assert_int_equal(data[i], byte_at(p->bytes + i));
	} else if (len) {
		str_add(&p->out, (const char *)data, len);
	}
	p->bytes += len;
}

static ssize_t port_write(struct queue_end *q, const struct iovec *iov, int niov, struct err *err)
{
	struct port *p = port_of(q);
	size_t done = 0;

	(void)err;
	errno = EAGAIN;
	if (p->says_no)
		return -1;
	for (int i = 0; i < niov && !(p->bite && done == p->bite); i++) {
		size_t len = iov[i].iov_len;

		if (p->bite && len > p->bite - done)
			len = p->bite - done;
		keep(p, iov[i].iov_base, len);
		done += len;
	}
	return (ssize_t)done;
}

static int port_send(struct queue_end *q, struct batch *b, struct err *err)
{
	struct port *p = port_of(q);

	(void)err;
	for (; b->next < b->n; b->next++) {
		errno = EAGAIN;
		if (p->says_no)
			return -1;
		assert_false(b->packet[b->next].drop);
		keep(p, b->packet[b->next].data, b->packet[b->next].len);
		p->packets++;
		if (!p->in_sequence)
			str_addc(&p->out, '|');
	}
	return 0;
}

static void port_shut(struct queue_end *q)
{
	port_of(q)->shuts++;
}

static void go_on(struct feed *f);

static void port_drained(struct queue_end *q)
{
	struct port *p = port_of(q);

	p->drains++;
	if (p->feed)
		go_on(p->feed);
}

static void port_closed(struct queue_end *q)
{
	port_of(q)->q = NULL;
}

static const struct queue_ops port_ops = {
	.write = port_write,
	.send = port_send,
	.shut = port_shut,
	.drained = port_drained,
	.closed = port_closed,
};

#define BOTH (EP_DGRAM_IN | EP_DGRAM_OUT)

static struct port *open_port(int i, unsigned caps, uint32_t max, enum queue_full full)
{
	struct port_end *e = xcalloc(1, sizeof(*e));

	queue_end_init(&e->q, &port_ops, relay_address(&r.m.relay, (unsigned)i + 1), caps, max,
		       full);
	e->port = &r.port[i];
	e->port->q = &e->q;
	return e->port;
}

static int set_up(void **state)
{
	(void)state;
	memset(&r, 0, sizeof(r));
	memory_plan(&r.m);
	r.m.plan.set = (struct settings){ .block = 8192,
					  .linger_ns = NSEC_PER_SEC,
					  .idle_ns = -1,
					  .left_to_right = true,
					  .right_to_left = true };
	memory_relay_start_by_hand(&r.m);
	r.b = batch_new();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	loop_turn(r.m.loop, 0);
	batch_free(r.b);
	for (int i = 0; i < 2; i++) {
		assert_null(r.port[i].q);
		str_done(&r.port[i].out);
	}
	memory_relay_done(&r.m);
	return 0;
}

static void turn(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		loop_turn(r.m.loop, 0);
}

static struct chunk *text_chunk(const char *text, bool datagram)
{
	const struct about about = { .datagram = datagram };
	struct iovec iov = { (void *)text, strlen(text) };

	return chunk_of_bytes(&iov, 1, &about);
}

/* Push the words of @text, in one chunk. */
static uint32_t push(struct port *p, const char *text, bool datagram)
{
	struct batch *b = batch_new();
	struct chunk *c;
	size_t next = 0;
	uint32_t done;

	while (*text) {
		size_t len = strcspn(text, " ");

		batch_lend(b, text, len);
		text += len + (text[len] == ' ');
	}
	b->stream = !datagram;
	c = chunk_of_batch(b, &next, NULL);
	done = queue_end_push(p->q, c, 0, c->n);
	chunk_unref(c);
	batch_free(b);
	return done;
}

static void push_large(struct port *p, size_t len, bool datagram, uint32_t want)
{
	const struct about about = { .datagram = datagram };
	struct iovec iov = { bytes, len };
	struct chunk *c = chunk_of_bytes(&iov, 1, &about);

	assert_int_equal(queue_end_push(p->q, c, 0, 1), want);
	chunk_unref(c);
}

static void assert_reads(struct port *p, size_t max, const char *want)
{
	char buf[100];
	ssize_t n = p->q->ep.ops->read(&p->q->ep, buf, max, &r.err);

	assert_int_equal(n, strlen(want));
	assert_memory_equal(buf, want, strlen(want));
}

static void assert_recvs(struct port *p, size_t max, const char *want)
{
	struct str got = { 0 };
	long n = p->q->ep.ops->recv_batch(&p->q->ep, r.b, max, &r.err);

	assert_int_equal(n, r.b->n);
	for (size_t i = 0; i < r.b->n; i++)
		str_addf(&got, "%s%.*s", i ? " " : "", (int)r.b->packet[i].len,
			 (const char *)r.b->packet[i].data);
	assert_string_equal(got.len ? got.data : "", want);
	str_done(&got);
}

static void assert_again(struct port *p)
{
	char buf[10];
	struct endpoint *ep = &p->q->ep;

	errno = 0;
	if (ep->caps & EP_DGRAM_IN)
		assert_int_equal(ep->ops->recv_batch(ep, r.b, BATCH_MAX, &r.err), -1);
	else
		assert_int_equal(ep->ops->read(ep, buf, sizeof(buf), &r.err), -1);
	assert_int_equal(errno, EAGAIN);
}

/* ---- an end alone ---- */

static void test_size(void **state)
{
	(void)state;
	/* and a junction has its links in it */
	assert_true(sizeof(struct queue_end) - sizeof(struct endpoint) <=
		    160 - 2 * sizeof(struct list));
}

static void test_bytes(void **state)
{
	struct port *p = open_port(0, 0, 10000, QUEUE_BLOCK);
	(void)state;

	assert_again(p);
	assert_int_equal(push(p, "one  two", false), 3); /* one of them is empty */
	assert_int_equal(push(p, "three", true), 1);
	assert_reads(p, 2, "on");
	assert_reads(p, 3, "etw");
	assert_reads(p, 100, "othree");
	assert_int_equal(p->q->bytes, 0);
	assert_again(p);
	assert_false(p->q->ep.ops->holds(&p->q->ep));
	push(p, " ", true); /* an empty datagram is no end of file */
	push(p, "last", false);
	queue_end_finish(p->q);
	assert_int_equal(push(p, "late", false), 1);
	assert_reads(p, 100, "last");
	assert_true(p->q->ep.ops->holds(&p->q->ep));
	assert_reads(p, 100, "");
	assert_reads(p, 100, "");
	endpoint_free(&p->q->ep);
}

static void test_datagrams(void **state)
{
	struct port *p = open_port(0, BOTH, 10000, QUEUE_BLOCK);
	struct chunk *c = text_chunk("lent", true);
	(void)state;

	push(p, "a bb  dddd", true);
	assert_recvs(p, 1, "a");
	assert_recvs(p, 2, "bb ");
	assert_false(r.b->all);
	queue_end_push(p->q, c, 0, 1);
	assert_recvs(p, 64, "dddd"); /* what one chunk has */
	assert_false(r.b->stream);
	assert_recvs(p, 64, "lent");
	assert_ptr_equal(r.b->packet[0].data, c->data);
	assert_int_equal(c->refs, 2); /* as long as it may be looked at */
	assert_true(p->q->ep.ops->holds(&p->q->ep));
	assert_again(p);
	assert_int_equal(c->refs, 1);
	assert_false(p->q->ep.ops->holds(&p->q->ep));
	push(p, "block", false);
	queue_end_finish(p->q);
	assert_recvs(p, 64, "block");
	assert_true(r.b->stream);
	assert_recvs(p, 64, "");
	chunk_unref(c);
	endpoint_free(&p->q->ep);
}

/* Who has sent it is still known. */
static void test_peer(void **state)
{
	struct netaddr peer = { .len = sizeof(struct sockaddr_in) };
	struct port *p = open_port(0, BOTH, 10000, QUEUE_BLOCK);
	struct about about = { .datagram = 1 };
	struct iovec iov = { bytes, 10 };
	struct chunk *c;
	(void)state;

	peer.in.sin_family = AF_INET;
	peer.in.sin_addr.s_addr = htonl(0x7f000001);
	netaddr_set_port(&peer, 99);
	about_set_peer(&about, &peer);
	c = chunk_of_bytes(&iov, 1, &about);
	queue_end_push(p->q, c, 0, 1);
	chunk_unref(c);
	p->q->ep.ops->recv_batch(&p->q->ep, r.b, 64, &r.err);
	assert_true(netaddr_same(&r.b->msg[r.b->packet[0].msg].peer, &peer));
	endpoint_free(&p->q->ep);
}

static void test_close(void **state)
{
	struct port *p = open_port(0, BOTH, 10000, QUEUE_BLOCK);
	struct chunk *c[3];
	(void)state;

	for (int i = 0; i < 3; i++) {
		c[i] = text_chunk("text", i != 2);
		queue_end_push(p->q, c[i], 0, 1);
	}
	assert_recvs(p, 64, "text");
	endpoint_free(&p->q->ep);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(c[i]->refs, 1);
		chunk_unref(c[i]);
	}
	assert_int_equal(relay_address(&r.m.relay, 1)->tally->lost[LOSS_UNREAD], 1);
}

#define COST(len) ((len) + sizeof(struct piece) + sizeof(struct about))

static void test_block(void **state)
{
	struct port *p = open_port(0, BOTH, 4 * COST(1), QUEUE_BLOCK);
	struct chunk *c = text_chunk("x", true);
	(void)state;

	assert_int_equal(push(p, "1 2 3 4 5 6", true), 4);
	assert_int_equal(push(p, "5", true), 0);
	assert_false(queue_end_has_room(p->q, c, 0));
	assert_recvs(p, 1, "1");
	assert_true(queue_end_has_room(p->q, c, 0));
	assert_int_equal(p->drains, 0); /* only when it is worth while */
	assert_recvs(p, 1, "2");
	assert_int_equal(p->drains, 1);
	assert_recvs(p, 1, "3");
	assert_int_equal(p->drains, 1);
	assert_recvs(p, 1, "4");
	push_large(p, 70000, true, 1); /* into an empty one anything goes */
	assert_int_equal(push(p, "no", true), 0);
	assert_int_equal(p->q->dropped, 0);
	chunk_unref(c);
	endpoint_free(&p->q->ep);
}

static void test_drop_old(void **state)
{
	struct port *p = open_port(0, BOTH, 3 * COST(1), QUEUE_DROP_OLD);
	(void)state;

	push(p, "1 2 3", true);
	assert_recvs(p, 1, "1"); /* lent: it does not count, and stays */
	assert_int_equal(push(p, "4 5 6", true), 3);
	assert_int_equal(p->q->dropped, 2);
	assert_memory_equal(r.b->packet[0].data, "1", 1);
	assert_recvs(p, 64, "4 5 6");
	assert_int_equal(relay_address(&r.m.relay, 1)->tally->lost[LOSS_SLOW], 2);
	/* a stream may displace datagrams, but is not displaced */
	push(p, "1 2 3", true);
	push(p, "s", false);
	assert_int_equal(p->q->dropped, 3);
	push(p, "4 5", true);
	assert_false(p->q->broken);
	assert_int_equal(push(p, "6", true), 1);
	assert_true(p->q->broken);
	endpoint_free(&p->q->ep);
}

/* What a read has begun comes to its end. */
static void test_drop_old_begun(void **state)
{
	struct port *p = open_port(0, 0, 2 * COST(5), QUEUE_DROP_OLD);
	(void)state;

	push(p, "begun", true);
	assert_reads(p, 2, "be");
	push(p, "lost1 lost2 kept1 kept2", true);
	assert_int_equal(p->q->dropped, 2);
	assert_reads(p, 100, "gunkept1kept2");
	endpoint_free(&p->q->ep);
}

static void test_drop_new(void **state)
{
	struct port *p = open_port(0, BOTH, 3 * COST(1), QUEUE_DROP_NEW);
	(void)state;

	push(p, "1 2", true);
	assert_int_equal(push(p, "long_one 4 5", true), 3);
	assert_int_equal(p->q->dropped, 2);
	assert_recvs(p, 64, "1 2");
	assert_recvs(p, 64, "4");
	assert_again(p);
	push(p, "1 2 3", true);
	assert_int_equal(push(p, "stream", false), 1);
	assert_true(p->q->broken);
	endpoint_free(&p->q->ep);
}

static void test_end(void **state)
{
	struct port *p = open_port(0, BOTH, 3 * COST(1), QUEUE_END);
	char buf[10];
	(void)state;

	assert_int_equal(push(p, "1 2 3 4 5", true), 5);
	assert_true(p->q->broken);
	assert_int_equal(p->q->in.n, 0);
	assert_int_equal(push(p, "6", true), 1);
	assert_int_equal(p->q->in.n, 0);
	assert_int_equal(p->q->ep.ops->read(&p->q->ep, buf, 10, &r.err), -1);
	assert_int_not_equal(errno, EAGAIN);
	assert_string_equal(r.err.text, "socket 2 takes too slowly what socket 1 has for it: more "
					"than 231 bytes wait");
	assert_int_equal(p->q->ep.ops->recv_batch(&p->q->ep, r.b, 64, &r.err), -1);
	assert_int_not_equal(errno, EAGAIN);
	assert_true(p->q->ep.ops->holds(&p->q->ep));
	endpoint_free(&p->q->ep);
}

/* ---- waking ---- */

static uint32_t seen;

static void on_event(struct endpoint *ep, uint32_t events)
{
	(void)ep;
	seen |= events;
}

static const struct endpoint_user watcher = { .event = on_event };

static void test_wakes(void **state)
{
	struct port *p = open_port(0, BOTH, 2 * COST(1), QUEUE_END);
	(void)state;

	p->q->ep.user = &watcher;
	endpoint_want(&p->q->ep, EPOLLIN | EPOLLOUT, 0);
	seen = 0;
	turn(3);
	assert_int_equal(seen, 0); /* nothing of it is watched */
	push(p, "1", true);
	assert_int_equal(seen, 0); /* never from within the caller */
	turn(1);
	assert_int_equal(seen, EPOLLIN);
	seen = 0;
	push(p, "2", true); /* he who has not read the first needs no second call */
	turn(1);
	assert_int_equal(seen, 0);
	push(p, "3", true);
	turn(1);
	assert_int_equal(seen, EPOLLIN | EPOLLERR);
	seen = 0;
	endpoint_ready(&p->q->ep, EPOLLOUT);
	endpoint_free(&p->q->ep);
	turn(1);
	assert_int_equal(seen, 0);
}

/* ---- in a session ---- */

static struct session *begin(unsigned caps, uint32_t max, enum queue_full full)
{
	struct port *left = open_port(0, caps, max, full), *right = open_port(1, caps, max, full);
	struct session *s = session_new(&r.m.relay, &left->q->ep, &right->q->ep, NULL, NULL);

	turn(1);
	return s;
}

static void assert_over(int status)
{
	turn(2);
	assert_null(r.port[0].q);
	assert_null(r.port[1].q);
	assert_true(list_empty(&r.m.relay.sessions));
	assert_int_equal(r.m.relay.status, status);
}

static void assert_came(struct port *p, const char *want)
{
	assert_int_equal(p->out.len, strlen(want));
	assert_memory_equal(p->out.data, want, strlen(want));
}

static void exchange(unsigned caps, const char *want_left, const char *want_right)
{
	struct session *s = begin(caps, 10000, QUEUE_BLOCK);

	assert_int_equal(session_highest_fd(s), -1);
	for (int i = 0; i < 2; i++)
		assert_string_equal(s->flow[i].path->name, caps ? "datagrams" : "copying");
	turn(2);
	push(&r.port[0], "to the  right", true);
	push(&r.port[1], "left", true);
	assert_int_equal(r.port[0].bytes + r.port[1].bytes, 0);
	turn(1);
	queue_end_finish(r.port[0].q);
	turn(1);
	assert_int_equal(r.port[0].shuts, 0);
	assert_int_equal(r.port[1].shuts, 1); /* the end of file is passed on */
	push(&r.port[1], "more", true);
	turn(1);
	assert_came(&r.port[1], want_right);
	assert_came(&r.port[0], want_left);
	queue_end_finish(r.port[1].q);
	assert_over(0);
}

static void test_session_bytes(void **state)
{
	(void)state;
	exchange(0, "leftmore", "totheright");
}

static void test_session_datagrams(void **state)
{
	(void)state;
	exchange(BOTH, "left|more|", "to|the||right|");
}

/* Datagrams to an end of bytes, and a stream to one of datagrams. */
static void test_session_mixed(void **state)
{
	struct port *left = open_port(0, BOTH, 10000, QUEUE_BLOCK);
	struct port *right = open_port(1, 0, 10000, QUEUE_BLOCK);
	(void)state;

	right->bite = 3;
	session_new(&r.m.relay, &left->q->ep, &right->q->ep, NULL, NULL);
	push(left, "whole  words", true);
	push(right, "a stream", false);
	queue_end_finish(left->q);
	queue_end_finish(right->q);
	turn(5);
	assert_came(right, "wholewords");
	assert_came(left, "astream|");
	assert_over(0);
}

/* A writer who is told no waits until it is woken; what comes meanwhile waits in the queue. */
static void slow(unsigned caps, const char *want)
{
	begin(caps, 10000, QUEUE_BLOCK);
	r.port[1].says_no = true;
	push(&r.port[0], "one two", true);
	turn(5);
	push(&r.port[0], "three", true);
	turn(5);
	assert_int_equal(r.port[1].bytes, 0);
	assert_int_equal(r.port[0].q->in.n, 1);
	push(&r.port[1], "back", true); /* the other direction goes on */
	turn(1);
	assert_int_equal(r.port[0].bytes, 4);
	r.port[1].says_no = false;
	turn(5);
	assert_int_equal(r.port[1].bytes, 0);
	endpoint_ready(&r.port[1].q->ep, EPOLLOUT);
	turn(1);
	assert_came(&r.port[1], want);
	turn(1);
	assert_null(r.port[0].q->hand.chunk); /* silent: nothing is held */
	assert_null(r.port[0].q->in.run);
	queue_end_finish(r.port[0].q);
	queue_end_finish(r.port[1].q);
	assert_over(0);
}

static void test_slow_bytes(void **state)
{
	(void)state;
	slow(0, "onetwothree");
}

static void test_slow_datagrams(void **state)
{
	(void)state;
	slow(BOTH, "one|two|three|");
}

/* A session that waits for its slow end only hears that the other one has broken. */
static void test_session_breaks(void **state)
{
	(void)state;
	begin(BOTH, 4 * COST(5), QUEUE_END);
	r.port[1].says_no = true;
	push(&r.port[0], "first", true);
	turn(3);
	push(&r.port[0], "12345 12345 12345 12345", true);
	turn(3);
	assert_non_null(r.port[0].q);
	push(&r.port[0], "12345", true);
	assert_non_null(r.port[0].q);
	assert_over(1);
	assert_int_equal(r.port[1].bytes, 0);
}

/* It breaks before the session has begun. */
static void test_breaks_early(void **state)
{
	struct port *left = open_port(0, BOTH, 1, QUEUE_END);
	struct port *right = open_port(1, BOTH, 1, QUEUE_END);
	(void)state;

	push(left, "1 2", true);
	session_new(&r.m.relay, &left->q->ep, &right->q->ep, NULL, NULL);
	assert_over(1);
}

/* The end of file is looked at once a second, and a turn without an event does nothing. */
static void test_ignoreeof(void **state)
{
	struct session *s;
	(void)state;

	r.m.plan.side[0].half[0].conf.flow.ignoreeof = true;
	s = begin(0, 10000, QUEUE_BLOCK);
	push(&r.port[0], "text", false);
	queue_end_finish(r.port[0].q);
	turn(10);
	for (int i = 0; i < 3; i++) {
		assert_false(loop_is_ready(&s->again));
		assert_true(s->poll.index);
		loop_turn(r.m.loop, NSEC_PER_SEC);
	}
	assert_int_equal(r.port[1].shuts, 0);
	queue_end_finish(r.port[1].q);
	turn(2);
	assert_came(&r.port[1], "text");
	assert_over(0);
}

/* What is pushed behind the bytes that may be read goes nowhere, and holds nobody up. */
static void test_readbytes(void **state)
{
	(void)state;
	r.m.plan.side[0].half[0].conf.flow.readbytes = 3;
	begin(0, 100, QUEUE_BLOCK);
	push(&r.port[0], "text", false);
	turn(3);
	assert_came(&r.port[1], "tex");
	assert_int_equal(r.port[1].shuts, 1);
	push_large(&r.port[0], 10000, false, 1);
	push_large(&r.port[0], 10000, false, 1);
	assert_int_equal(r.port[0].q->in.n, 0);
	queue_end_finish(r.port[1].q);
	assert_over(0);
}

/* -T: what has been pushed in the turn that is found late is no silence. */
static void test_inactivity(void **state)
{
	(void)state;
	r.m.plan.set.idle_ns = NSEC_PER_SEC;
	begin(BOTH, 10000, QUEUE_BLOCK);
	turn(2);
	loop_unready(&r.port[0].q->ep.ready);
	push(&r.port[0], "late", true);
	loop_unready(&r.port[0].q->ep.ready); /* as if it had come behind the ready list */
	loop_turn(r.m.loop, 2 * NSEC_PER_SEC);
	assert_non_null(r.port[0].q);
	turn(1);
	assert_came(&r.port[1], "late|");
	loop_turn(r.m.loop, NSEC_PER_SEC / 2);
	assert_non_null(r.port[0].q);
	loop_turn(r.m.loop, NSEC_PER_SEC);
	loop_turn(r.m.loop, NSEC_PER_SEC);
	assert_over(0);
}

/* To an end that nobody writes to. */
static void test_read_only(void **state)
{
	struct queue_end *q = queue_end_new(relay_address(&r.m.relay, 1), BOTH, 10000);
	struct port *right = open_port(1, 0, 10000, QUEUE_BLOCK);
	struct chunk *c = text_chunk("once", true);
	(void)state;

	queue_end_push(q, c, 0, 1);
	queue_end_finish(q);
	chunk_unref(c);
	session_new(&r.m.relay, &q->ep, &right->q->ep, NULL, NULL);
	push(right, "nowhere", false);
	queue_end_finish(right->q);
	turn(3);
	assert_came(right, "once");
	assert_over(0);
}

/* ---- many ---- */

#define MANY 100000
#define QUEUED 50000 /* bytes */

/* A sequence of bytes, cut into messages, as fast as they are taken. */
struct feed {
	struct port *to;
	struct batch *b;
	bool datagram;
	size_t messages; /* still to come */
	uint64_t at; /* bytes made */
	struct chunk *chunk;
	uint32_t next; /* piece of it */
};

static void make_chunk(struct feed *f)
{
	size_t next = 0;

	f->b->n = 0;
	f->b->stream = !f->datagram;
	for (size_t i = 0; i < 20 && f->messages; i++, f->messages--) {
		size_t len = f->messages * 37 % 400;
		uint8_t *data = batch_slot(f->b, i, len);

		for (size_t k = 0; k < len; k++)
			data[k] = byte_at(f->at++);
		batch_lend(f->b, data, len);
	}
	f->chunk = chunk_of_batch(f->b, &next, NULL);
	f->next = 0;
}

static void go_on(struct feed *f)
{
	for (;;) {
		if (!f->chunk && !f->messages) {
			queue_end_finish(f->to->q);
			return;
		}
		if (!f->chunk)
			make_chunk(f);
		f->next += queue_end_push(f->to->q, f->chunk, f->next, f->chunk->n - f->next);
		assert_true(f->to->q->bytes <= QUEUED);
		assert_true(f->to->q->in.cap <= 64);
		if (f->next < f->chunk->n)
			return;
		chunk_unref(f->chunk);
		f->chunk = NULL;
	}
}

static void many(unsigned caps)
{
	struct feed feed[2];

	begin(caps, QUEUED, QUEUE_BLOCK);
	for (int i = 0; i < 2; i++) {
		feed[i] = (struct feed){ &r.port[i], batch_new(), caps & EP_DGRAM_IN, MANY,
					 .next = 0 };
		r.port[i].feed = &feed[i];
		r.port[i].in_sequence = true;
		r.port[i].bite = 1000;
	}
	go_on(&feed[0]);
	go_on(&feed[1]);
	for (unsigned n = 0; n < 10 * MANY && r.port[0].q; n++) {
		r.port[n % 2].says_no = n % 7 == 0;
		if (r.port[n % 2].q)
			endpoint_ready(&r.port[n % 2].q->ep, EPOLLOUT);
		turn(1);
	}
	assert_over(0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(r.port[1 - i].bytes, feed[i].at);
		if (caps)
			assert_int_equal(r.port[1 - i].packets, MANY);
		batch_free(feed[i].b);
	}
}

static void test_many_bytes(void **state)
{
	(void)state;
	many(0);
}

static void test_many_datagrams(void **state)
{
	(void)state;
	many(BOTH);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_size),
		TEST(test_bytes),
		TEST(test_datagrams),
		TEST(test_peer),
		TEST(test_close),
		TEST(test_block),
		TEST(test_drop_old),
		TEST(test_drop_old_begun),
		TEST(test_drop_new),
		TEST(test_end),
		TEST(test_wakes),
		TEST(test_session_bytes),
		TEST(test_session_datagrams),
		TEST(test_session_mixed),
		TEST(test_slow_bytes),
		TEST(test_slow_datagrams),
		TEST(test_session_breaks),
		TEST(test_breaks_early),
		TEST(test_ignoreeof),
		TEST(test_readbytes),
		TEST(test_inactivity),
		TEST(test_read_only),
		TEST(test_many_bytes),
		TEST(test_many_datagrams),
	};

	log_threshold = LV_FATAL;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
