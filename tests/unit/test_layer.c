/* test_layer.c - stacks of layers on an end: bytes, datagrams, waiting, bytes read too far, the
 * half-close; the farewell is test_farewell.c's
 *
 * Fake layers (fake_layer.h) on ends in memory and on socket pairs, alone and in sessions. */
#include "end/layer.h"

#include "base/log.h"
#include "end/queue.h"
#include "flow/flow.h"
#include "relay/session.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>

#include "stack.h"

#define LOOK_NS (20 * NSEC_PER_MSEC) /* how often linger.c looks at the latest */
#define SEQUENCE 300000 /* bytes */

static void test_bare(void **state)
{
	struct endpoint *ep;
	(void)state;

	stack_set_up();
	ep = stack_in_memory(0);
	assert_true(endpoint_is_bare(ep));
	stage_give(&stack.left, "text");
	stack_gets_text(ep, 10, "text");
	stack_puts_all(ep, "answer");
	assert_string_equal(stage_heard(&stack.left), "answer");
	endpoint_ready(ep, EPOLLIN);
	endpoint_want(ep, EPOLLIN | EPOLLOUT, 0);
	stage_rest(&stack.m);
	assert_int_equal(stack.events, EPOLLIN); /* no more than that */
	assert_int_equal(stack.calls, 1);
	endpoint_shut_write(ep);
	endpoint_free(ep);
	stack_noted("shut transport, close transport");
	stack_tear_down();
}

/* One, two and three of them: each changes what the others made of it. */
static void test_bytes(void **state)
{
	static const char names[] = { 'a', 'x', '\x11' };
	const char *text = "the quick brown fox";
	(void)state;

	for (size_t n = 1; n <= 3; n++) {
		struct endpoint *ep;
		char in[32] = { 0 }, key = 0;

		stack_set_up();
		ep = stack_in_memory(0);
		for (size_t i = 0; i < n; i++) {
			stack_push(ep, &fake_xor, names[i]);
			key ^= names[i];
		}
		assert_false(endpoint_is_bare(ep));
		for (size_t i = 0; text[i]; i++)
			in[i] = text[i] ^ key;
		stack.left.m.in = (const uint8_t *)in;
		stack.left.m.in_len = strlen(text);
		stack_gets_text(ep, 9, "the quick");
		stack_gets_text(ep, 100, " brown fox");
		stack_gets_nothing(ep);
		stack_puts_all(ep, text);
		assert_int_equal(stack.left.m.out.len, strlen(text));
		assert_memory_equal(stack.left.m.out.data, in, strlen(text));
		stack.left.full = true;
		errno = 0;
		assert_int_equal(stack_put(ep, text), -1);
		assert_int_equal(errno, EAGAIN);
		stack.left.open = false;
		stack_gets_text(ep, 100, "");
		endpoint_free(ep);
		stack_noted(n == 1   ? "free a, close transport"
			    : n == 2 ? "free x, free a, close transport"
				     : "free \x11, free x, free a, close transport");
		stack_tear_down();
	}
}

/* A part of what one layer takes at once, and of what the transport takes. */
static void test_partial_writes(void **state)
{
	static char text[3000];
	struct iovec iov = { text, sizeof(text) };
	struct endpoint *ep;
	(void)state;

	stack_set_up();
	ep = stack_in_memory(0);
	stack_push(ep, &fake_xor, 'a');
	stack_push(ep, &fake_xor, 'b');
	assert_int_equal(endpoint_write(ep, &iov, 1, &stack.err), 1000);
	assert_int_equal(stack.left.m.out.len, 1000);
	endpoint_free(ep);
	stack_tear_down();
}

/* ---- output of their own ---- */

static void test_kept(void **state)
{
	struct endpoint *ep;
	(void)state;

	stack_set_up();
	ep = stack_in_memory(0);
	stack_push(ep, &fake_keep, 'a')->keep = 3;
	stack_puts_all(ep, "abcdef");
	assert_string_equal(stage_heard(&stack.left), "abc");
	endpoint_want(ep, EPOLLIN, 0);
	endpoint_ready(ep, EPOLLOUT);
	assert_int_equal(stack.calls, 0); /* never from within the caller */
	stage_rest(&stack.m);
	assert_string_equal(stage_heard(&stack.left), "abcdef");
	assert_int_equal(stack.calls, 1);
	assert_int_equal(stack.events, EPOLLIN | EPOLLOUT);
	endpoint_free(ep);
	stack_tear_down();
}

