/* format.c - the tree of an address back to text
 *
 * The formatter asks the lexer whether a text may stand as it is, so the two cannot drift apart. */
#include "spec/lex.h"
#include "spec/spec.h"

#include <string.h>

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
	if (strpbrk(token, lex_escape_bytes) || token[len - 1] == '!')
		return false;
	same = lex_token(&p, ends, &copy) == LEX_OK && !*p && copy.len == len &&
	       memcmp(copy.data, token, len) == 0;
	str_done(&copy);
	return same;
}

/* Append @token in quotes, or where it has quotes or brackets of its own, with backslashes. */
static void quote_token(const char *token, struct str *out)
{
	bool quotes = !strpbrk(token, "\\\"'([{");

	if (quotes)
		str_addc(out, '"');
	for (const char *p = token; *p; p++) {
		const char *at = strchr(lex_escape_bytes, *p);

		if (at) {
			str_addc(out, '\\');
			str_addc(out, lex_escape_letters[at - lex_escape_bytes]);
			continue;
		}
		if (!quotes && strchr("\\\"'([{)!,:=+ ", *p))
			str_addc(out, '\\');
		str_addc(out, *p);
	}
	if (quotes)
		str_addc(out, '"');
}

/* Append @token so that it is read back. */
static void format_token(const char *token, unsigned ends, struct str *out)
{
	if (is_plain(token, ends))
		str_adds(out, token);
	else
		quote_token(token, out);
}

/* Options with commas between them. @end is what they end at, besides the end of the text. */
static void format_options(const struct spec_opt *opt, size_t n, unsigned end, struct str *out)
{
	for (size_t i = 0; i < n; i++) {
		if (i)
			str_addc(out, ',');
		format_token(opt[i].name, end | END_COMMA | END_EQUALS, out);
		if (opt[i].value) {
			str_addc(out, '=');
			format_token(opt[i].value, end | END_COMMA, out);
		}
	}
}

static void format_layer(const struct spec_layer *l, struct str *out)
{
	str_adds(out, l->name);
	if (l->nopts) {
		str_addc(out, '(');
		format_options(l->opt, l->nopts, END_ROUND, out);
		str_addc(out, ')');
	}
	str_addc(out, '+');
}

static void format_single(const struct spec_single *s, struct str *out)
{
	for (size_t i = 0; i < s->nlayers; i++)
		format_layer(&s->layer[i], out);
	if (lex_like_layer(s->keyword))
		quote_token(s->keyword, out);
	else
		format_token(s->keyword, END_PARAM, out);
	for (size_t i = 0; i < s->nparams; i++) {
		str_addc(out, ':');
		format_token(s->param[i], END_PARAM, out);
	}
	if (s->nopts)
		str_addc(out, ',');
	format_options(s->opt, s->nopts, END_DUAL, out);
}

void spec_format(const struct spec *s, struct str *out)
{
	for (size_t i = 0; i < s->nsingles; i++) {
		if (i)
			str_adds(out, "!!");
		format_single(&s->single[i], out);
	}
}
