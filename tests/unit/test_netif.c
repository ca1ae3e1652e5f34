/* test_netif.c - networks as they are written, and interfaces that every machine has or has not */
#include "sys/netif.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void test_networks(void **state)
{
	static const struct {
		const char *text, *addr;
		int family;
		unsigned bits;
	} good[] = {
		{ "10.77.0.1/24", "10.77.0.1", AF_INET, 24 },
		{ "0.0.0.0/0", "0.0.0.0", AF_INET, 0 },
		{ "255.255.255.255/32", "255.255.255.255", AF_INET, 32 },
		{ "[fd00::1]/64", "fd00::1", AF_INET6, 64 },
		{ "[::]/0", "::", AF_INET6, 0 },
		{ "[::ffff:10.0.0.1]/128", "::ffff:10.0.0.1", AF_INET6, 128 },
	};
	char text[INET6_ADDRSTRLEN];
	struct netaddr a;
	struct err err;
	unsigned bits;
	(void)state;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(netif_parse_network(good[i].text, &a, &bits, &err), 0);
		assert_int_equal(bits, good[i].bits);
		assert_int_equal(a.any.sa_family, good[i].family);
		inet_ntop(good[i].family,
			  good[i].family == AF_INET ? (void *)&a.in.sin_addr
						    : (void *)&a.in6.sin6_addr,
			  text, sizeof(text));
		assert_string_equal(text, good[i].addr);
	}
}

static void test_bad_networks(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "", "missing netmask delimiter" },
		{ "10.0.0.1", "xioparsenetwork_ip4(\"10.0.0.1\",,): missing netmask delimiter" },
		{ "[fd00::1]", "xioparsenetwork_ip6(" },
		{ "10.0.0.1/", "must be a number of bits" },
		{ "10.0.0.1/8x", "must be a number of bits" },
		{ "10.0.0.1/-1", "number of bits" },
		{ "10.0.0.1/33", "IPv4 netmask \"10.0.0.1/33\" is too large" },
		{ "[fd00::1]/129", "IPv6 netmask \"[fd00::1]/129\" is too large" },
		{ "10.0.0.1/99999999999999999999", "number of bits" },
		{ "/8", "does not begin with" },
		{ "[]/8", "does not begin with" },
		{ "[/8", "does not begin with" },
		{ "[fd00::1/64", "does not begin with" },
		{ "fd00::1/64", "IPv4 netmask" },
		{ "10.0.0/8", "does not begin with" },
		{ "name/8", "does not begin with" },
		{ "[fd00:fd00:fd00:fd00:fd00:fd00:fd00:fd00:fd00:fd00:fd00:fd00:fd00:fd00]/8",
		  "does not begin with" },
	};
	struct netaddr a;
	struct err err;
	unsigned bits;
	(void)state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(netif_parse_network(bad[i].text, &a, &bits, &err), -1);
		if (!strstr(err.text, bad[i].says))
			fail_msg("\"%s\": %s", bad[i].text, err.text);
	}
}

static void test_interfaces(void **state)
{
	struct netif_undo undo;
	struct err err;
	char number[16];
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0), lo;
	(void)state;

	lo = netif_index(fd, "lo", &err);
	assert_int_equal(lo, if_nametoindex("lo"));
	snprintf(number, sizeof(number), "%d", lo);
	assert_int_equal(netif_index(fd, number, &err), lo);
	assert_int_not_equal(netif_state(fd, lo), NETIF_GONE);
	assert_int_equal(netif_state(fd, 999999), NETIF_GONE);
	assert_int_equal(netif_index(fd, "999999", &err), -1);
	assert_int_equal(netif_index(fd, "", &err), -1);
	assert_int_equal(netif_index(fd, "a-name-that-is-too-long", &err), -1);
	assert_string_equal(err.text, "unknown interface \"a-name-that-is-too-long\"");
	/* nothing is wanted, so nothing is asked for; and nothing is to be undone */
	assert_int_equal(netif_configure(fd, 999999, 0, 0, -1, &undo, &err), 0);
	assert_true(undo.mtu == -1 && !undo.set && !undo.clear);
	netif_restore(fd, &undo);
	assert_int_equal(netif_configure(fd, 999999, IFF_UP, 0, -1, &undo, &err), -1);
	assert_true(undo.mtu == -1 && !undo.set && !undo.clear);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_bad_networks),
		cmocka_unit_test(test_interfaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
