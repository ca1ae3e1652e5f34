/* spec.c - the address language, see spec.h
 *
 * One lexer serves keywords, parameters, option names, option values and the words of a command
 * line; they only differ in what ends them. Quotes and brackets that are open are kept on an
 * explicit stack, because nesting depth is up to whoever wrote the address. The formatter asks the
 * same lexer whether a text may stand as it is, so the two cannot drift apart. What keywords and
 * options mean belongs to addr/ and opt/. */
#include "spec/spec.h"

#include "base/list.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* What ends a token, besides the end of the text. */
enum {
	END_DUAL = 1, /* !! */
	END_COMMA = 2,
	END_COLON = 4,
	END_EQUALS = 8,
	END_BLANK = 16,

	END_PARAM = END_DUAL | END_COMMA | END_COLON,
	END_NAME = END_DUAL | END_COMMA | END_EQUALS,
	END_VALUE = END_DUAL | END_COMMA,
};

enum lex_result {
	LEX_OK,
	LEX_OPEN, /* ended inside a bracket, which then was meant literally */
	LEX_UNCLOSED, /* ended inside a quote */
	LEX_LONG, /* more than SPEC_TOKEN_MAX bytes */
};

/* \0 is not here: it ends the token. */
static const char escape_letters[] = "abfnrtv";
static const char escape_bytes[] = "\a\b\f\n\r\t\v";

static bool at_end(const char *p, unsigned ends)
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
	const char *at = strchr(escape_letters, c);

	return at ? escape_bytes[at - escape_letters] : c;
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

/* Take one token from *@p, which moves to what ended it, and append its meaning to @out. */
static enum lex_result lex(const char **p, unsigned ends, struct str *out)
{
	struct str open = { 0 };
	enum lex_result rc = LEX_OK;
	bool truncated = false; /* a \0 was seen: the rest is read, not kept */
	size_t start = out->len;

