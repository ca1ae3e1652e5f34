/* test_packet.c - batches received from real sockets, merged datagrams taken apart again */
#include "data/packet.h"

#include <errno.h>
#include <netinet/udp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#ifndef SO_RXQ_OVFL
#define SO_RXQ_OVFL 40
#endif

static uint8_t pattern[80000];

static void test_socketpair(void **state)
{
	static const size_t sizes[] = { 1, 0, BATCH_HEAD, BATCH_HEAD + 1, 65507, 3 };
	struct batch *b = batch_new();
	int sv[2];
	(void)state;

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, sv), 0);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(send(sv[0], pattern + i, sizes[i], 0), sizes[i]);
	assert_int_equal(batch_recv(b, sv[1], 4, false, false), 4);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(b->packet[i].len, sizes[i]);
		assert_memory_equal(b->packet[i].data, pattern + i, sizes[i]);
		assert_false(b->packet[i].drop);
		assert_int_equal(b->msg[i].peer.len, 0);
	}
	assert_int_equal(batch_recv(b, sv[1], 999, true, true), 2);
	assert_int_equal(b->packet[0].len, 65507);
	assert_memory_equal(b->packet[0].data, pattern + 4, 65507);
	assert_false(b->msg[0].truncated);
	assert_int_equal(b->packet[1].len, 3);
	assert_int_equal(batch_recv(b, sv[1], BATCH_MAX, true, true), -1);
	assert_int_equal(errno, EAGAIN);
	/* longer than anything IP can carry: cut, and said so */
	assert_int_equal(setsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &(int){ 1 << 20 }, sizeof(int)),
			 0);
	if (send(sv[0], pattern, 80000, MSG_DONTWAIT) == 80000) {
		assert_int_equal(batch_recv(b, sv[1], 1, false, false), 1);
		assert_true(b->msg[0].truncated);
		assert_int_equal(b->packet[0].len, BATCH_HEAD + BATCH_TAIL);
	}
	close(sv[0]);
	assert_int_equal(batch_recv(b, sv[1], 1, false, false), -1);
	close(sv[1]);
	batch_free(b);
	batch_free(NULL);
}

/* Each read(2) is one packet. */
static void test_read(void **state)
{
	static const size_t sizes[] = { 1, BATCH_HEAD, BATCH_HEAD + 1, 65557 };
	struct batch *b = batch_new();
	int sv[2];
	(void)state;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, sv), 0);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(send(sv[0], pattern + i, sizes[i], 0), sizes[i]);
	assert_int_equal(batch_read(b, sv[1], 3), 3);
	assert_false(b->all);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(b->packet[i].len, sizes[i]);
		assert_memory_equal(b->packet[i].data, pattern + i, sizes[i]);
		assert_false(b->packet[i].drop);
	}
	assert_int_equal(batch_read(b, sv[1], 3), 1);
	assert_true(b->all);
	assert_int_equal(b->packet[0].len, 65557);
	assert_memory_equal(b->packet[0].data, pattern + 3, 65557);
	assert_int_equal(batch_read(b, sv[1], 3), -1);
	assert_int_equal(errno, EAGAIN);
	close(sv[0]);
	close(sv[1]);
	assert_int_equal(batch_read(b, sv[1], 3), -1);
	assert_int_equal(errno, EBADF);
	batch_free(b);
}

/* Four bytes more in a packet, wherever it lies; its neighbours stay as they are. */
static void test_insert(void **state)
{
	static const size_t sizes[] = {
		60, BATCH_HEAD - 4, BATCH_HEAD - 3, BATCH_HEAD + 1, 11, 12
	};
	struct batch *b = batch_new();
	int sv[2];
	(void)state;

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, sv), 0);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(send(sv[0], pattern + i, sizes[i], 0), sizes[i]);
	assert_int_equal(batch_recv(b, sv[1], BATCH_MAX, false, false), 6);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(batch_insert(b, i, 12, "\x81\0\0\5", 4), sizes[i] >= 12);
	for (size_t i = 0; i < 6; i++) {
		const struct packet *p = &b->packet[i];

		if (sizes[i] < 12) {
			assert_int_equal(p->len, sizes[i]);
			assert_memory_equal(p->data, pattern + i, sizes[i]);
			continue;
		}
		assert_int_equal(p->len, sizes[i] + 4);
		assert_memory_equal(p->data, pattern + i, 12);
		assert_memory_equal(p->data + 12, "\x81\0\0\5", 4);
		assert_memory_equal(p->data + 16, pattern + i + 12, sizes[i] - 12);
	}
	close(sv[0]);
	close(sv[1]);
	batch_free(b);
}

