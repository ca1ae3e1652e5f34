/* cli.c - the command-line flags
 *
 * A table of flags with a function each. Flags are single words: no bundling, no permutation, no
 * "--"; those with an argument take it glued or as the next word. They act in the order given. */
#include "cli.h"

#include "base/list.h"
#include "base/log.h"
#include "base/names.h"
#include "base/str.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_BLOCK 8192
#define DEFAULT_LINGER_NS (500 * NSEC_PER_MSEC)
#define DEFAULT_SIGNALS 0x89deU /* HUP INT QUIT ILL ABRT BUS FPE SEGV TERM */

/* The scan in progress. */
struct scan {
	struct cli *cli;
	const char *word; /* the current argument */
	const char *arg; /* its argument, for flags that take one */
	size_t row_value; /* of its row */
	int level; /* -d counter */
	struct err *err;
};

/* The sentence of a number that could not be read. */
static int bad_number(struct scan *s, const char *flag, enum num_result how)
{
	switch (how) {
	case NUM_MISSING:
		return err_set(s->err, 0, "parseopts(): missing numerical value of option \"%s\"",
			       flag);
	case NUM_TRAILING:
		return err_set(s->err, 0,
			       "parseopts(): trailing garbage in numerical arg of option \"%s\"",
			       flag);
	default:
		return err_set(s->err, 0, "option %s: %s is out of range", flag, s->arg);
	}
}

static int number(struct scan *s, const char *flag, int64_t *out)
{
	enum num_result how = num_parse(s->arg, out, NULL);

	/* what exceeds the range is clamped: each flag knows its own limit */
	return how == NUM_OK || how == NUM_RANGE ? 0 : bad_number(s, flag, how);
}

static int seconds(struct scan *s, const char *flag, int64_t *out_ns)
{
	enum num_result how = seconds_parse(s->arg, out_ns);

	return how == NUM_OK ? 0 : bad_number(s, flag, how);
}

static int suggest(const char *name, struct err *err);

static int unknown(struct scan *s)
{
	char name[64], *equals;

	err_set(s->err, 0, "unknown %soption \"%s\"; use option \"-h\" for help",
		s->word[1] == 'l' ? "log " : "", s->word);
	if (strncmp(s->word, "-l", 2) == 0 && !s->word[2 + strspn(s->word + 2, "knpuvw")])
		return err_hint(s->err, "netcat's -l is an address here: TCP-LISTEN:<port>");
	if (strncmp(s->word, "--", 2) != 0)
		return -1;
	snprintf(name, sizeof(name), "%s", s->word);
	equals = strchr(name, '=');
	if (equals)
		*equals = '\0';
	return suggest(name, s->err);
}

/* Flags that only switch something on: their row says what. */
static int do_switch(struct scan *s)
{
	*(bool *)((char *)&s->cli->set + s->row_value) = true;
	return 0;
}

static int do_version(struct scan *s)
{
	if (s->word[2])
		return -1; /* without a sentence: the flags are shown */
	s->cli->action = CLI_VERSION;
	return 0;
}

/* Flags that ask for something else than a relay: their row says for what. */
static int do_action(struct scan *s)
{
	s->cli->action = (enum cli_action)s->row_value;
	s->cli->set.unread = s->cli->action == CLI_EXPLAIN;
	s->cli->set.offline = s->cli->set.unread || s->cli->action == CLI_CHECK;
	return 0;
}

static int do_help(struct scan *s)
{
	s->cli->action = CLI_HELP;
	s->cli->help_level = 1;
	for (int i = 2; i < 4 && (s->word[i] == 'h' || s->word[i] == '?'); i++)
		s->cli->help_level++;
	return 0;
}

static void set_level(struct scan *s, int level)
{
	static const enum log_level shown[] = { LV_ERROR, LV_WARN, LV_NOTICE, LV_INFO, LV_DEBUG };

	s->level = level;
	log_threshold = shown[level > 4 ? 4 : level];
}

