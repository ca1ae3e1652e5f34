/* parts.h - the parts of an explanation; private to explain/ */
#ifndef EXPLAIN_PARTS_H
#define EXPLAIN_PARTS_H

#include "base/str.h"
#include "end/plan.h"

/* "left", "right" */
const char *side_word(int i);

/* How half @k of address @i is called when more is said about it: "the left address", "the second
 * half of the right address". */
void add_half_name(struct str *out, const struct plan *plan, int i, size_t k);

/* The direction in which half @k of address @i is opened; false: it is not opened at all, because
 * data goes the other way only. */
bool half_mode(const struct plan *plan, int i, size_t k, enum open_mode *mode);

/* Address @i: what it is, what was given, which way its data goes, its options by phase. */
void explain_address(struct str *out, const struct plan *plan, int i);

/* A text of the command line; quoted where that helps to see it. */
void explain_text(struct str *out, const char *text);

/* Options by the moment at which they act, one a line, each line behind @margin. */
void explain_options(struct str *out, const struct opts *opts, const char *margin);

/* What stands on the transport of @h, and how far that encrypts; nothing if nothing does. */
void explain_layers(struct str *out, const struct half *h);

/* How data gets from one to the other, what ends it, and which processes there are. */
void explain_between(struct str *out, const struct plan *plan);

/* Which privileges are needed, and whether this process has them. */
void explain_privileges(struct str *out, const struct plan *plan);

#endif
