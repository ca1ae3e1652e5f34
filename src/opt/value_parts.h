/* value_parts.h - values that are taken apart at colons: "224.1.0.1:eth0", "[ff15::1]:eth0:[::1]"
 */
#ifndef OPT_VALUE_PARTS_H
#define OPT_VALUE_PARTS_H

#include "base/err.h"

#include <stddef.h>

#define VALUE_PARTS_MAX 4

/* What stands between the colons, brackets included. */
struct value_parts {
	char *copy; /* owned */
	const char *part[VALUE_PARTS_MAX];
	size_t n;
};

/* Take @text apart at its colons outside of brackets, into at least @least and at most @most parts
 * (VALUE_PARTS_MAX or less). 0, and value_parts_done() is to be called; or -1 with @err: "syntax in
 * option TEXT: missing ':'", or "... trailing cruft". */
int value_parts_split(struct value_parts *p, const char *text, size_t least, size_t most,
		      struct err *err);
void value_parts_done(struct value_parts *p);

#endif
