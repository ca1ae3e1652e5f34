/* test_dst_type.c - what an IPv4 datagram was sent to, as IP_PKTINFO tells */
#include "data/dst_type.h"

#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>

static struct in_addr ip(const char *text)
{
	struct in_addr a;

	assert_int_equal(inet_pton(AF_INET, text, &a), 1);
	return a;
}

static void types(void **state)
{
	static const struct {
		const char *addr, *local;
		enum dst_type want;
	} row[] = {
		{ "127.0.0.1", "127.0.0.1", DST_UNICAST },
		{ "10.7.7.255", "10.7.7.1", DST_BROADCAST },
		{ "255.255.255.255", "10.7.7.1", DST_BROADCAST },
		{ "224.7.7.7", "10.7.7.1", DST_MULTICAST },
		/* queued before IP_PKTINFO was asked for */
		{ "127.0.0.1", "0.0.0.0", DST_UNICAST },
		{ "255.255.255.255", "0.0.0.0", DST_BROADCAST },
		{ "224.7.7.7", "0.0.0.0", DST_MULTICAST },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct in_addr addr = ip(row[i].addr), local = ip(row[i].local);

		assert_int_equal(dst_type_ip4(&addr, &local), row[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(types) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
