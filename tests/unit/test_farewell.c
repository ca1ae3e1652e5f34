/* test_farewell.c - the end of an end with layers: what is still to be said, and how long it takes
 *
 * A layer that has a farewell (fake_layer.h), on a socket of ours, which lingers, on a descriptor
 * as any other, on a pipe and in memory: said at once, later, never, or not at all. */
#include "end/linger.h"

#include "base/log.h"
#include "end/layer.h"
#include "relay/session.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>

#include "stack.h"

#define CLOSE_NS (5 * NSEC_PER_SEC) /* close-timeout, unless somebody sets it */
#define LOOK_NS (20 * NSEC_PER_MSEC) /* how often linger.c looks at the latest */

/* A layer whose last word is "bye", on one that just changes nothing. */
static struct fake *push_polite(struct endpoint *ep)
{
	struct fake *f;

	stack_push(ep, &fake_xor, 'x')->key = 0;
	f = stack_push(ep, &fake_keep, 'a');
	f->at_finish = "bye";
	return f;
}

/* The same, on a transport that is full; how many bytes are in that. */
static size_t fill_polite(struct endpoint *ep)
{
	push_polite(ep);
	return stack_fill(ep);
}

typedef struct endpoint *end_fn(void);

static end_fn *const kinds[] = { stack_on_socket, stack_on_descriptor, stack_on_pipe };

static struct endpoint *set_up(end_fn *make)
{
	stack_set_up();
	return make();
}

static void test_farewell_at_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct endpoint *ep = set_up(kinds[i]);

		push_polite(ep);
		stack_puts_all(ep, "text, ");
		ep->parting.ended = true;
		endpoint_free(ep);
		stage_pass(&stack.m, 0);
		stack_hears("text, bye", true);
		stack_noted("finish a, free a, free x");
		stack_tear_down();
	}
}

/* Said already by the half-close: not a second time. */
static void test_farewell_was_said(void **state)
{
	struct endpoint *ep = set_up(stack_on_socket);
	(void)state;

	push_polite(ep)->at_shut = "end";
	endpoint_shut_write(ep);
	stack_hears("end", true);
	ep->parting.ended = true;
	endpoint_free(ep);
	stack_hears("", true);
	stack_tear_down();
}

/* Of two, the upper one's farewell goes through the lower one, before its own. */
static void test_farewells_in_order(void **state)
{
	(void)state;
	for (int full = 0; full < 2; full++) {
		struct endpoint *ep = set_up(stack_on_socket);
		size_t filled;

		stack_push(ep, &fake_keep, 'a')->at_finish = "[end of a]";
		stack_push(ep, &fake_keep, 'b')->at_finish = "[end of b]";
		filled = full ? stack_fill(ep) : 0;
		stack_puts_all(ep, "text");
		endpoint_free(ep);
		if (full)
			assert_int_equal(stack.m.engine.nlingering, 1);
		stack_hears_behind(full ? filled : 0, full ? "" : "text[end of b][end of a]",
				   !full);
		stage_rest(&stack.m);
		if (full)
			stack_hears("text[end of b][end of a]", true);
		stack_noted("finish b, finish a, free b, free a");
		stack_hang_up();
		stage_pass(&stack.m, LOOK_NS);
		stack_tear_down();
	}
}

/* The transport is full: said as soon as there is room; the end goes behind it. */
static void test_farewell_later(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct endpoint *ep = set_up(kinds[i]);
		size_t filled = fill_polite(ep);

		stack_puts_all(ep, "text, ");
		endpoint_free(ep);
		assert_int_equal(stack.m.engine.nlingering, 1);
		stage_rest(&stack.m);
		assert_true(stage_sleeps(&stack.m));
		stage_pass(&stack.m, CLOSE_NS / 2);
		stack_noted("");
		stack_hears_behind(filled, "", false);
		stage_rest(&stack.m);
		stack_hears("text, bye", true);
		stack_noted("finish a, free a, free x");
		assert_int_equal(stack.calls, 0); /* nobody uses it any more */
		assert_int_equal(stack.m.relay.status, 0);
		if (i == 0)
			stack_hang_up(); /* it may still talk */
		stage_pass(&stack.m, LOOK_NS);
		stack_tear_down();
	}
}

