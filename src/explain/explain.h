/* explain.h - what a line will do, in plain sentences (--explain)
 *
 * Told from the plan, the rows of types and options, and the code that decides at run time; nothing
 * is opened, started or asked for in the network. Entries of the file system and descriptors that
 * are there already are looked at. */
#ifndef EXPLAIN_EXPLAIN_H
#define EXPLAIN_EXPLAIN_H

#include "end/plan.h"

#include <stdio.h>

/* Write to @out what running @plan would do. @lock: file that has to be locked before, or NULL;
 * @waits: the program waits for it. */
void explain(FILE *out, const struct plan *plan, const char *lock, bool waits);

#endif
