/* plan_make.h - address texts to a plan */
#ifndef PLAN_MAKE_H
#define PLAN_MAKE_H

#include "cli.h"
#include "end/plan.h"

/* Texts to types, options and configuration; an address not given is a side without halves. The
 * @plan owns everything until plan_done(). Returns 0, or -1 with @err. */
int plan_make(struct plan *plan, const struct cli *cli, struct err *err);
void plan_done(struct plan *plan);

#endif
