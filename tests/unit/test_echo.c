/* test_echo.c - what comes back is recognised once, in whatever order */
#include "dgram/echo.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct netaddr own(int *fd)
{
	struct netaddr a = { .len = sizeof(a.in) };

	*fd = socket(AF_INET, SOCK_DGRAM, 0);
	a.in.sin_family = AF_INET;
	a.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(*fd, &a.any, a.len), 0);
	assert_int_equal(getsockname(*fd, &a.any, &a.len), 0);
	return a;
}

static void test_any_order(void **state)
{
	static const char *const orders[] = { "BCA", "CBA", "ACB", "ABC" };
	int fd;
	struct netaddr me = own(&fd), other = me;
	(void)state;

	netaddr_set_port(&other, netaddr_port(&me) ^ 1);
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		struct echo *e = echo_new();

		for (const char *p = "ABC"; *p; p++)
			echo_sent(e, p, 1, 1000);
		assert_false(echo_is(e, fd, &other, "A", 1, 1001)); /* not our port */
		assert_false(echo_is(e, fd, &me, "D", 1, 1001)); /* not sent */
		for (const char *p = orders[i]; *p; p++)
			assert_true(echo_is(e, fd, &me, p, 1, 1001));
		for (const char *p = orders[i]; *p; p++)
			assert_false(echo_is(e, fd, &me, p, 1, 1001)); /* once */
		free(e);
	}
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_any_order) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