/* What one hands down is kept by the next: nothing is left nevertheless. */
static void test_kept_by_several(void **state)
{
	struct endpoint *ep;
	(void)state;

	stack_set_up();
	ep = stack_in_memory(0);
	stack_push(ep, &fake_keep, 'a')->keep = 2;
	stack_push(ep, &fake_keep, 'b')->keep = 3;
	stack_push(ep, &fake_keep, 'c')->keep = 4;
	stack_puts_all(ep, "0123456789abcdef");
	assert_string_equal(stage_heard(&stack.left), "0123456");
	endpoint_ready(ep, EPOLLOUT);
	stage_rest(&stack.m);
	assert_string_equal(stage_heard(&stack.left), "0123456789abcdef");
	endpoint_free(ep);
	stack_tear_down();
}

/* Who is lower has to make room first. */
static void test_flush_order(void **state)
{
	struct endpoint *ep;
	(void)state;

	stack_set_up();
	ep = stack_in_memory(0);
	for (char c = 'a'; c <= 'c'; c++)
		stack_push(ep, &fake_keep, c)->notes_flush = true;
	endpoint_ready(ep, EPOLLOUT);
	stage_rest(&stack.m);
	assert_memory_equal(stack.notes.data, "flush a, flush b, flush c", 25);
	stack.left.full = true;
	stack_puts_all(ep, "text");
	str_done(&stack.notes);
	endpoint_ready(ep, EPOLLOUT);
	stage_rest(&stack.m);
	stack_noted("flush a"); /* it cannot: nobody above it is asked */
	stack.left.full = false;
	endpoint_free(ep);
	stack_tear_down();
}

/* ---- waiting ---- */

/* It reads before it can write: what is waited for below is not what the user waits for. */
static void test_write_needs_read(void **state)
{
	struct endpoint *ep;
	struct fake *f;
	(void)state;

	stack_set_up();
	ep = stack_on_socket();
	f = stack_push(ep, &fake_credit, 'a');
	stack_push(ep, &fake_xor, 'x')->key = 0;
	assert_int_equal(stack_put(ep, "abc"), -1);
	assert_int_equal(errno, EAGAIN);
	endpoint_want(ep, EPOLLOUT, 0);
	stage_rest(&stack.m);
	assert_int_equal(stack.calls, 0);
	assert_true(stage_sleeps(&stack.m));
	stack_says(stack.peer, "xy+z");
	stage_rest(&stack.m);
	assert_true(stack.calls > 0);
	assert_true(stack.events & EPOLLOUT);
	stack_puts_all(ep, "abc");
	stack_hears("3:abc", false);
	assert_int_equal(stack_put(ep, "more"), -1);
	/* what came with the credit is in the layer's memory, which no descriptor tells */
	assert_true(endpoint_holds(ep));
	assert_true(f->l.ops->holds(&f->l));
	stack_gets_text(ep, 100, "xyz");
	assert_false(endpoint_holds(ep));
	endpoint_free(ep);
	stack_tear_down();
}

/* With layers the user looks at all it wants; without, at what has happened. */
static void test_user_gets_all_bits(void **state)
{
	(void)state;
	for (int layers = 0; layers < 2; layers++) {
		struct endpoint *ep;

		stack_set_up();
		ep = stack_on_socket();
		if (layers)
			stack_push(ep, &fake_xor, 'a');
		stack_fill(ep);
		endpoint_want(ep, EPOLLIN | EPOLLOUT, 0);
		stage_rest(&stack.m);
		assert_int_equal(stack.calls, 0);
		stack_says(stack.peer, "a");
		stage_pass(&stack.m, 0);
		assert_int_equal(stack.events, layers ? EPOLLIN | EPOLLOUT : EPOLLIN);
		stack.events = 0;
		endpoint_want(ep, 0, EPOLLOUT);
		stage_pass(&stack.m, 0);
		assert_int_equal(stack.events, EPOLLIN);
		/* not for the time being */
		endpoint_mask(ep, EPOLLIN);
		stack.calls = 0;
		stage_rest(&stack.m);
		assert_int_equal(stack.calls, 0);
		endpoint_look_again(ep, NSEC_PER_SEC);
		stage_pass(&stack.m, NSEC_PER_SEC);
		assert_int_equal(stack.calls, 1);
		ep->parting.ended = true;
		endpoint_free(ep);
		stack_hang_up();
		stack_tear_down();
	}
}

