/* dual.h - an end made of two: a dual address (in!!out) */
#ifndef END_DUAL_H
#define END_DUAL_H

struct endpoint;

/* Read from @in, write to @out: a dual address. Takes both. */
struct endpoint *dual_new(struct endpoint *in, struct endpoint *out);

#endif
