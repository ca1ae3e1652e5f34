/* test_listen.c - connections that come: how many at a time, who is refused, what is short, the end
 *
 * Whole relays in this process, turned by hand; the clients are sockets of the test. Abstract UNIX
 * names of this process where the family does not matter: what happens to such a connection has
 * happened when the call returns. */
#include "open/listen.h"

#include "base/log.h"
#include "open/source.h"

#include <errno.h>
#include <stdint.h>
#include <sys/resource.h>

#include "stage.h"

#define CLIENTS 210 /* enough for the largest batch, and the last one is not full */
#define PER_TURN 16
#define SHORT_OF_NS (100 * NSEC_PER_MSEC)

static struct {
	struct memory_relay m;
	struct stage_fds before;
	int listening;
	int client[CLIENTS + 5];
	int n;
} r;

/* Listen by @left; the right address gives back what it gets, or @right. */
static void start(const char *left, const char *right)
{
	memset(&r, 0, sizeof(r));
	if (stage_listening_fd() != -1) /* of a test that has failed */
		close(stage_listening_fd());
	r.before = stage_fds();
	stage_read(&r.m, left, right);
	stage_begin(&r.m);
	relay_start(&r.m.relay);
	stage_pass(&r.m, 0);
	r.listening = stage_listening_fd();
	assert_int_not_equal(r.listening, -1);
}

static void start_local_to(const char *right, const char *options)
{
	char left[128];

	snprintf(left, sizeof(left), "ABSTRACT-LISTEN:socast-test-%d%s", (int)getpid(), options);
	start(left, right);
}

static void start_local(const char *options)
{
	start_local_to("PIPE", options);
}

static void come(int n)
{
	while (n--)
		r.client[r.n++] = stage_connect(r.listening);
}

static size_t sessions(void)
{
	return stage_count(&r.m.relay.sessions);
}

static struct source *source(void)
{
	return stage_source(&r.m);
}

static void closes(int i)
{
	close(r.client[i]);
	r.client[i] = -1;
}

/* Its session gives back what it says. */
static void is_served(int i)
{
	char got[8] = "";

	assert_int_equal(send(r.client[i], "hello", 5, MSG_NOSIGNAL), 5);
	stage_rest(&r.m);
	assert_int_equal(recv(r.client[i], got, sizeof(got), MSG_DONTWAIT), 5);
	assert_string_equal(got, "hello");
}

static bool is_silent(int i)
{
	char got[8];

	return recv(r.client[i], got, sizeof(got), MSG_DONTWAIT) == -1 && errno == EAGAIN;
}

static bool is_turned_away(int i)
{
	char got[8];
	ssize_t n = recv(r.client[i], got, sizeof(got), MSG_DONTWAIT);

	return n == 0 || (n == -1 && errno == ECONNRESET);
}

static void end(int status)
{
	stage_end_with(&r.m, status);
	stage_close_fds(r.client, r.n);
	assert_int_equal(stage_new_fd(&r.before), -1);
}

static void end_it(void)
{
	relay_end(&r.m.relay, 0);
	end(0);
}

/* The first client goes; with its session, the last one, the relay ends. */
static void end_with_session(int status)
{
	closes(0);
	stage_rest(&r.m);
	end(status);
}

/* However many there are, a turn takes a few, more when they keep coming; and no queue that was
 * empty is asked for more than one. */
static void test_some_per_turn(void **state)
{
	size_t before = 0, most = 0;

	(void)state;
	start_local_to("/dev/null", ",fork"); /* needs one descriptor only */
	come(CLIENTS);
	for (int i = 0; i < CLIENTS && sessions() < CLIENTS; i++) {
		size_t now;

		stage_pass(&r.m, 0);
		now = sessions() - before;
		before = sessions();
		assert_true(now >= 1 && now <= PER_TURN);
		if (i == 0)
			assert_int_equal(now, 1);
		if (now > most)
			most = now;
	}
	assert_int_equal(sessions(), CLIENTS);
	assert_int_equal(most, PER_TURN);
	come(5); /* the queue has been empty in between */
	stage_pass(&r.m, 0);
	assert_int_equal(sessions(), CLIENTS + 1);
	end_it();
}

