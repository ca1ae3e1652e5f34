/* test_socks_proto.c - answers of SOCKS servers, byte by byte */
#include "wire/socks_proto.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int auth(const uint8_t *data, size_t len, struct err *err)
{
	return socks5_auth(data, len, "joe", err);
}

typedef int answer_fn(const uint8_t *data, size_t len, struct err *err);

/* Feed @data as a reader would, never more than asked for. Returns the verdict; @used bytes taken.
 */
static int feed(answer_fn *fn, const void *data, size_t len, size_t *used, struct err *err)
{
	size_t have = 0;

	for (;;) {
		int need = fn(data, have, err);

		*used = have;
		if (need <= 0)
			return need;
		assert_true(have + (size_t)need <= SOCKS_ANSWER_MAX);
		if (have == len)
			return 1;
		have += (size_t)need < len - have ? (size_t)need : len - have;
	}
}

/* Complete after @len bytes, although one more is there; each shorter piece asks for more, and
 * never for more than is missing. */
static void complete(answer_fn *fn, const char *data, size_t len)
{
	uint8_t buf[SOCKS_ANSWER_MAX + 1] = { 0 };
	struct err err;
	size_t used;

	memcpy(buf, data, len);
	assert_int_equal(feed(fn, buf, len + 1, &used, &err), 0);
	assert_int_equal(used, len);
	for (size_t have = 0; have < len; have++) {
		int need = fn(buf, have, &err);

		assert_true(need > 0 && have + (size_t)need <= len);
	}
}

static void fails(answer_fn *fn, const char *data, size_t len, int code, const char *text)
{
	struct err err;
	size_t used;

	assert_int_equal(feed(fn, data, len, &used, &err), -1);
	assert_string_equal(err.text, text);
	assert_int_equal(err.code, code);
}

static void test_socks4(void **state)
{
	(void)state;
	complete(socks4_answer, "\0\x5a\0\0\0\0\0\0", 8);
	complete(socks4_answer, "\4\x5a\1\2\3\4\5\6", 8); /* the version is not worth a failure */
	fails(socks4_answer, "\0\x5b......", 8, ECONNREFUSED,
	      "socks: connect request rejected or failed");
	fails(socks4_answer, "\0\x5c......", 8, ECONNREFUSED, "socks: ident refused by client");
	fails(socks4_answer, "\0\x5d......", 8, ECONNREFUSED, "socks: ident failed");
	fails(socks4_answer, "\0\x5e......", 8, ECONNREFUSED, "socks: undefined status 94");
	fails(socks4_answer, "\0\xff......", 8, ECONNREFUSED, "socks: undefined status 255");
	fails(socks4_answer, "\0\0......", 8, ECONNREFUSED, "socks: undefined status 0");
}

static void test_hello(void **state)
{
	(void)state;
	complete(socks5_hello, "\5\0", 2);
	complete(socks5_hello, "\5\2", 2);
	fails(socks5_hello, "\5\xff", 2, 0,
	      "SOCKS5 authentication negotiation failed - client & server have no common "
	      "supported methods");
	fails(socks5_hello, "\5\1", 2, 0,
	      "SOCKS5 server chose authentication method 1, which was not offered");
	fails(socks5_hello, "H", 2, EPROTO,
	      "SOCKS5 server hello version was 72, not the expected 5, peer might not be a SOCKS5 "
	      "server");
}

static void test_auth(void **state)
{
	(void)state;
	complete(auth, "\1\0", 2);
	fails(auth, "\1\1", 2, 0, "SOCKS5 authentication for user \"joe\" failed");
	fails(auth, "\1\xff", 2, 0, "SOCKS5 authentication for user \"joe\" failed");
	fails(auth, "\5\0", 2, EPROTO,
	      "SOCKS5 authentication answer has version 5, not the expected 1");
}

static void test_answer(void **state)
{
	uint8_t name[SOCKS_ANSWER_MAX] = { 5, 0, 0, 3, 255 };
	struct netaddr bound;

	(void)state;
	complete(socks5_answer, "\5\0\0\1\x7f\0\0\1\x1f\x90", 10);
	complete(socks5_answer, "\5\0\0\4................\0\1", 22);
	complete(socks5_answer, "\5\0\0\3\3abc\0\1", 10);
	complete(socks5_answer, "\5\0\0\3\0\0\1", 7);
	complete(socks5_answer, (const char *)name, sizeof(name));
	fails(socks5_answer, "\5\5", 2, ECONNREFUSED, "SOCKS5 server error 5: connection refused");
	fails(socks5_answer, "\5\1\0\1", 4, EPROTO,
	      "SOCKS5 server error 1: general SOCKS server failure");
	fails(socks5_answer, "\5\x08", 2, EAFNOSUPPORT,
	      "SOCKS5 server error 8: address type not supported");
	fails(socks5_answer, "\5\x09", 2, EPROTO, "SOCKS5 server error 9: unknown error");
	fails(socks5_answer, "\5\0\0\x09", 4, EPROTO, "invalid SOCKS5 reply address type (9)");
	fails(socks5_answer, "\4", 1, EPROTO, "SOCKS5 reply version was 4, not the expected 5");
	socks5_bound((const uint8_t *)"\5\0\0\1\x7f\0\0\1\x1f\x90", &bound);
	assert_int_equal(netaddr_port(&bound), 8080);
	assert_int_equal(bound.in.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	socks5_bound((const uint8_t *)"\5\0\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\7", &bound);
	assert_int_equal(netaddr_port(&bound), 7);
	assert_true(IN6_IS_ADDR_LOOPBACK(&bound.in6.sin6_addr));
	socks5_bound(name, &bound);
	assert_int_equal(bound.len, 0);
}

static void puts_host(const char *host, int atyp, const char *bytes, size_t len)
{
	struct str out = { 0 };
	struct err err;

	assert_int_equal(socks5_put_host(&out, host, &err), atyp);
	assert_int_equal(out.len, len);
	assert_memory_equal(out.data, bytes, len);
	str_done(&out);
}

static void test_put(void **state)
{
	struct str out = { 0 };
	char text[257];
	struct err err;

	(void)state;
	puts_host("10.1.2.3", 1, "\1\x0a\1\2\3", 5);
	puts_host("::1", 4, "\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 17);
	puts_host("[::1]", 4, "\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 17);
	puts_host("www.x", 3, "\3\5www.x", 7);
	puts_host("[x]", 3, "\3\3[x]", 5);
	puts_host("1.2.3", 3, "\3\0051.2.3", 7);
	memset(text, 'a', 256);
	text[256] = '\0';
	assert_int_equal(socks5_put_text(&out, "it", text + 1, &err), 0);
	assert_int_equal(out.len, 256);
	assert_int_equal((unsigned char)out.data[0], 255);
	assert_int_equal(socks5_put_text(&out, "it", text, &err), -1);
	assert_string_equal(err.text, "it is longer than 255 bytes");
	assert_int_equal(socks5_put_host(&out, text, &err), -1);
	str_done(&out);
	socks_put_port(&out, 0x1f90);
	assert_memory_equal(out.data, "\x1f\x90", 2);
	str_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_socks4), cmocka_unit_test(test_hello),
		cmocka_unit_test(test_auth),   cmocka_unit_test(test_answer),
		cmocka_unit_test(test_put),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
