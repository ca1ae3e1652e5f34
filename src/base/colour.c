/* colour.c - words in colours, see colour.h */
#include "base/colour.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool colour_wanted(int fd)
{
	const char *none = getenv("NO_COLOR"), *term = getenv("TERM");

	return !(none && *none) && !(term && strcmp(term, "dumb") == 0) && isatty(fd);
}
