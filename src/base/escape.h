/* escape.h - foreign text that people, terminals and scripts can take
 *
 * Whatever a peer can write into a record, a variable or a message passes through here, so that it
 * cannot move a cursor, begin a line, or be cut short. Control characters become what C writes for
 * them (\n, \x1B), also those of the second set (U+0080 to U+009F, which terminals obey too) and
 * NUL, and those that change where others are shown (U+202E and its kind, line separators, U+FEFF);
 * all other characters stay as they are. Escaped text is not changed by escaping it again. */
#ifndef BASE_ESCAPE_H
#define BASE_ESCAPE_H

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

#define ESCAPE_BYTE_MAX 4 /* bytes of "\xFF" */

/* Write @c as an escape into @out: "\n", "\0", "\xFF". Returns its length. */
size_t escape_byte(char out[ESCAPE_BYTE_MAX], unsigned char c);

/* Write the @len bytes at @data into @buf, at most @cap bytes, no character in part and no NUL.
 * Returns how many were written. Touches nothing else: fit for signal handlers. */
size_t escape_text(char *buf, size_t cap, const void *data, size_t len);

/* Append them to @out, without limit. */
void escape_add(struct str *out, const void *data, size_t len);

/* The UTF-8 character at @p, of @len bytes, is not seen itself but changes how others are: it turns
 * their direction, hides between them, or begins a line. */
bool utf8_is_deceptive(const unsigned char *p, size_t len);

/* Length of the UTF-8 character at @p, of which @left bytes are there; 0 if it is none (RFC 3629).
 */
size_t utf8_len(const unsigned char *p, size_t left);

#endif
