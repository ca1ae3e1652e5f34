/* plan_layers.c - the layers of a half, see plan_layers.h */
#include "plan_layers.h"

#include "addr/addr.h"
#include "base/mem.h"
#include "flow/forecast.h"
#include "open/layer_fit.h"
#include "open/layer_target.h"
#include "open/opening.h"

#include <stdlib.h>
#include <string.h>

static bool takes(const struct layer_type *type, const struct opt_row *row)
{
	return row->groups & type->groups;
}

/* The layers that take an option behind the comma; more than one is an error. */
static int find_taker(const struct half *h, const struct spec_opt *opt, struct half_layer **taker,
		      struct err *err)
{
	const struct opt_row *row = opt_find(opt->name);

	*taker = NULL;
	if (row && h->type->layer && takes(h->type->layer, row)) {
		*taker = &h->layer[0]; /* the address as it is written has brought it */
		return 0;
	}
	for (size_t i = h->nlayers; row && i-- > 0;) {
		struct half_layer *l = &h->layer[i];

		if (!takes(l->type, row))
			continue;
		if (*taker) {
			err_set(err, 0, "option \"%s\" could be that of %s or that of %s",
				opt->name, (*taker)->name, l->name);
			return err_hint(err, "put it in parentheses: %s(%s%s%s)+...",
					(*taker)->name, opt->name, opt->value ? "=" : "",
					opt->value ? opt->value : "");
		}
		*taker = l;
	}
	return 0;
}

/* In parentheses stands only what is the layer's own. */
static int check_inside(const struct half_layer *l, const struct spec_layer *s, struct err *err)
{
	for (size_t i = 0; i < s->nopts; i++) {
		const struct opt_row *row = opt_find(s->opt[i].name);

		if (!row || takes(l->type, row))
			continue;
		err_set(err, 0, "option \"%s\" is none of layer %s", s->opt[i].name, l->name);
		return err_hint(err, "options of the whole address stand behind it: ...,%s",
				s->opt[i].name);
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
	if (l->type->unavailable)
		return err_set(err, 0, "%s: %s", l->name, l->type->unavailable);
	if (l->type->client_only && h->type->flags & TYPE_ACCEPTS)
		return err_set(err, 0, "%s+%s: %s has no server side", l->name, h->keyword,
			       l->name);
	return check_inside(l, s, err);
}

int plan_layers_make(struct half *h, const struct spec_single *s, unsigned flags, struct err *err)
{
	h->layer = xcalloc(s->nlayers + 1, sizeof(*h->layer));
	add_own(h);
	for (size_t i = s->nlayers; i-- > 0;) {
		if (add_written(h, &s->layer[i], err) == -1)
			return -1;
	}
	if (share_out(h, s, err) == -1)
		return -1;
	for (size_t i = 0; i < s->nlayers; i++) {
		struct half_layer *l = &h->layer[h->nlayers - 1 - i];

		for (size_t k = 0; k < s->layer[i].nopts; k++)
			put(l, &s->layer[i].opt[k]);
		if (opts_parse(&l->opts, l->own, l->spec_opt, l->nspec_opts, l->type->groups, flags,
			       err) == -1)
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

		if (l->type->client_only && layer_is_server(h, i))
			return err_set(err, 0, "%s%s%s: %s has no server side",
				       l->own ? l->name : "", l->own ? "+" : "", h->keyword,
				       l->name);
		if (l->type->check && l->type->check(l, err) == -1)
			return -1;
	}
	return 0;
}

int plan_layers_fit(const struct half *h, struct err *err)
{
	struct forecast f = { 0 };

	if (!h->nlayers)
		return 0;
	if (check_each(h, err) == -1 ||
	    layer_fit_ways(h, h->type->reads && h->type->writes, err) == -1)
		return -1;
	if (h->type->flags & TYPE_ONE_SHOT)
		return err_set(err, 0, "%s cannot stand on %s, whose sessions are one datagram",
			       h->layer[0].name, h->keyword);
	if (h->conf.prog.nofork)
		return err_set(err, 0, "%s cannot stand on %s with option nofork", h->layer[0].name,
			       h->keyword);
	h->type->forecast(h, MODE_RW, &f);
	if (f.unknown) /* it is asked again; what stands on each other is known */
		return layer_fit_kinds(h, h->layer[0].type->needs_datagrams, err);
	if (f.in.kind == FD_FILE)
		return err_set(err, 0, "%s cannot stand on %s: a file answers nobody",
			       h->layer[0].name, h->keyword);
	return layer_fit_kinds(h, f.in.caps & EP_DGRAM_IN, err);
}
