/* help.h - -V, -h, -hh, -hhh, --version: printed from the tables, in the layout of classic */
#ifndef HELP_H
#define HELP_H

#include <stdbool.h>
#include <stdio.h>

/* -V. @classic: the program is called socat. */
void help_version(FILE *out, bool classic);

/* -h, -hh, -hhh: @level 1, 2, 3. */
void help_print(FILE *out, int level);

/* Its part about flags, which also answers a wrong one. */
void help_usage(FILE *out);

/* --version: one line. */
void help_line(FILE *out);

#endif
