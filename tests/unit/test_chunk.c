/* test_chunk.c - chunks: what goes into one, what is known of it, who keeps it; and lists of runs
 */
#include "data/chunk.h"
#include "data/packet.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/uio.h>

#include <cmocka.h>

static uint8_t bytes[200000];

static struct netaddr address(const char *text, unsigned port)
{
	struct netaddr a = { 0 };

	if (inet_pton(AF_INET, text, &a.in.sin_addr) == 1) {
		a.len = sizeof(a.in);
		a.in.sin_family = AF_INET;
	} else {
		assert_int_equal(inet_pton(AF_INET6, text, &a.in6.sin6_addr), 1);
		a.len = sizeof(a.in6);
		a.in6.sin6_family = AF_INET6;
	}
	netaddr_set_port(&a, port);
	return a;
}

static void test_about(void **state)
{
	struct netaddr in = address("10.1.2.3", 4000), out, unix_peer = { .len = 3 };
	struct about a = { 0 };
	(void)state;

	assert_int_equal(sizeof(a), 64);
	assert_false(about_peer(&a, &out));
	assert_int_equal(out.len, 0);
	about_set_peer(&a, &in);
	assert_true(about_peer(&a, &out));
	assert_int_equal(out.len, in.len);
	assert_memory_equal(&out.in, &in.in, sizeof(in.in));
	assert_false(about_local(&a, &out));

	in = address("fe80::1", 5);
	in.in6.sin6_scope_id = 7;
	about_set_peer(&a, &in);
	assert_int_equal(a.ifindex, 7);
	assert_true(about_peer(&a, &out));
	assert_memory_equal(&out.in6, &in.in6, sizeof(in.in6));

	about_set_local(&a, &(struct netaddr){ 0 });
	unix_peer.any.sa_family = AF_UNIX;
	about_set_peer(&a, &unix_peer);
	assert_false(about_peer(&a, &out)); /* of the one before nothing is left */
}

static void test_bytes(void **state)
{
	const struct about about = { .origin = 1, .counter = 2, .datagram = 1 };
	struct iovec iov[3] = { { bytes, 100 }, { NULL, 0 }, { bytes + 100, sizeof(bytes) - 100 } };
	struct chunk *c = chunk_of_bytes(iov, 3, &about);
	(void)state;

	assert_int_equal(c->n, 1); /* a datagram is whole, however long it is */
	assert_int_equal(c->piece[0].len, sizeof(bytes));
	assert_memory_equal(chunk_data(c, 0), bytes, sizeof(bytes));
	assert_memory_equal(chunk_about(c, 0), &about, sizeof(about));
	chunk_unref(c);

	c = chunk_of_bytes(iov, 3, NULL);
	assert_int_equal(c->piece[0].len, CHUNK_MAX); /* a stream is not */
	assert_memory_equal(chunk_data(c, 0), bytes, CHUNK_MAX);
	assert_false(chunk_about(c, 0)->datagram);
	assert_ptr_equal(chunk_ref(c), c);
	chunk_unref(c);
	assert_memory_equal(chunk_data(c, 0), bytes, CHUNK_MAX);
	chunk_unref(c);
	chunk_unref(NULL);

	c = chunk_of_bytes(NULL, 0, &about);
	assert_int_equal(c->piece[0].len, 0);
	assert_true(chunk_cost(c, 0) > 0);
	chunk_unref(c);
}

/* What the kernel would have written for packet information and the time. */
static void add_ctl(struct message *m, int level, int type, const void *data, size_t len)
{
	struct cmsghdr *c = (struct cmsghdr *)(m->ctl + m->ctl_len);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), data, len);
	m->ctl_len += CMSG_SPACE(len);
}

