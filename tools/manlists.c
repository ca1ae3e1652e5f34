/* manlists.c - the manual's lists of addresses and options, printed from the tables
 *
 *   manlists addresses     mdoc items of all address types
 *   manlists options       mdoc items of all options
 *   manlists layers        mdoc items of all layers, and rows of a table about them
 *   manlists phases        mdoc items of all moments at which options act, in order
 *   manlists page FILE     FILE, with the lines @ADDRESSES@, @LAYERS@, @LAYERTABLE@, @OPTIONS@ and
 * @PHASES@ replaced by these lists and @VERSION@ by the version
 *
 * Settings of a terminal that exclude each other, such as its speeds, share an item.
 *
 * Run while building, so that the manual names what the program knows. */
#include "about.h"
#include "addr/addr.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/names.h"
#include "base/str.h"
#include "opt/opt.h"
#include "opt/setters.h"
#include "opt/value_words.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>

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

/* It may be long: a line may end behind a layer. */
static void add_stack(struct str *text, const char *stack)
{
	const char *plus = strchr(stack, '+');
	char *layer = xstrndup(stack, (size_t)(plus - stack) + 1);

	str_adds(text, "Short for\n.Ql ");
	add_word(text, layer);
	str_adds(text, "\\:");
	add_word(text, plus + 1);
	str_adds(text, " .\n");
	free(layer);
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
	if (t->stack)
		add_stack(&text, t->stack);
	str_adds(&text, "Option groups: ");
	add_groups(&text, t->groups);
	str_adds(&text, ".\n");
	names_get(t->names, 0, name, sizeof(name));
	add(arg, name, &text);
	return 0;
}

/* Group, phase and what else is told of every option. */
static void add_facts(struct str *text, const struct opt_row *row)
{
	str_adds(text, "Group ");
	add_groups(text, row->groups);
	str_addf(text, ", phase %s.\n", phase_name(row->phase));
	if (row->flags & OPT_NEW)
		str_adds(text, "Not in classic socat.\n");
	if (row->flags & OPT_EXPERIMENTAL)
		str_adds(text, "Experimental.\n");
}

/* Fields of a terminal's settings, by word and mask: one of their values holds. */
static const struct family {
	uint8_t word;
	uint32_t mask;
	const char *text;
} families[] = {
	{ 2, CBAUD, "terminal: speed of input and output in baud; b0 hangs up" },
	{ 2, CSIZE, "terminal: bits per character, cs5 to cs8 or csize=0 to csize=3" },
	{ 1, NLDLY, "terminal: delay behind line feeds, nl0 or nl1; nldly=1 is nl1" },
	{ 1, CRDLY, "terminal: delay behind carriage returns, cr0 to cr3 or crdly=0 to crdly=3" },
	{ 1, TABDLY,
	  "terminal: delay behind tabs, tab0 to tab3 or tabdly=0 to tabdly=3; xtabs is tab3: tabs "
	  "become "
	  "blanks" },
	{ 1, BSDLY, "terminal: delay behind backspaces, bs0 or bs1; bsdly=1 is bs1" },
	{ 1, VTDLY, "terminal: delay behind vertical tabs, vt0 or vt1; vtdly=1 is vt1" },
	{ 1, FFDLY, "terminal: delay behind form feeds, ff0 or ff1; ffdly=1 is ff1" },
};

static const struct family *family_of(const struct opt_row *row)
{
	if (row->set != set_tty_flag && row->set != set_tty_field && row->set != set_tty_index &&
	    row->set != set_tty_speed)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		if (families[i].word == row->arg.tty.word && families[i].mask == row->arg.tty.mask)
			return &families[i];
	}
	return NULL;
}

/* The names of @row, with the value behind the first one; @more: others stand before it. */
static void add_names(struct str *text, const struct opt_row *row, bool more)
{
	const char *value = value_words[row->type].word;
	bool needed = value_words[row->type].needed;
	char name[64];

	for (size_t i = 0; opt_name(row, i, name, sizeof(name)); i++) {
		str_adds(text, i || more ? " , Cm " : ".It Cm ");
		add_word(text, name);
		if (!i && value)
			str_addf(text, needed ? " Ns = Ns Ar %s" : " Ns Oo = Ns Ar %s Oc", value);
	}
}

