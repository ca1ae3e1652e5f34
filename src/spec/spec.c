/* spec.c - the address language: text to tree, see spec.h
 *
 * Tokens come from lex.c, format.c goes the way back. Each half is cut from the text as it stands:
 * its layers first, as long as there are any, then the transport. So nothing is unquoted twice, and
 * a quote in front of a word keeps it from being a layer. What keywords, layers and options mean
 * belongs to addr/ and opt/. */
#include "spec/spec.h"

#include "spec/lex.h"

#include "base/list.h"
#include "base/mem.h"

#include <stdlib.h>

/* A text that is being parsed. */
struct parser {
	const char *text, *p; /* all of it, and where we are */
	spec_is_layer_fn *is_layer; /* NULL: no stacks */
	struct err *err;
};

static void options_done(struct spec_opt *opt, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(opt[i].name);
		free(opt[i].value);
	}
	free(opt);
}

static void single_done(struct spec_single *s)
{
	for (size_t i = 0; i < s->nlayers; i++) {
		free(s->layer[i].name);
		free(s->layer[i].inside);
		options_done(s->layer[i].opt, s->layer[i].nopts);
	}
	free(s->layer);
	free(s->keyword);
	for (size_t i = 0; i < s->nparams; i++)
		free(s->param[i]);
	options_done(s->opt, s->nopts);
	*s = (struct spec_single){ 0 };
}

void spec_done(struct spec *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(s->single); i++)
		single_done(&s->single[i]);
	free(s->text);
	*s = (struct spec){ 0 };
}

static char *take(struct parser *ps, unsigned ends, const char *too_long, const char *shown)
{
	return lex_take(&ps->p, ends, ps->text, too_long, shown, ps->err);
}

/* Where @p is for people: bytes, counted from 1. */
static size_t column(const struct parser *ps, const char *p)
{
	return (size_t)(p - ps->text) + 1;
}

/* Options up to @end or the end of the text, which stays. Commas without an option are skipped. */
static int parse_options(struct parser *ps, unsigned end, struct spec_opt **opt, size_t *nopts)
{
	static const char too_long[] = "option too long: \"%s\"";
	bool ended = false; /* by an empty name; the rest is only searched for its end */

	while (!lex_at_end(ps->p, end)) {
		struct spec_opt o = { .rest = ps->p, .column = (size_t)(ps->p - ps->text) };

		if (*ps->p == ',') {
			ps->p++;
			continue;
		}
		o.name = take(ps, end | END_COMMA | (ended ? 0 : END_EQUALS), too_long, o.rest);
		if (!o.name)
			return -1;
		ended |= !*o.name;
		if (*ps->p == '=') {
			ps->p++;
			o.value = take(ps, end | END_COMMA, too_long, o.rest);
			if (!o.value) {
				free(o.name);
				return -1;
			}
		}
		if (ended) {
			free(o.name);
			free(o.value);
			continue;
		}
		*opt = xrealloc(*opt, (*nopts + 1) * sizeof(**opt));
		(*opt)[(*nopts)++] = o;
	}
	return 0;
}

static bool is_known(const struct parser *ps, const char *word)
{
	size_t len = lex_word_len(word);

	return len && ps->is_layer(word, len);
}

/* What is behind the brackets at @p; @p itself if there are none, or they do not close. */
static const char *skip_brackets(const char *p)
{
	const char *close = p + 1;
	struct str inside = { 0 };
	enum lex_result rc;

	if (*p != '(' && *p != '[')
		return p;
	rc = lex_token(&close, *p == '(' ? END_ROUND : END_SQUARE, &inside);
	str_done(&inside);
	return rc == LEX_OK && *close ? close + 1 : p;
}

/* True if the word at the parser's place, which is no layer, was meant to be one. Else "+" and
 * brackets belong to a keyword, as in names of files. */
static bool meant_as_layer(const struct parser *ps, bool in_stack)
{
	for (const char *p = ps->p;; p++) {
		size_t len = lex_word_len(p);
		const char *behind = skip_brackets(p + len);

		if ((lex_like_layer(p) || lex_at_end(p + len, END_PARAM)) && is_known(ps, p))
			return true;
		if (*behind != '+')
			return false;
		if (in_stack || (len && behind > p + len))
			return true;
		p = behind;
	}
}

