/* fuzz_framing.c - a byte of format, the longest datagram, and the length of pieces, then a stream
 *
 * Cut into pieces it must mean the same as whole: the same datagrams, the same end. What has been
 * found and can be sent in the format comes back from its own frame. */
#include "wire/framing.h"

#include "base/mem.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = { "u16",  "u32",  "varint",    "line",   "nul",
				     "slip", "cobs", "netstring", "fixed=5" };

static void there_and_back(const struct framing *f, const struct frame *frame)
{
	uint8_t *wire = xmalloc(framing_room(f, frame->len) + 1);
	struct frame got = { 0 };
	size_t n, at = 0, seen = 0;
	struct err err;
	enum frame_result r;

	n = framing_put(f, wire, frame->data, frame->len);
	if (n > framing_room(f, frame->len))
		abort();
	while ((r = framing_take(f, wire + at, n - at, &seen, &got, &err)) == FRAME_NOISE)
		at += got.used;
	if (r != FRAME_WHOLE || got.len != frame->len ||
	    memcmp(got.data, frame->data, got.len) != 0 || at + got.used != n)
		abort();
	free(wire);
}

static enum frame_result feed(const struct framing *f, const uint8_t *data, size_t len,
			      size_t piece, struct str *out)
{
	size_t room = framing_room(f, f->max), have = 0, at = 0, seen = 0;
	uint8_t *buf = xmalloc(room);
	enum frame_result r;
	struct err err;

	for (;;) {
		struct frame frame;

		r = framing_take(f, buf, have, &seen, &frame, &err);
		if (r == FRAME_WRONG)
			break;
		if (r == FRAME_MORE) {
			size_t n = room - have < piece ? room - have : piece;

			if (!n)
				abort();
			n = len - at < n ? len - at : n;
			if (!n)
				break;
			memcpy(buf + have, data + at, n);
			have += n;
			at += n;
			continue;
		}
		if (!frame.used || frame.used > have || frame.len > f->max)
			abort();
		if (r == FRAME_WHOLE) {
			if (!framing_refuses(f, frame.data, frame.len))
				there_and_back(f, &frame);
			str_addf(out, "%zu:", frame.len);
			str_add(out, frame.data, frame.len);
		}
		have -= frame.used;
		memmove(buf, buf + frame.used, have);
	}
	free(buf);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str whole = { 0 }, cut = { 0 };
	struct framing f = { 0 };
	struct err err;

	if (size < 3 || framing_parse(&f, names[data[0] % (sizeof(names) / sizeof(*names))], &err))
		return 0;
	if (!f.size)
		f.max = data[1];
	if (feed(&f, data + 3, size - 3, size, &whole) !=
		    feed(&f, data + 3, size - 3, 1 + data[2], &cut) ||
	    whole.len != cut.len || (whole.len && memcmp(whole.data, cut.data, whole.len) != 0))
		abort();
	str_done(&whole);
	str_done(&cut);
	return 0;
}