/* Records, from now on until they are asked for. */
static char log_name_of_file[] = "/tmp/test_layer-XXXXXX";

static void log_begin(void)
{
	int fd;

	strcpy(strchr(log_name_of_file, '-'), "-XXXXXX");
	fd = mkstemp(log_name_of_file);
	assert_int_not_equal(fd, -1);
	close(fd);
	assert_int_equal(log_set_sink(SINK_FILE, log_name_of_file, &stack.err), 0);
}

static void log_has(const char *want)
{
	char text[4096] = { 0 };
	FILE *f = fopen(log_name_of_file, "re");

	assert_int_equal(log_set_sink(SINK_STDERR, "", &stack.err), 0);
	(void)!fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	unlink(log_name_of_file);
	if (!want)
		assert_string_equal(text, "");
	else
		assert_non_null(strstr(text, want));
}

/* Its peer never reads. */
static void test_farewell_never(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct endpoint *ep = set_up(kinds[i]);
		size_t filled = fill_polite(ep);

		log_begin();
		endpoint_free(ep);
		for (int k = 0; k < 49; k++)
			stage_pass(&stack.m, CLOSE_NS / 50);
		assert_int_equal(stack.m.engine.nlingering, 1);
		stack_noted("finish a");
		stage_pass(&stack.m, CLOSE_NS / 50);
		assert_int_equal(stack.m.engine.nlingering, 0);
		stack_noted("free a, free x");
		log_has("W socket 1 takes nothing for 5 seconds (close-timeout): it is not told "
			"the end");
		stack_hears_behind(filled, "", true);
		stack_tear_down();
	}
}

/* Its peer has gone: nothing can be sent any more, and nobody waits. */
static void test_farewell_to_nobody(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		for (int before = 0; before < 2; before++) {
			struct endpoint *ep = set_up(kinds[i]);

			fill_polite(ep);
			stack_puts_all(ep, "text");
			if (!before)
				endpoint_free(ep);
			assert_int_equal(stack.m.engine.nlingering, !before);
			stack_hang_up();
			if (before)
				endpoint_free(ep);
			stage_rest(&stack.m);
			stack_noted("finish a, free a, free x");
			stack_tear_down();
		}
	}
}

/* The descriptor is somebody else's: it is still open behind the farewell, and without one. */
static void test_descriptor_of_others(void **state)
{
	(void)state;
	for (int takes = 0; takes < 2; takes++) {
		struct endpoint *ep = set_up(stack_on_descriptor);
		int fd = ep->wfd;
		size_t filled;

		ep->caps |= EP_KEEP_OPEN;
		filled = fill_polite(ep);
		endpoint_free(ep);
		if (takes) {
			stack_hears_behind(filled, "", false);
			stage_rest(&stack.m);
			stack_hears("bye", false);
		} else {
			stage_pass(&stack.m, CLOSE_NS);
			stack_hears_behind(filled, "", false);
		}
		assert_int_equal(stack.m.engine.nlingering, 0);
		stack_says(fd, "still open");
		stack_hears("still open", false);
		close(fd);
		stack_tear_down();
	}
}

/* A local peer that has said everything, and still reads. */
static void test_farewell_to_a_listener(void **state)
{
	struct endpoint *ep = set_up(stack_on_socket);
	size_t filled = fill_polite(ep);
	(void)state;

	stack_puts_all(ep, "text, ");
	assert_int_equal(shutdown(stack.peer, SHUT_WR), 0);
	endpoint_free(ep);
	stage_rest(&stack.m);
	assert_true(stage_sleeps(&stack.m));
	assert_int_equal(stack.m.engine.nlingering, 1);
	stack_hears_behind(filled, "", false);
	stage_rest(&stack.m);
	stack_hears("text, bye", true);
	stack_tear_down();
}

