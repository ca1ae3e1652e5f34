/* values.h - how the manual writes the values of options, and whether they are needed */
#ifndef TOOLS_VALUES_H
#define TOOLS_VALUES_H

#include "opt/opt.h"

#include <stdbool.h>

/* One for each enum value_type. */
struct value_word {
	const char *word; /* NULL: no value is allowed */
	bool needed;
};
extern const struct value_word value_words[V_COUNT];

#endif
