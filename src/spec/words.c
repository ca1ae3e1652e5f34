/* words.c - a command line cut into words by the rules of the address language */
#include "spec/lex.h"
#include "spec/spec.h"

#include "base/mem.h"

#include <stdlib.h>

void words_free(char **words)
{
	for (size_t i = 0; words && words[i]; i++)
		free(words[i]);
	free(words);
}

int spec_split_words(const char *text, char ***words, struct err *err)
{
	const char *p = text;
	char **list = xcalloc(1, sizeof(*list));
	int n = 0;

	for (;;) {
		while (*p == ' ')
			p++;
		if (!*p)
			break;
		list = xrealloc(list, (size_t)(n + 2) * sizeof(*list));
		list[n + 1] = NULL;
		list[n] = lex_take(&p, END_BLANK, text, "address \"%s\" too long", text, err);
		if (!list[n]) {
			words_free(list);
			return -1;
		}
		n++;
	}
	*words = list;
	return n;
}
