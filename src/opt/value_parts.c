/* value_parts.c - values that are taken apart at colons, see value_parts.h */
#include "opt/value_parts.h"

#include "base/mem.h"

#include <stdbool.h>
#include <stdlib.h>

int value_parts_split(struct value_parts *p, const char *text, size_t least, size_t most,
		      struct err *err)
{
	bool inside = false;

	*p = (struct value_parts){ .copy = xstrdup(text) };
	p->part[p->n++] = p->copy;
	for (char *c = p->copy; *c; c++) {
		if (*c == '[' || *c == ']')
			inside = *c == '[';
		if (*c != ':' || inside)
			continue;
		if (p->n == most) {
			value_parts_done(p);
			return err_set(err, 0, "syntax in option %s: trailing cruft", text);
		}
		*c = '\0';
		p->part[p->n++] = c + 1;
	}
	if (p->n >= least)
		return 0;
	value_parts_done(p);
	return err_set(err, 0, "syntax in option %s: missing ':'", text);
}

void value_parts_done(struct value_parts *p)
{
	free(p->copy);
	*p = (struct value_parts){ 0 };
}
