/* layer_fit.c - do the layers of a half stand on its transport, see layer_fit.h */
#include "open/layer_fit.h"

#include "open/addr_type.h"
#include "open/layer_target.h"

static const char *kind_word(bool datagrams)
{
	return datagrams ? "datagrams" : "a stream";
}

int layer_fit_roles(const struct half *half, struct err *err)
{
	const char *below = half->keyword;

	for (size_t i = 0; i < half->nlayers; i++) {
		const struct half_layer *l = &half->layer[i];

		if (layer_is_server(half, i) && !l->type->serves)
			return err_set(err, 0, "%s+%s: %s has no server side", l->name, below,
				       l->name);
		below = l->name;
	}
	return 0;
}

static const struct half_layer *who_answers(const struct half *half)
{
	for (size_t i = 0; i < half->nlayers; i++) {
		if (!half->layer[i].type->one_way)
			return &half->layer[i];
	}
	return NULL;
}

bool layer_fit_answers(const struct half *half)
{
	return who_answers(half);
}

int layer_fit_ways(const struct half *half, bool both_ways, struct err *err)
{
	const struct half_layer *l = who_answers(half);

	if (both_ways || !l)
		return 0;
	return err_set(err, 0, "%s cannot stand on %s, which has one direction only", l->name,
		       half->keyword);
}

int layer_fit_kinds(const struct half *half, bool datagrams, struct err *err)
{
	const char *below = half->keyword;

	for (size_t i = 0; i < half->nlayers; i++) {
		const struct half_layer *l = &half->layer[i];

		if (l->type->needs_datagrams != datagrams)
			return err_set(err, 0, "%s needs %s, and %s gives %s", l->name,
				       kind_word(l->type->needs_datagrams), below,
				       kind_word(datagrams));
		datagrams = l->type->makes_datagrams;
		below = l->name;
	}
	return 0;
}