static int do_debug(struct scan *s)
{
	const char *p = s->word + 2;
	int level = s->level + 1;

	if (isdigit((unsigned char)*p)) { /* more than 4 is 4 */
		level = *p++ - '0';
	} else {
		while (*p == 'd') {
			p++;
			level++;
		}
		if (*p && *p != '-')
			return -1;
	}
	if (*p)
		return err_set(s->err, 0, "Invalid (trailing) character(s) \"%c\" in \"%s\"option",
			       s->word[2], s->word);
	set_level(s, level);
	return 0;
}

static int do_log_syslog(struct scan *s)
{
	return log_set_sink(s->word[2] == 'm' ? SINK_MIXED : SINK_SYSLOG, s->word + 3, s->err);
}

static int do_log_file(struct scan *s)
{
	return log_set_sink(SINK_FILE, s->arg, s->err);
}

static int do_log_stderr(struct scan *s)
{
	return log_set_sink(SINK_STDERR, "", s->err);
}

static int do_log_name(struct scan *s)
{
	log_set_name(s->arg);
	return 0;
}

/* -lu and -lh; classic takes no notice of more such letters behind the first one. */
static int do_log_part(struct scan *s)
{
	if (s->word[3 + strspn(s->word + 3, "uh")])
		return unknown(s);
	if (s->word[2] == 'u')
		log_set_micros(true);
	else
		log_set_host(true);
	return 0;
}

static int do_sniff(struct scan *s)
{
	s->cli->set.sniff[s->word[1] == 'R'] = s->arg;
	return 0;
}

static int do_block(struct scan *s)
{
	int64_t n;

	if (number(s, "-b", &n) == -1)
		return -1;
	if (n < 0)
		return err_set(s->err, 0, "buffer size option (-b) to big - %llu (max is %lld)",
			       (unsigned long long)n, (long long)INT64_MAX);
	s->cli->set.block = (size_t)n;
	s->cli->block_given = true;
	return 0;
}

static int do_signals(struct scan *s)
{
	int64_t n;

	if (number(s, "-S", &n) == -1)
		return -1;
	s->cli->signal_mask = (uint32_t)n;
	return 0;
}

static int do_linger(struct scan *s)
{
	if (seconds(s, "-t", &s->cli->set.linger_ns) == -1)
		return -1;
	if (s->cli->set.linger_ns < 0)
		return err_set(s->err, 0, "option -t: %s is negative; use 0 for no wait", s->arg);
	return 0;
}

static int do_idle(struct scan *s)
{
	return seconds(s, "-T", &s->cli->set.idle_ns);
}

static int do_drain(struct scan *s)
{
	return seconds(s, "--drain", &s->cli->set.drain_ns);
}

static int do_stats(struct scan *s)
{
	if (seconds(s, "--stats", &s->cli->set.stats_ns) == -1)
		return -1;
	if (s->cli->set.stats_ns < NSEC_PER_MSEC)
		return err_set(s->err, 0, "option --stats: %s is too short; use 0.001 or more",
			       s->arg);
	return 0;
}

static int do_metrics(struct scan *s)
{
	s->cli->set.metrics = s->arg;
	return 0;
}

static int do_wait(struct scan *s)
{
	return seconds(s, "--wait", &s->cli->wait_ns);
}

static int do_log_format(struct scan *s)
{
	s->cli->json = strcmp(s->arg, "json") == 0;
	if (!s->cli->json && strcmp(s->arg, "text") != 0)
		return err_set(s->err, 0, "option --log: unknown format \"%s\"; use text or json",
			       s->arg);
	log_set_form(s->cli->json ? LOG_JSON : LOG_CLASSIC);
	return 0;
}

static int do_one_way(struct scan *s)
{
	struct settings *set = &s->cli->set;

	if (s->word[1] == 'u')
		set->right_to_left = false;
	else
		set->left_to_right = false;
	if (!set->right_to_left && !set->left_to_right)
		return err_set(s->err, 0, "-U and -u must not be combined");
	return 0;
}