/* Nobody wants to write; the layer has something left, and says so. */
static void test_layer_waits_for_itself(void **state)
{
	struct endpoint *ep;
	size_t filled;
	(void)state;

	stack_set_up();
	ep = stack_on_socket();
	stack_push(ep, &fake_keep, 'a');
	stack_push(ep, &fake_xor, 'x')->key = 0;
	filled = stack_fill(ep);
	stack_puts_all(ep, "kept");
	stage_rest(&stack.m);
	assert_true(stage_sleeps(&stack.m));
	stack_hears_behind(filled, "", false);
	stage_rest(&stack.m);
	stack_hears("kept", false);
	assert_true(stage_sleeps(&stack.m)); /* and waits for nothing any more */
	endpoint_free(ep);
	stack_tear_down();
}

/* ---- datagrams ---- */

struct port {
	struct queue_end *q;
	struct str out;
	size_t room; /* datagrams it takes */
};

struct port_end {
	struct queue_end q;
	struct port *port;
};

static int port_send(struct queue_end *q, struct batch *b, struct err *err)
{
	struct port *p = ((struct port_end *)q)->port;

	(void)err;
	for (; b->next < b->n; b->next++) {
		errno = EAGAIN;
		if (!p->room)
			return -1;
		p->room--;
		str_add(&p->out, b->packet[b->next].data, b->packet[b->next].len);
		str_addc(&p->out, '|');
	}
	return 0;
}

static const struct queue_ops port_ops = { .send = port_send };

static struct endpoint *of_datagrams(struct port *p, int i)
{
	struct port_end *e = xcalloc(1, sizeof(*e));

	queue_end_init(&e->q, &port_ops, stack_address(i), EP_DGRAM_IN | EP_DGRAM_OUT, 10000,
		       QUEUE_BLOCK);
	*p = (struct port){ .q = &e->q, .room = 1000 };
	e->port = p;
	return &e->q.ep;
}

static void comes(struct port *p, const char *text)
{
	const struct about about = { .datagram = true };
	struct iovec iov = { (void *)text, strlen(text) };
	struct chunk *c = chunk_of_bytes(&iov, 1, &about);

	assert_int_equal(queue_end_push(p->q, c, 0, 1), 1);
	chunk_unref(c);
}

/* The datagrams that are received at once, refused ones as "-". */
static void receives(struct endpoint *ep, const char *want)
{
	struct batch *b = batch_new();
	struct str s = { 0 };
	long n = endpoint_recv(ep, b, BATCH_MAX, &stack.err);

	for (size_t i = 0; n > 0 && i < b->n; i++)
		str_addf(&s, "%.*s|", b->packet[i].drop ? 1 : (int)b->packet[i].len,
			 b->packet[i].drop ? "-" : (const char *)b->packet[i].data);
	assert_string_equal(s.len ? s.data : "", want);
	str_done(&s);
	batch_free(b);
}

