/* dalan.c - the small data language of generic socket options and addresses, see dalan.h
 *
 * One pass, item by item. An item begins with a type character, or else has the type of the item
 * before it, which is "i" at the beginning. Only the type says how far an item goes: items need no
 * separator. */
#include "spec/dalan.h"

#include "base/str.h"

#include <stdbool.h>
#include <string.h>

/* What is being translated and where to. */
struct dalan {
	const char *text, *p; /* all of it, and where we are */
	uint8_t *out;
	size_t cap, len; /* bytes */
	struct err *err;
};

static int syntax_error(struct dalan *d, const char *at, const char *reason)
{
	return err_set(d->err, 0, "syntax error in \"%s\"%s%s", at, *reason ? ": " : "", reason);
}

static int emit(struct dalan *d, const void *data, size_t len)
{
	if (d->cap - d->len < len)
		return err_set(d->err, 0, "data too long: \"%s\"", d->text);
	memcpy(d->out + d->len, data, len);
	d->len += len;
	return 0;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Decimal number with optional sign, 0 without digits; excess high bits are cut. */
static int integer(struct dalan *d, char type)
{
	bool minus = *d->p == '-';
	unsigned long n = 0;
	unsigned u;
	unsigned short s;
	uint8_t b;

	if (*d->p == '-' || *d->p == '+')
		d->p++;
	while (is_digit(*d->p))
		n = n * 10 + (unsigned long)(*d->p++ - '0');
	if (minus)
		n = 0 - n;
	switch (type) {
	case 'l':
		return emit(d, &n, sizeof(n));
	case 's':
		s = (unsigned short)n;
		return emit(d, &s, sizeof(s));
	case 'b':
		b = (uint8_t)n;
		return emit(d, &b, sizeof(b));
	}
	u = (unsigned)n;
	return emit(d, &u, sizeof(u));
}

static int hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int hex(struct dalan *d, const char *item)
{
	for (; hex_value(*d->p) >= 0; d->p += 2) {
		uint8_t b;

		if (hex_value(d->p[1]) < 0)
			return syntax_error(d, item, "odd number of hexadecimal digits");
		b = (uint8_t)(hex_value(d->p[0]) * 16 + hex_value(d->p[1]));
		if (emit(d, &b, 1) == -1)
			return -1;
	}
	return 0;
}

/* The byte that a backslash and @c stand for. */
static char escaped(char c, bool zero)
{
	static const char letters[] = "nrtfbae", bytes[] = "\n\r\t\f\b\a\033";
	const char *at = c ? strchr(letters, c) : NULL;

	if (c == '0' && zero)
		return '\0';
	return at ? bytes[at - letters] : c;
}

static int string(struct dalan *d, const char *item)
{
	while (*d->p != '"') {
		char c = *d->p;

		if (c == '\\') {
			c = *++d->p;
			if (c == '\n')
				return syntax_error(d, item, "continuation line not implemented");
			c = escaped(c, true);
		}
		if (!*d->p)
			return syntax_error(d, item, "unterminated string");
		d->p++;
		if (emit(d, &c, 1) == -1)
			return -1;
	}
	d->p++;
	return 0;
}

static int character(struct dalan *d, const char *item)
{
	char c = *d->p;

	if (c == '\'')
		return syntax_error(d, item, "error in character");
	if (c == '\\') {
		c = *++d->p;
		if (c == '\n')
			return syntax_error(d, item, "continuation line not implemented");
		c = escaped(c, false);
	}
	if (!*d->p)
		return syntax_error(d, item, "unterminated character");
	if (*++d->p != '\'')
		return syntax_error(d, item, "error in character termination");
	d->p++;
	return emit(d, &c, 1);
}

/* One item of @type; d->p is behind the type character if @typed. */
static int parse_item(struct dalan *d, char type, bool typed)
{
	const char *item = typed ? d->p - 1 : d->p;

	if (!typed &&
	    (type == 'x' ? hex_value(*item) < 0 : !is_digit(*item) && *item != '-' && *item != '+'))
		return syntax_error(d, item, "");
	switch (type) {
	case 'x':
		return hex(d, item);
	case '"':
		/* An untyped item behind a text has no opening quote. */
		return typed ? string(d, item) : syntax_error(d, item, "unterminated string");
	case '\'':
		return typed ? character(d, item)
			     : syntax_error(d, item, "error in character termination");
	}
	return integer(d, type);
}

long dalan_parse(const char *text, uint8_t *out, size_t cap, struct err *err)
{
	struct dalan d = { .text = text, .p = text, .out = out, .cap = cap, .err = err };
	char type = 'i';

	for (;;) {
		bool typed;

		d.p += strspn(d.p, " \t\r\n");
		if (!*d.p)
			return (long)d.len;
		typed = strchr("iIlLsSbBx\"'", *d.p);
		if (typed) {
			type = *d.p++;
			if (type < 'a' && type >= 'A')
				type |= 0x20; /* signedness makes no difference to the bytes */
		}
		if (parse_item(&d, type, typed) == -1)
			return -1;
	}
}

void dalan_format(const uint8_t *data, size_t len, struct str *out)
{
	if (len)
		str_addc(out, 'x');
	for (size_t i = 0; i < len; i++)
		str_addf(out, "%02x", data[i]);
}
