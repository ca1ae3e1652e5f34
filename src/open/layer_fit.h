/* layer_fit.h - do the layers of a half stand on its transport, and on each other?
 *
 * Asked while planning, of what the transport is going to be, and again when it is open: of some
 * types nobody knows before. */
#ifndef OPEN_LAYER_FIT_H
#define OPEN_LAYER_FIT_H

#include "end/plan.h"

/* All for a @half with layers; 0, or -1 with @err. What is connected to by others has a layer with
 * a server side on it. */
int layer_fit_roles(const struct half *half, struct err *err);

/* Does some layer of @half write or read by itself, whatever the session does? */
bool layer_fit_answers(const struct half *half);

/* Then the transport must go both ways. */
int layer_fit_ways(const struct half *half, bool both_ways, struct err *err);

/* Each layer finds below it what it needs; the transport gives datagrams, or else a stream. */
int layer_fit_kinds(const struct half *half, bool datagrams, struct err *err);

#endif
