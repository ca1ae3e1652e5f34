/* test_http_head.c - heads of HTTP messages in pieces of any length */
#include "wire/http_head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Feed @text in pieces of @piece bytes; the lines joined by '|' come out in @out, the number of
 * bytes taken in @used. */
static enum http_event feed(const char *text, size_t len, size_t piece, bool bare, struct str *out,
			    size_t *used, struct err *err)
{
	struct http_head *h = calloc(1, sizeof(*h));
	enum http_event event = HTTP_MORE;

	h->bare = bare;
	*used = 0;
	while (*used < len && event != HTTP_END && event != HTTP_BAD) {
		size_t n = len - *used < piece ? len - *used : piece, taken;

		event = http_head_feed(h, text + *used, n, &taken, err);
		assert_true(taken > 0 && taken <= n);
		*used += taken;
		if (event == HTTP_LINE)
			str_addf(out, "%s|", h->line);
	}
	free(h);
	return event;
}

static void check(const char *text, bool bare, enum http_event event, const char *lines,
		  size_t used)
{
	for (size_t piece = 1; piece < 40; piece++) {
		struct str out = { 0 };
		struct err err;
		size_t taken;

		str_adds(&out, "");
		assert_int_equal(feed(text, strlen(text), piece, bare, &out, &taken, &err), event);
		assert_string_equal(out.len ? out.data : "", lines);
		assert_int_equal(taken, used);
		str_done(&out);
	}
}

static void test_lines(void **state)
{
	(void)state;
	check("HTTP/1.0 200 OK\r\nA: b\r\n\r\nDATA\r\n\r\n", false, HTTP_END,
	      "HTTP/1.0 200 OK|A: b|", 25);
	check("a\nb\r\n\nDATA", true, HTTP_END, "a|b|", 6);
	check("a\r\n\r\nDATA", true, HTTP_END, "a|", 5);
	check("a\nb", false, HTTP_BAD, "", 2);
	check("a\r\n\nb", false, HTTP_BAD, "a|", 4);
	check("a\rb\r\r\n\r\n", false, HTTP_END, "a?b?|", 8);
	check("\033[31m\tx\177\r\n\r\n", false, HTTP_END, "?[31m x?|", 12);
	check("half", false, HTTP_MORE, "", 4);
	check("\r\nDATA", false, HTTP_END, "", 2);
}

/* The longest line, one byte more, and a head of short lines without end. */
static void test_bounds(void **state)
{
	const size_t len = HTTP_HEAD_MAX + 100;
	char *text = malloc(len);
	struct str out = { 0 };
	struct err err;
	size_t used;

	(void)state;
	memset(text, 'x', len);
	memcpy(text + HTTP_LINE_MAX - 2, "\r\n\r\n", 4);
	assert_int_equal(feed(text, len, 77, false, &out, &used, &err), HTTP_END);
	assert_int_equal(out.len, HTTP_LINE_MAX - 2 + 1);
	assert_int_equal(used, HTTP_LINE_MAX + 2);
	str_done(&out);
	memset(text, 'x', len);
	assert_int_equal(feed(text, len, 5000, false, &out, &used, &err), HTTP_BAD);
	assert_int_equal(used, HTTP_LINE_MAX + 1);
	assert_string_equal(err.text, "proxy answer exceeds 2048 bytes, aborting");
	for (size_t i = 0; i + 4 <= len; i += 4)
		memcpy(text + i, "x:\r\n", 4);
	assert_int_equal(feed(text, len, 4096, false, &out, &used, &err), HTTP_BAD);
	assert_int_equal(used, HTTP_HEAD_MAX + 1);
	str_done(&out);
	free(text);
}

static void test_status(void **state)
{
	const char *reason;

	(void)state;
	assert_int_equal(http_status("HTTP/1.0 200 Connection established", &reason), 200);
	assert_string_equal(reason, "Connection established");
	assert_int_equal(http_status("HTTP/1.1 407  Proxy Auth", &reason), 407);
	assert_string_equal(reason, "Proxy Auth");
	assert_int_equal(http_status("HTTP/1.0   200 OK", &reason), 200);
	assert_string_equal(reason, "OK");
	assert_int_equal(http_status("HTTP/1.1 200", &reason), 200);
	assert_string_equal(reason, "");
	assert_int_equal(http_status("HTTP/1.1 2000", &reason), -1);
	assert_int_equal(http_status("HTTP/1.1 20", &reason), -1);
	assert_int_equal(http_status("HTTP/1.1 099 x", &reason), -1);
	assert_int_equal(http_status("HTTP/2 200", &reason), -1);
	assert_int_equal(http_status("HTTP/1.", &reason), -1);
	assert_int_equal(http_status("HTTP/1.1", &reason), -1);
	assert_int_equal(http_status("SSH-2.0-x", &reason), -1);
	assert_int_equal(http_status("", &reason), -1);
}

static void requests(const char *line, const char *method, const char *target)
{
	struct http_request r;

	if (!method) {
		assert_int_equal(http_request_parse(&r, line), -1);
		return;
	}
	assert_int_equal(http_request_parse(&r, line), 0);
	assert_int_equal(r.method_len, strlen(method));
	assert_memory_equal(r.method, method, r.method_len);
	assert_int_equal(r.target_len, strlen(target));
	assert_memory_equal(r.target, target, r.target_len);
}

static void test_request(void **state)
{
	(void)state;
	requests("GET /metrics HTTP/1.1", "GET", "/metrics");
	requests("GET /metrics?a=b?c HTTP/1.0", "GET", "/metrics");
	requests("POST / HTTP/1.1", "POST", "/");
	requests("GET /? HTTP/1.1", "GET", "/");
	requests("GET /metrics", NULL, NULL);
	requests("GET  /metrics HTTP/1.1", NULL, NULL);
	requests("GET /metrics HTTP/2", NULL, NULL);
	requests("GET /metrics HTTP/1.1 ", NULL, NULL);
	requests("GET /a b HTTP/1.1", NULL, NULL);
	requests("GET http://x/metrics HTTP/1.1", NULL, NULL);
	requests("GET * HTTP/1.1", NULL, NULL);
	requests(" /metrics HTTP/1.1", NULL, NULL);
	requests("GET", NULL, NULL);
	requests("GET ", NULL, NULL);
	requests("", NULL, NULL);
}

static void encodes(const char *text, const char *want)
{
	struct str out = { 0 };

	str_adds(&out, "=");
	http_base64(&out, text, strlen(text));
	assert_string_equal(out.data + 1, want);
	str_done(&out);
}

/* RFC 4648 section 10 */
static void test_base64(void **state)
{
	(void)state;
	encodes("", "");
	encodes("f", "Zg==");
	encodes("fo", "Zm8=");
	encodes("foo", "Zm9v");
	encodes("foob", "Zm9vYg==");
	encodes("fooba", "Zm9vYmE=");
	encodes("foobar", "Zm9vYmFy");
	encodes("joe:secret", "am9lOnNlY3JldA==");
	encodes("\xff\xfe\xfd", "//79");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),  cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_status), cmocka_unit_test(test_request),
		cmocka_unit_test(test_base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