static void test_refused(void **state)
{
	const uint64_t *refused;

	(void)state;
	start("TCP4-LISTEN:0,bind=127.0.0.1,fork,range=127.0.0.2/32", "PIPE");
	refused = relay_address(&r.m.relay, 1)->tally->refused;
	come(3);
	stage_rest(&r.m);
	for (int i = 0; i < 3; i++)
		assert_true(is_turned_away(i));
	assert_int_equal(sessions(), 0);
	assert_int_equal(source()->nopenings, 0);
	assert_int_equal(refused[REFUSE_RANGE], 3);
	assert_int_equal(refused[REFUSE_SOURCEPORT], 0);
	assert_int_equal(relay_address(&r.m.relay, 1)->tally->sessions_total, 0);
	end_it();
}

static void test_permitted(void **state)
{
	(void)state;
	start("TCP4-LISTEN:0,bind=127.0.0.1,fork,range=127.0.0.0/8", "PIPE");
	come(2);
	stage_rest(&r.m);
	is_served(0);
	is_served(1);
	assert_int_equal(relay_address(&r.m.relay, 1)->tally->refused[REFUSE_RANGE], 0);
	end_it();
}

/* The others stay in the kernel's queue, and nothing they have said is lost. */
static void test_max_children(void **state)
{
	(void)state;
	start_local(",fork,max-children=2");
	come(5);
	stage_rest(&r.m);
	assert_int_equal(sessions(), 2);
	assert_true(source()->paused);
	is_served(0);
	is_served(1);
	for (int i = 2; i < 5; i++) {
		assert_int_equal(send(r.client[i], "early", 5, MSG_NOSIGNAL), 5);
		assert_true(is_silent(i));
	}
	assert_true(stage_sleeps(&r.m));
	for (int i = 0; i < 3; i++) {
		char got[8] = "";

		closes(i);
		stage_rest(&r.m);
		assert_int_equal(sessions(), 2);
		assert_int_equal(recv(r.client[i + 2], got, sizeof(got), MSG_DONTWAIT), 5);
		assert_string_equal(got, "early");
	}
	closes(3);
	stage_rest(&r.m);
	assert_false(source()->paused);
	assert_int_equal(sessions(), 1);
	assert_int_equal(relay_address(&r.m.relay, 1)->tally->sessions_total, 5);
	end_it();
}

/* A few turns without any descriptor left. */
static void rest_without_descriptors(void)
{
	struct rlimit was, none;
	int lowest = dup(0);

	close(lowest);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = was;
	none.rlim_cur = (rlim_t)lowest;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	stage_rest(&r.m);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_int_equal(sessions(), 0);
	assert_true(stage_sleeps(&r.m));
}

/* It is not asked for again at once, but in a tenth of a second. */
static void is_served_later(void)
{
	come(1);
	rest_without_descriptors();
	stage_pass(&r.m, SHORT_OF_NS - 1);
	stage_rest(&r.m);
	assert_int_equal(sessions(), 0);
	stage_pass(&r.m, 1);
	stage_rest(&r.m);
	is_served(0);
	end_it();
}

static void test_no_descriptors(void **state)
{
	(void)state;
	start_local(",fork");
	is_served_later();
	start_local("");
	is_served_later();
}

/* The end of listening meets it in that time: it does not come back. */
static void test_closed_while_short(void **state)
{
	(void)state;
	start_local(",fork");
	come(1);
	rest_without_descriptors();
	source_close(source());
	stage_pass(&r.m, SHORT_OF_NS);
	stage_rest(&r.m);
	assert_true(is_turned_away(0));
	end(0);
}

/* An option of the accepted socket cannot be set: its place is free again. */
static void test_connection_fails(void **state)
{
	(void)state;
	start_local(",fork,max-children=1,setsockopt-connected=1:9999:1");
	come(3);
	stage_rest(&r.m);
	for (int i = 0; i < 3; i++)
		assert_true(is_turned_away(i));
	assert_false(source()->paused);
	assert_int_equal(source()->nsessions + source()->nopenings, 0);
	assert_true(stage_sleeps(&r.m));
	end_it();
}

