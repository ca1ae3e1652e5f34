/* json_escape.c - text as JSON, see json_escape.h */
#include "base/json_escape.h"

#include <string.h>

/* Length of the UTF-8 character at @p, 0 if there is none (RFC 3629). */
static size_t utf8_len(const unsigned char *p)
{
	size_t len = *p < 0x80 ? 1 : *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2;

	if (len > 1 && (*p < 0xc2 || *p > 0xf4))
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

/* The character at @p as JSON wants it, into @out; returns its length there. */
static size_t one(char out[6], const unsigned char *p, size_t len)
{
	static const char hex[] = "0123456789abcdef";

	if (!len) {
		memcpy(out, "\\ufffd", 6);
		return 6;
	}
	if (*p == '"' || *p == '\\') {
		out[0] = '\\';
		out[1] = (char)*p;
		return 2;
	}
	if (*p < ' ' || *p == 0x7f) {
		memcpy(out, "\\u00", 4);
		out[4] = hex[*p >> 4];
		out[5] = hex[*p & 15];
		return 6;
	}
	memcpy(out, p, len);
	return len;
}

size_t json_escape(char *buf, size_t cap, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t n = 0;

	while (*p) {
		size_t len = utf8_len(p);
		char out[6];
		size_t written = one(out, p, len);

		if (written > cap - n)
			break;
		memcpy(buf + n, out, written);
		n += written;
		p += len ? len : 1;
	}
	return n;
}
