/* test_kept.c - what layers have taken and not handed down: in hand until it has gone, or told
 *
 * A layer that keeps bytes (fake_layer.h), on ends in memory, socket pairs and pipes, alone and in
 * sessions; and the outbox that layers keep them in. */
#include "end/outbox.h"

#include "base/log.h"
#include "end/dual.h"
#include "relay/session.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>

#include "stack.h"

#define CLOSE_NS (5 * NSEC_PER_SEC) /* close-timeout */

/* ---- a session ---- */

/* From the left in memory to the right, which keeps all it is given. */
static void set_up(void)
{
	struct endpoint *right;

	stack_set_up();
	right = stack_in_memory(1);
	stack_push(right, &fake_keep, 'b');
	stack_push(right, &fake_keep, 'a');
	session_new(&stack.m.relay, stack_in_memory(0), right, NULL, NULL);
	stage_rest(&stack.m);
}

/* Nothing more is read while something is kept. */
static void test_back_pressure(void **state)
{
	(void)state;
	set_up();
	stack.right.full = true;
	stage_say(&stack.m, &stack.left, "first, ");
	stage_say(&stack.m, &stack.left, "second");
	assert_int_equal(stack.left.m.in_off, 0);
	assert_int_equal(stage_session(&stack.m)->flow[0].waiting, EPOLLOUT);
	assert_null(stage_session(&stack.m)->flow[0].copy.buf);
	stack.right.full = false;
	stage_wake(&stack.m, &stack.right);
	assert_string_equal(stage_heard(&stack.right), "first, second");
	assert_int_equal(stage_session(&stack.m)->flow[0].waiting, EPOLLIN);
	stage_say_end(&stack.m, &stack.left);
	stage_say_end(&stack.m, &stack.right);
	stack_tear_down();
}

/* The end of file is told behind what is kept, and -t begins then. */
static void test_end_behind_it(void **state)
{
	(void)state;
	set_up();
	stack.right.full = true;
	stage_say(&stack.m, &stack.left, "text");
	stage_say_end(&stack.m, &stack.left);
	for (int i = 0; i < 10; i++)
		stage_pass(&stack.m, NSEC_PER_SEC);
	assert_int_equal(stack.right.m.shuts, 0);
	assert_true(stage_session(&stack.m)->flow[0].active);
	stack.right.full = false;
	stage_wake(&stack.m, &stack.right);
	assert_string_equal(stage_heard(&stack.right), "text");
	assert_int_equal(stack.right.m.shuts, 1);
	assert_int_equal(stack.right.m.out_at_shut, 4);
	stage_pass(&stack.m, NSEC_PER_SEC);
	assert_true(list_empty(&stack.m.relay.sessions));
	assert_int_equal(stack.m.relay.status, 0);
	stack_tear_down();
}