static int do_lock(struct scan *s)
{
	if (s->cli->lockfile || s->cli->waitlock)
		return err_set(s->err, 0, "only one -L and -W option allowed");
	*(s->word[1] == 'L' ? &s->cli->lockfile : &s->cli->waitlock) = s->arg;
	return 0;
}

static int do_ip(struct scan *s)
{
	s->cli->set.listen_ip = s->cli->set.resolve_ip = s->word[1] - '0';
	return 0;
}

/* How a word is recognised and what follows it. */
enum shape {
	EXACT, /* the word alone */
	LETTER, /* the word alone; more letters behind it are bundling, and refused */
	PREFIX, /* the function looks at the rest */
	ARGUMENT, /* glued or next word */
	HELP_ONLY, /* recognised by another row */
};

#define SWITCH(MEMBER) do_switch, offsetof(struct settings, MEMBER)
#define NARROW 7 /* columns of the flag in the help */
#define WIDE 15

/* The flags in the order of the help. @token and @help: as it prints them; a row without is another
 * spelling of the one before it. No @word begins another one that stands behind it. */
/* clang-format off */
static const struct {
	const char *word;
	enum shape shape;
	int (*fn)(struct scan *s);
	size_t value; /* do_switch: offset of a bool in struct settings; do_action: the action */
	int width;
	const char *token, *help;
} flags[] = {
	{ "-V", PREFIX, do_version, 0, NARROW, "-V", "print version and feature list, and exit" },
	{ "-h", PREFIX, do_help, 0, NARROW, "-h|-?", "print this help, and exit" },
	{ "-?", PREFIX, do_help, 0, 0, NULL, NULL },
	{ NULL, HELP_ONLY, NULL, 0, NARROW, "-hh", "the same with the usual option names" },
	{ NULL, HELP_ONLY, NULL, 0, NARROW, "-hhh", "the same with all address and option names" },
	{ "-d", PREFIX, do_debug, 0, WIDE, "-d[ddd]",
	  "log more: each d adds a level (errors and warnings are the default)" },
	{ NULL, HELP_ONLY, NULL, 0, WIDE, "-d0|1|2|3|4",
	  "log level: errors, warnings, notices, infos, debug" },
	{ "--help", EXACT, do_action, CLI_OVERVIEW, WIDE, "--help [word]",
	  "print a short help, or explain a type, option, flag or topic, and exit" },
	{ "--version", EXACT, do_action, CLI_LINE, WIDE, "--version", "print one line, and exit" },
	{ "-D", LETTER, SWITCH(analyse), WIDE, "-D",
	  "print an analysis of the descriptors before the transfer" },
	{ "--experimental", EXACT, SWITCH(experimental), WIDE, "--experimental",
	  "do not warn about experimental options" },
	{ "--keygen", EXACT, do_action, CLI_KEYGEN, NARROW, "--keygen [sign]",
	  "write a key for option seal (sign-key), and exit" },
	{ "--explain", EXACT, do_action, CLI_EXPLAIN, WIDE, "--explain",
	  "say what two addresses, or a whole line, would do, do nothing, and exit" },
	{ "--check", EXACT, do_action, CLI_CHECK, WIDE, "--check",
	  "look for errors in two addresses, or a whole line, do nothing, and exit" },
	{ "--progress", EXACT, SWITCH(progress), WIDE, "--progress",
	  "show bytes, rate and time left, if stderr is a terminal" },
	{ "--statistics", EXACT, SWITCH(statistics), WIDE, "--statistics",
	  "print the transfer counters at the end" },
	{ "--stats=", ARGUMENT, do_stats, 0, WIDE, "--stats=<seconds>",
	  "print the counters of both addresses at this interval, and at the end" },
	{ "--metrics=", ARGUMENT, do_metrics, 0, WIDE, "--metrics=<where>",
	  "serve the counters by HTTP: port, address:port, or path" },
	{ "--notify", EXACT, SWITCH(notify), WIDE, "--notify",
	  "tell the service manager (NOTIFY_SOCKET) when all is open, and the end" },
	{ "--drain=", ARGUMENT, do_drain, 0, WIDE, "--drain=<seconds>",
	  "after SIGTERM, SIGINT, SIGHUP let sessions finish for up to this time" },
	{ "--doctor", EXACT, do_action, CLI_DOCTOR, WIDE, "--doctor",
	  "examine an address, or the host, for what keeps groups from arriving, and exit" },
	{ "--wait=", ARGUMENT, do_wait, 0, WIDE, "--wait=<seconds>",
	  "with --doctor: listen for up to this time for an IGMP querier (0)" },
	{ "--log=", ARGUMENT, do_log_format, 0, WIDE, "--log=<format>",
	  "text or json: log records, and the findings of --doctor (text)" },
	{ "-ly", PREFIX, do_log_syslog, 0, WIDE, "-ly[facility]",
	  "log to syslog (default facility: daemon)" },
	{ "-lf", ARGUMENT, do_log_file, 0, WIDE, "-lf<logfile>", "log to a file" },
	{ "-ls", EXACT, do_log_stderr, 0, WIDE, "-ls", "log to stderr (default)" },
	{ "-lm", PREFIX, do_log_syslog, 0, WIDE, "-lm[facility]",
	  "log to stderr during start-up, then to syslog" },
	{ "-lp", ARGUMENT, do_log_name, 0, WIDE, "-lp<progname>",
	  "program name in the log and prefix of variables" },
	{ "-lu", PREFIX, do_log_part, 0, WIDE, "-lu", "microseconds in log records" },
	{ "-lh", PREFIX, do_log_part, 0, WIDE, "-lh", "host name in log records" },
	{ "-v", LETTER, SWITCH(dump_text), NARROW, "-v",
	  "dump the transferred data as text to stderr" },
	{ "-x", LETTER, SWITCH(dump_hex), NARROW, "-x",
	  "dump the transferred data as hex to stderr" },
	{ "-r", ARGUMENT, do_sniff, 0, WIDE, "-r <file>", "raw dump of data from left to right" },
	{ "-R", ARGUMENT, do_sniff, 0, WIDE, "-R <file>", "raw dump of data from right to left" },
	{ "-b", ARGUMENT, do_block, 0, WIDE, "-b<size_t>",
	  "block size (8192): size of datagrams made of a stream" },
	{ "-s", LETTER, SWITCH(sloppy), NARROW, "-s",
	  "sloppy: go on after errors where that makes sense" },
	{ "-S", ARGUMENT, do_signals, 0, WIDE, "-S<sigmask>", "signals to catch and log (0x89de)" },
	{ "-t", ARGUMENT, do_linger, 0, WIDE, "-t<timeout>",
	  "seconds to wait for the other direction after end of file (0.5)" },
	{ "-T", ARGUMENT, do_idle, 0, WIDE, "-T<timeout>",
	  "seconds of inactivity after which to end" },
	{ "-u", LETTER, do_one_way, 0, NARROW, "-u", "one direction, left to right" },
	{ "-U", LETTER, do_one_way, 0, NARROW, "-U", "one direction, right to left" },
	{ "-g", LETTER, SWITCH(any_group), NARROW, "-g",
	  "do not check whether options fit the address" },
	{ "-L", ARGUMENT, do_lock, 0, WIDE, "-L <lockfile>", "take a lock, or fail" },
	{ "-W", ARGUMENT, do_lock, 0, WIDE, "-W <lockfile>", "take a lock, or wait for it" },
	{ "-0", LETTER, do_ip, 0, NARROW, "-0", "no IP version is preferred" },
	{ "-4", LETTER, do_ip, 0, NARROW, "-4", "prefer IPv4 (default)" },
	{ "-6", LETTER, do_ip, 0, NARROW, "-6", "prefer IPv6" },
};
/* clang-format on */

