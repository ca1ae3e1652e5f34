/* test_admit.c - who may talk to us, and how often a refusal is said */
#include "base/log.h"
#include "dgram/admit.h"

#include "base/str.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char log_name_buf[] = "/tmp/admitXXXXXX";

static struct netaddr peer(const char *host, unsigned port)
{
	struct netaddr a = { 0 };

	netaddr_any(&a, AF_INET, port);
	assert_int_equal(inet_pton(AF_INET, host, &a.in.sin_addr), 1);
	return a;
}

/* How often @text stands in the log. */
static unsigned logged(const char *text)
{
	static char all[65536];
	int fd = open(log_name_buf, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, all, sizeof(all) - 1);
	unsigned found = 0;

	close(fd);
	all[n > 0 ? n : 0] = '\0';
	for (const char *p = all; (p = strstr(p, text)); p++)
		found++;
	return found;
}

static bool ask(struct admission *a, const char *host, unsigned port, int64_t now)
{
	struct netaddr p = peer(host, port);

	return admit(a, &p, NULL, now);
}

static void test_rules(void **state)
{
	struct conf conf;
	struct admission a;
	struct str report = { 0 };
	struct err err;
	(void)state;

	conf_init(&conf);
	assert_int_equal(admission_init(&a, &conf, AF_INET, 0, NULL, &err), 0);
	assert_true(ask(&a, "10.0.0.1", 5, 1));
	admission_report(&a, &report);
	assert_int_equal(report.len, 0);

	conf.sock.range = "192.168.10.0/24";
	conf.sock.lowport = true;
	assert_int_equal(admission_init(&a, &conf, AF_INET, 0, NULL, &err), 0);
	assert_true(ask(&a, "192.168.10.7", 1023, 1));
	assert_false(ask(&a, "192.168.10.7", 1024, 1));
	assert_false(ask(&a, "192.168.11.7", 1023, 1));
	assert_false(ask(&a, "0.0.0.0", 1023, 1));
	admission_report(&a, &report);
	assert_string_equal(report.data, "refused 3 (range 2, lowport 1)");
	str_done(&report);

	conf.sock.range = NULL;
	conf.sock.sourceport = 4711; /* with it lowport says nothing about the peer */
	assert_int_equal(admission_init(&a, &conf, AF_INET, 99, NULL, &err), 0);
	assert_true(ask(&a, "1.2.3.4", 4711, 1));
	assert_false(ask(&a, "1.2.3.4", 99, 1));

	conf.sock.range = "192.168.10.0/33";
	assert_int_equal(admission_init(&a, &conf, AF_INET, 0, NULL, &err), -1);
	conf_done(&conf);
}

/* Datagrams must come from the port that is written to, unless the user says otherwise. */
static void test_target_port(void **state)
{
	struct conf conf;
	struct admission a;
	struct err err;
	(void)state;

	conf_init(&conf);
	assert_int_equal(admission_init(&a, &conf, AF_INET, 6666, NULL, &err), 0);
	assert_true(ask(&a, "1.2.3.4", 6666, 1));
	assert_false(ask(&a, "1.2.3.4", 6667, 1));
	assert_int_equal(logged("packets must come from port 6666"), 1);
	conf.sock.any_port = 1;
	assert_int_equal(admission_init(&a, &conf, AF_INET, 6666, NULL, &err), 0);
	assert_true(ask(&a, "1.2.3.4", 6667, 1));
	conf_done(&conf);
}

/* Said once per host and reason within a minute, then counted. */
static void test_limit(void **state)
{
	struct conf conf;
	struct log_limit limit = { 0 };
	struct admission a;
	struct err err;
	int64_t now = 10 * NSEC_PER_SEC;
	(void)state;

	conf_init(&conf);
	conf.sock.range = "10.0.0.0/8";
	assert_int_equal(admission_init(&a, &conf, AF_INET, 0, NULL, &err), 0);
	a.limit = &limit;
	for (unsigned i = 0; i < 50; i++)
		assert_false(ask(&a, "172.16.0.1", 1000 + i, now + i));
	assert_int_equal(logged("172.16.0.1:"), 1);
	assert_false(ask(&a, "172.16.0.2", 1, now));
	assert_int_equal(logged("172.16.0.2:"), 1);
	assert_false(ask(&a, "172.16.0.1", 1, now + 61 * NSEC_PER_SEC));
	assert_int_equal(logged("172.16.0.1:"), 2);
	assert_int_equal(logged("(49 more of this host since)"), 1);
	assert_int_equal(a.refused[REFUSE_RANGE], 52);
	conf_done(&conf);
}

/* Generic sockets: the bytes behind the family, whatever they mean. */
static void test_data_range(void **state)
{
	static const struct {
		const char *text;
		bool in, other; /* 192.168.10.7:80, 10.0.0.1:80 */
	} row[] = {
		{ "x0000xc0a80a00:x0000xffffff00", true, false },
		{ "x0050:xffff", true, true },
		{ "x0051:xffff", false, false },
		{ "x0000xc0a80a07x01:x0000xffffffffxff", false, false }, /* zero follows */
		{ "x0000xc0a80a07x00:x0000xffffffffxff", true, false },
		{ "xffff:x", true, true }, /* no mask: everything */
	};
	struct conf conf;
	struct admission a;
	struct err err;
	(void)state;

	conf_init(&conf);
	conf.sock.range_is_data = true;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		conf.sock.range = row[i].text;
		assert_int_equal(admission_init(&a, &conf, AF_INET, 0, NULL, &err), 0);
		assert_int_equal(ask(&a, "192.168.10.7", 80, 1), row[i].in);
		assert_int_equal(ask(&a, "10.0.0.1", 80, 1), row[i].other);
	}
	conf.sock.range = "127.0.0.1/8";
	assert_int_equal(admission_init(&a, &conf, AF_INET, 0, NULL, &err), -1);
	assert_string_equal(err.text, "syntax error in range \"127.0.0.1/8\": use <data>:<mask>");
	conf.sock.range = "x00:zz";
	assert_int_equal(admission_init(&a, &conf, AF_INET, 0, NULL, &err), -1);
	conf.sock.range = "x0:x00";
	assert_int_equal(admission_init(&a, &conf, AF_INET, 0, NULL, &err), -1);
	conf_done(&conf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_target_port),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_data_range),
	};
	struct err err;
	int rc;

	close(mkstemp(log_name_buf));
	log_set_sink(SINK_FILE, log_name_buf, &err);
	log_threshold = LV_WARN;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(log_name_buf);
	return rc;
}