/* What somebody says who has the other direction of the same descriptor is not ours to read, and is
 * no reason to hurry. */
static void test_farewell_to_a_talker(void **state)
{
	struct endpoint *ep = set_up(stack_on_descriptor);
	(void)state;

	fill_polite(ep);
	endpoint_free(ep);
	stack_says(stack.peer, "I am talking");
	stage_rest(&stack.m);
	assert_true(stage_sleeps(&stack.m));
	stage_pass(&stack.m, CLOSE_NS);
	stack_noted("finish a, free a, free x");
	stack_tear_down();
}

/* Option close-timeout=0: what cannot be said at once is not said. */
static void test_no_time_for_a_farewell(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct endpoint *ep;
		size_t filled;

		stack_plan();
		stage_conf(&stack.m, 0)->sock.close_timeout_ns = 0;
		stack_begin();
		ep = kinds[i]();
		filled = fill_polite(ep);
		log_begin();
		endpoint_free(ep);
		assert_int_equal(stack.m.engine.nlingering, 0);
		log_has(NULL);
		stack_hears_behind(filled, "", true);
		stack_noted("finish a, free a, free x");
		stack_tear_down();
	}
}

/* The relay ends: nobody waits. */
static void test_relay_ends(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct endpoint *ep = set_up(kinds[i]);
		size_t filled = fill_polite(ep);

		endpoint_free(ep);
		lingers_end(&stack.m.relay);
		stack_noted("finish a, free a, free x");
		stack_hears_behind(filled, "", true);
		stack_tear_down();
	}
}

/* Somebody else goes on with it: nothing is said. */
static void test_nothing_is_said_for_others(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		for (int abandoned = 0; abandoned < 2; abandoned++) {
			struct endpoint *ep = set_up(kinds[i]);
			int other = dup(ep->wfd);

			push_polite(ep);
			if (abandoned) {
				endpoint_abandon(ep);
				assert_false(stack.m.engine.forgetting);
			} else {
				ep->caps |= EP_SHARED;
				endpoint_free(ep);
			}
			stage_rest(&stack.m);
			stack_noted("free a, free x");
			assert_int_equal(stack.m.engine.nlingering, 0);
			stack_hears("", false);
			stack_says(other, "I go on");
			stack_hears("I go on", false);
			close(other);
			stack_tear_down();
		}
	}
}

/* In a session process: what lingers is its parent's, and is not shut, nor told anything. */
static void test_forked(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct endpoint *ep = set_up(kinds[i]);
		int other = dup(ep->wfd);
		size_t filled;

		if (i == 1)
			ep->final = FINAL_SHUTDOWN;
		filled = fill_polite(ep);
		endpoint_free(ep);
		assert_int_equal(loop_forked(stack.m.loop, &stack.err), 0);
		engine_forget(&stack.m.engine);
		assert_int_equal(stack.m.engine.nlingering, 0);
		stack_noted("finish a, free a, free x");
		stack_hears_behind(filled, "", false);
		stack_says(other, "the parent");
		stack_hears("the parent", false);
		close(other);
		stack_tear_down();
	}
}

/* In memory there is no descriptor that tells when there is room: it is looked at now and then. */
static void test_farewell_in_memory(void **state)
{
	(void)state;
	for (int full = 0; full < 3; full++) {
		struct endpoint *ep;

		stack_set_up();
		ep = stack_in_memory(0);
		push_polite(ep);
		stack.left.full = full;
		stack_puts_all(ep, "text, ");
		endpoint_free(ep);
		assert_int_equal(stack.m.engine.nlingering, full > 0);
		stage_rest(&stack.m);
		assert_true(stage_sleeps(&stack.m));
		stack.left.full = full == 2;
		stage_pass(&stack.m, full == 2 ? CLOSE_NS : LOOK_NS);
		assert_string_equal(stage_heard(&stack.left), full == 2 ? "" : "text, bye");
		stack_noted(full == 2 ? "free a, free x, close transport"
				      : "finish a, free a, free x, close transport");
		stack_tear_down();
	}
}

