/* fuzz_http_head.c - a byte of flags and the length of pieces, then the answer of a proxy, or a
 * request
 *
 * Cut into pieces it must mean the same as whole: the same lines, the same end. */
#include "wire/http_head.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum http_event feed(const char *data, size_t len, size_t piece, bool bare, struct str *out,
			    size_t *used)
{
	struct http_head h = { .bare = bare };
	enum http_event event = HTTP_MORE;
	struct http_request r;
	const char *reason;
	struct err err;

	for (*used = 0; *used < len && event != HTTP_END && event != HTTP_BAD;) {
		size_t n = len - *used < piece ? len - *used : piece, taken;

		event = http_head_feed(&h, data + *used, n, &taken, &err);
		if (!taken || taken > n || *used + taken > HTTP_HEAD_MAX + 1)
			abort();
		*used += taken;
		if (event == HTTP_LINE)
			str_addf(out, "%d %s\n", http_status(h.line, &reason), h.line);
		if (event == HTTP_LINE && http_request_parse(&r, h.line) == 0)
			str_addf(out, "%.*s|%.*s\n", (int)r.method_len, r.method, (int)r.target_len,
				 r.target);
	}
	return event;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str whole = { 0 }, cut = { 0 };
	size_t used[2];

	if (size < 1)
		return 0;
	if (feed((const char *)data + 1, size - 1, size, data[0] & 1, &whole, &used[0]) !=
		    feed((const char *)data + 1, size - 1, 1 + data[0] / 2, data[0] & 1, &cut,
			 &used[1]) ||
	    used[0] != used[1] || whole.len != cut.len)
		abort();
	str_done(&whole);
	str_done(&cut);
	http_base64(&whole, data, size);
	if (whole.len != (size + 2) / 3 * 4)
		abort();
	str_done(&whole);
	return 0;
}
