/* framing.h - borders of datagrams in a stream of bytes
 *
 * A frame is a datagram with what tells its end: a length in front, or a delimiter behind. The
 * formats are rows (framing.c); each knows how to put a datagram into a frame and how to find the
 * next one in what has come. Nothing here reads or writes, and nothing is kept between calls. */
#ifndef WIRE_FRAMING_H
#define WIRE_FRAMING_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define FRAMING_MAX 65535 /* bytes of a datagram */

struct framing {
	const struct framing_format *format;
	size_t size; /* fixed: bytes of each datagram */
	size_t max; /* bytes of the longest one */
};

enum frame_result {
	FRAME_WHOLE, /* a datagram */
	FRAME_MORE, /* no end yet */
	FRAME_NOISE, /* bytes that are no frame, in a format that finds the next border again */
	FRAME_WRONG, /* what comes is no frame, and nothing behind it can be told apart */
};

struct frame {
	uint8_t *data; /* the datagram, within the buffer */
	size_t len;
	size_t used; /* bytes of the buffer, from its beginning, that are done with; WRONG: those
		      * that were all right */
};

/* "u16", "u32", "varint", "line", "nul", "slip", "cobs", "netstring", "fixed=N": the format of @f,
 * with max unless that is set. 0, or -1 with @err. */
int framing_parse(struct framing *f, const char *text, struct err *err);

/* The names of all formats, "u16, u32, ...", for sentences. */
const char *framing_names(void);

/* Why a datagram cannot be sent in this format, as the end of a sentence; NULL: it can. */
const char *framing_refuses(const struct framing *f, const void *data, size_t len);

/* Bytes that a frame of @len bytes takes at most. */
size_t framing_room(const struct framing *f, size_t len);

/* Write the frame of a datagram that is not refused to @out, which has framing_room(). Returns its
 * bytes. */
size_t framing_put(const struct framing *f, uint8_t *out, const void *data, size_t len);

/* Find the first frame in the @len bytes of @buf, which begin at a border. *@seen, 0 behind each
 * border, remembers between calls what has been looked at. WHOLE and NOISE: frame->used is where
 * the next one begins; slip and cobs are decoded in place. WRONG: @err says what is wrong. A caller
 * whose buffer holds framing_room(max) bytes never gets MORE for a full one. */
enum frame_result framing_take(const struct framing *f, uint8_t *buf, size_t len, size_t *seen,
			       struct frame *frame, struct err *err);

#endif