/* While it says its farewell, a layer says that it would wait for something else, and what is below
 * it that it can be tried again: nobody is called for an end that is over. */
static void test_nobody_is_called_behind_the_end(void **state)
{
	(void)state;
	for (size_t i = 0; i <= ARRAY_SIZE(kinds); i++) {
		struct endpoint *ep;

		stack_set_up();
		ep = i < ARRAY_SIZE(kinds) ? kinds[i]() : stack_in_memory(0);
		push_polite(ep)->repolls = true;
		if (i < ARRAY_SIZE(kinds))
			stack_fill(ep);
		else
			stack.left.full = true;
		stack_puts_all(ep, "text");
		endpoint_want(ep, EPOLLIN | EPOLLOUT, 0);
		endpoint_look_again(ep, i % 2 ? NSEC_PER_MSEC : 2 * CLOSE_NS);
		endpoint_ready(ep, EPOLLIN);
		endpoint_free(ep);
		endpoint_ready(ep, EPOLLOUT); /* it is still there: it lingers */
		stage_rest(&stack.m);
		assert_true(stage_sleeps(&stack.m));
		stage_pass(&stack.m, CLOSE_NS);
		stage_rest(&stack.m);
		assert_int_equal(stack.calls, 0);
		stack_tear_down();
	}
}

/* A session whose ends have farewells to say is over at once; its relay ends behind them. */
static void test_session_with_farewells(void **state)
{
	struct endpoint *left;
	size_t filled;
	(void)state;

	stack_set_up();
	left = endpoint_socket_new(stack_address(0), stage_socket_pair(&stack.peer));
	push_polite(left)->stops = true;
	session_new(&stack.m.relay, left, stack_in_memory(1), NULL, NULL);
	stage_say(&stack.m, &stack.right, "answer");
	stack_hears("answer", false);
	filled = stack_fill(left);
	stage_say_end(&stack.m, &stack.right);
	assert_int_equal(shutdown(stack.peer, SHUT_WR), 0);
	stage_rest(&stack.m);
	assert_true(list_empty(&stack.m.relay.sessions));
	assert_false(stage_is_over(&stack.m));
	stack_hears_behind(filled, "", false);
	stage_pass(&stack.m, LOOK_NS);
	stage_pass(&stack.m, LOOK_NS);
	stack_hears("bye", true);
	assert_true(stage_is_over(&stack.m));
	assert_int_equal(stack.m.relay.status, 0);
	stack_tear_down();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_farewell_at_once),
		cmocka_unit_test(test_farewell_was_said),
		cmocka_unit_test(test_farewells_in_order),
		cmocka_unit_test(test_farewell_later),
		cmocka_unit_test(test_farewell_never),
		cmocka_unit_test(test_farewell_to_nobody),
		cmocka_unit_test(test_descriptor_of_others),
		cmocka_unit_test(test_farewell_to_a_listener),
		cmocka_unit_test(test_farewell_to_a_talker),
		cmocka_unit_test(test_no_time_for_a_farewell),
		cmocka_unit_test(test_relay_ends),
		cmocka_unit_test(test_nothing_is_said_for_others),
		cmocka_unit_test(test_forked),
		cmocka_unit_test(test_farewell_in_memory),
		cmocka_unit_test(test_nobody_is_called_behind_the_end),
		cmocka_unit_test(test_session_with_farewells),
	};

	signal(SIGPIPE, SIG_IGN);
	log_threshold = LV_WARN;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
