/* plan_layers.h - the layers of a half: which options each gets, and whether they fit */
#ifndef PLAN_LAYERS_H
#define PLAN_LAYERS_H

#include "base/err.h"
#include "end/plan.h"

/* Put the layers of @s on @h, whose type is known: the type's own, and those written, lowest first.
 * What stands in a layer's parentheses is that layer's; an option behind the comma is the
 * transport's, or that of the one layer that takes it. Those of the transport are left in
 * h->spec_opt. @flags: of opts_parse(). 0, or -1 with @err. plan_layers_done() is due in both
 * cases. */
int plan_layers_make(struct half *h, const struct spec_single *s, unsigned flags, struct err *err);
void plan_layers_done(struct half *h);

/* The options of @h are parsed: add the layer that one of them asks for (frames). Do the layers fit
 * on its transport and on each other? */
int plan_layers_fit(struct half *h, struct err *err);

/* Append the names of the layers that take options of @row, "TLS, DTLS"; false: none does. */
bool plan_layers_taking(const struct opt_row *row, struct str *out);

#endif
