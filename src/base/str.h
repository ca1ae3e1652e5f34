/* str.h - growable byte string and number parsing */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that grow. @data is always NUL terminated once anything was added (the NUL is not counted
 * in @len) and is owned by the string; zero-initialise before use. */
struct str {
	char *data;
	size_t len, cap; /* bytes */
};

void str_add(struct str *s, const void *data, size_t len);
void str_addc(struct str *s, char c);
void str_adds(struct str *s, const char *text);
void str_addf(struct str *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void str_addv(struct str *s, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

/* Make room for @len more bytes and return where they go; the caller adds to s->len itself. */
char *str_room(struct str *s, size_t len);

/* Free the bytes and make @s empty again. */
void str_done(struct str *s);

/* Return the bytes as an allocated C string which the caller owns, and make @s empty. */
char *str_take(struct str *s);

/* How parsing a number went. */
enum num_result {
	NUM_OK,
	NUM_MISSING, /* no digits where the number should begin */
	NUM_TRAILING, /* text behind the number; the value is valid */
	NUM_RANGE, /* does not fit; the value is clamped */
};

/* Base-0 integer as strtoul(3) reads it (0x hex, leading 0 octal, optional sign; negative numbers
 * wrap), from the beginning of @text. @end, if not NULL, gets the first byte behind it. */
enum num_result num_parse(const char *text, int64_t *out, const char **end);

/* As num_parse() in a fixed @base (8 for modes, 10 for ports). */
enum num_result num_parse_base(const char *text, int base, int64_t *out, const char **end);

/* Decimal seconds with fraction in strtod(3) syntax, perhaps with a unit behind it (ms, s, m, h),
 * as nanoseconds (rounded); what is longer than 126 years becomes that. */
enum num_result seconds_parse(const char *text, int64_t *out_ns);

#define NSEC_PER_SEC 1000000000LL
#define NSEC_PER_MSEC 1000000LL
#define NSEC_PER_USEC 1000LL

#endif