/* A receiver on the loopback address and a socket connected to it. */
static void udp_pair(int *in, int *out, struct netaddr *from)
{
	struct netaddr a = { .len = sizeof(a.in) };
	int big = 4 << 20, one = 1;

	a.in.sin_family = AF_INET;
	a.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*in = socket(AF_INET, SOCK_DGRAM, 0);
	*out = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(bind(*in, &a.any, a.len), 0);
	assert_int_equal(bind(*out, &a.any, a.len), 0);
	setsockopt(*in, SOL_SOCKET, SO_RCVBUF, &big, sizeof(big));
	setsockopt(*in, SOL_SOCKET, SO_RXQ_OVFL, &one, sizeof(one));
	assert_int_equal(getsockname(*in, &a.any, &a.len), 0);
	assert_int_equal(connect(*out, &a.any, a.len), 0);
	from->len = sizeof(from->in);
	assert_int_equal(getsockname(*out, &from->any, &from->len), 0);
}

static void test_udp(void **state)
{
	struct batch *b = batch_new();
	struct netaddr from = { 0 };
	int in, out;
	(void)state;

	udp_pair(&in, &out, &from);
	for (int i = 0; i < 100; i++)
		assert_int_equal(send(out, pattern, (size_t)i * 14 + 1, 0), i * 14 + 1);
	assert_int_equal(send(out, pattern, 65507, 0), 65507);
	assert_int_equal(batch_recv(b, in, BATCH_MAX, true, true), BATCH_MAX);
	for (int i = 0; i < BATCH_MAX; i++) {
		assert_int_equal(b->packet[i].len, i * 14 + 1);
		assert_true(netaddr_same(&b->msg[b->packet[i].msg].peer, &from));
	}
	assert_int_equal(batch_recv(b, in, BATCH_MAX, true, true), 101 - BATCH_MAX);
	assert_int_equal(b->packet[b->n - 1].len, 65507);
	assert_memory_equal(b->packet[b->n - 1].data, pattern, 65507);
	close(in);
	close(out);
	batch_free(b);
}

/* Datagrams that the kernel hands over merged are datagrams again; the last one is shorter. */
static void test_gro(void **state)
{
	struct batch *b = batch_new();
	struct netaddr from = { 0 };
	int in, out, size = 1000, one = 1;
	size_t total = 0, packets = 0;
	(void)state;

	udp_pair(&in, &out, &from);
	if (setsockopt(in, IPPROTO_UDP, UDP_GRO, &one, sizeof(one)) == -1 ||
	    setsockopt(out, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)) == -1)
		skip();
	assert_int_equal(send(out, pattern, 20300, 0), 20300);
	assert_int_equal(send(out, pattern, 500, 0), 500);
	while (batch_recv(b, in, BATCH_MAX, true, true) > 0) {
		for (size_t i = 0; i < b->n; i++, packets++) {
			size_t want = packets < 20 ? 1000 : packets == 20 ? 300 : 500;

			assert_int_equal(b->packet[i].len, want);
			if (packets < 21)
				assert_memory_equal(b->packet[i].data, pattern + total, want);
			total += want;
			assert_true(netaddr_same(&b->msg[b->packet[i].msg].peer, &from));
		}
	}
	assert_int_equal(packets, 22);
	assert_int_equal(total, 20800);
	close(in);
	close(out);
	batch_free(b);
}

static void test_put(void **state)
{
	struct batch *b = batch_new();
	size_t cap;
	(void)state;

	batch_put(b, pattern, 65507);
	assert_int_equal(b->n, 1);
	assert_int_equal(b->packet[0].len, 65507);
	assert_memory_equal(b->packet[0].data, pattern, 65507);
	batch_put(b, "", 0);
	assert_int_equal(b->packet[0].len, 0);
	memset(batch_space(b, &cap), 1, BATCH_TAIL);
	assert_int_equal(cap, BATCH_TAIL);
	batch_free(b);
}

/* Items that do not lie within the data end the walk; short ones are not read. */
static void test_ctl(void **state)
{
	struct message m = { .ctl_len = CMSG_SPACE(4) + CMSG_SPACE(8) };
	struct cmsghdr *c = (struct cmsghdr *)m.ctl;
	uint64_t eight;
	uint32_t four;
	(void)state;

	c->cmsg_len = CMSG_LEN(4);
	memcpy(CMSG_DATA(c), &(uint32_t){ 7 }, 4);
	assert_ptr_equal(message_ctl(&m, NULL), c);
	assert_true(message_ctl_get(c, &four, 4));
	assert_int_equal(four, 7);
	assert_false(message_ctl_get(c, &eight, 8));
	c = (struct cmsghdr *)(m.ctl + CMSG_SPACE(4));
	c->cmsg_len = CMSG_LEN(8);
	assert_ptr_equal(message_ctl(&m, message_ctl(&m, NULL)), c);
	assert_null(message_ctl(&m, c));
	c->cmsg_len = CMSG_LEN(400);
	assert_null(message_ctl(&m, message_ctl(&m, NULL)));
	((struct cmsghdr *)m.ctl)->cmsg_len = 3;
	assert_null(message_ctl(&m, NULL));
	m.ctl_len = 0;
	assert_null(message_ctl(&m, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_socketpair), cmocka_unit_test(test_udp),
		cmocka_unit_test(test_gro),        cmocka_unit_test(test_put),
		cmocka_unit_test(test_ctl),        cmocka_unit_test(test_read),
		cmocka_unit_test(test_insert),
	};

	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i * 7 + (i >> 8));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