	while (**p && !(open.len == 0 && at_end(*p, ends))) {
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
		if (out->len - start == SPEC_TOKEN_MAX) {
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

/* A token as a fresh string the caller owns, or NULL with @err. @too_long is the sentence with one
 * %s for @shown, the text to blame. */
static char *take(const char **p, unsigned ends, const char *text, const char *too_long,
		  const char *shown, struct err *err)
{
	struct str token = { 0 };
	enum lex_result rc = lex(p, ends, &token);

	if (rc == LEX_OK || rc == LEX_OPEN)
		return str_take(&token);
	str_done(&token);
	if (rc == LEX_UNCLOSED)
		err_set(err, 0, "unexpected end of address \"%s\"", text);
	else
		err_set(err, 0, too_long, shown);
	return NULL;
}

static void single_done(struct spec_single *s)
{
	free(s->keyword);
	for (size_t i = 0; i < s->nparams; i++)
		free(s->param[i]);
	for (size_t i = 0; i < s->nopts; i++) {
		free(s->opt[i].name);
		free(s->opt[i].value);
	}
	free(s->opt);
	*s = (struct spec_single){ 0 };
}

void spec_done(struct spec *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(s->single); i++)
		single_done(&s->single[i]);
	free(s->text);
	*s = (struct spec){ 0 };
}

/* Options from the comma at *@p to the end of the half. */
static int parse_options(struct spec_single *s, const char **p, const char *text, struct err *err)
{
	static const char too_long[] = "option too long: \"%s\"";
	bool ended = false; /* by an empty name; the rest is only searched for its end */

	while (**p == ',') {
		const char *from = ++*p;
		char *name, *value = NULL;

		if (**p == ',' || at_end(*p, END_DUAL))
			continue;
		name = take(p, ended ? END_VALUE : END_NAME, text, too_long, from, err);
		if (!name)
			return -1;
		ended |= !*name;
		if (**p == '=') {
			++*p;
			value = take(p, END_VALUE, text, too_long, from, err);
			if (!value) {
				free(name);
				return -1;
			}
		}
		if (ended) {
			free(name);
			free(value);
			continue;
		}
		s->opt = xrealloc(s->opt, (s->nopts + 1) * sizeof(*s->opt));
		s->opt[s->nopts++] = (struct spec_opt){
			.name = name,
			.value = value,
			.rest = from,
			.column = (size_t)(from - text),
		};
	}
	return 0;
}

static int parse_single(struct spec_single *s, const char **p, const char *text, struct err *err)
{
	s->keyword = take(p, END_PARAM, text, "keyword too long, in address \"%s\"", text, err);
	if (!s->keyword)
		return -1;
	while (**p == ':') {
		++*p;
		if (s->nparams == SPEC_PARAMS_MAX)
			return err_set(err, 0, "too many parameters in address \"%s\"", text);
		s->param[s->nparams] =
			take(p, END_PARAM, text, "address \"%s\" too long", text, err);
		if (!s->param[s->nparams])
			return -1;
		s->nparams++;
	}
	return parse_options(s, p, text, err);
}

int spec_parse(struct spec *out, const char *text, struct err *err)
{
	const char *p;

	*out = (struct spec){ .text = xstrdup(text) };
	p = out->text;
	for (;;) {
		if (parse_single(&out->single[out->nsingles++], &p, out->text, err) == -1) {
			spec_done(out);
			return -1;
		}
		if (!*p || out->nsingles == ARRAY_SIZE(out->single))
			return 0;
		p += 2; /* nothing but !! ends a half before the text does */
	}
}

/* True if the lexer would read @token, written as it is, as itself. */
static bool is_plain(const char *token, unsigned ends)
{
	struct str copy = { 0 };
	const char *p = token;
	size_t len = strlen(token);
	bool same;

	/* A last "!" might meet the "!!" of a dual address. */
	if (!len)
		return true;
	if (strpbrk(token, escape_bytes) || token[len - 1] == '!')
		return false;
	same = lex(&p, ends, &copy) == LEX_OK && !*p && strcmp(copy.data, token) == 0;
	str_done(&copy);
	return same;
}

/* Append @token so that it is read back: as it is, else in quotes, else with backslashes. */
static void format_token(const char *token, unsigned ends, struct str *out)
{
	bool quotes = !strpbrk(token, "\\\"'([{");

	if (is_plain(token, ends)) {
		str_adds(out, token);
		return;
	}
	if (quotes)
		str_addc(out, '"');
	for (const char *p = token; *p; p++) {
		const char *at = strchr(escape_bytes, *p);

		if (at) {
			str_addc(out, '\\');
			str_addc(out, escape_letters[at - escape_bytes]);
			continue;
		}
		if (!quotes && strchr("\\\"'([{!,:= ", *p))
			str_addc(out, '\\');
		str_addc(out, *p);
	}
	if (quotes)
		str_addc(out, '"');
}

void spec_format(const struct spec *s, struct str *out)
{
	for (size_t i = 0; i < s->nsingles; i++) {
		const struct spec_single *one = &s->single[i];

		if (i)
			str_adds(out, "!!");
		format_token(one->keyword, END_PARAM, out);
		for (size_t k = 0; k < one->nparams; k++) {
			str_addc(out, ':');
			format_token(one->param[k], END_PARAM, out);
		}
		for (size_t k = 0; k < one->nopts; k++) {
			str_addc(out, ',');
			format_token(one->opt[k].name, END_NAME, out);
			if (one->opt[k].value) {
				str_addc(out, '=');
				format_token(one->opt[k].value, END_VALUE, out);
			}
		}
	}
}

void words_free(char **words)
{
	for (size_t i = 0; words && words[i]; i++)
		free(words[i]);
	free(words);
}

int spec_split_words(const char *text, char ***words, struct err *err)
{
	const char *p = text;
	char **list = xcalloc(1, sizeof(*list));
	int n = 0;

	for (;;) {
		while (*p == ' ')
			p++;
		if (!*p)
			break;
		list = xrealloc(list, (size_t)(n + 2) * sizeof(*list));
		list[n + 1] = NULL;
		list[n] = take(&p, END_BLANK, text, "address \"%s\" too long", text, err);
		if (!list[n]) {
			words_free(list);
			return -1;
		}
		n++;
	}
	*words = list;
	return n;
}
