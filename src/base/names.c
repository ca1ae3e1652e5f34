/* names.c - rows that have several names, see names.h */
#include "base/names.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define NEAR_MAX 40 /* bytes of a name; longer ones are not typing errors */
#define PREFIX_MIN 4 /* so many bytes of the beginning tell what was meant */

static size_t word_len(const char *w)
{
	return strcspn(w, " ");
}

static const char *next_word(const char *w)
{
	w += word_len(w);
	return *w ? w + 1 : NULL;
}

bool names_have(const char *names, const char *name)
{
	size_t len = strlen(name);

	for (const char *w = names; w; w = next_word(w)) {
		if (word_len(w) == len && strncasecmp(w, name, len) == 0)
			return true;
	}
	return false;
}

static const char *copy_word(const char *w, char *buf, size_t cap)
{
	size_t len = word_len(w);

	if (len >= cap)
		len = cap - 1;
	memcpy(buf, w, len);
	buf[len] = '\0';
	return buf;
}

const char *names_get(const char *names, size_t i, char *buf, size_t cap)
{
	const char *w = names;

	while (w && i--)
		w = next_word(w);
	return w && cap ? copy_word(w, buf, cap) : NULL;
}

/* Edit distance in which swapping two neighbours counts once (optimal string alignment). */
static int distance(const char *a, size_t alen, const char *b, size_t blen)
{
	int row[3][NEAR_MAX + 1];
	int *before = row[0], *last = row[1], *now = row[2];

	for (size_t j = 0; j <= blen; j++)
		last[j] = (int)j;
	for (size_t i = 1; i <= alen; i++) {
		int *spare = before;

		now[0] = (int)i;
		for (size_t j = 1; j <= blen; j++) {
			int ca = tolower((unsigned char)a[i - 1]);
			int cb = tolower((unsigned char)b[j - 1]);
			int d = last[j - 1] + (ca != cb);

			if (last[j] + 1 < d)
				d = last[j] + 1;
			if (now[j - 1] + 1 < d)
				d = now[j - 1] + 1;
			if (i > 1 && j > 1 && ca == tolower((unsigned char)b[j - 2]) &&
			    cb == tolower((unsigned char)a[i - 2]) && before[j - 2] + 1 < d)
				d = before[j - 2] + 1;
			now[j] = d;
		}
		before = last;
		last = now;
		now = spare;
	}
	return last[blen];
}

void names_near_begin(struct names_near *n, const char *name)
{
	n->name = name;
	n->len = strlen(name);
	n->best = n->len < PREFIX_MIN ? 2 : 3;
	n->found = NULL;
}

void names_near_offer(struct names_near *n, const char *names)
{
	if (n->len < 2 || n->len > NEAR_MAX)
		return;
	for (const char *w = names; w; w = next_word(w)) {
		size_t len = word_len(w);
		int d = n->best;

		if (len <= NEAR_MAX)
			d = distance(n->name, n->len, w, len);
		if (d > 1 && n->len <= PREFIX_MIN) /* half of a short word is another word */
			d = n->best;
		if (d > 1 && n->len >= PREFIX_MIN && len > n->len &&
		    strncasecmp(w, n->name, n->len) == 0)
			d = 2;
		if (d < n->best) {
			n->best = d;
			n->found = w;
		}
	}
}

const char *names_near_end(const struct names_near *n, char *buf, size_t cap)
{
	return n->found && cap ? copy_word(n->found, buf, cap) : NULL;
}
