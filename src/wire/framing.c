/* framing.c - borders of datagrams in a stream of bytes, see framing.h
 *
 * Length in front: u16 and u32 (big endian), varint (LEB128, the low seven bits first), netstring
 * ("5:hello,", D. J. Bernstein), fixed. Delimiter behind: line (LF, and a CR in front of it is
 * taken for part of it), nul, slip (RFC 1055), cobs ("Consistent Overhead Byte Stuffing", Cheshire
 * and Baker, 1999). The last two say every datagram, because they change its bytes, and find the
 * next border when some have been lost or changed, as on serial lines. */
#include "wire/framing.h"

#include "base/list.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct framing_format {
	const char *name;
	bool has_size; /* "=N" belongs to it */
	/* As framing_refuses(), beside the length; NULL: it takes all. */
	const char *(*refuses)(const struct framing *f, const uint8_t *data, size_t len);
	size_t (*room)(const struct framing *f, size_t len);
	size_t (*put)(const struct framing *f, uint8_t *out, const uint8_t *data, size_t len);
	enum frame_result (*take)(const struct framing *f, uint8_t *buf, size_t len, size_t *seen,
				  struct frame *frame, struct err *err);
};

static enum frame_result whole(struct frame *frame, uint8_t *data, size_t len, size_t used)
{
	*frame = (struct frame){ data, len, used };
	return FRAME_WHOLE;
}

static enum frame_result noise(struct frame *frame, size_t used)
{
	*frame = (struct frame){ .used = used };
	return FRAME_NOISE;
}

/* No border in all of them: what comes behind is looked for anew. */
static enum frame_result drop_all(size_t len, size_t *seen, struct frame *frame)
{
	*seen = 0;
	return noise(frame, len);
}

static enum frame_result too_long(const struct framing *f, size_t at, struct frame *frame,
				  struct err *err)
{
	*frame = (struct frame){ .used = at };
	err_set(err, 0, "a frame is longer than %zu bytes (option frames-max)", f->max);
	return FRAME_WRONG;
}

/* A datagram of @n bytes begins at @at. */
static enum frame_result behind_length(const struct framing *f, uint8_t *buf, size_t len, size_t at,
				       uint64_t n, struct frame *frame, struct err *err)
{
	if (n > f->max)
		return too_long(f, 0, frame, err);
	return len - at < n ? FRAME_MORE : whole(frame, buf + at, (size_t)n, at + (size_t)n);
}

/* ---- u16, u32 ---- */

static size_t room_u16(const struct framing *f, size_t len)
{
	(void)f;
	return 2 + len;
}

static const char *refuses_u16(const struct framing *f, const uint8_t *data, size_t len)
{
	(void)f;
	(void)data;
	return len > UINT16_MAX ? "it is longer than a length of two bytes can say" : NULL;
}

static size_t put_u16(const struct framing *f, uint8_t *out, const uint8_t *data, size_t len)
{
	(void)f;
	out[0] = (uint8_t)(len >> 8);
	out[1] = (uint8_t)len;
	memcpy(out + 2, data, len);
	return 2 + len;
}

static enum frame_result take_u16(const struct framing *f, uint8_t *buf, size_t len, size_t *seen,
				  struct frame *frame, struct err *err)
{
	(void)seen;
	if (len < 2)
		return FRAME_MORE;
	return behind_length(f, buf, len, 2, (uint64_t)buf[0] << 8 | buf[1], frame, err);
}

static size_t room_u32(const struct framing *f, size_t len)
{
	(void)f;
	return 4 + len;
}

static size_t put_u32(const struct framing *f, uint8_t *out, const uint8_t *data, size_t len)
{
	(void)f;
	for (size_t i = 0; i < 4; i++)
		out[i] = (uint8_t)(len >> (24 - 8 * i));
	memcpy(out + 4, data, len);
	return 4 + len;
}

static enum frame_result take_u32(const struct framing *f, uint8_t *buf, size_t len, size_t *seen,
				  struct frame *frame, struct err *err)
{
	uint64_t n = 0;

	(void)seen;
	if (len < 4)
		return FRAME_MORE;
	for (size_t i = 0; i < 4; i++)
		n = n << 8 | buf[i];
	return behind_length(f, buf, len, 4, n, frame, err);
}

/* ---- varint ---- */

#define VARINT_MAX 5 /* bytes of a length: 35 bits */

