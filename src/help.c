/* help.c - -V, -h, -hh, -hhh, printed from the tables
 *
 * The layout is classic's, because scripts grep it. */
#include "help.h"

#include "about.h"
#include "addr/addr.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/names.h"
#include "cli.h"
#include "end/vars.h"
#include "opt/opt.h"

#include <stdlib.h>
#include <string.h>

#define PURPOSE "relay between two addresses, multicast and datagrams first"
#define IDENTITY                                                                                   \
	"socast " SOCAST_VERSION " - " PURPOSE "; compatible with socat " COMPAT_VERSION "\n"

/* Features as classic names them: there when a type of theirs is, else as the build says. */
/* clang-format off */
static const struct {
	const char *name, *type;
	bool on;
} features[] = {
	{ "HELP", NULL, true }, { "STATS", NULL, true }, { "STDIO", "STDIO", false },
	{ "FDNUM", "FD", false }, { "FILE", "OPEN", false }, { "CREAT", "CREATE", false },
	{ "GOPEN", "GOPEN", false }, { "TERMIOS", NULL, true }, { "PIPE", "PIPE", false },
	{ "STALL", "STALL", false }, { "TEXT", "TEXT", false },
	{ "SOCKETPAIR", "SOCKETPAIR", false }, { "UNIX", "UNIX-CONNECT", false },
	{ "ABSTRACT_UNIXSOCKET", "ABSTRACT-CONNECT", false }, { "IP4", NULL, true },
	{ "IP6", NULL, true }, { "RAWIP", "IP-SENDTO", false },
	{ "GENERICSOCKET", "SOCKET-CONNECT", false }, { "INTERFACE", "INTERFACE", false },
	{ "TCP", "TCP-CONNECT", false }, { "UDP", "UDP-CONNECT", false },
	{ "SCTP", "SCTP-CONNECT", false }, { "DCCP", "DCCP-CONNECT", false },
	{ "UDPLITE", "UDPLITE-CONNECT", false }, { "LISTEN", NULL, true },
	{ "POSIXMQ", "POSIXMQ-READ", false }, { "SOCKS4", "SOCKS4", false },
	{ "SOCKS4A", "SOCKS4A", false }, { "SOCKS5", "SOCKS5-CONNECT", false },
	{ "VSOCK", "VSOCK-CONNECT", false }, { "NAMESPACES", NULL, true },
	{ "PROXY", "PROXY", false }, { "SYSTEM", "SYSTEM", false }, { "SHELL", "SHELL", false },
	{ "EXEC", "EXEC", false }, { "READLINE", "READLINE", false }, { "TUN", "TUN", false },
	{ "PTY", "PTY", false }, { "OPENSSL", "OPENSSL", false }, { "FIPS", NULL, false },
	{ "LIBWRAP", NULL, HAVE_LIBWRAP }, { "SYCLS", NULL, true }, { "FILAN", NULL, true },
	{ "RETRY", NULL, true }, { "DEVTESTS", NULL, false }, { "CHAOS", NULL, HAVE_CHAOS },
	{ "SEAL", NULL, HAVE_SODIUM },
};
/* clang-format on */

void help_version(FILE *out, bool classic)
{
	/* scripts that call socat take the first number they find for its version */
	fputs(classic ? "socast, called socat - " PURPOSE "\n" : IDENTITY, out);
	about_print(out, "socat");
	if (classic)
		fputs("   this is socast version " SOCAST_VERSION "\n", out);
	fputs("features:\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
		const struct addr_type *type =
			features[i].type ? addr_find(features[i].type) : NULL;
		bool on = type ? !addr_missing(type) : features[i].on;

		fprintf(out, "  %s WITH_%s%s\n", on ? "#define" : "#undef", features[i].name,
			on ? " 1" : "");
	}
	fputs("  #define WITH_MSGLEVEL 0 /*debug*/\n  #define WITH_DEFAULT_IPV 4\n", out);
}

void help_line(FILE *out)
{
	fputs("socast " SOCAST_VERSION " (compatible with socat " COMPAT_VERSION ")\n", out);
}

/* ---- sorted lists ---- */

struct line {
	char *name; /* sort key: first word */
	char *text; /* what follows it */
};

struct lines {
	struct line *line;
	size_t n;
};

static void add_line(struct lines *l, char *name, char *text)
{
	l->line = xrealloc(l->line, (l->n + 1) * sizeof(*l->line));
	l->line[l->n++] = (struct line){ name, text };
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct line *)a)->name, ((const struct line *)b)->name);
}

static void print_lines(FILE *out, struct lines *l)
{
	qsort(l->line, l->n, sizeof(*l->line), by_name);
	for (size_t i = 0; i < l->n; i++) {
		fprintf(out, "      %s%s\n", l->line[i].name, l->line[i].text);
		free(l->line[i].name);
		free(l->line[i].text);
	}
	free(l->line);
	*l = (struct lines){ 0 };
}

