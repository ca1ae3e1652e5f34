/* json_escape.c - text as JSON, see json_escape.h */
#include "base/json_escape.h"

#include "base/escape.h"

#include <string.h>

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
	if (utf8_is_deceptive(p, len)) {
		unsigned code = len == 2 ? (p[0] & 31u) << 6 | (p[1] & 63u)
					 : (p[0] & 15u) << 12 | (p[1] & 63u) << 6 | (p[2] & 63u);

		memcpy(out, "\\u", 2);
		for (int i = 0; i < 4; i++)
			out[2 + i] = hex[code >> (12 - 4 * i) & 15];
		return 6;
	}
	if (len == 2 && p[0] == 0xc2 && p[1] < 0xa0) /* U+0080 to U+009F */
		p++;
	if (*p < ' ' || (*p >= 0x7f && *p < 0xa0)) {
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
	size_t left = strlen(text), n = 0;

	while (*p) {
		size_t len = utf8_len(p, left);
		char out[6];
		size_t written = one(out, p, len);

		if (written > cap - n)
			break;
		memcpy(buf + n, out, written);
		n += written;
		p += len ? len : 1;
		left -= len ? len : 1;
	}
	return n;
}
