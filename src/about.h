/* about.h - the version, for every program */
#ifndef ABOUT_H
#define ABOUT_H

#include <stdio.h>

#define SOCAST_VERSION "0.1.0"

/* The lines of -V that scripts look into: the version of classic's @program that this one is
 * compatible with, when it was built, and the system it runs on. */
void about_print(FILE *out, const char *program);

#endif
