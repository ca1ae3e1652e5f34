/* complists.c - the shells' completion scripts, with their lists from the tables
 *
 *   complists SHELL FILE   FILE with the lines @NAMES@, @TYPES@, @LAYERS@, @LAYERSETS@, @SETS@,
 *                          @VALUES@, @FLAGS@ and @FILEFLAGS@ replaced by lists in the language of
 *                          SHELL: bash, zsh, fish
 *
 * Whether an option fits an address or a layer is decided here: options that belong to the same
 * groups make a set, and each type and each layer has the numbers of the sets it takes. The scripts
 * only look up.
 *
 * Canonical names are offered; aliases are kept apart, for the scripts to offer them when no
 * canonical name begins with what was typed. So lists are short, and "reuse" still finds
 * "reuseaddr", an alias of "so-reuseaddr". Aliases that were typed are always understood. */
#include "addr/addr.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/names.h"
#include "base/str.h"
#include "cli.h"
#include "opt/opt.h"
#include "opt/value_words.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETS_MAX 256
#define ONLY (OPT_OF_STACK | OPT_OF_TYPE)

/* The language of a shell. A list is assigned to a variable; a label begins a row of "case". */
struct shell {
	const char *name;
	const char * or ; /* between the names of a label */
	const char *label, *label_end, *row_end; /* around the names of a label; behind its row */
	const char *list, *list_end; /* around the words of a list; the first takes its variable */
	const char *quote; /* a single quote within a word */
	char colon; /* quoted by a backslash within the word that is explained, or 0 */
	char help; /* between a word and its explanation, or 0: none are shown */
};

static const struct shell shells[] = {
	{ "bash", "|", "\t", ")\n", "\t\t;;\n", "\t\t%s=(", ")\n", "'\\''", 0, 0 },
	{ "zsh", "|", "\t", ")\n", "\t\t;;\n", "\t\t%s=(", ")\n", "'\\''", ':', ':' },
	{ "fish", " ", "\t\tcase ", "\n", "", "\t\t\tset %s", "\n", "\\'", 0, '\t' },
};

/* Different sets of options, in order of appearance: what the same groups take, of types, of layers
 * or of both. */
struct sets {
	struct set {
		uint64_t groups;
		unsigned only; /* OPT_OF_STACK, OPT_OF_TYPE, or 0 */
	} set[SETS_MAX];
	size_t n;
};

struct job {
	const struct shell *sh;
	struct sets sets;
	struct set set; /* being printed */
	bool aliases; /* which names of it */
};

/* What a parameter or a value names; scripts know what to offer for each. */
static const struct {
	const char *param, *kind;
} params[] = {
	{ "filename", "file" },    { "interface", "interface" },  { "host", "host" },
	{ "target-host", "host" }, { "proxy-server", "host" },    { "socks-server", "host" },
	{ "group", "host" },       { "command-line", "command" }, { "shell-command", "command" },
};

static const char *const kinds[V_COUNT] = {
	[V_FILENAME] = "file", [V_UID] = "user",           [V_GID] = "group",
	[V_MREQN] = "member",  [V_MREQ_SOURCE] = "member", [V_GROUP_SOURCE] = "member",
};

/* ---- words of the language ---- */

static void put_quoted(const struct job *j, const char *text, char backslashed)
{
	for (; *text; text++) {
		if (*text == '\'') {
			fputs(j->sh->quote, stdout);
			continue;
		}
		if (backslashed && *text == backslashed)
			putchar('\\');
		putchar(*text);
	}
}

/* An element of a list: a word with what must follow it, and what it means. */
static void put_item(const struct job *j, const char *word, const char *suffix, const char *help)
{
	fputs(" '", stdout);
	put_quoted(j, word, j->sh->colon);
	put_quoted(j, suffix, j->sh->colon);
	if (j->sh->help) {
		putchar(j->sh->help);
		put_quoted(j, help, 0);
	}
	putchar('\'');
}