/* Tabs up to a column, and @least of them. @used: columns taken. */
static void tabs(struct str *s, long column, long used, int least)
{
	long n = used < column ? (column - used) / 8 : 0;

	for (n += least; n > 0; n--)
		str_addc(s, '\t');
}

struct listing {
	struct lines lines;
	int level;
};

static int add_type(const struct addr_type *t, void *arg)
{
	struct listing *l = arg;
	char name[64], alias[64];
	struct str text = { 0 };

	names_get(t->names, 0, name, sizeof(name));
	str_adds(&text, t->syntax);
	tabs(&text, 47, (long)(6 + strlen(name) + strlen(t->syntax)), 1);
	str_adds(&text, "groups=");
	groups_format(t->groups, &text);
	add_line(&l->lines, xstrdup(name), str_take(&text));
	for (size_t i = 1; l->level > 2 && names_get(t->names, i, alias, sizeof(alias)); i++) {
		tabs(&text, 47, (long)(6 + strlen(alias)), 1);
		str_addf(&text, "is an alias name for %s", name);
		add_line(&l->lines, xstrdup(alias), str_take(&text));
	}
	return 0;
}

static const char *kind(bool datagrams)
{
	return datagrams ? "datagrams" : "stream";
}

static void print_layers(FILE *out)
{
	fputs("   layer:  /* <layer>[(<opts>)]+ stands in front of a single-address */\n", out);
	for (size_t i = 0; layer_number(i); i++) {
		const struct layer_type *t = layer_number(i);
		struct str groups = { 0 };
		char name[64];

		groups_format(t->groups, &groups);
		fprintf(out, "      %-16s below=%-9s above=%-9s groups=%s\n",
			names_get(t->names, 0, name, sizeof(name)), kind(t->needs_datagrams),
			kind(t->makes_datagrams), groups.len ? groups.data : "none");
		str_done(&groups);
	}
}

static void option_text(const struct opt_row *row, size_t name_len, struct str *text)
{
	struct str groups = { 0 };
	const char *phase = phase_name(row->phase);

	groups_format(row->groups, &groups);
	tabs(text, 23, (long)(6 + name_len), 1);
	str_addf(text, "groups=%s", groups.data);
	tabs(text, 31, (long)(7 + (row->groups & G_ALL ? 0 : groups.len)), 0);
	if (7 + groups.len >= 24) /* one, however long they are */
		str_addc(text, '\t');
	str_addf(text, "phase=%s", phase);
	tabs(text, 31, (long)(6 + strlen(phase)), 0);
	str_addf(text, "type=%s", value_type_name(row->type));
	str_done(&groups);
}

static int add_option(const struct opt_row *row, void *arg)
{
	struct listing *l = arg;
	char name[64], alias[64];
	struct str text = { 0 };

	opt_name(row, 0, name, sizeof(name));
	if (l->level == 2) {
		/* the usual name is the shortest one */
		for (size_t i = 1; opt_name(row, i, alias, sizeof(alias)); i++) {
			if (strlen(alias) < strlen(name))
				snprintf(name, sizeof(name), "%s", alias);
		}
		option_text(row, strlen(name), &text);
		add_line(&l->lines, xstrdup(name), str_take(&text));
		return 0;
	}
	option_text(row, strlen(name), &text);
	add_line(&l->lines, xstrdup(name), str_take(&text));
	for (size_t i = 1; opt_name(row, i, alias, sizeof(alias)); i++) {
		tabs(&text, 23, (long)(6 + strlen(alias)), 1);
		str_addf(&text, "is an alias for %s", name);
		add_line(&l->lines, xstrdup(alias), str_take(&text));
	}
	return 0;
}

static int print_flag(const char *token, int width, const char *help, void *arg)
{
	fprintf(arg, "      %-*s %s\n", width, token, help);
	return 0;
}

void help_usage(FILE *out)
{
	fputs(IDENTITY, out);
	fputs("Usage:\n"
	      "socast [options] <bi-address> <bi-address>\n"
	      "   options (general command line options):\n",
	      out);
	cli_each_flag(print_flag, out);
}

void help_print(FILE *out, int level)
{
	struct listing types = { .level = level }, options = { .level = level };

	help_usage(out);
	fputs("   bi-address:  /* is an address that may act both as data sync and source */\n"
	      "      <single-address>\n"
	      "      <single-address>!!<single-address>\n"
	      "   single-address:\n"
	      "      <address-head>[,<opts>]\n"
	      "   address-head:\n",
	      out);
	addr_each(add_type, &types);
	print_lines(out, &types.lines);
	if (level > 2)
		fputs("         <num> is a short form for fd:<num>\n"
		      "         <filename> is a short form for gopen:<filename>\n",
		      out);
	print_layers(out);
	if (level < 2)
		return;
	fputs("   opts:\n"
	      "      <opt>{,<opts>}:\n"
	      "   opt:\n",
	      out);
	opt_each(add_option, &options);
	print_lines(out, &options.lines);
}
