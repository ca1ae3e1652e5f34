/* test_peers.c - many senders on one socket: each has its session, replies go to the right one
 *
 * A whole relay in this process: UDP4-LISTEN,fork with PIPE, which sends back what it gets. */
#include "plan_make.h"

#include "base/list.h"
#include "base/log.h"
#include "end/relay.h"
#include "relay/relay_run.h"

#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define CLIENTS 200
#define LIMIT_NS (20 * NSEC_PER_SEC)

static struct {
	struct plan plan;
	struct engine engine;
	struct relay relay;
	struct loop *loop;
	struct timer tick;
	int64_t end_ns;
	int fd[CLIENTS];
	unsigned asked, wanted, answered, rounds;
} r;

static unsigned free_port(void)
{
	struct netaddr a = { .len = sizeof(a.in) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	a.in.sin_family = AF_INET;
	a.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, &a.any, a.len), 0);
	getsockname(fd, &a.any, &a.len);
	close(fd);
	return netaddr_port(&a);
}

/* Every millisecond: collect answers, ask again where there was one. */
static void on_tick(struct timer *t)
{
	for (int i = 0; i < CLIENTS; i++) {
		char got[64], want[64];
		ssize_t n = recv(r.fd[i], got, sizeof(got) - 1, MSG_DONTWAIT);

		if (n < 0)
			continue;
		got[n] = '\0';
		snprintf(want, sizeof(want), "client %d", i);
		assert_string_equal(got, want); /* nobody else's */
		r.answered++;
		if (r.asked < r.wanted) {
			r.asked++;
			assert_true(send(r.fd[i], want, strlen(want), 0) > 0);
		}
	}
	if (r.answered == r.wanted || loop_now(r.loop) > r.end_ns)
		relay_end(&r.relay, 0);
	else
		loop_timer(r.loop, t, loop_now(r.loop) + NSEC_PER_MSEC);
}

static void play(const char *options, unsigned wanted)
{
	char listen[128];
	unsigned port = free_port();
	char *const argv[] = { (char *)"socast", listen, (char *)"PIPE" };
	struct netaddr to = { 0 };
	struct cli cli;
	struct err err = { 0 };

	memset(&r, 0, sizeof(r));
	r.wanted = wanted;
	snprintf(listen, sizeof(listen), "UDP4-LISTEN:%u,bind=127.0.0.1,fork%s", port, options);
	assert_int_equal(cli_parse(&cli, 3, argv, &err), 0);
	if (plan_make(&r.plan, &cli, &err) == -1)
		fail_msg("%s", err.text);
	r.loop = loop_new(&err);
	engine_init(&r.engine, r.loop);
	assert_int_equal(relay_init(&r.relay, &r.engine, &r.plan, &err), 0);
	relay_start(&r.relay);
	loop_turn(r.loop, 0);
	netaddr_any(&to, AF_INET, port);
	to.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (int i = 0; i < CLIENTS; i++) {
		char text[64];

		r.fd[i] = socket(AF_INET, SOCK_DGRAM, 0);
		assert_int_equal(connect(r.fd[i], &to.any, to.len), 0);
		snprintf(text, sizeof(text), "client %d", i);
		assert_true(send(r.fd[i], text, strlen(text), 0) > 0);
		r.asked++;
	}
	timer_init(&r.tick, on_tick);
	r.end_ns = loop_clock(r.loop) + LIMIT_NS;
	loop_timer(r.loop, &r.tick, r.end_ns - LIMIT_NS);
	loop_run(r.loop);
	assert_int_equal(r.answered, wanted);
	assert_true(list_empty(&r.relay.sessions));
	assert_true(list_empty(&r.relay.sources));
	relay_done(&r.relay);
	engine_done(&r.engine);
	plan_done(&r.plan);
	loop_free(r.loop);
	for (int i = 0; i < CLIENTS; i++)
		close(r.fd[i]);
}

static void test_conversations(void **state)
{
	(void)state;
	play("", 5 * CLIENTS);
}

/* Fewer sessions than peers: the longest silent one makes room, and nobody is forgotten. */
static void test_few_sessions(void **state)
{
	(void)state;
	play(",max-sessions=50", CLIENTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conversations),
		cmocka_unit_test(test_few_sessions),
	};

	log_threshold = LV_ERROR;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
