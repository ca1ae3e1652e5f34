/* test_framing.c - borders of datagrams in a stream: what is on the wire, and what comes back */
#include "wire/framing.h"

#include "base/list.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BYTES(s) (s), sizeof(s) - 1

static const char *const all[] = { "u16",  "u32",  "varint",    "line",   "nul",
				   "slip", "cobs", "netstring", "fixed=9" };

static struct framing format(const char *text)
{
	struct framing f = { 0 };
	struct err err;

	if (framing_parse(&f, text, &err) == -1)
		fail_msg("%s", err.text);
	return f;
}

static void test_on_the_wire(void **state)
{
	static const struct {
		const char *format, *data;
		size_t len;
		const char *wire;
		size_t wire_len;
	} row[] = {
		{ "u16", BYTES("abc"), BYTES("\0\3abc") },
		{ "u16", BYTES(""), BYTES("\0\0") },
		{ "u32", BYTES("abc"), BYTES("\0\0\0\3abc") },
		{ "varint", BYTES("abc"), BYTES("\3abc") },
		{ "line", BYTES("abc"), BYTES("abc\n") },
		{ "line", BYTES(""), BYTES("\n") },
		{ "nul", BYTES("a\nc"), BYTES("a\nc\0") },
		{ "slip",
		  BYTES("a\xc0"
			"b\xdb"),
		  BYTES("\xc0"
			"a\xdb\xdc"
			"b\xdb\xdd\xc0") },
		{ "cobs", BYTES(""), BYTES("\1\0") },
		{ "cobs", BYTES("\0"), BYTES("\1\1\0") },
		{ "cobs", BYTES("\x11\x22\0\x33"), BYTES("\3\x11\x22\2\x33\0") },
		{ "cobs", BYTES("\x11\0\0\0"), BYTES("\2\x11\1\1\1\0") },
		{ "netstring", BYTES("hello world!"), BYTES("12:hello world!,") },
		{ "netstring", BYTES(""), BYTES("0:,") },
		{ "fixed=3", BYTES("abc"), BYTES("abc") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct framing f = format(row[i].format);
		uint8_t out[64];
		size_t n;

		assert_null(framing_refuses(&f, row[i].data, row[i].len));
		assert_true(framing_room(&f, row[i].len) <= sizeof(out));
		n = framing_put(&f, out, row[i].data, row[i].len);
		assert_int_equal(n, row[i].wire_len);
		assert_memory_equal(out, row[i].wire, n);
	}
}

/* The runs of cobs: 254 bytes without a zero are announced by one code. */
static void test_runs_of_cobs(void **state)
{
	struct framing f = format("cobs");

	(void)state;
	for (size_t len = 250; len < 520; len++) {
		for (size_t zero = 240; zero <= len; zero++) {
			uint8_t data[520], wire[540];
			struct frame got;
			struct err err;
			size_t seen = 0, n;

			memset(data, 'x', sizeof(data));
			data[zero == len ? 0 : zero] = zero == len ? 'x' : 0;
			n = framing_put(&f, wire, data, len);
			assert_true(n <= framing_room(&f, len));
			assert_null(memchr(wire, 0, n - 1));
			assert_int_equal(framing_take(&f, wire, n, &seen, &got, &err), FRAME_WHOLE);
			assert_int_equal(got.len, len);
			assert_memory_equal(got.data, data, len);
			assert_int_equal(got.used, n);
		}
	}
}

static size_t make(const struct framing *f, uint8_t *data, size_t max)
{
	size_t len = f->size ? f->size : (size_t)rand() % max;
	int kind = rand() % 3;

	for (size_t i = 0; i < len; i++)
		data[i] = kind == 0   ? (uint8_t)rand()
			  : kind == 1 ? "\0\n\r\xc0\xdb"[rand() % 5]
				      : 'x';
	return len;
}

/* Many datagrams, whose stream comes in pieces of any size, are the same behind it. */
static void test_there_and_back(void **state)
{
	enum { MAX = 700, STREAM = 300000 };
	uint8_t *wire = xmalloc(STREAM), *data = xmalloc(STREAM), *buf = xmalloc(4 * MAX);

	(void)state;
	srand(1);
	for (size_t k = 0; k < ARRAY_SIZE(all) * 3; k++) {
		struct framing f = format(all[k % ARRAY_SIZE(all)]);
		size_t nwire = 0, ndata = 0, lens[400], n = 0, at = 0, have = 0, seen = 0;
		size_t piece = k < ARRAY_SIZE(all) ? 1 : 1 + (size_t)rand() % 300, next = 0,
		       off = 0;

		f.max = f.size ? f.size : MAX;
		while (n < 400) {
			size_t len = make(&f, data + ndata, MAX);

			if (framing_refuses(&f, data + ndata, len))
				continue;
			nwire += framing_put(&f, wire + nwire, data + ndata, len);
			ndata += lens[n++] = len;
		}
		while (next < n) {
			struct frame got;
			struct err err;
			enum frame_result r = framing_take(&f, buf, have, &seen, &got, &err);

			if (r == FRAME_MORE) {
				size_t more = nwire - at < piece ? nwire - at : piece;

				assert_true(more > 0);
				assert_true(have + more <= framing_room(&f, MAX) + 300);
				memcpy(buf + have, wire + at, more);
				at += more;
				have += more;
				continue;
			}
			assert_int_not_equal(r, FRAME_WRONG);
			if (r == FRAME_WHOLE) {
				assert_int_equal(got.len, lens[next]);
				assert_memory_equal(got.data, data + off, got.len);
				off += lens[next++];
			}
			have -= got.used;
			memmove(buf, buf + got.used, have);
		}
		assert_int_equal(at - have, nwire);
	}
	free(wire);
	free(data);
	free(buf);
}

static void test_refused(void **state)
{
	static const struct {
		const char *format, *data;
		size_t len;
	} row[] = {
		{ "line", BYTES("a\nb") }, { "line", BYTES("a\r") },   { "nul", BYTES("a\0b") },
		{ "slip", BYTES("") },     { "fixed=3", BYTES("ab") }, { "fixed=3", BYTES("abcd") },
	};
	struct framing f = format("u32");
	static uint8_t large[65537];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct framing g = format(row[i].format);

		assert_non_null(framing_refuses(&g, row[i].data, row[i].len));
	}
	f.max = 10;
	assert_null(framing_refuses(&f, "0123456789", 10));
	assert_non_null(framing_refuses(&f, "0123456789a", 11));
	f = format("u16");
	f.max = 65536;
	assert_null(framing_refuses(&f, large, 65535));
	assert_non_null(framing_refuses(&f, large, 65536));
}

