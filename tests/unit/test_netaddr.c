/* test_netaddr.c - renderings of socket addresses, and ranges */
#include "sys/netaddr.h"

#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>

static struct netaddr ip(const char *text)
{
	struct netaddr a;
	int v6 = strchr(text, ':') != NULL;

	netaddr_any(&a, v6 ? AF_INET6 : AF_INET, 80);
	assert_int_equal(inet_pton(a.any.sa_family, text,
				   v6 ? (void *)&a.in6.sin6_addr : (void *)&a.in.sin_addr),
			 1);
	return a;
}

static struct netaddr un(const char *name, size_t len)
{
	struct netaddr a = { .len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len) };

	a.any.sa_family = AF_UNIX;
	memcpy(a.un.sun_path, name, len);
	return a;
}

static void text(void **state)
{
	char buf[NETADDR_TEXT_LEN];
	struct netaddr a = ip("127.0.0.1"), b = ip("::1");
	(void)state;

	assert_string_equal(netaddr_text(&a, buf), "AF=2 127.0.0.1:80");
	assert_string_equal(netaddr_host_text(&a, buf), "127.0.0.1");
	assert_string_equal(netaddr_text(&b, buf),
			    "AF=10 [0000:0000:0000:0000:0000:0000:0000:0001]:80");
	a = un("", 0);
	assert_string_equal(netaddr_text(&a, buf), "AF=1 \"<anon>\"");
	a = un("path\0junk", 9);
	assert_string_equal(netaddr_text(&a, buf), "AF=1 \"path\"");
	a = un("\0name", 5);
	assert_string_equal(netaddr_text(&a, buf), "AF=1 \"\\0name\"");
	a = un("a\xff\x01\n", 4);
	assert_string_equal(netaddr_text(&a, buf), "AF=1 \"a\\xFF\\x01\\n\"");
	a = (struct netaddr){ .len = 16 };
	a.any.sa_family = 17;
	assert_string_equal(netaddr_text(&a, buf), "AF=17 AF=17 0x0000000000000000000000000000");
}

static void range_errors(void **state)
{
	static const struct {
		int family;
		const char *text, *want;
	} row[] = {
		{ AF_INET, "nohost", "failed to parse or resolve range \"nohost\" (pf=2)" },
		{ AF_INET, "127.0.0.1/x", "not a valid IPv4 netmask in \"127.0.0.1/x\"" },
		{ AF_INET, "127.0.0.1/33", "IPv4 netmask \"127.0.0.1/33\" is too large" },
		{ AF_INET, "nohost/8", "failed to parse or resolve range \"nohost/8\" (pf=2)" },
		{ AF_INET, "/8", "failed to parse or resolve range \"/8\" (pf=2)" },
		{ AF_INET6, "::1", "missing brackets for IPv6 range definition \"::1\"" },
		{ AF_INET6, "[::1/128]",
		  "missing brackets for IPv6 range definition \"[::1/128]\"" },
		{ AF_INET6, "[/1", "missing brackets for IPv6 range definition \"[/1\"" },
		{ AF_INET6, "[::1]/129", "netmask \"[::1]/129\" is too large" },
		{ AF_UNIX, "x",
		  "syntax error in range \"x\" of unspecified address family: "
		  "use <addr>:<mask>" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct range r;
		struct err err;

		assert_int_equal(range_parse(&r, row[i].text, row[i].family, NULL, NULL, &err), -1);
		assert_string_equal(err.text, row[i].want);
	}
}

static void matches(void **state)
{
	static const struct {
		int family;
		const char *range, *peer;
		bool want;
	} row[] = {
		{ AF_INET, "127.0.0.7/8", "127.9.9.9", true },
		{ AF_INET, "127.0.0.7/8", "128.0.0.1", false },
		{ AF_INET, "10.1.0.0:255.255.0.0", "10.1.2.3", true },
		{ AF_INET, "10.1.0.0:255.255.0.0", "::ffff:10.1.2.3", true },
		{ AF_INET, "10.1.0.0:255.255.0.0", "::a01:203", false },
		{ AF_INET, "0.0.0.0/0", "0.0.0.0", false },
		{ AF_INET, "0.0.0.0/0", "1.2.3.4", true },
		{ AF_INET6, "[::ffff:10.0.0.0]/104", "10.2.3.4", true },
		{ AF_INET6, "[fe80::1]/10", "fe80::2", true },
		{ AF_INET6, "[::1]/128", "::2", false },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct range r;
		struct err err;
		struct netaddr peer = ip(row[i].peer);

		assert_int_equal(range_parse(&r, row[i].range, row[i].family, NULL, NULL, &err), 0);
		assert_int_equal(range_match(&r, &peer), row[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(text), cmocka_unit_test(range_errors),
					    cmocka_unit_test(matches) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
