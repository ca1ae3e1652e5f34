/* plan_layers.c - the layers of a half, see plan_layers.h */
#include "plan_layers.h"

#include "addr/addr.h"
#include "base/mem.h"
#include "base/names.h"
#include "base/str.h"
#include "flow/forecast.h"
#include "open/layer_fit.h"
#include "open/opening.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool takes(const struct layer_type *type, const struct opt_row *row)
{
	return row->groups & type->groups;
}

/* A value is not repeated: it may be secret. */
static int hint_place(const struct half_layer *l, const struct spec_opt *opt, struct err *err)
{
	return err_hint(err, "put it in parentheses: %s(%s%s)+...", l->name, opt->name,
			opt->value ? "=..." : "");
}

/* The layers that take an option behind the comma; more than one is an error. */
static int find_taker(const struct half *h, const struct spec_opt *opt, struct half_layer **taker,
		      struct err *err)
{
	const struct opt_row *row = opt_find(opt->name);

	*taker = NULL;
	if (row && row->groups & G_LAYERS)
		return 0; /* of all of them together */
	if (row && h->type->layer && takes(h->type->layer, row)) {
		*taker = &h->layer[0]; /* the address as it is written has brought it */
		return 0;
	}
	for (size_t i = h->nlayers; row && i-- > 0;) {
		struct half_layer *l = &h->layer[i];

		if (!takes(l->type, row))
			continue;
		if (*taker) {
			err_set(err, 0, "option \"%s\" could be that of %s or that of %s%s",
				opt->name, (*taker)->name,
				strcasecmp((*taker)->name, l->name) == 0 ? "another " : "",
				l->name);
			return hint_place(*taker, opt, err);
		}
		*taker = l;
	}
	return 0;
}

bool plan_layers_taking(const struct opt_row *row, struct str *out)
{
	bool any = false;

	for (size_t i = 0; layer_number(i); i++) {
		char name[64];

		if (!takes(layer_number(i), row) || row->flags & OPT_OF_TYPE)
			continue;
		str_addf(out, "%s%s", any ? ", " : "",
			 names_get(layer_number(i)->names, 0, name, sizeof(name)));
		any = true;
	}
	return any;
}

/* Where an option belongs that is none of the layer it was given to: to another one of the stack,
 * to the address, or to layers that are not there. */
static int hint_owner(const struct half *h, const struct spec_opt *opt, const struct opt_row *row,
		      struct err *err)
{
	struct str names = { 0 };

	for (size_t i = 0; i < h->nlayers; i++) {
		if (takes(h->layer[i].type, row) && h->layer[i].own)
			return hint_place(&h->layer[i], opt, err);
	}
	if (row->groups & (h->type->groups | GROUPS_EVERYWHERE))
		return err_hint(err, "options of the whole address stand behind it: ...,%s",
				opt->name);
	if (plan_layers_taking(row, &names))
		err_hint(err, "it is one of %s", names.data);
	str_done(&names);
	return -1;
}

/* In parentheses stands only what is the layer's own. */
static int check_inside(const struct half *h, const struct half_layer *l,
			const struct spec_layer *s, struct err *err)
{
	for (size_t i = 0; i < s->nopts; i++) {
		const struct opt_row *row = opt_find(s->opt[i].name);

		if (!row || takes(l->type, row))
			continue;
		err_set(err, 0, "option \"%s\" is none of layer %s", s->opt[i].name, l->name);
		return hint_owner(h, &s->opt[i], row, err);
	}
	return 0;
}

/* An option that is given to a layer twice would count once: which one, nobody could tell. The
 * first @behind of them stood behind the comma. */
static int check_once(const struct half_layer *l, size_t behind, struct err *err)
{
	for (size_t i = 0; i < l->nspec_opts; i++) {
		const struct opt_row *row = opt_find(l->spec_opt[i].name);

		for (size_t k = i + 1; row && k < l->nspec_opts; k++) {
			if (opt_find(l->spec_opt[k].name) != row)
				continue;
			return err_set(err, 0, "option \"%s\" of layer %s is given twice%s",
				       l->spec_opt[i].name, l->name,
				       i >= behind || k < behind
					       ? ""
					       : ": in its parentheses, and behind the comma");
		}
	}
	return 0;
}

static void put(struct half_layer *l, const struct spec_opt *opt)
{
	l->spec_opt = xrealloc(l->spec_opt, (l->nspec_opts + 1) * sizeof(*opt));
	l->spec_opt[l->nspec_opts++] = *opt;
}

/* Options behind the comma: each to the layer that takes it, or to the transport. The type's own
 * layer has what the transport has. */
static int share_out(struct half *h, const struct spec_single *s, struct err *err)
{
	h->spec_opt = xcalloc(s->nopts + 1, sizeof(*h->spec_opt));
	for (size_t i = 0; i < s->nopts; i++) {
		const struct opt_row *row = opt_find(s->opt[i].name);
		struct half_layer *taker;

		if (find_taker(h, &s->opt[i], &taker, err) == -1)
			return -1;
		if (taker && taker->own)
			put(taker, &s->opt[i]);
		if (!taker || !taker->own || row->groups & h->type->groups)
			h->spec_opt[h->nspec_opts++] = s->opt[i];
	}
	return 0;
}