/* The item of a family while its rows are met. */
struct shared {
	const struct family *family;
	const struct opt_row *first;
	struct str text;
};

static int add_member(const struct opt_row *row, void *arg)
{
	struct shared *s = arg;

	if (family_of(row) != s->family)
		return 0;
	add_names(&s->text, row, s->first != NULL);
	if (!s->first)
		s->first = row;
	return 0;
}

static void add_family(struct items *l, const struct family *family)
{
	struct shared s = { .family = family };
	char name[64];

	opt_each(add_member, &s);
	if (!s.first)
		return;
	str_addc(&s.text, '\n');
	add_sentence(&s.text, family->text);
	add_facts(&s.text, s.first);
	opt_name(s.first, 0, name, sizeof(name));
	add(l, name, &s.text);
}

static int add_option(const struct opt_row *row, void *arg)
{
	struct str text = { 0 };
	char name[64];

	if (family_of(row))
		return 0;
	add_names(&text, row, false);
	str_addc(&text, '\n');
	add_sentence(&text, row->help);
	add_facts(&text, row);
	opt_name(row, 0, name, sizeof(name));
	add(arg, name, &text);
	return 0;
}

static int mark_phase(const struct opt_row *row, void *arg)
{
	((bool *)arg)[row->phase] = true;
	return 0;
}

static void phases(void)
{
	bool used[PH_COUNT] = { false };

	opt_each(mark_phase, used);
	for (int i = PH_NONE + 1; i < PH_COUNT; i++) {
		struct str text = { 0 };

		if (!used[i])
			continue;
		str_addf(&text, ".It Cm %s\n", phase_name((enum phase)i));
		add_sentence(&text, phase_moment((enum phase)i));
		fputs(text.data, stdout);
		str_done(&text);
	}
}

static void addresses(void)
{
	struct items l = { 0 };

	addr_each(add_type, &l);
	print(&l);
}

static const char *kind(bool datagrams)
{
	return datagrams ? "datagrams" : "stream";
}

static void layers(void)
{
	for (size_t i = 0; layer_number(i); i++) {
		const struct layer_type *t = layer_number(i);
		struct str text = { 0 };
		char name[64];

		for (size_t k = 0; names_get(t->names, k, name, sizeof(name)); k++) {
			str_adds(&text, k ? " , Cm " : ".It Cm ");
			add_word(&text, name);
		}
		str_addc(&text, '\n');
		add_sentence(&text, t->help);
		if (t->groups) {
			str_adds(&text, "Option groups: ");
			add_groups(&text, t->groups);
			str_adds(&text, ".\n");
		}
		fputs(text.data, stdout);
		str_done(&text);
	}
}

/* What may stand where, a row for each layer. */
static void layer_table(void)
{
	for (size_t i = 0; layer_number(i); i++) {
		const struct layer_type *t = layer_number(i);
		struct str text = { 0 };
		char name[64];

		add_word(&text, names_get(t->names, 0, name, sizeof(name)));
		printf(".It %s Ta %s Ta %s Ta %s Ta %s\n", text.data, kind(t->needs_datagrams),
		       kind(t->makes_datagrams), t->serves ? "both" : "client",
		       t->leaves     ? "gone"
		       : t->farewell ? t->farewell
				     : "none");
		str_done(&text);
	}
}

static void options(void)
{
	struct items l = { 0 };

	opt_each(add_option, &l);
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		add_family(&l, &families[i]);
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
		} else if (strcmp(line, "@PHASES@\n") == 0) {
			phases();
		} else if (strcmp(line, "@LAYERS@\n") == 0) {
			layers();
		} else if (strcmp(line, "@LAYERTABLE@\n") == 0) {
			layer_table();
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
	if (argc == 2 && strcmp(argv[1], "layers") == 0) {
		layers();
		layer_table();
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "phases") == 0) {
		phases();
		return 0;
	}
	if (argc == 3 && strcmp(argv[1], "page") == 0)
		return page(argv[2]);
	fputs("usage: manlists addresses | options | phases | page FILE\n", stderr);
	return 1;
}
