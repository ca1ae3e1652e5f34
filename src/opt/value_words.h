/* value_words.h - how help, manual and completion write values, and whether they are needed */
#ifndef OPT_VALUE_WORDS_H
#define OPT_VALUE_WORDS_H

#include "opt/opt.h"

#include <stdbool.h>

/* One for each enum value_type. */
struct value_word {
	const char *word; /* NULL: no value is allowed */
	bool needed;
};
extern const struct value_word value_words[V_COUNT];

#endif