static void add_own(struct half *h)
{
	if (h->type->layer)
		h->layer[h->nlayers++] = (struct half_layer){ .type = h->type->layer,
							      .name = h->keyword,
							      .conf = &h->conf };
}

static int add_written(struct half *h, const struct spec_layer *s, struct err *err)
{
	struct half_layer *l = &h->layer[h->nlayers++];

	*l = (struct half_layer){ .type = layer_find(s->name, strlen(s->name)), .name = s->name };
	l->own = xcalloc(1, sizeof(*l->own));
	l->conf = l->own;
	conf_init(l->own);
	return l->type->unavailable ? err_set(err, 0, "%s: %s", l->name, l->type->unavailable) : 0;
}

/* The options of a layer that is written as @s; it has those from behind the comma already. */
static int parse_options(const struct half *h, struct half_layer *l, const struct spec_layer *s,
			 unsigned flags, struct err *err)
{
	size_t behind = l->nspec_opts;

	if (check_inside(h, l, s, err) == -1)
		return -1;
	for (size_t k = 0; k < s->nopts; k++)
		put(l, &s->opt[k]);
	if (check_once(l, behind, err) == -1)
		return -1;
	return opts_parse(&l->opts, l->own, l->spec_opt, l->nspec_opts, l->type->groups, flags,
			  err);
}

int plan_layers_make(struct half *h, const struct spec_single *s, unsigned flags, struct err *err)
{
	h->layer = xcalloc(s->nlayers + 2, sizeof(*h->layer));
	add_own(h);
	for (size_t i = s->nlayers; i-- > 0;) {
		if (add_written(h, &s->layer[i], err) == -1)
			return -1;
	}
	if (share_out(h, s, err) == -1)
		return -1;
	for (size_t i = 0; i < s->nlayers; i++) {
		if (parse_options(h, &h->layer[h->nlayers - 1 - i], &s->layer[i], flags, err) == -1)
			return -1;
	}
	return 0;
}

void plan_layers_done(struct half *h)
{
	for (size_t i = 0; i < h->nlayers; i++) {
		struct half_layer *l = &h->layer[i];

		if (!l->own)
			continue;
		opts_done(&l->opts);
		conf_done(l->own);
		free(l->own);
		free(l->spec_opt);
	}
	free(h->layer);
	free(h->spec_opt);
	h->layer = NULL;
	h->nlayers = 0;
}

static int check_each(const struct half *h, struct err *err)
{
	for (size_t i = 0; i < h->nlayers; i++) {
		const struct half_layer *l = &h->layer[i];

		if (l->type->check && l->type->check(l, err) == -1)
			return -1;
	}
	return 0;
}

/* Option frames: one more on top. */
static int add_frames(struct half *h, struct err *err)
{
	static const char name[] = "FRAMES";
	const struct layer_type *type = layer_find(name, strlen(name));
	bool stands = h->nlayers && h->layer[h->nlayers - 1].type == type;
	struct half_layer *l;

	if (!h->conf.frames.format)
		return h->conf.frames.max && !stands
			       ? err_set(err, 0, "%s: option frames-max needs option frames",
					 h->keyword)
			       : 0;
	l = &h->layer[h->nlayers++];
	*l = (struct half_layer){ .type = type, .name = name };
	l->own = xcalloc(1, sizeof(*l->own));
	conf_init(l->own);
	l->own->frames = h->conf.frames;
	l->conf = l->own;
	return 0;
}

int plan_layers_fit(struct half *h, struct err *err)
{
	struct forecast f = { 0 };

	if (add_frames(h, err) == -1)
		return -1;
	if (!h->nlayers)
		return 0;
	if (layer_fit_roles(h, err) == -1 || check_each(h, err) == -1 ||
	    layer_fit_ways(h, h->type->reads && h->type->writes, err) == -1)
		return -1;
	if (h->type->flags & TYPE_ONE_SHOT)
		return err_set(err, 0, "%s cannot stand on %s, whose sessions are one datagram",
			       h->layer[0].name, h->keyword);
	if (h->type->flags & TYPE_MANY)
		return err_set(err, 0, "%s cannot stand on %s, whose datagrams are for many",
			       h->layer[0].name, h->keyword);
	if (h->conf.prog.nofork)
		return err_set(err, 0, "%s cannot stand on %s with option nofork", h->layer[0].name,
			       h->keyword);
	h->type->forecast(h, MODE_RW, &f);
	if (f.unknown) /* it is asked again; what stands on each other is known */
		return layer_fit_kinds(h, h->layer[0].type->needs_datagrams, err);
	if (f.in.kind == FD_FILE && layer_fit_answers(h))
		return err_set(err, 0, "%s cannot stand on %s: a file answers nobody",
			       h->layer[0].name, h->keyword);
	return layer_fit_kinds(h, f.in.caps & EP_DGRAM_IN, err);
}