static int refuse_word(const struct parser *ps)
{
	size_t len = lex_word_len(ps->p);

	if (!len)
		return err_set(ps->err, 0, "empty layer name in column %zu, in address \"%s\"",
			       column(ps, ps->p), ps->text);
	return err_set(ps->err, 0, "unknown layer \"%.*s\", in address \"%s\"", (int)len, ps->p,
		       ps->text);
}

/* The options of a layer, from the opening bracket to behind the closing one. */
static int parse_layer_options(struct parser *ps, struct spec_layer *l)
{
	const char *open = ps->p++, *inside = ps->p;

	if (parse_options(ps, *open == '(' ? END_ROUND : END_SQUARE, &l->opt, &l->nopts) == -1)
		return -1;
	if (!*ps->p)
		return err_set(ps->err, 0, "\"%c\" in column %zu is not closed, in address \"%s\"",
			       *open, column(ps, open), ps->text);
	l->inside = xstrndup(inside, (size_t)(ps->p - inside));
	for (size_t i = 0; i < l->nopts; i++)
		l->opt[i].rest = l->inside + (l->opt[i].rest - inside);
	ps->p++;
	return 0;
}

/* One layer and the "+" behind it. */
static int parse_layer(struct parser *ps, struct spec_single *s)
{
	size_t len = lex_word_len(ps->p);
	struct spec_layer *l;

	if (s->nlayers == SPEC_LAYERS_MAX)
		return err_set(ps->err, 0, "more than %d layers, in address \"%s\"",
			       SPEC_LAYERS_MAX, ps->text);
	s->layer = xrealloc(s->layer, (s->nlayers + 1) * sizeof(*s->layer));
	l = &s->layer[s->nlayers++];
	*l = (struct spec_layer){ .name = xstrndup(ps->p, len) };
	ps->p += len;
	if (*ps->p != '+' && parse_layer_options(ps, l) == -1)
		return -1;
	if (*ps->p != '+')
		return err_set(ps->err, 0,
			       "\"+\" and a transport expected in column %zu, behind layer %s, in "
			       "address \"%s\"",
			       column(ps, ps->p), l->name, ps->text);
	ps->p++;
	return 0;
}

/* All layers of a stack, none if it is no stack; the transport is next. */
static int parse_layers(struct parser *ps, struct spec_single *s)
{
	while (lex_like_layer(ps->p)) {
		if (!is_known(ps, ps->p))
			return meant_as_layer(ps, s->nlayers > 0) ? refuse_word(ps) : 0;
		if (parse_layer(ps, s) == -1)
			return -1;
	}
	return 0;
}

static int parse_single(struct parser *ps, struct spec_single *s)
{
	if (ps->is_layer && parse_layers(ps, s) == -1)
		return -1;
	s->keyword = take(ps, END_PARAM, "keyword too long, in address \"%s\"", ps->text);
	if (!s->keyword)
		return -1;
	if (s->nlayers && !*s->keyword)
		return err_set(ps->err, 0, "no transport behind layer %s, in address \"%s\"",
			       s->layer[s->nlayers - 1].name, ps->text);
	while (*ps->p == ':') {
		ps->p++;
		if (s->nparams == SPEC_PARAMS_MAX)
			return err_set(ps->err, 0, "too many parameters in address \"%s\"",
				       ps->text);
		s->param[s->nparams] = take(ps, END_PARAM, "address \"%s\" too long", ps->text);
		if (!s->param[s->nparams])
			return -1;
		s->nparams++;
	}
	return parse_options(ps, END_DUAL, &s->opt, &s->nopts);
}

int spec_parse(struct spec *out, const char *text, spec_is_layer_fn *is_layer, struct err *err)
{
	struct parser ps = { .is_layer = is_layer, .err = err };

	*out = (struct spec){ .text = xstrdup(text) };
	ps.text = ps.p = out->text;
	for (;;) {
		if (parse_single(&ps, &out->single[out->nsingles++]) == -1) {
			spec_done(out);
			return -1;
		}
		if (!*ps.p || out->nsingles == ARRAY_SIZE(out->single))
			return 0;
		ps.p += 2; /* nothing but !! ends a half before the text does */
	}
}
