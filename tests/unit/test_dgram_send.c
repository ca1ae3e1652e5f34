/* test_dgram_send.c - runs of datagrams leave in one call and arrive one by one
 *
 * Whatever the sizes and whatever the kernel segments: borders, order and bytes are kept. */
#include "dgram/dgram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/time.h>

#include <cmocka.h>

#include "dgram/dgram_send.h"
#include "memory_end.h"

#define MAX_PACKETS 200

static struct {
	struct memory_relay m;
	struct dgram_sock *sock;
	struct netaddr to;
	int in;
	struct batch *b;
	uint8_t data[1 << 20];
} r;

static void set_up(bool plain)
{
	struct netaddr a = { .len = sizeof(a.in) };
	const struct dgram_kind udp = { AF_INET, SOCK_DGRAM, IPPROTO_UDP };
	struct timeval tv = { .tv_usec = 200000 };
	struct err err;
	int big = 4 << 20;

	memory_plan(&r.m);
	r.m.plan.set.plain = plain;
	memory_relay_start(&r.m);
	a.in.sin_family = AF_INET;
	a.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	r.in = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(bind(r.in, &a.any, a.len), 0);
	assert_int_equal(getsockname(r.in, &a.any, &a.len), 0);
	setsockopt(r.in, SOL_SOCKET, SO_RCVBUF, &big, sizeof(big));
	setsockopt(r.in, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	r.to = a;
	r.sock = dgram_sock_new(relay_address(&r.m.relay, 1), socket(AF_INET, SOCK_DGRAM, 0), udp,
				0, &err);
	assert_non_null(r.sock);
	r.b = batch_new();
	for (size_t i = 0; i < sizeof(r.data); i++)
		r.data[i] = (uint8_t)(i * 13 + (i >> 9));
}

static void tear_down(void)
{
	batch_free(r.b);
	dgram_sock_unref(r.sock);
	close(r.in);
	memory_relay_done(&r.m);
}

/* Fill the batch with datagrams of these lengths; a negative one is refused. */
static void fill(const int *len, size_t n)
{
	uint8_t *at = r.data;

	r.b->n = n;
	r.b->next = 0;
	for (size_t i = 0; i < n; i++) {
		uint32_t l = (uint32_t)(len[i] < 0 ? 10 : len[i]);

		r.b->packet[i] = (struct packet){ at, l, 0, len[i] < 0 };
		at += l;
	}
}

static void send_and_check(const int *len, size_t n)
{
	static const struct netaddr nowhere;
	static uint8_t got[65536];
	struct err err = { 0 };

	fill(len, n);
	if (dgram_send(r.sock, r.b, &r.to, &nowhere, &err) == -1)
		fail_msg("%s", err.text);
	assert_int_equal(r.b->next, n);
	for (size_t i = 0; i < n; i++) {
		if (len[i] < 0)
			continue;
		assert_int_equal(recv(r.in, got, sizeof(got), 0), len[i]);
		assert_memory_equal(got, r.b->packet[i].data, (size_t)len[i]);
	}
	assert_int_equal(recv(r.in, got, sizeof(got), MSG_DONTWAIT), -1);
}

static void shapes(void)
{
	static const int mixed[] = { 100, 100, 100, 50, 100, 0, 100, 100, -1, 100, 100, 3, 2, 1 };
	static const int longer[] = { 10, 20, 20, 30, 30, 30, 40 };
	static const int large[] = { 60001, 65507, 30000, 30000, 30000, 65507 };
	int many[MAX_PACKETS];

	for (size_t i = 0; i < MAX_PACKETS; i++)
		many[i] = 64;
	send_and_check(many, MAX_PACKETS);
	send_and_check(many, 1);
	for (size_t i = 0; i < MAX_PACKETS; i++)
		many[i] = 1400;
	send_and_check(many, 130);
	send_and_check(mixed, ARRAY_SIZE(mixed));
	send_and_check(longer, ARRAY_SIZE(longer));
	send_and_check(large, ARRAY_SIZE(large));
	srand(3);
	for (int round = 0; round < 300; round++) {
		size_t n = 1 + (size_t)rand() % 80;

		for (size_t i = 0; i < n; i++)
			many[i] = rand() % 3 ? 77 : rand() % 12 - 1;
		send_and_check(many, n);
	}
}

static void test_fast(void **state)
{
	(void)state;
	set_up(false);
	shapes();
	tear_down();
}

static void test_plain(void **state)
{
	(void)state;
	set_up(true);
	assert_true(r.sock->no_gso);
	shapes();
	tear_down();
}

/* The kernel refuses to segment (checksums are off): everything still arrives. */
static void test_fallback(void **state)
{
	static const int len[] = { 500, 500, 500, 500, 500, 500, 100, 7, 7, 7 };
	int one = 1;
	(void)state;

	set_up(false);
	setsockopt(r.sock->fd, SOL_SOCKET, SO_NO_CHECK, &one, sizeof(one));
	send_and_check(len, ARRAY_SIZE(len));
	assert_true(r.sock->no_gso || r.sock->gso_max);
	send_and_check(len, ARRAY_SIZE(len));
	tear_down();
}

/* A refusal that an earlier datagram earned is not this one's; too long is one clear sentence. */
static void test_errors(void **state)
{
	static const int len[] = { 10, 10, 10 }, too_long[] = { 65508 };
	static const struct netaddr nowhere;
	struct netaddr good, closed;
	struct err err = { 0 };
	(void)state;

	set_up(false);
	good = closed = r.to;
	netaddr_set_port(&closed, 1);
	r.to = closed;
	fill(len, 1);
	dgram_send(r.sock, r.b, &r.to, &nowhere, &err);
	r.to = good;
	send_and_check(len, 3);
	fill(too_long, 1);
	assert_int_equal(dgram_send(r.sock, r.b, &r.to, &nowhere, &err), -1);
	assert_int_equal(err.code, EMSGSIZE);
	assert_non_null(strstr(err.text, "sendto("));
	assert_non_null(strstr(err.text, "65508, 0, AF=2 127.0.0.1:"));
	tear_down();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fast),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_fallback),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
