/* str.c - growable byte string and number parsing, see str.h */
#include "base/str.h"

#include "base/list.h"
#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *str_room(struct str *s, size_t len)
{
	if (s->cap - s->len < len + 1) {
		size_t cap = s->cap ? s->cap : 64;

		while (cap - s->len < len + 1)
			cap *= 2;
		s->data = xrealloc(s->data, cap);
		s->cap = cap;
	}
	return s->data + s->len;
}

void str_add(struct str *s, const void *data, size_t len)
{
	char *to = str_room(s, len);

	if (len)
		memcpy(to, data, len);
	s->len += len;
	s->data[s->len] = '\0';
}

void str_addc(struct str *s, char c)
{
	str_add(s, &c, 1);
}

void str_adds(struct str *s, const char *text)
{
	str_add(s, text, strlen(text));
}

void str_addv(struct str *s, const char *fmt, va_list ap)
{
	char small[256];
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(small, sizeof(small), fmt, ap);
	if (n >= 0 && (size_t)n < sizeof(small)) {
		str_add(s, small, (size_t)n);
	} else if (n >= 0) {
		vsnprintf(str_room(s, (size_t)n), (size_t)n + 1, fmt, again);
		s->len += (size_t)n;
	}
	va_end(again);
}

void str_addf(struct str *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	str_addv(s, fmt, ap);
	va_end(ap);
}

void str_done(struct str *s)
{
	free(s->data);
	*s = (struct str){ 0 };
}

char *str_take(struct str *s)
{
	char *data = s->data ? s->data : xstrdup("");

	*s = (struct str){ 0 };
	return data;
}

enum num_result num_parse_base(const char *text, int base, int64_t *out, const char **end)
{
	char *stop;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &stop, base);
	*out = (int64_t)n;
	if (end)
		*end = stop;
	if (stop == text)
		return NUM_MISSING;
	if (errno == ERANGE)
		return NUM_RANGE;
	return *stop ? NUM_TRAILING : NUM_OK;
}

enum num_result num_parse(const char *text, int64_t *out, const char **end)
{
	return num_parse_base(text, 0, out, end);
}

#define SECONDS_MAX 4e9 /* 126 years: two such times can be added in nanoseconds */

/* A unit of time at the end of a number: @d becomes seconds. Returns its length, 0: there is none.
 */
static size_t read_unit(const char *text, double *d)
{
	static const struct {
		const char *name;
		double seconds;
	} units[] = { { "ms", 0.001 }, { "s", 1 }, { "m", 60 }, { "h", 3600 } };

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (strcmp(text, units[i].name) != 0)
			continue;
		*d *= units[i].seconds;
		return strlen(text);
	}
	return 0;
}

enum num_result seconds_parse(const char *text, int64_t *out_ns)
{
	char *stop;
	double d;

	errno = 0;
	d = strtod(text, &stop);
	*out_ns = 0;
	if (stop == text)
		return NUM_MISSING;
	if (errno == ERANGE || !isfinite(d)) {
		*out_ns = d < 0 ? INT64_MIN : INT64_MAX;
		return NUM_RANGE;
	}
	stop += read_unit(stop, &d);
	d = d > SECONDS_MAX ? SECONDS_MAX : d < -SECONDS_MAX ? -SECONDS_MAX : d;
	*out_ns = (int64_t)(d * 1e9 + (d < 0 ? -0.5 : 0.5));
	return *stop ? NUM_TRAILING : NUM_OK;
}