static void is_wrong(const char *text, size_t max, const char *wire, size_t len, size_t good,
		     const char *sentence)
{
	struct framing f = format(text);
	uint8_t buf[64];
	struct frame frame;
	struct err err;
	size_t seen = 0;

	f.max = max;
	memcpy(buf, wire, len);
	assert_int_equal(framing_take(&f, buf, len, &seen, &frame, &err), FRAME_WRONG);
	assert_int_equal(frame.used, good);
	assert_non_null(strstr(err.text, sentence));
}

static void test_wrong(void **state)
{
	(void)state;
	is_wrong("u16", 9, BYTES("\0\12"), 0, "longer than 9 bytes");
	is_wrong("u32", 9, BYTES("\1\0\0\0"), 0, "longer than 9 bytes");
	is_wrong("varint", 9, BYTES("\x80\x80\x80\x80\x80"), 0, "longer than 9 bytes");
	is_wrong("varint", 9, BYTES("\12"), 0, "longer than 9 bytes");
	is_wrong("line", 9, BYTES("0123456789"), 0, "longer than 9 bytes");
	is_wrong("line", 9, BYTES("0123456789\r"), 0, "longer than 9 bytes");
	is_wrong("nul", 9, BYTES("0123456789\0"), 0, "longer than 9 bytes");
	is_wrong("netstring", 9, BYTES("10:"), 0, "longer than 9 bytes");
	is_wrong("netstring", 99, BYTES("05:hello,"), 1, "'5' is no end of the length");
	is_wrong("netstring", 99, BYTES("x"), 0, "'x' is no length");
	is_wrong("netstring", 99, BYTES("5;"), 1, "';' is no end of the length");
	is_wrong("netstring", 99, BYTES("5:hello\n"), 7, "0x0a is no end");
	is_wrong("netstring", 99, BYTES(":"), 0, "':' is no length");
}

