/* lex.c - tokens of the address language, see lex.h
 *
 * Quotes and brackets that are open are kept on an explicit stack, because nesting depth is up to
 * whoever wrote the address. */
#include "spec/lex.h"

#include <string.h>

const char lex_escape_letters[] = "abfnrtv";
const char lex_escape_bytes[] = "\a\b\f\n\r\t\v";

bool lex_at_end(const char *p, unsigned ends)
{
	switch (*p) {
	case '\0':
		return true;
	case '!':
		return (ends & END_DUAL) && p[1] == '!';
	case ',':
		return ends & END_COMMA;
	case ':':
		return ends & END_COLON;
	case '=':
		return ends & END_EQUALS;
	case ' ':
		return ends & END_BLANK;
	case ')':
		return ends & END_ROUND;
	case ']':
		return ends & END_SQUARE;
	}
	return false;
}

/* The character that closes what @c opens, or 0 when it opens nothing. */
static char closer_of(char c)
{
	switch (c) {
	case '\'':
	case '"':
		return c;
	case '(':
		return ')';
	case '[':
		return ']';
	case '{':
		return '}';
	}
	return 0;
}

static char unescape(char c)
{
	const char *at = strchr(lex_escape_letters, c);

	return at ? lex_escape_bytes[at - lex_escape_letters] : c;
}

/* The innermost open quote or bracket: what closes it, or 0 at the top. */
static char innermost(const struct str *open)
{
	return open->len ? open->data[open->len - 1] : 0;
}

/* Which result it is when the text ends while @open is. A bracket nobody closed is taken
 * literally, and so is what stands in it; quotes are only literal inside a bracket. */
static enum lex_result unfinished(const struct str *open)
{
	if (!open->len)
		return LEX_OK;
	return open->data[0] == '\'' || open->data[0] == '"' ? LEX_UNCLOSED : LEX_OPEN;
}

enum lex_result lex_token(const char **p, unsigned ends, struct str *out)
{
	struct str open = { 0 };
	enum lex_result rc = LEX_OK;
	bool truncated = false; /* a \0 was seen: the rest is read, not kept */
	size_t start = out->len;

	while (**p && !(open.len == 0 && lex_at_end(*p, ends))) {
		char c = *(*p)++, inner = innermost(&open);
		bool keep = true;

		if (c == '\\') {
			if (!**p)
				break;
			c = *(*p)++;
			truncated |= c == '0';
			c = unescape(c);
		} else if (inner && c == inner) {
			open.len--;
			/* An outermost quote vanishes, brackets and what they hold stay. */
			keep = open.len > 0 || (c != '"' && c != '\'');
		} else if (inner != '\'' && closer_of(c)) {
			keep = open.len > 0 || (c != '"' && c != '\'');
			str_addc(&open, closer_of(c));
		}
		if (!keep || truncated)
			continue;
		if (out->len - start == LEX_TOKEN_MAX) {
			rc = LEX_LONG;
			break;
		}
		str_addc(out, c);
	}
	if (rc == LEX_OK)
		rc = unfinished(&open);
	str_done(&open);
	return rc;
}

size_t lex_word_len(const char *p)
{
	return strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");
}

bool lex_like_layer(const char *p)
{
	char next = p[lex_word_len(p)];

	return next == '+' || next == '(' || next == '[';
}

char *lex_take(const char **p, unsigned ends, const char *text, const char *too_long,
	       const char *shown, struct err *err)
{
	struct str token = { 0 };
	enum lex_result rc = lex_token(p, ends, &token);

	if (rc == LEX_OK || rc == LEX_OPEN)
		return str_take(&token);
	str_done(&token);
	if (rc == LEX_UNCLOSED)
		err_set(err, 0, "unexpected end of address \"%s\"", text);
	else
		err_set(err, 0, too_long, shown);
	return NULL;
}