static size_t room_varint(const struct framing *f, size_t len)
{
	(void)f;
	return VARINT_MAX + len;
}

static size_t put_varint(const struct framing *f, uint8_t *out, const uint8_t *data, size_t len)
{
	size_t at = 0, rest = len;

	(void)f;
	for (; rest >= 0x80; rest >>= 7)
		out[at++] = (uint8_t)(rest | 0x80);
	out[at++] = (uint8_t)rest;
	memcpy(out + at, data, len);
	return at + len;
}

static enum frame_result take_varint(const struct framing *f, uint8_t *buf, size_t len,
				     size_t *seen, struct frame *frame, struct err *err)
{
	uint64_t n = 0;

	(void)seen;
	for (size_t at = 0; at < len && at < VARINT_MAX; at++) {
		n |= (uint64_t)(buf[at] & 0x7f) << (7 * at);
		if (!(buf[at] & 0x80))
			return behind_length(f, buf, len, at + 1, n, frame, err);
	}
	return len < VARINT_MAX ? FRAME_MORE : too_long(f, 0, frame, err);
}

/* ---- netstring ---- */

#define DIGITS_MAX 8 /* more than FRAMING_MAX has */

static size_t room_netstring(const struct framing *f, size_t len)
{
	(void)f;
	return DIGITS_MAX + 2 + len;
}

static size_t put_netstring(const struct framing *f, uint8_t *out, const uint8_t *data, size_t len)
{
	char head[DIGITS_MAX + 2];
	size_t at = (size_t)snprintf(head, sizeof(head), "%zu:", len);

	(void)f;
	memcpy(out, head, at);
	memcpy(out + at, data, len);
	out[at + len] = ',';
	return at + len + 1;
}

static enum frame_result no_netstring(size_t at, const char *what, uint8_t is, struct frame *frame,
				      struct err *err)
{
	char text[8];

	*frame = (struct frame){ .used = at };
	snprintf(text, sizeof(text), is > ' ' && is < 0x7f ? "'%c'" : "0x%02x", is);
	err_set(err, 0, "%s is %s of a netstring", text, what);
	return FRAME_WRONG;
}

static enum frame_result take_netstring(const struct framing *f, uint8_t *buf, size_t len,
					size_t *seen, struct frame *frame, struct err *err)
{
	size_t at = 0;
	uint64_t n = 0;
	enum frame_result r;

	(void)seen;
	for (; at < len && buf[at] >= '0' && buf[at] <= '9'; at++) {
		if (at == 1 && buf[0] == '0')
			return no_netstring(at, "no end of the length", buf[at], frame, err);
		n = n * 10 + (buf[at] - '0');
		if (n > f->max)
			return too_long(f, 0, frame, err);
	}
	if (at == len)
		return FRAME_MORE;
	if (at == 0 || buf[at] != ':')
		return no_netstring(at, at ? "no end of the length" : "no length", buf[at], frame,
				    err);
	r = behind_length(f, buf, len, at + 1, n, frame, err);
	if (r != FRAME_WHOLE)
		return r;
	if (frame->used == len)
		return FRAME_MORE;
	if (buf[frame->used] != ',')
		return no_netstring(frame->used, "no end", buf[frame->used], frame, err);
	frame->used++;
	return FRAME_WHOLE;
}

/* ---- fixed ---- */

static const char *refuses_fixed(const struct framing *f, const uint8_t *data, size_t len)
{
	(void)data;
	return len != f->size ? "its length is not that of the others" : NULL;
}

static size_t room_fixed(const struct framing *f, size_t len)
{
	(void)f;
	return len;
}

static size_t put_fixed(const struct framing *f, uint8_t *out, const uint8_t *data, size_t len)
{
	(void)f;
	memcpy(out, data, len);
	return len;
}

static enum frame_result take_fixed(const struct framing *f, uint8_t *buf, size_t len, size_t *seen,
				    struct frame *frame, struct err *err)
{
	(void)seen;
	return behind_length(f, buf, len, 0, f->size, frame, err);
}

/* ---- line, nul ---- */

static const char *refuses_line(const struct framing *f, const uint8_t *data, size_t len)
{
	(void)f;
	if (len && memchr(data, '\n', len))
		return "it has more than one line";
	return len && data[len - 1] == '\r' ? "the CR at its end would be part of the line's"
					    : NULL;
}

static const char *refuses_nul(const struct framing *f, const uint8_t *data, size_t len)
{
	(void)f;
	return len && memchr(data, 0, len) ? "it holds a NUL" : NULL;
}

