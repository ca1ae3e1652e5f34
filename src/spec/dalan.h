/* dalan.h - the small data language of generic socket options and addresses
 *
 * A sequence of items: i I (int), l L (long), s S (short), b B (byte) with a decimal number, x with
 * hex digits, "text", 'c'. The last type letter stays in force; at the beginning it is i. Host byte
 * order, no padding. Rules: core specification 2.7. */
#ifndef SPEC_DALAN_H
#define SPEC_DALAN_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/* Translate @text into at most @cap bytes at @out. Returns the number of bytes, or -1 with @err:
 * 'data too long: "…"', or 'syntax error in "…"' where the text begins at the offending place and,
 * when there is more to say, ends with the reason: "syntax error in "x1": odd number of hexadecimal
 * digits". */
long dalan_parse(const char *text, uint8_t *out, size_t cap, struct err *err);

/* Append the bytes as an x item ("x0102"); nothing for no bytes. */
struct str;
void dalan_format(const uint8_t *data, size_t len, struct str *out);

#endif