/* Of noise the rest is told apart. */
static void test_noise(void **state)
{
	static const struct {
		const char *format, *wire;
		size_t len;
		const char *want;
	} row[] = {
		{ "cobs", BYTES("\x09xy\0\3ab\0"), "ab" },
		{ "cobs", BYTES("\0\0\0\3ab\0"), "ab" },
		{ "cobs", BYTES("\3abcdefghijklmnop\0\3ab\0"), "ab" },
		{ "slip",
		  BYTES("\xc0\xc0\xc0"
			"ab\xc0"),
		  "ab" },
		{ "slip",
		  BYTES("012345678901234567890123456789\xc0"
			"ab\xc0"),
		  "ab" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct framing f = format(row[i].format);
		uint8_t buf[64];
		size_t at = 0, seen = 0;
		struct frame frame;
		struct err err;
		enum frame_result r;

		f.max = 9;
		memcpy(buf, row[i].wire, row[i].len);
		while ((r = framing_take(&f, buf + at, row[i].len - at, &seen, &frame, &err)) ==
		       FRAME_NOISE)
			at += frame.used;
		assert_int_equal(r, FRAME_WHOLE);
		assert_int_equal(frame.len, strlen(row[i].want));
		assert_memory_equal(frame.data, row[i].want, frame.len);
		assert_int_equal(at + frame.used, row[i].len);
	}
}

static void test_odd_escapes(void **state)
{
	struct framing f = format("slip");
	uint8_t wire[] = "a\xdbz\xdb\xc0";
	struct frame frame;
	struct err err;
	size_t seen = 0;

	(void)state;
	assert_int_equal(framing_take(&f, wire, 5, &seen, &frame, &err), FRAME_WHOLE);
	assert_int_equal(frame.len, 3);
	assert_memory_equal(frame.data, "az\xdb", 3);
}

static void test_carriage_return(void **state)
{
	struct framing f = format("line");
	uint8_t wire[] = "a\r\n\r\nb\rc\n";
	size_t at = 0, seen = 0;
	static const char *const want[] = { "a", "", "b\rc" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		struct frame frame;
		struct err err;

		assert_int_equal(
			framing_take(&f, wire + at, sizeof(wire) - 1 - at, &seen, &frame, &err),
			FRAME_WHOLE);
		assert_int_equal(frame.len, strlen(want[i]));
		assert_memory_equal(frame.data, want[i], frame.len);
		at += frame.used;
	}
	assert_int_equal(at, sizeof(wire) - 1);
}

static void test_names(void **state)
{
	static const char *const wrong[] = { "",        "u8",       "u16=3",
					     "fixed",   "fixed=",   "fixed=0",
					     "fixed=x", "fixed=1x", "fixed=99999999999",
					     "line=",   "U16" };
	struct framing f;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		f = (struct framing){ 0 };
		if (framing_parse(&f, wrong[i], &err) != -1)
			fail_msg("%s", wrong[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		char name[16];

		f = format(all[i]);
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(all[i], "="), all[i]);
		assert_non_null(strstr(framing_names(), name));
		assert_int_equal(f.max, f.size ? 9 : FRAMING_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_on_the_wire),    cmocka_unit_test(test_runs_of_cobs),
		cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_wrong),          cmocka_unit_test(test_noise),
		cmocka_unit_test(test_odd_escapes),    cmocka_unit_test(test_carriage_return),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
