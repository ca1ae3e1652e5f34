/* check.h - what can be said about addresses before they are opened: --check
 *
 * The steps of an opening tell in their rows what can be judged in their place (struct step), by
 * the same parsers, so that the sentences are those of a start. No name is looked up, nothing is
 * made, connected or bound; files that will be read are, programs and files are looked for.
 * Whatever depends on the moment, like ports that are taken or servers that are away, only a start
 * finds. */
#ifndef RELAY_CHECK_H
#define RELAY_CHECK_H

#include "end/plan.h"

/* Judge the addresses of @plan, which was made with settings.offline. Warnings that a start would
 * write are written. 0, or -1 with the error that a start would end with in @err. */
int check_plan(const struct plan *plan, struct err *err);

#endif