static void put_label(const struct job *j, const char *names, int (*fold)(int))
{
	fputs(j->sh->label, stdout);
	for (; *names; names++) {
		if (*names == ' ')
			fputs(j->sh->or, stdout);
		else
			putchar(fold((unsigned char)*names));
	}
	fputs(j->sh->label_end, stdout);
}

static void begin_list(const struct job *j, const char *variable)
{
	printf(j->sh->list, variable);
}

static void end_list(const struct job *j)
{
	fputs(j->sh->list_end, stdout);
}

static void end_row(const struct job *j)
{
	fputs(j->sh->row_end, stdout);
}

/* ---- addresses ---- */

static int one_name(const struct addr_type *t, void *arg)
{
	char name[64];

	names_get(t->names, 0, name, sizeof(name));
	put_item(arg, name, t->syntax[0] == ':' ? ":" : "", t->help);
	return 0;
}

static int one_alias(const struct addr_type *t, void *arg)
{
	char name[64];

	for (size_t i = 1; names_get(t->names, i, name, sizeof(name)); i++)
		put_item(arg, name, t->syntax[0] == ':' ? ":" : "", t->help);
	return 0;
}

static void names(struct job *j)
{
	begin_list(j, "names");
	addr_each(one_name, j);
	end_list(j);
	begin_list(j, "synonyms");
	addr_each(one_alias, j);
	end_list(j);
}

static const char *kind_of_param(const char *word, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(params); i++) {
		if (strlen(params[i].param) == len && !strncmp(params[i].param, word, len))
			return params[i].kind;
	}
	return "other";
}

/* What the parameters of ":<host>:<port>" name: one word for each. Source addresses before a group
 * share its parameter. */
static void put_kinds(const char *syntax)
{
	const char *p = syntax;

	while ((p = strchr(p, '<'))) {
		size_t len = strcspn(++p, ">");

		if (strncmp(p + len, ">@", 2) != 0)
			printf(" %s", kind_of_param(p, len));
	}
}

/* @strange: those that are none of its kind. */
static void put_sets(const struct job *j, uint64_t groups, unsigned strange)
{
	begin_list(j, "sets");
	for (size_t i = 0; i < j->sets.n; i++) {
		if (j->sets.set[i].groups & groups && !(j->sets.set[i].only & strange))
			printf(" %zu", i);
	}
	end_list(j);
}

static int one_type(const struct addr_type *t, void *arg)
{
	const struct job *j = arg;

	put_label(j, t->names, toupper);
	begin_list(j, "kinds");
	put_kinds(t->syntax);
	end_list(j);
	put_sets(j, t->groups | GROUPS_EVERYWHERE, OPT_OF_STACK);
	end_row(j);
	return 0;
}

static void types(struct job *j)
{
	addr_each(one_type, j);
}

/* What may follow a layer, "+" or a bracket, the scripts know: it depends on quotes. */
static void layers(struct job *j)
{
	begin_list(j, "layers");
	for (size_t i = 0; layer_number(i); i++) {
		char name[64];

		names_get(layer_number(i)->names, 0, name, sizeof(name));
		put_item(j, name, "", layer_number(i)->help);
	}
	end_list(j);
}

static void layer_sets(struct job *j)
{
	for (size_t i = 0; layer_number(i); i++) {
		put_label(j, layer_number(i)->names, toupper);
		begin_list(j, "kinds"); /* of a layer without options that is all */
		fputs(" layer", stdout);
		end_list(j);
		put_sets(j, layer_number(i)->groups, OPT_OF_TYPE);
		end_row(j);
	}
}

/* ---- options ---- */

static bool is_in_set(const struct opt_row *row, const struct set *s)
{
	return row->groups == s->groups && (row->flags & ONLY) == s->only;
}

static int collect_set(const struct opt_row *row, void *arg)
{
	struct sets *s = arg;

	for (size_t i = 0; i < s->n; i++) {
		if (is_in_set(row, &s->set[i]))
			return 0;
	}
	if (s->n == SETS_MAX)
		return 1;
	s->set[s->n++] = (struct set){ row->groups, row->flags & ONLY };
	return 0;
}