static size_t room_delimited(const struct framing *f, size_t len)
{
	(void)f;
	return len + 2;
}

static size_t put_delimited(uint8_t *out, const uint8_t *data, size_t len, uint8_t delimiter)
{
	memcpy(out, data, len);
	out[len] = delimiter;
	return len + 1;
}

static size_t put_line(const struct framing *f, uint8_t *out, const uint8_t *data, size_t len)
{
	(void)f;
	return put_delimited(out, data, len, '\n');
}

static size_t put_nul(const struct framing *f, uint8_t *out, const uint8_t *data, size_t len)
{
	(void)f;
	return put_delimited(out, data, len, 0);
}

/* Where @delimiter is, or NULL. What has been searched is not searched again. */
static uint8_t *find(uint8_t *buf, size_t len, size_t *seen, uint8_t delimiter)
{
	uint8_t *end = memchr(buf + *seen, delimiter, len - *seen);

	*seen = end ? 0 : len;
	return end;
}

static enum frame_result take_line(const struct framing *f, uint8_t *buf, size_t len, size_t *seen,
				   struct frame *frame, struct err *err)
{
	uint8_t *end = find(buf, len, seen, '\n');
	size_t n = end ? (size_t)(end - buf) : len;
	size_t used = n + 1;

	if (n && buf[n - 1] == '\r' && (end || n == f->max + 1))
		n--;
	if (n > f->max)
		return too_long(f, 0, frame, err);
	return end ? whole(frame, buf, n, used) : FRAME_MORE;
}

static enum frame_result take_nul(const struct framing *f, uint8_t *buf, size_t len, size_t *seen,
				  struct frame *frame, struct err *err)
{
	uint8_t *end = find(buf, len, seen, 0);
	size_t n = end ? (size_t)(end - buf) : len;

	if (n > f->max)
		return too_long(f, 0, frame, err);
	return end ? whole(frame, buf, n, n + 1) : FRAME_MORE;
}

/* ---- slip ---- */

enum { SLIP_END = 0xc0, SLIP_ESC = 0xdb, SLIP_ESC_END = 0xdc, SLIP_ESC_ESC = 0xdd };

static const char *refuses_slip(const struct framing *f, const uint8_t *data, size_t len)
{
	(void)f;
	(void)data;
	return len ? NULL : "it is empty, and slip has no word for that";
}

static size_t room_slip(const struct framing *f, size_t len)
{
	(void)f;
	return 2 * len + 2;
}

/* An END in front, too: it ends what noise there is on the line. */
static size_t put_slip(const struct framing *f, uint8_t *out, const uint8_t *data, size_t len)
{
	uint8_t *to = out;

	(void)f;
	*to++ = SLIP_END;
	for (size_t i = 0; i < len; i++) {
		if (data[i] == SLIP_END || data[i] == SLIP_ESC) {
			*to++ = SLIP_ESC;
			*to++ = data[i] == SLIP_END ? SLIP_ESC_END : SLIP_ESC_ESC;
		} else {
			*to++ = data[i];
		}
	}
	*to++ = SLIP_END;
	return (size_t)(to - out);
}

/* Behind ESC anything but the two is left as it is (RFC 1055). */
static size_t decode_slip(uint8_t *data, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		uint8_t c = data[i];

		if (c == SLIP_ESC && i + 1 < len) {
			c = data[++i];
			c = c == SLIP_ESC_END ? SLIP_END : c == SLIP_ESC_ESC ? SLIP_ESC : c;
		}
		data[n++] = c;
	}
	return n;
}

static enum frame_result take_slip(const struct framing *f, uint8_t *buf, size_t len, size_t *seen,
				   struct frame *frame, struct err *err)
{
	uint8_t *end = find(buf, len, seen, SLIP_END);
	size_t n = end ? (size_t)(end - buf) : len;
	size_t used = n + 1;

	(void)err;
	if (!end)
		return n < 2 * f->max + 2 ? FRAME_MORE : drop_all(n, seen, frame);
	if (!n)
		return noise(frame, used);
	n = decode_slip(buf, n);
	return n <= f->max ? whole(frame, buf, n, used) : noise(frame, used);
}

/* ---- cobs ---- */

#define COBS_RUN 254 /* bytes without a zero that one code can announce */