/* Who stands in the queue is turned away, who has a session keeps it. */
static void test_close(void **state)
{
	(void)state;
	start_local(",fork,max-children=1");
	come(4);
	stage_rest(&r.m);
	assert_int_equal(sessions(), 1);
	source_close(source());
	assert_int_equal(stage_listening_fd(), -1);
	for (int i = 1; i < 4; i++)
		assert_true(is_turned_away(i));
	is_served(0);
	assert_int_equal(stage_count(&r.m.relay.sources), 1);
	assert_false(stage_is_over(&r.m));
	end_with_session(0);
}

static void test_accept_timeout(void **state)
{
	(void)state;
	start_local(",fork,accept-timeout=2");
	stage_pass(&r.m, 2 * NSEC_PER_SEC - 1);
	come(1);
	stage_rest(&r.m);
	stage_pass(&r.m, 2 * NSEC_PER_SEC - 1);
	assert_false(source()->closed);
	stage_pass(&r.m, 1);
	assert_true(source()->closed);
	is_served(0);
	end_with_session(0);
}

/* Another holder of the socket has shut it down: that is told, not tried for ever. */
static void test_shut_by_others(void **state)
{
	(void)state;
	start_local(",fork");
	come(1);
	stage_rest(&r.m);
	shutdown(r.listening, SHUT_RDWR);
	stage_rest(&r.m);
	assert_true(source()->closed);
	is_served(0);
	end_with_session(1);
}

/* ---- without fork ---- */

static void test_one(void **state)
{
	(void)state;
	start_local("");
	come(2);
	stage_rest(&r.m);
	assert_int_equal(stage_listening_fd(), -1);
	assert_int_equal(sessions(), 1);
	assert_true(list_empty(&r.m.relay.sources));
	is_served(0);
	assert_true(is_turned_away(1));
	end_with_session(0);
}

/* Those who are refused do not keep it from the one that is meant. */
static void test_one_among_refused(void **state)
{
	struct netaddr from = { .len = sizeof(from.in) }, to = { .len = sizeof(to.raw) };

	(void)state;
	start("TCP4-LISTEN:0,bind=127.0.0.1,range=127.0.0.2/32", "PIPE");
	come(20);
	from.in.sin_family = AF_INET;
	from.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
	r.client[20] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	r.n = 21;
	assert_int_equal(bind(r.client[20], &from.any, from.len), 0);
	getsockname(r.listening, &to.any, &to.len);
	assert_int_equal(connect(r.client[20], &to.any, to.len), 0);
	stage_pass(&r.m, 0);
	assert_int_equal(sessions(), 0); /* a flood of them ends the turn */
	assert_int_equal(relay_address(&r.m.relay, 1)->tally->refused[REFUSE_RANGE], PER_TURN);
	stage_rest(&r.m);
	is_served(20);
	assert_int_equal(relay_address(&r.m.relay, 1)->tally->refused[REFUSE_RANGE], 20);
	end_it();
}

static void test_one_timeout(void **state)
{
	(void)state;
	start_local(",accept-timeout=2");
	stage_pass(&r.m, 2 * NSEC_PER_SEC - 1);
	assert_int_not_equal(stage_listening_fd(), -1);
	stage_pass(&r.m, 1);
	end(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_some_per_turn),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_permitted),
		cmocka_unit_test(test_max_children),
		cmocka_unit_test(test_no_descriptors),
		cmocka_unit_test(test_closed_while_short),
		cmocka_unit_test(test_connection_fails),
		cmocka_unit_test(test_close),
		cmocka_unit_test(test_accept_timeout),
		cmocka_unit_test(test_shut_by_others),
		cmocka_unit_test(test_one),
		cmocka_unit_test(test_one_among_refused),
		cmocka_unit_test(test_one_timeout),
	};

	log_threshold = LV_FATAL;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
