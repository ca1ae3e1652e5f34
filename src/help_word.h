/* help_word.h - --help: a screen for people, and what one word means */
#ifndef HELP_WORD_H
#define HELP_WORD_H

#include "base/err.h"

#include <stdio.h>

/* --help: a screen for people. */
void help_overview(FILE *out);

/* --help WORD: whatever has this name, a topic, type, option or flag. Returns 0, or -1 with @err.
 */
int help_word(FILE *out, const char *word, struct err *err);

#endif
