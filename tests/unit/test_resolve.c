/* test_resolve.c - literals and ports on the spot, names by the helper (no network needed) */
#include "sys/resolve.h"

#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <sys/wait.h>

static void literals(void **state)
{
	static const struct {
		const char *host, *service;
		int family, protocol;
		const char *want; /* rendering, or sentence of the failure */
	} row[] = {
		{ "127.0.0.1", "80", AF_INET, 6, "AF=2 127.0.0.1:80" },
		{ "127.1", "0080", AF_INET, 6, "AF=2 127.0.0.1:80" },
		{ "127.0.0.1", NULL, AF_UNSPEC, 0, "AF=2 127.0.0.1:0" },
		{ "127.0.0.1", "1", AF_INET, 136, "AF=2 127.0.0.1:1" },
		{ "127.0.0.1", "1", AF_INET, 132, "AF=2 127.0.0.1:1" },
		{ "[::1]", "80", AF_UNSPEC, 6,
		  "AF=10 [0000:0000:0000:0000:0000:0000:0000:0001]:80" },
		{ "::1", "1", AF_INET6, 6, "AF=10 [0000:0000:0000:0000:0000:0000:0000:0001]:1" },
		{ "127.0.0.1", "1", AF_INET6, 6, "Address family for hostname not supported" },
		{ "[::1]", "1", AF_INET, 6, "Address family for hostname not supported" },
		{ "[127.0.0.1]", "1", AF_UNSPEC, 6, "Address family for hostname not supported" },
		{ "127.0.0.1", "99999", AF_INET, 6, "port 99999 is out of range 0..65535" },
		{ "127.0.0.1", "", AF_INET, 6, "_xiogetaddrinfo(): empty port and service" },
		{ "127.0.0.1", "no-such-service", AF_INET, 6,
		  "Servname not supported for ai_socktype" },
		{ "127.0.0.1", "0x50", AF_INET, 6, "Servname not supported for ai_socktype" },
		{ "[nohost]", "1", AF_INET6, 6, "Name or service not known" },
		{ "", "1", AF_INET, 6, "Name or service not known" },
		{ NULL, "7", AF_INET, 6, "AF=2 127.0.0.1:7" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		const struct resolve_req req = { .host = row[i].host,
						 .service = row[i].service,
						 .family = row[i].family,
						 .socktype = SOCK_STREAM,
						 .protocol = row[i].protocol };
		struct resolve_job job;
		struct addr_list out;
		struct err err;
		char buf[NETADDR_TEXT_LEN];

		if (resolve_start(&req, &job, &out, &err) == RESOLVE_OK) {
			assert_int_equal(out.n, 1);
			assert_string_equal(netaddr_text(&out.addr[0], buf), row[i].want);
		} else {
			assert_string_equal(err.text, row[i].want);
		}
		assert_int_equal(job.fd, -1);
	}
}

static void names(void **state)
{
	struct resolve_req req = { .host = "localhost", .service = "80", .family = AF_INET };
	struct resolve_job job;
	struct addr_list out;
	struct err err;
	(void)state;

	assert_int_equal(resolve_start(&req, &job, &out, &err), RESOLVE_WAIT);
	assert_true(fcntl(job.fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(resolve_finish(&job, &out, &err), RESOLVE_OK);
	assert_int_equal(netaddr_port(&out.addr[0]), 80);

	assert_int_equal(resolve_start(&req, &job, &out, &err), RESOLVE_WAIT);
	resolve_cancel(&job);
	resolve_cancel(&job);
	assert_int_equal(job.fd, -1);

	req.netns = "no-such-namespace";
	assert_int_equal(resolve_now(&req, &out, &err), RESOLVE_FAIL);
	assert_string_equal(err.text, "cannot enter network namespace \"no-such-namespace\": "
				      "No such file or directory");
	/* No helper is left behind. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

/* The resolver options arrive: our own socket is asked. */
static void name_server(void **state)
{
	struct resolve_conf conf = { .retrans = 1, .retry = 1 };
	const struct resolve_req req = {
		.host = "probe.test", .service = "1", .family = AF_INET, .conf = &conf
	};
	struct timeval limit = { .tv_sec = 5 };
	struct resolve_job job;
	struct addr_list out;
	struct err err;
	char packet[512];
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	(void)state;

	netaddr_any(&conf.nsaddr, AF_INET, 0);
	conf.nsaddr.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, &conf.nsaddr.any, conf.nsaddr.len), 0);
	assert_int_equal(getsockname(fd, &conf.nsaddr.any, &conf.nsaddr.len), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	assert_int_equal(resolve_start(&req, &job, &out, &err), RESOLVE_WAIT);
	ssize_t n = recv(fd, packet, sizeof(packet), 0);
	resolve_cancel(&job);
	close(fd);
	assert_true(n > 12);
	assert_memory_equal(packet + 12, "\005probe\004test", 12);
}

static void sentences(void **state)
{
	const struct resolve_req req = {
		.host = "h", .service = "80", .socktype = 1, .protocol = 6, .flags = 0x20
	};
	char buf[256];
	struct netaddr a;
	struct err err;
	(void)state;

	assert_string_equal(resolve_req_text(&req, "text", buf, sizeof(buf)),
			    "getaddrinfo(\"h\", \"80\", {0x20,0,1,6}, {}): text");
	assert_int_equal(resolve_host("", AF_INET, &a, &err), -1);
	assert_string_equal(err.text,
			    "xioresolve(node=\"\", pf=2, ...): Name or service not known");
	assert_int_equal(resolve_host("127.1", AF_INET, &a, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(literals), cmocka_unit_test(names),
					    cmocka_unit_test(name_server),
					    cmocka_unit_test(sentences) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