static void test_datagrams(void **state)
{
	struct endpoint *ep;
	struct batch *b = batch_new();
	struct port p;
	(void)state;

	stack_set_up();
	ep = of_datagrams(&p, 0);
	stack_push(ep, &fake_tag, 'a');
	stack_push(ep, &fake_tag, 'b');
	comes(&p, "abone");
	receives(ep, "one|");
	comes(&p, "ab");
	receives(ep, "|");
	comes(&p, "atwo");
	receives(ep, "-|");
	batch_lend(b, "one", 3);
	batch_lend(b, "two", 3);
	batch_lend(b, "three", 5);
	p.room = 1;
	assert_int_equal(endpoint_send(ep, b, &stack.err), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(b->next, 1);
	p.room = 2;
	assert_int_equal(endpoint_send(ep, b, &stack.err), 0);
	assert_int_equal(b->next, 3);
	assert_string_equal(p.out.data, "abone|abtwo|abthree|");
	endpoint_free(ep);
	stack_noted("free b, free a");
	str_done(&p.out);
	batch_free(b);
	stack_tear_down();
}

static void test_session_of_datagrams(void **state)
{
	struct endpoint *left, *right;
	struct port p[2];
	(void)state;

	stack_set_up();
	left = of_datagrams(&p[0], 0);
	stack_push(left, &fake_tag, 'a');
	stack_push(left, &fake_tag, 'b');
	right = of_datagrams(&p[1], 1);
	stack_push(right, &fake_tag, 'c');
	session_new(&stack.m.relay, left, right, NULL, NULL);
	comes(&p[0], "abone");
	comes(&p[0], "c is wrong");
	comes(&p[0], "abtwo");
	comes(&p[1], "canswer");
	p[0].room = 0;
	stage_rest(&stack.m);
	assert_string_equal(p[1].out.data, "cone|ctwo|");
	assert_int_equal(p[0].out.len, 0);
	p[0].room = 10;
	endpoint_ready(left, EPOLLOUT);
	stage_rest(&stack.m);
	assert_string_equal(p[0].out.data, "abanswer|");
	queue_end_finish(p[0].q);
	queue_end_finish(p[1].q);
	stage_rest(&stack.m);
	assert_true(list_empty(&stack.m.relay.sessions));
	for (int i = 0; i < 2; i++)
		str_done(&p[i].out);
	stack_tear_down();
}

/* ---- sessions of bytes ---- */

static uint64_t random_state;

static size_t random_below(void *arg, size_t n)
{
	(void)arg;
	random_state = random_state * 6364136223846793005U + 1442695040888963407U;
	return (size_t)(random_state >> 33) % n;
}

/* What CREDIT has written, without its headers. */
static void without_headers(const struct str *s, struct str *out)
{
	const char *at = s->data;

	while (at && at < s->data + s->len) {
		char *end;
		size_t n = strtoul(at, &end, 10);

		assert_int_equal(*end, ':');
		assert_true((size_t)(s->data + s->len - end) > n);
		str_add(out, end + 1, n);
		at = end + 1 + n;
	}
}

static struct endpoint *random_end(int i, const struct str *in)
{
	struct memory_side *m = i ? &stack.right.m : &stack.left.m;

	*m = (struct memory_side){ .in = (const uint8_t *)in->data,
				   .in_len = in->len,
				   .dice = random_below };
	return memory_end_new(stack_address(i), m);
}

static void same(const struct str *a, const struct str *b)
{
	assert_int_equal(a->len, b->len);
	if (a->len)
		assert_memory_equal(a->data, b->data, a->len);
}

/* Two stacks, each with all kinds that move bytes, in random pieces: all arrives, and the
 * half-close comes behind it. */
static void random_session(uint64_t seed)
{
	struct str text[2] = { { 0 }, { 0 } }, in = { 0 }, out = { 0 };
	struct endpoint *left, *right;

	random_state = seed;
	stack_set_up();
	for (int i = 0; i < 2; i++) {
		for (size_t n = random_below(NULL, 500); n; n--)
			str_addc(&text[i], (char)('a' + random_below(NULL, 26)));
	}
	/* the left peer gives credits among its text, more than are needed */
	for (size_t i = 0; i <= text[0].len; i++) {
		for (int k = 0; k < (i ? 1 : 510); k++)
			str_addc(&in, '+');
		if (i < text[0].len)
			str_addc(&in, text[0].data[i]);
	}
	left = random_end(0, &in);
	stack_push(left, &fake_credit, 'a');
	stack_push(left, &fake_keep, 'b')->keep = random_below(NULL, 8);
	stack_push(left, &fake_xor, 'c');
	stack_push(left, &fake_xor, 'c');
	right = random_end(1, &text[1]);
	stack_push(right, &fake_keep, 'd')->keep = random_below(NULL, 8);
	stack_push(right, &fake_keep, 'e')->keep = random_below(NULL, 8);
	session_new(&stack.m.relay, left, right, NULL, NULL);
	for (int i = 0; i < 10000 && !list_empty(&stack.m.relay.sessions); i++)
		loop_turn(stack.m.loop, 0);
	assert_true(list_empty(&stack.m.relay.sessions));
	for (int i = 0; i < 100 && stack.m.engine.nlingering; i++)
		loop_turn(stack.m.loop, LOOK_NS);
	assert_int_equal(stack.m.relay.status, 0);
	same(&stack.right.m.out, &text[0]);
	without_headers(&stack.left.m.out, &out);
	same(&out, &text[1]);
	assert_int_equal(stack.left.m.shuts + stack.right.m.shuts, 2);
	assert_false(stack.left.m.late_write || stack.right.m.late_write);
	assert_int_equal(stack.left.m.closes + stack.right.m.closes, 2);
	str_done(&in);
	str_done(&out);
	str_done(&text[0]);
	str_done(&text[1]);
	stack_tear_down();
}

static void test_random_sessions(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 150; seed++)
		random_session(seed);
}

