/* names.h - rows that have several names
 *
 * Options and address types keep their names in one string: canonical first, then aliases,
 * separated by one blank. Comparing ignores case. */
#ifndef BASE_NAMES_H
#define BASE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

/* True if @name is one of @names. */
bool names_have(const char *names, const char *name);

/* The @i-th name (0: canonical) copied into @buf (cut to @cap); NULL when there are fewer. */
const char *names_get(const char *names, size_t i, char *buf, size_t cap);

/* Search for the known name nearest to one that is not known ("did you mean"). Start with
 * names_near_begin(), offer all rows, then read found (NULL: nothing is near). */
struct names_near {
	const char *name; /* the unknown one */
	size_t len;
	int best; /* first distance that is too far */
	const char *found; /* a word inside an offered string */
};
void names_near_begin(struct names_near *n, const char *name);
void names_near_offer(struct names_near *n, const char *names);

/* The word found, copied; NULL if there is none. */
const char *names_near_end(const struct names_near *n, char *buf, size_t cap);

#endif
