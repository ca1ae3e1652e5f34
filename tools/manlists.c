/* manlists.c - the manual's lists of addresses and options, printed from the tables
 *
 *   manlists addresses     mdoc items of all address types
 *   manlists options       mdoc items of all options
 *   manlists page FILE     FILE, with the lines @ADDRESSES@ and @OPTIONS@ replaced by these lists
 *                          and @VERSION@ by the version
 *
 * Run while building, so that the manual names what the program knows. */
#include "addr/addr.h"
#include "base/mem.h"
#include "base/names.h"
#include "base/str.h"
#include "cli.h"
#include "opt/opt.h"
#include "values.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An item of a list, to be sorted. */
struct item {
	char *name, *text;
};

struct items {
	struct item *item;
	size_t n;
};

static void add(struct items *l, const char *name, struct str *text)
{
	l->item = xrealloc(l->item, (l->n + 1) * sizeof(*l->item));
	l->item[l->n++] = (struct item){ xstrdup(name), str_take(text) };
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct item *)a)->name, ((const struct item *)b)->name);
}

static void print(struct items *l)
{
	if (l->n)
		qsort(l->item, l->n, sizeof(*l->item), by_name);
	for (size_t i = 0; i < l->n; i++) {
		fputs(l->item[i].text, stdout);
		free(l->item[i].name);
		free(l->item[i].text);
	}
	free(l->item);
	*l = (struct items){ 0 };
}

/* Names are typed by users: a hyphen must stay the ASCII one. */
static void add_word(struct str *text, const char *word)
{
	for (; *word; word++) {
		if (*word == '-')
			str_adds(text, "\\-");
		else if (*word == '\\')
			str_adds(text, "\\e");
		else
			str_addc(text, *word);
	}
}

/* A help line as a sentence, on a line of its own. */
static void add_sentence(struct str *text, const char *help)
{
	if (*help == '.' || *help == '\'')
		str_adds(text, "\\&");
	str_addc(text, (char)toupper((unsigned char)*help));
	add_word(text, help + 1);
	str_adds(text, ".\n");
}

/* Syntax as help prints it, ":<host>:<port>", with the variable parts as arguments. */
static void add_syntax(struct str *text, const char *syntax)
{
	for (const char *p = syntax; *p;) {
		size_t len = strcspn(p, "<>");

		if (*p == '<') {
			len = strcspn(p, ">");
			str_adds(text, " Ns Ar ");
			for (size_t i = 1; i < len; i++)
				str_addc(text, p[i]);
			p += len + 1;
			continue;
		}
		/* lone closing delimiters stick to the word before by themselves */
		str_adds(text, len == 1 && strchr(":]", *p) ? " " : " Ns ");
		for (size_t i = 0; i < len; i++)
			str_addc(text, p[i]);
		p += len;
	}
}

/* A list without blanks; a line may end behind a comma. */
static void add_groups(struct str *text, uint64_t groups)
{
	struct str list = { 0 };

	groups_format(groups, &list);
	for (const char *p = list.data; p && *p; p++) {
		str_addc(text, *p);
		if (*p == ',')
			str_adds(text, "\\:");
	}
	str_done(&list);
}

static int add_type(const struct addr_type *t, void *arg)
{
	struct str text = { 0 };
	char name[64];

	for (size_t i = 0; names_get(t->names, i, name, sizeof(name)); i++) {
		str_adds(&text, i ? " , Cm " : ".It Cm ");
		add_word(&text, name);
		if (!i)
			add_syntax(&text, t->syntax);
	}
	str_addc(&text, '\n');
	add_sentence(&text, t->help);
	str_adds(&text, "Option groups: ");
	add_groups(&text, t->groups);
	str_adds(&text, ".\n");
	names_get(t->names, 0, name, sizeof(name));
	add(arg, name, &text);
	return 0;
}

static int add_option(const struct opt_row *row, void *arg)
{
	const char *value = value_words[row->type].word;
	bool needed = value_words[row->type].needed;
	struct str text = { 0 };
	char name[64];

	for (size_t i = 0; opt_name(row, i, name, sizeof(name)); i++) {
		str_adds(&text, i ? " , Cm " : ".It Cm ");
		add_word(&text, name);
		if (!i && value)
			str_addf(&text, needed ? " Ns = Ns Ar %s" : " Ns Oo = Ns Ar %s Oc", value);
	}
	str_addc(&text, '\n');
	add_sentence(&text, row->help);
	str_adds(&text, "Group ");
	add_groups(&text, row->groups);
	str_addf(&text, ", phase %s.\n", phase_name(row->phase));
	if (row->flags & OPT_NEW)
		str_adds(&text, "Not in classic socat.\n");
	if (row->flags & OPT_EXPERIMENTAL)
		str_adds(&text, "Experimental.\n");
	opt_name(row, 0, name, sizeof(name));
	add(arg, name, &text);
	return 0;
}

static void addresses(void)
{
	struct items l = { 0 };

	addr_each(add_type, &l);
	print(&l);
}

static void options(void)
{
	struct items l = { 0 };

	opt_each(add_option, &l);
	print(&l);
}

static int page(const char *path)
{
	FILE *in = fopen(path, "r");
	char *line = NULL, *at;
	size_t cap = 0;

	if (!in) {
		fprintf(stderr, "manlists: open(\"%s\"): %m\n", path);
		return 1;
	}
	while (getline(&line, &cap, in) != -1) {
		if (strcmp(line, "@ADDRESSES@\n") == 0) {
			addresses();
		} else if (strcmp(line, "@OPTIONS@\n") == 0) {
			options();
		} else if ((at = strstr(line, "@VERSION@"))) {
			*at = '\0';
			printf("%s%s%s", line, SOCAST_VERSION, at + strlen("@VERSION@"));
		} else {
			fputs(line, stdout);
		}
	}
	free(line);
	fclose(in);
	return fflush(stdout) == EOF;
}

int main(int argc, char *argv[])
{
	if (argc == 2 && strcmp(argv[1], "addresses") == 0) {
		addresses();
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "options") == 0) {
		options();
		return 0;
	}
	if (argc == 3 && strcmp(argv[1], "page") == 0)
		return page(argv[2]);
	fputs("usage: manlists addresses | options | page FILE\n", stderr);
	return 1;
}