static void test_batch(void **state)
{
	const struct timeval tv = { 1000, 5 };
	struct in_pktinfo info = { .ipi_ifindex = 3 };
	struct netaddr local = address("0.0.0.0", 5000), peer = address("10.0.0.9", 77), out;
	struct about base = { 0 };
	struct batch *b = batch_new();
	struct chunk *c;
	size_t next = 0;
	(void)state;

	for (size_t i = 0; i < 5; i++)
		batch_lend(b, bytes + 10 * i, 10 * i);
	about_set_local(&base, &local);
	b->packet[1].drop = true;
	b->packet[3].msg = 2; /* merged by the kernel */
	b->packet[4].msg = UINT16_MAX; /* filters have been here */
	b->msg[2].peer = peer;
	inet_pton(AF_INET, "239.1.1.1", &info.ipi_addr);
	add_ctl(&b->msg[2], IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	add_ctl(&b->msg[2], SOL_SOCKET, SCM_TIMESTAMP, &tv, sizeof(tv));

	c = chunk_of_batch(b, &next, &base);
	assert_int_equal(next, 5);
	assert_int_equal(c->n, 4);
	assert_int_equal(c->piece[0].len, 0); /* an empty datagram is one */
	for (size_t i = 1; i < 4; i++) {
		assert_int_equal(c->piece[i].len, 10 * (i + 1));
		assert_memory_equal(chunk_data(c, i), bytes + 10 * (i + 1), 10 * (i + 1));
		assert_true(chunk_about(c, i)->datagram);
	}
	assert_ptr_equal(chunk_about(c, 1), chunk_about(c, 2));
	assert_int_equal(chunk_about(c, 1)->time_ns, 1000000005000);
	assert_int_equal(chunk_about(c, 1)->ifindex, 3);
	assert_true(about_peer(chunk_about(c, 1), &out) && netaddr_same(&out, &peer));
	assert_true(about_local(chunk_about(c, 2), &out));
	assert_int_equal(netaddr_port(&out), 5000);
	assert_int_equal(ntohl(out.in.sin_addr.s_addr), 0xef010101);
	assert_false(about_peer(chunk_about(c, 3), &out));
	assert_memory_equal(&chunk_about(c, 3)->local, &base.local, sizeof(base.local));
	chunk_unref(c);
	assert_null(chunk_of_batch(b, &next, &base));
	batch_free(b);
}

/* A batch may hold more than a chunk does; a longer datagram has a chunk of its own. */
static void test_cut(void **state)
{
	static const size_t len[] = { 30000, 30000, 5536, 1, 150000, 1, 0 };
	static const uint32_t want[] = { 3, 1, 1, 2 };
	struct batch *b = batch_new();
	size_t next = 0, at = 0;
	(void)state;

	for (size_t i = 0; i < 7; i++)
		batch_lend(b, bytes + i, len[i]);
	b->stream = true;
	for (size_t k = 0; k < 4; k++) {
		struct chunk *c = chunk_of_batch(b, &next, NULL);

		assert_int_equal(c->n, want[k]);
		for (size_t i = 0; i < c->n; i++, at++) {
			assert_int_equal(c->piece[i].len, len[at]);
			assert_memory_equal(chunk_data(c, i), bytes + at, len[at]);
			assert_false(chunk_about(c, i)->datagram);
		}
		chunk_unref(c);
	}
	assert_int_equal(next, 7);
	for (size_t i = 0; i < 7; i++)
		b->packet[i].drop = true;
	next = 0;
	assert_null(chunk_of_batch(b, &next, NULL));
	assert_int_equal(next, 7);
	batch_free(b);
}

static void test_list(void **state)
{
	const struct about about = { .datagram = 1 };
	struct iovec iov = { bytes, 1 };
	struct chunk_list l = { 0 };
	struct chunk_run run;
	struct batch *b = batch_new();
	struct chunk *many, *one = chunk_of_bytes(&iov, 1, &about);
	size_t next = 0;
	(void)state;

	for (size_t i = 0; i < 10; i++)
		batch_lend(b, bytes + i, 1);
	many = chunk_of_batch(b, &next, NULL);
	batch_free(b);
	assert_false(chunk_list_take(&l, 1, &run));
	assert_null(chunk_list_first(&l));

	/* what continues a run is part of it */
	chunk_list_push(&l, many, 0, 3);
	chunk_list_push(&l, many, 3, 2);
	chunk_list_push(&l, many, 5, 0);
	assert_int_equal(l.n, 1);
	assert_int_equal(many->refs, 2);
	chunk_list_push(&l, many, 6, 1);
	chunk_list_push(&l, one, 0, 1);
	assert_int_equal(l.n, 3);
	assert_int_equal(many->refs, 3);
	assert_int_equal(chunk_list_datagrams(&l), 7);

	assert_true(chunk_list_take(&l, 4, &run));
	assert_ptr_equal(run.chunk, many);
	assert_int_equal(run.first, 0);
	assert_int_equal(run.n, 4);
	assert_int_equal(many->refs, 4);
	chunk_unref(run.chunk);
	assert_int_equal(chunk_list_first(&l)->first, 4);
	for (uint32_t first = 4; first < 8; first += 2) {
		assert_true(chunk_list_take(&l, 9, &run));
		assert_int_equal(run.first, first);
		assert_int_equal(run.n, 1);
		chunk_unref(run.chunk);
	}
	assert_true(chunk_list_take(&l, 9, &run));
	assert_ptr_equal(run.chunk, one);
	chunk_unref(run.chunk);
	assert_null(l.run); /* who waits for nothing holds nothing */

	/* the ring turns and grows */
	for (uint32_t i = 0, got = 0; i < 1000; i++) {
		chunk_list_push(&l, i % 2 ? one : many, 0, 1);
		if (i % 3 == 0) {
			assert_true(chunk_list_take(&l, 1, &run));
			assert_ptr_equal(run.chunk, got++ % 2 ? one : many);
			chunk_unref(run.chunk);
		}
	}
	chunk_list_done(&l);
	assert_int_equal(one->refs, 1);
	assert_int_equal(many->refs, 1);
	chunk_unref(one);
	chunk_unref(many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_about), cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_batch), cmocka_unit_test(test_cut),
		cmocka_unit_test(test_list),
	};

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + (i >> 8));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
