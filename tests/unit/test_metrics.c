/* test_metrics.c - counters that several processes share, and what becomes of them as text */
#include "stats/metrics.h"

#include "base/list.h"
#include "base/str.h"
#include "stats/metrics_http.h"
#include "end/shared.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define CHILDREN 4
#define ADDITIONS 100000

/* What a process counts is counted, whatever becomes of it. */
static void test_shared(void **state)
{
	struct err err;
	struct shared *all = shared_new(2, &err);
	struct tally *other;

	(void)state;
	assert_non_null(all);
	other = &all->address[1].tally;
	for (int i = 0; i < CHILDREN; i++) {
		if (fork() == 0) {
			for (int k = 0; k < ADDITIONS; k++)
				tally_add(&other->sent_bytes, 3);
			_exit(0);
		}
	}
	for (int i = 0; i < CHILDREN; i++)
		assert_int_not_equal(wait(NULL), -1);
	assert_int_equal(other->sent_bytes, 3 * CHILDREN * ADDITIONS);
	assert_int_equal(all->address[0].tally.sent_bytes, 0);
	shared_free(all);
}

/* Together they write as much as one would. */
static void test_shared_limit(void **state)
{
	struct err err;
	struct shared *all = shared_new(2, &err);
	int written = 0, status;
	char text[80];

	(void)state;
	assert_non_null(all);
	for (int i = 0; i < CHILDREN; i++) {
		if (fork() == 0) {
			int n = 0;

			for (int k = 0; k < 100; k++)
				n += log_limit_turn(&all->failures[1], 7 * NSEC_PER_SEC);
			_exit(n);
		}
	}
	for (int i = 0; i < CHILDREN; i++) {
		assert_int_not_equal(wait(&status), -1);
		written += WEXITSTATUS(status);
	}
	assert_in_range(written, 10, 10 + CHILDREN); /* who begins the second may be a turn late */
	assert_int_equal(all->failures[1].others, 100 * CHILDREN - written);
	log_limit_text(&all->failures[1], 0, "", text, sizeof(text));
	assert_int_equal(all->failures[1].others, 0);
	shared_free(all);
}

static void test_advance(void **state)
{
	uint64_t seen = 0;

	(void)state;
	assert_int_equal(tally_advance(&seen, 5), 5);
	assert_int_equal(tally_advance(&seen, 5), 0);
	assert_int_equal(tally_advance(&seen, 3), 0); /* told late */
	assert_int_equal(tally_advance(&seen, 6), 1);
	seen = 0xfffffffe;
	assert_int_equal(tally_advance(&seen, 2), 4); /* it wraps */
	assert_int_equal(tally_advance(&seen, 0xffffffff), 0);
	assert_int_equal(seen, 2);
}

static struct metrics *sample(void)
{
	static struct metrics_address address[2];
	static struct metrics m;

	memset(address, 0, sizeof(address));
	m = (struct metrics){ .address = address, .naddr = 2 };
	strcpy(m.address[0].type, "UDP4-RECV");
	strcpy(m.address[1].type, "PIPE!!STDOUT");
	m.address[0].tally = (struct tally){
		.received_datagrams = 3,
		.received_bytes = 18,
		.kernel_drops = UINT64_MAX,
		.sessions = 1,
		.sessions_max = 5,
		.sessions_total = 7,
	};
	m.address[0].tally.refused[REFUSE_RANGE] = 2;
	m.address[0].tally.refused[REFUSE_ECHO] = 1;
	m.address[1].tally.sent_bytes = 18;
	m.address[1].tally.lost[LOSS_SLOW] = 4;
	m.address[1].tally.lost_bytes = 5;
	m.process.cpu_seconds = 0.25;
	m.process.max_fds = 1024;
	return &m;
}

static void test_text(void **state)
{
	struct str out = { 0 };

	(void)state;
	metrics_text(sample(), 0, &out);
	assert_string_equal(
		out.data,
		"address 1 (UDP4-RECV): received datagrams 3, received bytes 18, sent "
		"datagrams 0, sent bytes 0, kernel drops 18446744073709551615, refused "
		"3 (range 2, no-echo 1), lost 0, lost bytes 0, oversize 0, gso 0, sessions 1, "
		"sessions so far 7");
	str_done(&out);
	metrics_text(sample(), 1, &out);
	assert_string_equal(
		out.data,
		"address 2 (PIPE!!STDOUT): received datagrams 0, received bytes 0, "
		"sent datagrams 0, sent bytes 18, kernel drops 0, refused 0, lost 4 "
		"(slow 4), lost bytes 5, oversize 0, gso 0, sessions 0, sessions so far 0");
	str_done(&out);
}