int cli_each_flag(int (*fn)(const char *token, int width, const char *help, void *arg), void *arg)
{
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(flags) && rc == 0; i++) {
		if (flags[i].token)
			rc = fn(flags[i].token, flags[i].width, flags[i].help, arg);
	}
	return rc;
}

/* A long flag near to @name goes behind the sentence of @err. */
static int suggest(const char *name, struct err *err)
{
	char known[ARRAY_SIZE(flags)][32], found[32];
	size_t len = strlen(err->text);
	struct names_near near;

	names_near_begin(&near, name);
	for (size_t k = 0; k < ARRAY_SIZE(flags); k++) {
		const char *word = flags[k].word ? flags[k].word : "";

		snprintf(known[k], sizeof(known[k]), "%.*s", (int)strcspn(word, "="), word);
		if (strncmp(word, "--", 2) == 0)
			names_near_offer(&near, known[k]);
	}
	if (names_near_end(&near, found, sizeof(found)))
		snprintf(err->text + len, sizeof(err->text) - len, "; did you mean \"%s\"?", found);
	return -1;
}

static int bundled(const struct scan *s)
{
	fprintf(stderr,
		"Do not merge single character options, i.e. use \"-%c -%c\" instead of \"%s\"\n",
		s->word[1], s->word[2], s->word);
	return -1;
}

