/* test_dial.c - connecting again and again: intervals, failures, max-children, the end
 *
 * A whole relay in this process, turned by hand: a client that forks, and a server of the test on
 * the loopback interface, whose kernel has connected or refused when the call returns. */
#include "open/dial.h"

#include "base/log.h"
#include "open/source.h"

#include <stdint.h>

#include "stage.h"

#define INTERVAL_NS (3 * NSEC_PER_SEC)
#define SERVED 16

static struct {
	struct memory_relay m;
	struct stage_fds before;
	struct netaddr at;
	int server; /* listens, or -1 */
	int conn[SERVED]; /* connections the server has got */
	int n;
} r;

static void serve(int backlog)
{
	int one = 1;

	r.server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	setsockopt(r.server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(r.server, &r.at.any, r.at.len), 0);
	assert_int_equal(listen(r.server, backlog), 0);
	getsockname(r.server, &r.at.any, &r.at.len);
}

static void stop_serving(void)
{
	close(r.server);
	r.server = -1;
}

/* A server, and a client with @options; nothing has happened yet. */
static void set_up(const char *options, int backlog)
{
	char left[128];

	memset(&r, 0, sizeof(r));
	r.before = stage_fds();
	r.at.len = sizeof(r.at.in);
	r.at.in.sin_family = AF_INET;
	r.at.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	serve(backlog);
	snprintf(left, sizeof(left), "TCP4:127.0.0.1:%u,fork,interval=3%s", netaddr_port(&r.at),
		 options);
	stage_read(&r.m, left, "PIPE");
	stage_begin(&r.m);
}

static void start(const char *options)
{
	set_up(options, 10);
	relay_start(&r.m.relay);
	stage_rest(&r.m);
}

/* How many connections the server has by now. */
static int served(void)
{
	int fd;

	while (r.server != -1 && (fd = accept4(r.server, NULL, NULL, SOCK_CLOEXEC)) != -1)
		r.conn[r.n++] = fd;
	return r.n;
}

static void pass(int64_t ns)
{
	stage_pass(&r.m, ns);
	stage_rest(&r.m);
}

/* So many sessions have ended. */
static size_t ended(void)
{
	return relay_address(&r.m.relay, 1)->tally->sessions_total -
	       stage_count(&r.m.relay.sessions);
}

/* The server ends a conversation, and the session ends with it. */
static void hang_up(int i)
{
	size_t before = ended();

	close(r.conn[i]);
	r.conn[i] = -1;
	stage_rest(&r.m);
	assert_int_equal(ended(), before + 1);
}

static struct source *source(void)
{
	return stage_source(&r.m);
}

static void end(int status)
{
	stage_end_with(&r.m, status);
	stage_close_fds(r.conn, r.n);
	stage_close_fds(&r.server, 1);
	assert_int_equal(stage_new_fd(&r.before), -1);
}

static void end_it(void)
{
	relay_end(&r.m.relay, 0);
	end(0);
}

static void test_intervals(void **state)
{
	(void)state;
	start("");
	assert_int_equal(served(), 1);
	for (int i = 2; i < 5; i++) { /* whether the others still live or not */
		pass(INTERVAL_NS - 1);
		assert_int_equal(served(), i - 1);
		assert_true(stage_sleeps(&r.m));
		pass(1);
		assert_int_equal(served(), i);
		if (i == 2)
			hang_up(0);
	}
	assert_int_equal(stage_count(&r.m.relay.sessions), 3);
	end_it();
}

static void test_max_children(void **state)
{
	(void)state;
	start(",max-children=1");
	assert_true(source()->paused);
	pass(10 * INTERVAL_NS);
	assert_int_equal(served(), 1);
	hang_up(0); /* its time has come long ago */
	assert_int_equal(served(), 2);
	pass(INTERVAL_NS / 2);
	hang_up(1); /* before its time: not a moment earlier */
	assert_int_equal(served(), 2);
	pass(INTERVAL_NS / 2 - 1);
	assert_int_equal(served(), 2);
	pass(1);
	assert_int_equal(served(), 3);
	pass(INTERVAL_NS);
	assert_int_equal(served(), 3);
	end_it();
}

