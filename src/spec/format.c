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
		const char *at = strchr(lex_escape_bytes, *p);

		if (at) {
			str_addc(out, '\\');
			str_addc(out, lex_escape_letters[at - lex_escape_bytes]);
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
