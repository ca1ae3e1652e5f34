/* filter.h - what looks at or changes the bytes of a flow
 *
 * Escape character, newlines behind datagrams, line terminator conversion, dumps (-v, -x) and raw
 * dump files (-r, -R), in this order. A flow without any of them has no filters and may take a path
 * that never sees the bytes.
 */
#ifndef FLOW_FILTER_H
#define FLOW_FILTER_H

#include "base/err.h"
#include "base/str.h"
#include "end/plan.h"
#include "opt/opt.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct filters {
	enum eol from, to;
	int64_t escape; /* byte, or -1 */
	bool escaped; /* it was seen: the source is at its end */
	bool newline; /* each block is a datagram, and gets a line terminator if it has none */
	bool dump_text, dump_hex;
	bool patient; /* dumps wait for their reader: there is no other session */
	char mark; /* '>' left to right, '<' */
	uint64_t offset; /* bytes dumped so far */
	int sniff_fd; /* -1: none */
	const char *sniff_flag; /* "-r", "-R" */
	struct str line; /* a datagram with its new terminator */
	struct str scratch; /* converted bytes */
};

/* Why somebody has to see the bytes of a direction, in words, or NULL: then it has no filters.
 * @borders: its source delivers datagrams. */
const char *filters_why(const struct settings *set, const struct conf *src, const struct conf *dst,
			bool from_left, bool borders);

/* The filters that a direction needs, or NULL if it needs none. Opens the raw dump file ('option -r
 * "FILE": No such file or directory' in @err and -1 in *@rc). */
struct filters *filters_new(const struct settings *set, const struct conf *src,
			    const struct conf *dst, bool from_left, bool borders, int *rc,
			    struct err *err);
void filters_free(struct filters *fs);

/* Run one block through. @data and @len are replaced by what is to be written, which lives until
 * the next call; it may be empty. */
void filters_apply(struct filters *fs, const uint8_t **data, size_t *len);

/* Expand $NAME, ${NAME}, $$, $PROGNAME, $TIMESTAMP, $MICROS, \$ in the name of a raw dump file;
 * the caller frees. @now_us: microseconds since the epoch. */
char *sniff_name(const char *pattern, int64_t now_us);

/* Append @data to @out, with the terminator of @eol behind it unless it ends with one. */
void eol_complete(enum eol eol, const uint8_t *data, size_t len, struct str *out);

/* Translate line terminators of @data from style to style, appending to @out. Stateless. */
void eol_convert(enum eol from, enum eol to, const uint8_t *data, size_t len, struct str *out);

/* Append the dump of a block as -v, -x or both print it, header line included. */
void dump_format(struct str *out, char mark, bool text, bool hex, const uint8_t *data, size_t len,
		 uint64_t offset, int64_t now_us);

#endif
