/* seal_keys.c - the text of key files: hexadecimal digits or base64, a key a line */
#include "relay/seal.h"

#include <string.h>

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int base64_digit(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Digits of @bits each, the first one highest; bits that are left over must be zero. */
static bool decode(uint8_t *out, const char *text, size_t len, int (*digit)(char c), unsigned bits)
{
	unsigned held = 0, nheld = 0;
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		int d = digit(text[i]);

		if (d < 0)
			return false;
		held = held << bits | (unsigned)d;
		nheld += bits;
		if (nheld < 8)
			continue;
		nheld -= 8;
		out[n++] = (uint8_t)(held >> nheld);
		held &= (1U << nheld) - 1;
	}
	return n == SEAL_KEY && !held;
}

#define HEX_LEN ((size_t)2 * SEAL_KEY)
#define BASE64_LEN ((size_t)(SEAL_KEY * 8 + 5) / 6) /* without '=' */

static bool decode_key(uint8_t *out, const char *text, size_t len)
{
	if (len == HEX_LEN)
		return decode(out, text, len, hex_digit, 4);
	if (len == BASE64_LEN + 1 && text[len - 1] == '=')
		len--;
	return len == BASE64_LEN && decode(out, text, len, base64_digit, 6);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Cut a comment and the blanks around what is left. */
static void trim(const char **line, size_t *len)
{
	const char *comment = memchr(*line, '#', *len);

	if (comment)
		*len = (size_t)(comment - *line);
	while (*len && is_blank((*line)[*len - 1]))
		--*len;
	while (*len && is_blank(**line)) {
		++*line;
		--*len;
	}
}

ssize_t seal_parse_keys(uint8_t (*out)[SEAL_KEY], size_t max, const char *text, size_t len,
			const char *name, struct err *err)
{
	const char *end = text + len;
	size_t n = 0, number = 0;

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *line = text;
		size_t line_len = (size_t)((newline ? newline : end) - text);

		number++;
		text = newline ? newline + 1 : end;
		trim(&line, &line_len);
		if (!line_len)
			continue;
		if (n == max)
			return err_set(err, 0, "\"%s\" line %zu: more than %zu keys", name, number,
				       max);
		if (!decode_key(out[n], line, line_len))
			return err_set(err, 0,
				       "\"%s\" line %zu is no key: expected %zu hexadecimal digits "
				       "or %d bytes in base64; comments begin with #",
				       name, number, HEX_LEN, SEAL_KEY);
		n++;
	}
	if (!n)
		return err_set(err, 0, "\"%s\" has no key; make one: socast --keygen", name);
	return (ssize_t)n;
}