static void has(const struct str *s, const char *line)
{
	if (!strstr(s->data, line))
		fail_msg("no %s in\n%s", line, s->data);
}

static void test_prometheus(void **state)
{
	struct str out = { 0 };

	(void)state;
	metrics_prometheus(sample(), &out);
	has(&out, "# TYPE socast_received_datagrams_total counter\n"
		  "socast_received_datagrams_total{address=\"1\",type=\"UDP4-RECV\"} 3\n"
		  "socast_received_datagrams_total{address=\"2\",type=\"PIPE!!STDOUT\"} 0\n");
	has(&out, "\nsocast_kernel_drops_total{address=\"1\",type=\"UDP4-RECV\"} "
		  "18446744073709551615\n");
	has(&out, "\nsocast_refused_total{address=\"1\",type=\"UDP4-RECV\",reason=\"range\"} 2\n");
	has(&out, "\nsocast_lost_total{address=\"2\",type=\"PIPE!!STDOUT\",reason=\"slow\"} 4\n");
	has(&out, "# TYPE socast_sessions_max gauge\n"
		  "socast_sessions_max{address=\"1\",type=\"UDP4-RECV\"} 5\n");
	has(&out, "# TYPE socast_sessions gauge\n");
	has(&out, "\nprocess_cpu_seconds_total 0.250\n");
	has(&out, "\nprocess_max_fds 1024.000\n");
	assert_int_equal(out.data[out.len - 1], '\n');
	str_done(&out);
}

static void where(const char *text, const char *host, unsigned port)
{
	struct netaddr a;
	struct err err;
	char buf[NETADDR_TEXT_LEN];

	if (metrics_where(&a, text, &err) == -1)
		fail_msg("%s: %s", text, err.text);
	assert_string_equal(netaddr_host_text(&a, buf), host);
	assert_int_equal(netaddr_port(&a), port);
}

static void test_where(void **state)
{
	static const char *const wrong[] = {
		"",
		"x",
		":",
		":9100",
		"9100x",
		"65536",
		"-1",
		"+1",
		"1.2.3:80",
		"1.2.3.4:",
		"1.2.3.4",
		"[::1]",
		"[::1]:",
		"[::1]80",
		"[:80",
		"[]:80",
		"::1:80",
		"[1.2]:80",
		"host:80",
		"[::1]:8 ",
		"1.2.3.4:99999999",
		"1.2.3.4:18446744073709551617",
	};

	(void)state;
	where("9100", "127.0.0.1", 9100);
	where("0", "127.0.0.1", 0);
	where("0.0.0.0:80", "0.0.0.0", 80);
	where("[::1]:65535", "[0000:0000:0000:0000:0000:0000:0000:0001]", 65535);
	where("/run/x.sock", "/run/x.sock", 0);
	where("./x", "./x", 0);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct netaddr a;
		struct err err = { 0 };

		if (metrics_where(&a, wrong[i], &err) == 0)
			fail_msg("\"%s\" was taken", wrong[i]);
		assert_non_null(strstr(err.text, "option --metrics: "));
	}
}

static void test_long_path(void **state)
{
	char path[200];
	struct netaddr a;
	struct err err = { 0 };

	(void)state;
	memset(path, '/', sizeof(path));
	path[107] = '\0';
	assert_int_equal(metrics_where(&a, path, &err), 0);
	path[107] = '/';
	path[108] = '\0';
	assert_int_equal(metrics_where(&a, path, &err), -1);
	assert_non_null(strstr(err.text, "is longer than 107 bytes"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shared),     cmocka_unit_test(test_shared_limit),
		cmocka_unit_test(test_advance),    cmocka_unit_test(test_text),
		cmocka_unit_test(test_prometheus), cmocka_unit_test(test_where),
		cmocka_unit_test(test_long_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