/* ---- bytes read too far ---- */

static void test_unread(void **state)
{
	struct endpoint *ep;
	(void)state;

	stack_set_up();
	ep = stack_in_memory(0);
	stage_give(&stack.left, "transport");
	endpoint_unread(ep, "", 0);
	assert_true(endpoint_is_bare(ep));
	assert_false(endpoint_holds(ep) || ep->changed);
	endpoint_unread(ep, "1", 1);
	assert_false(endpoint_is_bare(ep) || ep->changed);
	assert_true(endpoint_holds(ep));
	stack_gets_text(ep, 100, "1");
	assert_true(endpoint_is_bare(ep) && ep->changed);
	assert_false(endpoint_holds(ep));
	endpoint_unread(ep, "read first", 10);
	stack_gets_text(ep, 4, "read");
	assert_false(endpoint_is_bare(ep));
	stack_gets_text(ep, 6, " first");
	stack_gets_text(ep, 100, "transport");
	endpoint_unread(ep, "freed with it", 13);
	endpoint_free(ep);
	stack_tear_down();
}

/* A layer reads them as it would have read them from the transport. */
static void test_unread_below_a_layer(void **state)
{
	struct endpoint *ep;
	(void)state;

	stack_set_up();
	ep = stack_in_memory(0);
	endpoint_unread(ep, "ABC", 3);
	stack_push(ep, &fake_xor, '\x20');
	assert_true(endpoint_holds(ep));
	stage_give(&stack.left, "DEF");
	stack_gets_text(ep, 100, "abc");
	stack_gets_text(ep, 100, "def");
	assert_false(endpoint_is_bare(ep));
	endpoint_free(ep);
	stack_tear_down();
}

static uint8_t byte_at(size_t i)
{
	return (uint8_t)(i * 7 + (i >> 8));
}

/* The first @n bytes are already here, the others come: in order, each once. */
static void session_with_unread(size_t n)
{
	static uint8_t data[SEQUENCE];
	struct endpoint *left, *right;
	struct str got = { 0 };
	size_t at = n;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = byte_at(i);
	stack_set_up();
	left = endpoint_socket_new(stack_address(0), stage_socket_pair(&stack.peer));
	right = endpoint_socket_new(stack_address(1), stage_socket_pair(&stack.peer2));
	endpoint_unread(left, data, n);
	session_new(&stack.m.relay, left, right, NULL, NULL);
	for (int i = 0; i < 2000 && got.len < sizeof(data); i++) {
		size_t piece = sizeof(data) - at < 7000 ? sizeof(data) - at : 7000;
		ssize_t w = piece ? write(stack.peer, data + at, piece) : 0;

		at += w > 0 ? (size_t)w : 0;
		loop_turn(stack.m.loop, 0);
		stack_listens(stack.peer2, &got);
	}
	assert_int_equal(got.len, sizeof(data));
	assert_memory_equal(got.data, data, sizeof(data));
	assert_string_equal(stage_session(&stack.m)->flow[0].path->name, "splicing");
	assert_string_equal(stage_session(&stack.m)->flow[1].path->name, "splicing");
	stack_says(stack.peer2, "answer");
	stage_rest(&stack.m);
	stack_hears("answer", false);
	assert_int_equal(shutdown(stack.peer, SHUT_WR), 0);
	assert_int_equal(shutdown(stack.peer2, SHUT_WR), 0);
	stage_rest(&stack.m);
	stack_hears("", true);
	assert_true(stack_listens(stack.peer2, &got));
	assert_int_equal(got.len, sizeof(data));
	assert_int_equal(stack.m.relay.total.bytes[0], sizeof(data));
	str_done(&got);
	stack_tear_down();
}

