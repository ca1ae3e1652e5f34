/* http_head.h - the head of an HTTP message, line by line, and what is needed to ask for one
 *
 * The parser is fed pieces of any length and takes from them no byte behind the head. Lines and
 * their number are bounded, so that a hostile peer gains nothing by talking on.
 * Source: RFC 9112 sections 2 and 4. */
#ifndef WIRE_HTTP_HEAD_H
#define WIRE_HTTP_HEAD_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

#define HTTP_LINE_MAX 2048 /* bytes of a line with its end */
#define HTTP_HEAD_MAX (64 << 10) /* bytes of the whole head */

/* Zero-initialise, then set @bare. */
struct http_head {
	bool bare; /* lines may end with LF alone */
	bool cr; /* the last byte of the line so far is CR */
	char line[HTTP_LINE_MAX + 1]; /* text with NUL, control characters as '?' */
	size_t len; /* bytes of the line so far */
	size_t total; /* bytes of the head so far */
};

enum http_event {
	HTTP_MORE, /* all of the piece is taken */
	HTTP_LINE, /* a line is complete: it stands in h->line, without its end */
	HTTP_END, /* the empty line: what follows is not the head's */
	HTTP_BAD, /* @err says why */
};

/* Take bytes of @data up to the end of a line; *@used gets how many of @len. */
enum http_event http_head_feed(struct http_head *h, const char *data, size_t len, size_t *used,
			       struct err *err);

/* The status code (100 to 999) of the status line @line of HTTP 1, or -1 if it is none; *@reason is
 * set to the text behind it, "" if there is none. */
int http_status(const char *line, const char **reason);

/* A request line taken apart; the texts lie inside the line. */
struct http_request {
	const char *method, *target;
	size_t method_len, target_len; /* the target ends before its query */
};

/* Take apart the request line @line of HTTP 1, "GET /x?y HTTP/1.1". Returns 0, or -1 if it is none.
 * Source: RFC 9112 section 3; of the target only the form that names a path is taken. */
int http_request_parse(struct http_request *r, const char *line);

/* Append @len bytes of @data in base 64 (RFC 4648 section 4). */
void http_base64(struct str *out, const void *data, size_t len);

#endif