/* Whoever says where records go or what is in them wants those of the manual. */
static bool is_about_log(const char *word)
{
	return strncmp(word, "-l", 2) == 0 || strcmp(word, "--log=") == 0;
}

/* One flag at argv[*i]; moves *i behind its last word. */
static int one_flag(struct scan *s, int argc, char *const argv[], int *i)
{
	for (size_t k = 0; k < ARRAY_SIZE(flags); k++) {
		size_t len = flags[k].word ? strlen(flags[k].word) : 0;
		const char *rest;

		/* long ones take their value behind "=" or as the next word */
		if (len && flags[k].word[len - 1] == '=' && strlen(s->word) == len - 1)
			len--;
		if (!len || strncmp(s->word, flags[k].word, len) != 0)
			continue;
		rest = s->word + len;
		if (*rest && flags[k].shape == EXACT)
			continue;
		if (*rest && flags[k].shape == LETTER)
			return bundled(s);
		s->arg = rest;
		if (flags[k].shape == ARGUMENT && !*rest) {
			if (++*i >= argc)
				return err_set(s->err, 0,
					       "option %s requires an argument; use option \"-h\" "
					       "for help",
					       flags[k].word);
			s->arg = argv[*i];
		}
		++*i;
		s->row_value = flags[k].value;
		if (is_about_log(flags[k].word))
			log_set_form(s->cli->json ? LOG_JSON : LOG_CLASSIC);
		return flags[k].fn(s);
	}
	return unknown(s);
}

/* "-", "-,opts", "-:x", "-!!x" are spellings of STDIO. */
static bool is_address(const char *word)
{
	return word[0] != '-' || !word[1] || strchr(",:!", word[1]);
}

static int ip_from_env(const char *name)
{
	const char *text = getenv(name);

	if (!text)
		return 4;
	return *text == '4' || *text == '6' ? *text - '0' : 0;
}

static void defaults(struct cli *cli)
{
	const char *plain = getenv("SOCAST_FASTPATH");

	memset(cli, 0, sizeof(*cli));
	cli->signal_mask = DEFAULT_SIGNALS;
	cli->set.block = DEFAULT_BLOCK;
	cli->set.linger_ns = DEFAULT_LINGER_NS;
	cli->set.idle_ns = -1;
	cli->set.left_to_right = cli->set.right_to_left = true;
	cli->set.listen_ip = ip_from_env("SOCAT_DEFAULT_LISTEN_IP");
	cli->set.resolve_ip = ip_from_env("SOCAT_PREFERRED_RESOLVE_IP");
	cli->set.plain = plain && *plain == '0';
}

/* Such a flag may have a word behind it, which need not look like an address. */
static bool takes_word(enum cli_action action)
{
	return action == CLI_KEYGEN || action == CLI_OVERVIEW;
}