static size_t room_cobs(const struct framing *f, size_t len)
{
	(void)f;
	return len + len / COBS_RUN + 2;
}

static size_t put_cobs(const struct framing *f, uint8_t *out, const uint8_t *data, size_t len)
{
	uint8_t *code = out, *to = out + 1;

	(void)f;
	for (size_t i = 0; i < len; i++) {
		if (data[i])
			*to++ = data[i];
		if (!data[i] || (to - code == COBS_RUN + 1 && i + 1 < len)) {
			*code = (uint8_t)(to - code);
			code = to++;
		}
	}
	*code = (uint8_t)(to - code);
	*to++ = 0;
	return (size_t)(to - out);
}

/* False: a code points behind the end. */
static bool decode_cobs(uint8_t *data, size_t len, size_t *n)
{
	size_t at = 0, to = 0;

	while (at < len) {
		size_t run = (size_t)data[at++] - 1;

		if (run > len - at)
			return false;
		memmove(data + to, data + at, run);
		at += run;
		to += run;
		if (run < COBS_RUN && at < len)
			data[to++] = 0;
	}
	*n = to;
	return true;
}

static enum frame_result take_cobs(const struct framing *f, uint8_t *buf, size_t len, size_t *seen,
				   struct frame *frame, struct err *err)
{
	uint8_t *end = find(buf, len, seen, 0);
	size_t n = end ? (size_t)(end - buf) : len;
	size_t used = n + 1;

	(void)err;
	if (!end)
		return n < room_cobs(f, f->max) ? FRAME_MORE : drop_all(n, seen, frame);
	if (!n || !decode_cobs(buf, n, &n) || n > f->max)
		return noise(frame, used);
	return whole(frame, buf, n, used);
}

/* ---- all of them ---- */

/* clang-format off */
static const struct framing_format formats[] = {
	{ "u16", false, refuses_u16, room_u16, put_u16, take_u16 },
	{ "u32", false, NULL, room_u32, put_u32, take_u32 },
	{ "varint", false, NULL, room_varint, put_varint, take_varint },
	{ "line", false, refuses_line, room_delimited, put_line, take_line },
	{ "nul", false, refuses_nul, room_delimited, put_nul, take_nul },
	{ "slip", false, refuses_slip, room_slip, put_slip, take_slip },
	{ "cobs", false, NULL, room_cobs, put_cobs, take_cobs },
	{ "netstring", false, NULL, room_netstring, put_netstring, take_netstring },
	{ "fixed", true, refuses_fixed, room_fixed, put_fixed, take_fixed },
};
/* clang-format on */

const char *framing_names(void)
{
	return "u16, u32, varint, line, nul, slip, cobs, netstring, fixed=N";
}

static int parse_size(struct framing *f, const char *text, struct err *err)
{
	int64_t n;

	if (num_parse(text, &n, NULL) != NUM_OK || n < 1 || n > FRAMING_MAX)
		return err_set(err, 0, "fixed=%s: the bytes of each datagram, 1 to %d", text,
			       FRAMING_MAX);
	f->size = (size_t)n;
	return 0;
}

int framing_parse(struct framing *f, const char *text, struct err *err)
{
	size_t len = strcspn(text, "=");
	const char *size = text[len] ? text + len + 1 : NULL;

	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		const struct framing_format *row = &formats[i];

		if (strlen(row->name) != len || strncmp(row->name, text, len) != 0 ||
		    row->has_size != (size != NULL))
			continue;
		f->format = row;
		f->max = f->max ? f->max : FRAMING_MAX;
		if (!size)
			return 0;
		if (parse_size(f, size, err) == -1)
			return -1;
		f->max = f->size;
		return 0;
	}
	return err_set(err, 0, "\"%s\" is no format of frames: %s", text, framing_names());
}

const char *framing_refuses(const struct framing *f, const void *data, size_t len)
{
	if (len > f->max)
		return "it is longer than option frames-max allows";
	return f->format->refuses ? f->format->refuses(f, data, len) : NULL;
}

size_t framing_room(const struct framing *f, size_t len)
{
	return f->format->room(f, len);
}

size_t framing_put(const struct framing *f, uint8_t *out, const void *data, size_t len)
{
	return f->format->put(f, out, data, len);
}

enum frame_result framing_take(const struct framing *f, uint8_t *buf, size_t len, size_t *seen,
			       struct frame *frame, struct err *err)
{
	return f->format->take(f, buf, len, seen, frame, err);
}
