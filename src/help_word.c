/* help_word.c - --help and --help WORD: for people
 *
 * --help fits on a screen: what the program is for, lines by task, the flags that people use.
 * --help WORD explains whatever bears that name: a topic, a type, a layer, an option, a flag; all
 * of them if there are several. Except for topics and examples (help_topics.c) it comes from the
 * tables. */
#include "help_word.h"

#include "addr/addr.h"
#include "base/mem.h"
#include "base/names.h"
#include "cli.h"
#include "help_topics.h"
#include "opt/opt.h"
#include "opt/value_words.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WIDTH 78

static const char overview[] =
	"socast relays data between two addresses: sockets, groups, programs, files, terminals, "
	"TLS.\n"
	"\n"
	"  socast [flags] ADDRESS ADDRESS\n"
	"\n"
	"  socast - TCP:192.168.10.2:80                            talk to a server\n"
	"  socast TCP-LISTEN:8080,fork,reuseaddr TCP:127.0.0.1:80  hand connections on\n"
	"  socast -u MCAST:239.1.2.3:5000 -                        hear a group\n"
	"  socast TLS-LISTEN:4433,fork,cert=s.pem,verify=0 TCP:127.0.0.1:80   put TLS in front\n"
	"  socast PTY,link=/tmp/tty,raw,echo=0 TCP:192.168.10.2:7000   a serial line by network\n"
	"  socast -u OPEN:in,rdonly TCP:192.168.10.2:9000          send a file\n"
	"\n"
	"  -d -d            say more about what happens (up to four)\n"
	"  -u, -U           one direction only: left to right, right to left\n"
	"  -t SECONDS       wait so long for the other direction at the end (0.5)\n"
	"  -T SECONDS       end after so long without data\n"
	"  -v, -x           show the data as text, as hex\n"
	"  --explain        before a line: say what it would do; --check: look for errors only\n"
	"  --doctor         find out why a group or broadcast does not arrive\n"
	"  --statistics     counters at the end; --progress: while it runs\n"
	"  --version, -V    one line; with all features\n"
	"  -h, -hh, -hhh    all flags and types; with options; with every name\n"
	"\n"
	"socast --help WORD explains a type, an option, a flag, or a topic:\n";

static void print_topic_names(FILE *out)
{
	int column = 0;

	for (unsigned i = 0; help_topic(i); i++) {
		char name[32];
		int len;

		names_get(help_topic(i)->names, 0, name, sizeof(name));
		len = (int)strlen(name) + 1;
		if (column && column + len > WIDTH) {
			fputc('\n', out);
			column = 0;
		}
		fprintf(out, "%s%s", column ? " " : "  ", name);
		column += len + (column ? 0 : 1);
	}
	fputc('\n', out);
}

void help_overview(FILE *out)
{
	fputs(overview, out);
	print_topic_names(out);
}

/* Print a list of words as a paragraph: set up @column with 0. */
static void add_word(FILE *out, int *column, const char *word)
{
	int len = (int)strlen(word) + 1;

	if (*column && *column + len > WIDTH) {
		fputc('\n', out);
		*column = 0;
	}
	fprintf(out, "%s%s", *column ? " " : "    ", word);
	*column += len + (*column ? 0 : 3);
}

/* The name people use: the canonical one, without "so-" or "openssl-" where it is known without. */
static void usual_name(const struct opt_row *row, char *buf, size_t cap)
{
	char alias[64];
	const char *dash;

	opt_name(row, 0, buf, cap);
	dash = strchr(buf, '-');
	for (size_t i = 1; dash && opt_name(row, i, alias, sizeof(alias)); i++) {
		if (strcmp(alias, dash + 1) == 0) {
			snprintf(buf, cap, "%s", alias);
			return;
		}
	}
}

struct list_job {
	FILE *out;
	int column;
	uint64_t groups;
};

/* Options that fit a type, to be sorted. */
struct fitting {
	uint64_t groups; /* of the type, or layer */
	unsigned strange; /* flags of options that are not for such */
	struct fit {
		const struct opt_row *row;
		int types; /* how many it fits: the fewer, the more it has to do with this one */
		size_t order;
	} * fit;
	size_t n;
};

static int count_type(const struct addr_type *t, void *arg)
{
	struct fit *fit = arg;

	fit->types += (t->groups & fit->row->groups) != 0;
	return 0;
}

