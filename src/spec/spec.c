/* spec.c - the address language: text to tree, see spec.h
 *
 * Tokens come from lex.c, format.c goes the way back. What keywords and options mean belongs to
 * addr/ and opt/. */
#include "spec/spec.h"

#include "spec/lex.h"

#include "base/list.h"
#include "base/mem.h"

#include <stdlib.h>

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

		if (**p == ',' || lex_at_end(*p, END_DUAL))
			continue;
		name = lex_take(p, ended ? END_VALUE : END_NAME, text, too_long, from, err);
		if (!name)
			return -1;
		ended |= !*name;
		if (**p == '=') {
			++*p;
			value = lex_take(p, END_VALUE, text, too_long, from, err);
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
	s->keyword = lex_take(p, END_PARAM, text, "keyword too long, in address \"%s\"", text, err);
	if (!s->keyword)
		return -1;
	while (**p == ':') {
		++*p;
		if (s->nparams == SPEC_PARAMS_MAX)
			return err_set(err, 0, "too many parameters in address \"%s\"", text);
		s->param[s->nparams] =
			lex_take(p, END_PARAM, text, "address \"%s\" too long", text, err);
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