/* What is kept goes bit by bit: that is no silence. */
static void test_it_moves(void **state)
{
	(void)state;
	stack_plan();
	stack.m.plan.set.idle_ns = 2 * NSEC_PER_SEC;
	stack_begin();
	session_new(&stack.m.relay, stack_in_memory(0), stack_in_memory(1), NULL, NULL);
	stack_push(stage_session(&stack.m)->right, &fake_xor, 'x')->key = 0;
	stack_push(stage_session(&stack.m)->right, &fake_keep, 'a');
	stage_rest(&stack.m);
	stack.right.write_code = EAGAIN;
	stage_say(&stack.m, &stack.left,
		  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	for (int i = 0; i < 4; i++) {
		stage_pass(&stack.m, NSEC_PER_SEC + NSEC_PER_SEC / 2);
		assert_false(list_empty(&stack.m.relay.sessions));
		fake_of(stack.right.ep->top)->kept_off++; /* a byte has gone */
		stage_wake(&stack.m, &stack.right);
	}
	stage_pass(&stack.m, 2 * NSEC_PER_SEC);
	assert_true(list_empty(&stack.m.relay.sessions));
	stack.right.write_code = 0;
	stage_pass(&stack.m, NSEC_PER_SEC);
	stack_tear_down();
}

/* It can never be sent: the session fails, in the words of the layer. */
static void test_it_is_lost(void **state)
{
	(void)state;
	for (int dual = 0; dual < 2; dual++) {
		struct endpoint *right;

		stack_set_up();
		right = stack_in_memory(1);
		stack_push(right, &fake_keep, 'a');
		stack_push(right, &fake_xor, 'x')->key = 0;
		if (dual)
			right = dual_new(stack_in_memory(1), right);
		session_new(&stack.m.relay, stack_in_memory(0), right, NULL, NULL);
		stage_rest(&stack.m);
		stack.right.full = true;
		stage_say(&stack.m, &stack.left, "text");
		assert_int_equal(endpoint_kept(right), 4);
		stack.right.full = false;
		stack.right.write_code = ECONNRESET;
		endpoint_ready(right, EPOLLOUT);
		stage_rest(&stack.m);
		assert_true(list_empty(&stack.m.relay.sessions));
		assert_int_equal(stack.m.relay.status, 1);
		assert_string_equal(stack.m.engine.err.text,
				    "write below a: Connection reset by peer");
		stack_tear_down();
	}
}

/* ---- the end of an end ---- */

typedef struct endpoint *end_fn(void);

/* It takes a while, but it goes ahead: nobody gives up. */
static void test_slow_reader(void **state)
{
	static char text[20000];
	struct iovec iov = { text, sizeof(text) };
	struct endpoint *ep;
	char page[4096];
	int i;
	(void)state;

	stack_set_up();
	ep = stack_on_pipe();
	stack_push(ep, &fake_keep, 'a');
	ep->parting.written_to = true;
	stack_fill(ep);
	assert_int_equal(endpoint_write(ep, &iov, 1, &stack.err), sizeof(text));
	assert_int_equal(endpoint_kept(ep), sizeof(text));
	endpoint_free(ep);
	for (i = 0; i < 10 && stack.m.engine.nlingering; i++) {
		assert_int_equal(read(stack.peer, page, sizeof(page)), sizeof(page));
		stage_pass(&stack.m, CLOSE_NS * 2 / 3);
	}
	assert_in_range(i, 4, 8);
	assert_int_equal(stack.m.engine.nlingering, 0);
	assert_int_equal(stack.m.relay.status, 0);
	stack_tear_down();
}

/* Nobody takes it in the time it has, or is there any more: told with how much it was. */
static void test_told(void **state)
{
	static end_fn *const kinds[] = { stack_on_socket, stack_on_descriptor, stack_on_pipe };
	(void)state;

	for (size_t i = 0; i < 2 * ARRAY_SIZE(kinds); i++) {
		bool gone = i % 2, quiet = i == 4;
		struct endpoint *ep;

		stack_set_up();
		ep = kinds[i / 2]();
		stack_push(ep, &fake_keep, 'a')->at_finish = "bye";
		ep->parting.written_to = !quiet;
		stack_fill(ep);
		stack_puts_all(ep, "text");
		if (gone)
			stack_hang_up();
		endpoint_free(ep);
		stage_pass(&stack.m, CLOSE_NS);
		assert_int_equal(stack.m.relay.status, !quiet);
		stack_tear_down();
	}
}

/* What a layer has said that stands on it is no less than what the session has: but a farewell is
 * missed by nobody. */
static void test_farewell_is_not_missed(void **state)
{
	(void)state;
	for (int half = 0; half < 2; half++) {
		struct endpoint *ep;

		stack_set_up();
		ep = stack_on_pipe();
		ep->parting.written_to = true;
		stack_push(ep, &fake_keep, 'a');
		stack_push(ep, &fake_keep, 'b')->at_finish = "bye";
		fake_of(ep->top)->at_shut = "end";
		stack_puts_all(ep, "text");
		stack_fill(ep);
		if (half)
			endpoint_shut_write(ep);
		if (half)
			assert_true(endpoint_kept(ep) > 0);
		stack_hang_up();
		endpoint_free(ep);
		stage_rest(&stack.m);
		assert_int_equal(stack.m.relay.status, 0);
		stack_tear_down();
	}
}

/* Another process goes on with it. */
static void test_abandoned(void **state)
{
	struct endpoint *ep;
	(void)state;

	stack_set_up();
	ep = stack_on_socket();
	stack_push(ep, &fake_keep, 'a');
	stack_fill(ep);
	stack_puts_all(ep, "text");
	endpoint_abandon(ep);
	stage_rest(&stack.m);
	assert_int_equal(stack.m.relay.status, 0);
	stack_tear_down();
}

/* ---- the outbox ---- */

struct gatherer {
	struct layer l;
	struct outbox out;
};

static void gatherer_free(struct layer *l)
{
	outbox_done(&((struct gatherer *)l)->out, l);
	free(l);
}

static const struct layer_ops gatherer_ops = { .name = "GATHERER", .free = gatherer_free };

static struct gatherer *with_outbox(void)
{
	struct gatherer *g = xcalloc(1, sizeof(*g));

	stack_set_up();
	layer_push(stack_in_memory(0), &g->l, &gatherer_ops);
	return g;
}

static void puts_piece(struct gatherer *g, const char *text, size_t payload)
{
	assert_int_equal(outbox_put(&g->out, &g->l, text, strlen(text)), strlen(text));
	g->out.payload += payload;
}

/* One call for all pieces; the memory is there only meanwhile. */
static void test_outbox(void **state)
{
	struct gatherer *g = with_outbox();
	(void)state;

	assert_true(outbox_is_empty(&g->out));
	assert_int_equal(outbox_put(&g->out, &g->l, "", 0), 0);
	assert_true(outbox_is_empty(&g->out));
	puts_piece(g, "[one]", 3);
	puts_piece(g, "[two]", 3);
	assert_int_equal(outbox_kept(&g->out), 6);
	stack.left.writes_left = 1;
	stack.left.write_code = EIO; /* the second call */
	assert_int_equal(outbox_hand_down(&g->out, &g->l, &stack.err), 0);
	assert_string_equal(stage_heard(&stack.left), "[one][two]");
	assert_true(outbox_is_empty(&g->out));
	assert_int_equal(outbox_kept(&g->out), 0);
	assert_int_equal(stack.m.engine.pool.nbuf, 1);
	assert_int_equal(outbox_hand_down(&g->out, &g->l, &stack.err), 0);
	endpoint_free(g->l.end);
	stack_tear_down();
}

static size_t half(void *arg, size_t n)
{
	(void)arg;
	return n / 2;
}

static void test_outbox_in_parts(void **state)
{
	struct gatherer *g = with_outbox();
	(void)state;

	stack.left.m.dice = half;
	stack.left.writes_left = 1;
	stack.left.write_code = EAGAIN;
	puts_piece(g, "0123456789", 9);
	assert_int_equal(outbox_hand_down(&g->out, &g->l, &stack.err), -1);
	assert_int_equal(errno, EAGAIN);
	assert_string_equal(stage_heard(&stack.left), "012345");
	assert_int_equal(outbox_kept(&g->out), 3);
	puts_piece(g, "alert", 0); /* behind it */
	stack.left.write_code = 0;
	assert_int_equal(outbox_hand_down(&g->out, &g->l, &stack.err), 0);
	assert_string_equal(stage_heard(&stack.left), "0123456789alert");
	endpoint_free(g->l.end);
	stack_tear_down();
}

/* It takes so much and no more. */
static void test_outbox_is_full(void **state)
{
	static uint8_t piece[10000];
	struct gatherer *g = with_outbox();
	size_t n = 0, got;
	(void)state;

	while ((got = outbox_put(&g->out, &g->l, piece, sizeof(piece))) == sizeof(piece))
		n += got;
	n += got;
	assert_int_equal(outbox_put(&g->out, &g->l, piece, sizeof(piece)), 0);
	assert_int_equal(outbox_room(&g->out), 0);
	assert_int_equal(n, OUTBOX_ROOM);
	endpoint_free(g->l.end);
	assert_int_equal(stack.m.engine.pool.nbuf, 1);
	stack_tear_down();
}

static void test_outbox_fails(void **state)
{
	struct gatherer *g = with_outbox();
	(void)state;

	puts_piece(g, "text", 4);
	stack.left.write_code = ECONNRESET;
	assert_int_equal(outbox_hand_down(&g->out, &g->l, &stack.err), -1);
	assert_string_equal(stack.err.text, "write: Connection reset by peer");
	assert_int_equal(outbox_kept(&g->out), 4);
	stack.left.write_code = 0;
	puts_piece(g, "more", 0); /* to nobody */
	assert_int_equal(outbox_hand_down(&g->out, &g->l, &stack.err), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(outbox_kept(&g->out), 4);
	assert_string_equal(stage_heard(&stack.left), "");
	endpoint_free(g->l.end);
	stack_tear_down();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_back_pressure),
		cmocka_unit_test(test_end_behind_it),
		cmocka_unit_test(test_it_moves),
		cmocka_unit_test(test_it_is_lost),
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_told),
		cmocka_unit_test(test_farewell_is_not_missed),
		cmocka_unit_test(test_abandoned),
		cmocka_unit_test(test_outbox),
		cmocka_unit_test(test_outbox_in_parts),
		cmocka_unit_test(test_outbox_is_full),
		cmocka_unit_test(test_outbox_fails),
	};

	signal(SIGPIPE, SIG_IGN);
	log_threshold = LV_ERROR + 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