static int add_fitting_option(const struct opt_row *row, void *arg)
{
	struct fitting *f = arg;

	/* what fits everywhere or every terminal would bury the rest */
	if (!(row->groups & f->groups) || row->flags & f->strange ||
	    row->groups & (GROUPS_EVERYWHERE | G_TERMIOS))
		return 0;
	f->fit = xrealloc(f->fit, (f->n + 1) * sizeof(*f->fit));
	f->fit[f->n] = (struct fit){ .row = row, .order = f->n };
	addr_each(count_type, &f->fit[f->n++]);
	return 0;
}

static int by_closeness(const void *a, const void *b)
{
	const struct fit *x = a, *y = b;

	if (x->types != y->types)
		return x->types < y->types ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

static void print_options(FILE *out, uint64_t groups, unsigned strange)
{
	struct fitting f = { .groups = groups, .strange = strange };
	int column = 0;

	opt_each(add_fitting_option, &f);
	if (f.n)
		qsort(f.fit, f.n, sizeof(*f.fit), by_closeness);
	for (size_t i = 0; i < f.n; i++) {
		char name[64];

		usual_name(f.fit[i].row, name, sizeof(name));
		add_word(out, &column, name);
	}
	free(f.fit);
	fputs(column ? "\n" : "", out);
	if (groups & G_TERMIOS)
		fputs("    and, for terminals, raw echo sane b115200 and others, see -hh\n", out);
}

static int add_fitting_type(const struct addr_type *t, void *arg)
{
	struct list_job *j = arg;
	char name[64];

	if (!(t->groups & j->groups))
		return 0;
	names_get(t->names, 0, name, sizeof(name));
	add_word(j->out, &j->column, name);
	return 0;
}

static void print_fitting_layers(FILE *out, const struct opt_row *row)
{
	const char *before =
		row->flags & OPT_OF_STACK ? "  It fits the layers:\n" : "  And the layers:\n";
	int column = 0;

	for (size_t i = 0; layer_number(i); i++) {
		char name[64];

		if (!(layer_number(i)->groups & row->groups))
			continue;
		fputs(before, out);
		before = "";
		names_get(layer_number(i)->names, 0, name, sizeof(name));
		add_word(out, &column, name);
	}
	fputs(column ? "\n" : "", out);
}

static void print_aliases(FILE *out, const char *names)
{
	const char *blank = strchr(names, ' ');

	if (blank)
		fprintf(out, "  Also: %s\n", blank + 1);
}

static void print_type(FILE *out, const struct addr_type *t)
{
	char name[64];
	const char *example;

	names_get(t->names, 0, name, sizeof(name));
	example = help_example(name);
	fprintf(out, "address %s%s\n  %s\n", name, t->syntax, t->help);
	print_aliases(out, t->names);
	if (t->reads != t->writes)
		fprintf(out, "  Only for %s.\n", t->reads ? "reading" : "writing");
	if (addr_missing(t))
		fprintf(out, "  Not in this build: %s\n", addr_missing(t));
	if (t->stack)
		fprintf(out, "  Short for: %s\n", t->stack);
	if (example)
		fprintf(out, "  Example: %s\n", example);
	fputs("  Options that fit, its own first (and those of every address, see -hh):\n", out);
	print_options(out, t->groups, OPT_OF_STACK);
}

static void print_layer(FILE *out, const struct layer_type *t)
{
	char name[64];

	names_get(t->names, 0, name, sizeof(name));
	fprintf(out, "layer %s+<address>\n  %s\n", name, t->help);
	print_aliases(out, t->names);
	fprintf(out, "  It stands on %s, as client%s%s.\n",
		t->needs_datagrams ? "datagrams" : "a stream", t->serves ? " or server" : "",
		t->leaves ? ", and is gone when the target is connected" : "");
	if (t->unavailable)
		fprintf(out, "  Not in this build: %s\n", t->unavailable);
	if (t->example)
		fprintf(out, "  Example: %s\n", t->example);
	if (t->groups) {
		fprintf(out, "  Its options, in %s(...) or behind the comma:\n", name);
		print_options(out, t->groups, OPT_OF_TYPE);
	}
}

/* How the option is written: alone, with a value, or both ways. */
static void print_written(FILE *out, const struct opt_row *row, const char *name)
{
	const struct value_word *value = &value_words[row->type];

	if (!value->word)
		fprintf(out, "  It is written %s, without a value.", name);
	else
		fprintf(out, "  It is written %s%s=%s%s.", name, value->needed ? "" : "[",
			value->word, value->needed ? "" : "]");
}

static void print_option(FILE *out, const struct opt_row *row)
{
	struct list_job j = { .out = out, .groups = row->groups };
	char name[64];

	opt_name(row, 0, name, sizeof(name));
	fprintf(out, "option %s\n  %s\n", name, row->help);
	print_aliases(out, row->names);
	print_written(out, row, name);
	fprintf(out, " It acts %s.\n", phase_moment(row->phase));
	if (row->needs)
		fprintf(out, "  It needs %s.\n", row->needs);
	if (row->groups & GROUPS_EVERYWHERE) {
		fputs("  It fits every address.\n", out);
		return;
	}
	if (!(row->flags & OPT_OF_STACK)) {
		fputs("  It fits:\n", out);
		addr_each(add_fitting_type, &j);
		fputc('\n', out);
	}
	if (!(row->flags & OPT_OF_TYPE))
		print_fitting_layers(out, row);
}

struct flag_job {
	FILE *out;
	const char *word;
	size_t len;
	bool found;
	struct names_near near;
};

/* "-r <file>", "-h|-?", "--stats=<seconds>" are called -r, -h, --stats. */
static int print_flag(const char *token, int width, const char *help, void *arg)
{
	struct flag_job *j = arg;
	size_t len = 0;

	(void)width;
	while (token[len] && !strchr(" <=[|", token[len]))
		len++;
	if (len != j->len || strncmp(token, j->word, len) != 0)
		return 0;
	fprintf(j->out, "flag %s\n  %s\n", token, help);
	j->found = true;
	return 0;
}

/* The flag @word, which may stand without its dashes if it is a long one. */
static bool print_flags(FILE *out, const char *word)
{
	char dashed[64];
	struct flag_job j = { .out = out, .word = dashed };

	j.len = (size_t)snprintf(dashed, sizeof(dashed), "%s%s", *word == '-' ? "" : "--", word);
	if (j.len < sizeof(dashed))
		cli_each_flag(print_flag, &j);
	return j.found;
}

/* The topics that have this word among their names. */
static bool print_topics(FILE *out, const char *word)
{
	bool found = false;

	for (unsigned i = 0; help_topic(i); i++) {
		const struct help_topic *t = help_topic(i);

		if (!names_have(t->names, word))
			continue;
		fprintf(out, "%s%s\n%s", found ? "\n" : "", t->help, t->text);
		found = true;
	}
	return found;
}

/* Nothing has this name: what is near to it? */
static int nothing(const char *word, struct err *err)
{
	struct names_near near;
	char type[64], option[64], topic[64];
	const char *found;

	names_near_begin(&near, word);
	for (unsigned i = 0; help_topic(i); i++)
		names_near_offer(&near, help_topic(i)->names);
	for (size_t i = 0; layer_number(i); i++)
		names_near_offer(&near, layer_number(i)->names);
	found = names_near_end(&near, topic, sizeof(topic));
	if (!found)
		found = addr_suggest(word, type, sizeof(type));
	if (!found)
		found = opt_suggest(word, 0, option, sizeof(option));
	if (found)
		return err_set(err, 0,
			       "--help: there is no topic, type, option or flag \"%s\"; did you "
			       "mean \"%s\"?",
			       word, found);
	return err_set(err, 0,
		       "--help: there is no topic, type, option or flag \"%s\"; --help alone "
		       "lists the topics",
		       word);
}

int help_word(FILE *out, const char *word, struct err *err)
{
	const struct addr_type *type = addr_find(word);
	const struct layer_type *layer = layer_find(word, strlen(word));
	const struct opt_row *row = opt_find(word);
	bool found = print_topics(out, word);

	if (type) {
		fputs(found ? "\n" : "", out);
		print_type(out, type);
		found = true;
	}
	if (layer) {
		fputs(found ? "\n" : "", out);
		print_layer(out, layer);
		found = true;
	}
	if (row) {
		fputs(found ? "\n" : "", out);
		print_option(out, row);
		found = true;
	}
	found |= print_flags(out, word);
	return found ? 0 : nothing(word, err);
}
