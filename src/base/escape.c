/* escape.c - foreign text that people, terminals and scripts can take, see escape.h */
#include "base/escape.h"

#include <string.h>

size_t utf8_len(const unsigned char *p, size_t left)
{
	size_t len = *p < 0x80 ? 1 : *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2;

	if (len > left || (len > 1 && (*p < 0xc2 || *p > 0xf4)))
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

bool utf8_is_deceptive(const unsigned char *p, size_t len)
{
	if (len == 2)
		return p[0] == 0xd8 && p[1] == 0x9c; /* U+061C */
	if (len != 3)
		return false;
	if (p[0] == 0xef)
		return p[1] == 0xbb && p[2] == 0xbf; /* U+FEFF */
	if (p[0] != 0xe2)
		return false;
	if (p[1] == 0x80) /* U+200B to U+200F, U+2028 to U+202E */
		return (p[2] >= 0x8b && p[2] <= 0x8f) || (p[2] >= 0xa8 && p[2] <= 0xae);
	return p[1] == 0x81 && p[2] >= 0xa0 && p[2] <= 0xaf; /* U+2060 to U+206F */
}

size_t escape_byte(char out[ESCAPE_BYTE_MAX], unsigned char c)
{
	static const char bytes[] = "\0\a\b\t\n\v\f\r", letters[] = "0abtnvfr";
	static const char hex[] = "0123456789ABCDEF";
	const char *known = memchr(bytes, c, sizeof(bytes) - 1);

	out[0] = '\\';
	if (known) {
		out[1] = letters[known - bytes];
		return 2;
	}
	out[1] = 'x';
	out[2] = hex[c >> 4];
	out[3] = hex[c & 15];
	return 4;
}

/* The character at @p, of @left bytes, into @out; its length there. @used: its length here. */
static size_t one(char out[3 * ESCAPE_BYTE_MAX], const unsigned char *p, size_t left, size_t *used)
{
	size_t len = utf8_len(p, left);

	*used = len ? len : 1;
	if ((len == 2 && p[0] == 0xc2 && p[1] < 0xa0) || utf8_is_deceptive(p, len)) {
		size_t n = 0;

		for (size_t i = 0; i < len; i++)
			n += escape_byte(out + n, p[i]);
		return n;
	}
	if (*p < ' ' || *p == 0x7f || (!len && *p < 0xa0))
		return escape_byte(out, *p);
	memcpy(out, p, *used);
	return *used;
}

size_t escape_text(char *buf, size_t cap, const void *data, size_t len)
{
	const unsigned char *p = data;
	size_t n = 0;

	for (size_t i = 0, used; i < len; i += used) {
		char out[3 * ESCAPE_BYTE_MAX];
		size_t written = one(out, p + i, len - i, &used);

		if (written > cap - n)
			break;
		memcpy(buf + n, out, written);
		n += written;
	}
	return n;
}

void escape_add(struct str *s, const void *data, size_t len)
{
	const unsigned char *p = data;

	for (size_t i = 0, used; i < len; i += used) {
		char out[3 * ESCAPE_BYTE_MAX];

		str_add(s, out, one(out, p + i, len - i, &used));
	}
}
