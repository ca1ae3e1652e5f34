/* standing.h - an end that stays while what is below it comes and goes: option reopen */
#ifndef RELAY_STANDING_H
#define RELAY_STANDING_H

#include "end/plan.h"

#include <stdbool.h>

struct address;
struct endpoint;

/* @addr is to stand (option reopen). */
bool standing_is_wanted(const struct address *addr);

/* An end of @addr that stands; what is below is opened from the loop, as @mode says, and whenever
 * it has been lost. @other: the end on the other side, which lives as long, or NULL. */
struct endpoint *standing_new(struct address *addr, enum open_mode mode, struct endpoint *other);

/* Can an address like @half stand? 0, or -1 with @err. */
int standing_check(const struct side *side, struct err *err);

#endif