/* Nothing behind such a flag is looked at. */
static bool stands_alone(enum cli_action action)
{
	return action == CLI_VERSION || action == CLI_HELP || action == CLI_LINE ||
	       takes_word(action);
}

/* "localhost 80", as other programs want it. */
static bool is_port_apart(const char *before, const char *word)
{
	return *word && !word[strspn(word, "0123456789")] && *before &&
	       !before[strcspn(before, ",/")] && before[strspn(before, "-0123456789")] &&
	       before[strlen(before) - 1] != ':';
}

/* Why there may be so many words, or so few. */
static int wrong_number(char *const word[], int n, struct err *err)
{
	struct str list = { 0 };
	bool blank = false;

	err_set(err, 0, "exactly 2 addresses required (there are %d); use option \"-h\" for help",
		n);
	for (int i = 0; i < n && !err->hint[0]; i++) {
		size_t len = strlen(word[i]);

		if (!is_address(word[i]))
			err_hint(err, "flags stand before the addresses: \"%s\" comes too late",
				 word[i]);
		else if (i && is_port_apart(word[i - 1], word[i]))
			err_hint(err, "a colon joins what belongs together: %s:%s", word[i - 1],
				 word[i]);
		blank |= len && strchr(",:", word[i][len - 1]);
		str_addf(&list, "%s\"%s\"", i ? ", " : "", word[i]);
	}
	if (n > 2 && !err->hint[0])
		err_hint(err, "they are %s: %s", list.data,
			 blank ? "a blank behind a comma or colon?" : "a blank that wants quotes?");
	str_done(&list);
	return -1;
}

/* Does a copied line begin here, with its program's name? An address has no such name, but for a
 * path. */
static bool begins_line(const struct cli *cli, int left, const char *word)
{
	const char *slash = strrchr(word, '/');
	const char *name = slash ? slash + 1 : word;

	return (cli->action == CLI_EXPLAIN || cli->action == CLI_CHECK ||
		cli->action == CLI_DOCTOR) &&
	       (!slash || left > 2) && (strcmp(name, "socast") == 0 || strcmp(name, "socat") == 0);
}

/* A line to be explained or examined may be whole: its first word is skipped, flags follow. */
static int skip_name(const struct cli *cli, int argc, char *const argv[], int i, bool *skipped)
{
	if (*skipped || i >= argc || !begins_line(cli, argc - i, argv[i]))
		return i;
	*skipped = true;
	return i + 1;
}

int cli_parse(struct cli *cli, int argc, char *const argv[], struct err *err)
{
	struct scan s = { .cli = cli, .err = err };
	const char *slash = strrchr(argv[0], '/');
	bool skipped = false;
	int i = 1;

	defaults(cli);
	log_set_name(slash ? slash + 1 : argv[0]);
	cli->set.classic = strcmp(log_name(), "socat") == 0;
	if (!cli->set.classic && isatty(STDERR_FILENO))
		log_set_form(LOG_PEOPLE);
	while (i < argc && !is_address(argv[i])) {
		s.word = argv[i];
		if (one_flag(&s, argc, argv, &i) == -1)
			return -1;
		if (takes_word(cli->action) && i + 1 < argc) {
			err_set(err, 0, "%s: \"%s\" is one word too many", s.word, argv[i + 1]);
			if (cli->action == CLI_OVERVIEW)
				err_hint(err, "words that belong together have a hyphen, as in "
					      "--help port-forward");
			return -1;
		}
		if (takes_word(cli->action))
			cli->word = argv[i];
		if (stands_alone(cli->action))
			return 0;
		i = skip_name(cli, argc, argv, i, &skipped);
	}
	if (cli->action == CLI_DOCTOR && argc - i < 2) {
		cli->address[0] = i < argc ? argv[i] : NULL;
		return 0;
	}
	if (argc - i != 2)
		return wrong_number(argv + i, argc - i, err);
	cli->address[0] = argv[i];
	cli->address[1] = argv[i + 1];
	return 0;
}