/* One that cannot be had, once it works: the end of dialing, and the exit status tells. */
static void test_failure(void **state)
{
	(void)state;
	start("");
	assert_int_equal(served(), 1);
	stop_serving();
	pass(INTERVAL_NS);
	assert_true(source()->closed);
	assert_int_equal(r.m.relay.status, 1);
	assert_false(stage_is_over(&r.m)); /* the first one lives on */
	pass(10 * INTERVAL_NS);
	hang_up(0);
	end(1);
}

static void test_first_fails(void **state)
{
	(void)state;
	set_up("", 10);
	stop_serving();
	relay_start(&r.m.relay);
	stage_rest(&r.m);
	end(1);
}

/* Each has its tries, an interval apart; the place is taken meanwhile. */
static void test_retry(void **state)
{
	(void)state;
	start(",retry=2,max-children=2");
	assert_int_equal(served(), 1);
	stop_serving();
	pass(INTERVAL_NS);
	pass(INTERVAL_NS);
	assert_int_equal(source()->nopenings, 1);
	assert_true(source()->paused);
	serve(10);
	pass(INTERVAL_NS - 1);
	assert_int_equal(served(), 1);
	pass(1); /* the last one */
	assert_int_equal(served(), 2);
	assert_int_equal(source()->nopenings, 0);
	hang_up(0);
	hang_up(1);
	stop_serving();
	for (int i = 0; i < 3; i++) {
		assert_false(stage_is_over(&r.m));
		pass(INTERVAL_NS);
	}
	end(1);
}

static void test_forever(void **state)
{
	(void)state;
	set_up(",forever", 10);
	stop_serving(); /* from the beginning */
	relay_start(&r.m.relay);
	for (int i = 0; i < 5; i++)
		pass(INTERVAL_NS);
	assert_true(list_empty(&r.m.relay.sources));
	serve(10);
	pass(INTERVAL_NS);
	assert_int_equal(served(), 1);
	stop_serving(); /* and later */
	for (int i = 0; i < 5; i++)
		pass(INTERVAL_NS);
	assert_int_equal(r.m.relay.status, 0);
	serve(10);
	pass(INTERVAL_NS);
	assert_int_equal(served(), 2);
	end_it();
}

/* A server whose queue is full: the second connection is on its way. */
static void start_connecting(void)
{
	set_up("", 0);
	relay_start(&r.m.relay);
	stage_rest(&r.m);
	assert_int_equal(stage_count(&r.m.relay.sessions), 1);
	pass(INTERVAL_NS);
	assert_int_equal(source()->nopenings, 1);
	assert_int_equal(stage_count(&r.m.relay.openings), 1);
	assert_true(stage_sleeps(&r.m));
}

static void test_close_while_connecting(void **state)
{
	(void)state;
	start_connecting();
	source_close(source());
	assert_true(list_empty(&r.m.relay.openings));
	assert_int_equal(source()->nopenings, 0);
	assert_false(stage_is_over(&r.m));
	assert_int_equal(served(), 1);
	hang_up(0);
	end(0);

	start_connecting();
	relay_end(&r.m.relay, 143);
	end(143);
}

static void test_close_while_waiting(void **state)
{
	(void)state;
	start("");
	source_close(source());
	pass(10 * INTERVAL_NS);
	assert_int_equal(served(), 1);
	hang_up(0);
	end(0);
}

static void test_drain(void **state)
{
	(void)state;
	start("");
	r.m.plan.set.drain_ns = 100 * NSEC_PER_SEC;
	pass(INTERVAL_NS);
	assert_int_equal(served(), 2);
	relay_drain(&r.m.relay, 7);
	pass(10 * INTERVAL_NS);
	assert_int_equal(served(), 2);
	hang_up(0);
	assert_false(stage_is_over(&r.m));
	hang_up(1);
	end(7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_intervals),
		cmocka_unit_test(test_max_children),
		cmocka_unit_test(test_failure),
		cmocka_unit_test(test_first_fails),
		cmocka_unit_test(test_retry),
		cmocka_unit_test(test_forever),
		cmocka_unit_test(test_close_while_connecting),
		cmocka_unit_test(test_close_while_waiting),
		cmocka_unit_test(test_drain),
	};

	log_threshold = LV_FATAL;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