static int one_option(const struct opt_row *row, void *arg)
{
	const struct job *j = arg;
	const char *suffix = value_words[row->type].needed ? "=" : "";
	char name[64];

	if (!is_in_set(row, &j->set))
		return 0;
	for (size_t i = j->aliases; opt_name(row, i, name, sizeof(name)); i++) {
		put_item(j, name, suffix, row->help);
		if (!j->aliases)
			break;
	}
	return 0;
}

static void sets(struct job *j)
{
	char number[32];

	for (size_t i = 0; i < j->sets.n; i++) {
		snprintf(number, sizeof(number), "%zu", i);
		put_label(j, number, toupper);
		j->set = j->sets.set[i];
		for (int aliases = 0; aliases < 2; aliases++) {
			begin_list(j, aliases ? "synonyms" : "names");
			j->aliases = aliases;
			opt_each(one_option, j);
			end_list(j);
		}
		end_row(j);
	}
}

static int one_value(const struct opt_row *row, void *arg)
{
	const struct job *j = arg;
	const char *kind = row->flags & OPT_IFNAME ? "interface" : kinds[row->type];

	if (!kind)
		return 0;
	put_label(j, row->names, tolower);
	begin_list(j, "kinds");
	printf(" %s", kind);
	end_list(j);
	end_row(j);
	return 0;
}

static void values(struct job *j)
{
	opt_each(one_value, j);
}

/* ---- flags ---- */

/* "-r <file>": the flag without what stands for its argument. */
static void flag_word(const char *token, char *buf, size_t cap)
{
	snprintf(buf, cap, "%.*s", (int)strcspn(token, " <[|"), token);
}

static int one_flag(const char *token, int width, const char *help, void *arg)
{
	char word[64];

	(void)width;
	flag_word(token, word, sizeof(word));
	put_item(arg, word, "", help);
	return 0;
}

static void flags(struct job *j)
{
	begin_list(j, "names");
	cli_each_flag(one_flag, j);
	end_list(j);
}

static int as_is(int c)
{
	return c;
}

static int one_file_flag(const char *token, int width, const char *help, void *arg)
{
	struct str *all = arg;
	char word[64];

	(void)width;
	(void)help;
	flag_word(token, word, sizeof(word));
	if (strstr(token, "file>"))
		str_addf(all, "%s%s", all->len ? " " : "", word);
	return 0;
}

/* The flags whose argument is a file, as the next word. */
static void file_flags(struct job *j)
{
	struct str all = { 0 };

	cli_each_flag(one_file_flag, &all);
	put_label(j, all.data, as_is);
	begin_list(j, "kinds");
	fputs(" file", stdout);
	end_list(j);
	end_row(j);
	str_done(&all);
}

static const struct {
	const char *line;
	void (*print)(struct job *j);
} lists[] = {
	{ "@NAMES@\n", names },   { "@TYPES@\n", types },          { "@SETS@\n", sets },
	{ "@LAYERS@\n", layers }, { "@LAYERSETS@\n", layer_sets }, { "@VALUES@\n", values },
	{ "@FLAGS@\n", flags },   { "@FILEFLAGS@\n", file_flags },
};

static void one_line(struct job *j, const char *line)
{
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		if (strcmp(line, lists[i].line) == 0) {
			lists[i].print(j);
			return;
		}
	}
	fputs(line, stdout);
}

static const struct shell *find_shell(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(shells); i++) {
		if (strcmp(shells[i].name, name) == 0)
			return &shells[i];
	}
	return NULL;
}

int main(int argc, char *argv[])
{
	struct job job = { .sh = argc == 3 ? find_shell(argv[1]) : NULL };
	FILE *in;
	char *line = NULL;
	size_t cap = 0;

	if (opt_each(collect_set, &job.sets)) {
		fputs("complists: too many sets of groups\n", stderr);
		return 1;
	}
	in = job.sh ? fopen(argv[2], "r") : NULL;
	if (!in) {
		fputs("usage: complists bash|zsh|fish FILE\n", stderr);
		return 1;
	}
	while (getline(&line, &cap, in) != -1)
		one_line(&job, line);
	free(line);
	fclose(in);
	return fflush(stdout) == EOF;
}
