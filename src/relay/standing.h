/* standing.h - an end that stays while what is below it comes and goes: option reopen */
#ifndef RELAY_STANDING_H
#define RELAY_STANDING_H

#include "end/plan.h"

#include <stdbool.h>

struct address;
struct endpoint;
struct vars;

/* @addr is to stand (option reopen). */
bool standing_is_wanted(const struct address *addr);

/* An end of @addr that stands; what is below is opened from the loop, as @mode says, and whenever
 * it has been lost. @other: the end on the other side, or NULL; @vars: what is known of the
 * session, or NULL. Both live as long. */
struct endpoint *standing_new(struct address *addr, enum open_mode mode, struct endpoint *other,
			      const struct vars *vars);

/* Can the addresses of @plan that are to stand do so, each beside the other? 0, or -1 with @err. */
int standing_check(const struct plan *plan, struct err *err);

#endif
