/* http_head.c - the head of an HTTP message, line by line, see http_head.h */
#include "wire/http_head.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

/* One byte of a line. What is kept is for people: a terminal must not obey it. */
static int put(struct http_head *h, unsigned char c, struct err *err)
{
	if (h->len >= HTTP_LINE_MAX || h->total >= HTTP_HEAD_MAX)
		return err_set(err, 0, "proxy answer exceeds %d bytes, aborting",
			       h->len >= HTTP_LINE_MAX ? HTTP_LINE_MAX : HTTP_HEAD_MAX);
	h->total++;
	h->line[h->len++] = (char)(c == '\t' ? ' ' : c < ' ' || c == 127 ? '?' : c);
	return 0;
}

enum http_event http_head_feed(struct http_head *h, const char *data, size_t len, size_t *used,
			       struct err *err)
{
	for (*used = 0; *used < len;) {
		unsigned char c = (unsigned char)data[(*used)++];
		size_t text;

		if (put(h, c, err) == -1)
			return HTTP_BAD;
		if (c != '\n') {
			h->cr = c == '\r';
			continue;
		}
		if (!h->cr && !h->bare) {
			err_set(err, 0,
				"proxy: a line of the answer ends with a bare newline (see option "
				"ignorecr)");
			return HTTP_BAD;
		}
		text = h->len - (h->cr ? 2 : 1);
		h->line[text] = '\0';
		h->len = 0;
		h->cr = false;
		return text ? HTTP_LINE : HTTP_END;
	}
	return HTTP_MORE;
}

int http_status(const char *line, const char **reason)
{
	int code = 0;

	if (strncmp(line, "HTTP/1.", 7) != 0 || !isdigit((unsigned char)line[7]) || line[8] != ' ')
		return -1;
	line += 8 + strspn(line + 8, " "); /* one blank, says RFC 9112; some send more */
	for (int i = 0; i < 3; i++, line++) {
		if (!isdigit((unsigned char)*line))
			return -1;
		code = code * 10 + (*line - '0');
	}
	if ((*line && *line != ' ') || code < 100)
		return -1;
	*reason = line + strspn(line, " ");
	return code;
}

/* The version behind a request's target: "HTTP/1.", a digit, the end. */
static bool is_version(const char *text)
{
	return strncmp(text, "HTTP/1.", 7) == 0 && isdigit((unsigned char)text[7]) && !text[8];
}

int http_request_parse(struct http_request *r, const char *line)
{
	const char *end = strchr(line, ' ');

	if (!end || end == line)
		return -1;
	r->method = line;
	r->method_len = (size_t)(end - line);
	r->target = end + 1;
	end = strchr(r->target, ' ');
	if (!end || *r->target != '/' || !is_version(end + 1))
		return -1;
	r->target_len = strcspn(r->target, "? ");
	return 0;
}

void http_base64(struct str *out, const void *data, size_t len)
{
	static const char digit[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *in = data;

	for (; len; in += 3) {
		size_t n = len < 3 ? len : 3;
		uint32_t word = (uint32_t)in[0] << 16 | (n > 1 ? (uint32_t)in[1] << 8 : 0) |
				(n > 2 ? in[2] : 0);

		for (size_t i = 0; i < 4; i++)
			str_addc(out, i <= n ? digit[word >> (18 - 6 * i) & 63] : '=');
		len -= n;
	}
}