static void test_sessions_with_unread(void **state)
{
	(void)state;
	session_with_unread(0);
	session_with_unread(1);
	session_with_unread(8192); /* one block */
	session_with_unread(8193);
	session_with_unread(UNREAD_MAX);
}

/* ---- the half-close ---- */

static void test_shut_order(void **state)
{
	struct endpoint *ep;
	(void)state;

	stack_set_up();
	ep = stack_in_memory(0);
	stack_push(ep, &fake_keep, 'a');
	stack_push(ep, &fake_xor, 'b'); /* has nothing to say */
	stack_push(ep, &fake_keep, 'c');
	endpoint_shut_write(ep);
	stack_noted("shut c, shut a, shut transport");
	endpoint_free(ep);
	stack_noted("finish c, finish a, free c, free b, free a, close transport");
	stack_tear_down();
}

static void test_shut_stops(void **state)
{
	struct endpoint *ep;
	(void)state;

	stack_set_up();
	ep = stack_in_memory(0);
	stack_push(ep, &fake_keep, 'a');
	stack_push(ep, &fake_keep, 'b')->stops = true;
	stack_push(ep, &fake_keep, 'c');
	endpoint_shut_write(ep);
	stack_noted("shut c, shut b");
	endpoint_ready(ep, EPOLLOUT);
	stage_rest(&stack.m);
	stack_noted("");
	assert_int_equal(stack.left.m.shuts, 0);
	endpoint_free(ep);
	stack_noted("finish c, finish b, finish a, free c, free b, free a, close transport");
	stack_tear_down();
}

/* Each layer is told behind what those above it had to say, the transport behind all. */
static void test_shut_behind_output(void **state)
{
	struct endpoint *ep;
	struct fake *a, *b;
	(void)state;

	stack_set_up();
	ep = stack_in_memory(0);
	a = stack_push(ep, &fake_keep, 'a');
	b = stack_push(ep, &fake_keep, 'b');
	a->keep = 2;
	a->at_shut = "[end of a]";
	b->keep = 3;
	b->at_shut = "[end of b]";
	stack.left.full = true;
	stack_puts_all(ep, "text");
	endpoint_shut_write(ep);
	stage_wake(&stack.m, &stack.left);
	assert_int_equal(stack.left.m.shuts, 0);
	stack.left.full = false;
	stage_wake(&stack.m, &stack.left);
	assert_string_equal(stage_heard(&stack.left), "text[end of b][end of a]");
	assert_int_equal(stack.left.m.shuts, 1);
	assert_int_equal(stack.left.m.out_at_shut, stack.left.m.out.len);
	assert_false(stack.left.m.late_write);
	stack_noted("shut b, shut a, shut transport");
	stage_wake(&stack.m, &stack.left);
	assert_int_equal(stack.left.m.shuts, 1);
	endpoint_free(ep);
	stack_tear_down();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bare),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_partial_writes),
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_kept_by_several),
		cmocka_unit_test(test_flush_order),
		cmocka_unit_test(test_write_needs_read),
		cmocka_unit_test(test_user_gets_all_bits),
		cmocka_unit_test(test_layer_waits_for_itself),
		cmocka_unit_test(test_datagrams),
		cmocka_unit_test(test_session_of_datagrams),
		cmocka_unit_test(test_random_sessions),
		cmocka_unit_test(test_unread),
		cmocka_unit_test(test_unread_below_a_layer),
		cmocka_unit_test(test_sessions_with_unread),
		cmocka_unit_test(test_shut_order),
		cmocka_unit_test(test_shut_stops),
		cmocka_unit_test(test_shut_behind_output),
	};

	signal(SIGPIPE, SIG_IGN);
	log_threshold = LV_WARN;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
