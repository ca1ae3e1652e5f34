/* colour.h - words in colours, for people at a terminal */
#ifndef BASE_COLOUR_H
#define BASE_COLOUR_H

#include <stdbool.h>

/* Sequences of a terminal (ECMA-48, SGR). */
#define COLOUR_RED "\033[1;31m"
#define COLOUR_GREEN "\033[1;32m"
#define COLOUR_YELLOW "\033[1;33m"
#define COLOUR_CYAN "\033[1;36m"
#define COLOUR_END "\033[0m"

/* Is the descriptor a terminal, and does nobody object: NO_COLOR (no-color.org) not set or empty,
 * TERM another than "dumb"? */
bool colour_wanted(int fd);

#endif
