/* cli.h - the command line: flags to settings, texts to a plan, help */
#ifndef CLI_H
#define CLI_H

#include "end/plan.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define SOCAST_VERSION "0.1.0"

/* What the program is asked to do. */
enum cli_action {
	CLI_RUN,
	CLI_VERSION,
	CLI_HELP,
	CLI_LINE, /* --version */
	CLI_OVERVIEW, /* --help, and a word behind it */
	CLI_KEYGEN,
	CLI_DOCTOR,
	CLI_EXPLAIN,
	CLI_CHECK,
};

struct cli {
	enum cli_action action;
	int help_level; /* 1: -h, 2: -hh, 3: -hhh */
	struct settings set;
	const char *lockfile, *waitlock; /* -L, -W */
	uint32_t signal_mask; /* -S: bit n stands for signal n */
	int64_t wait_ns; /* --wait: how long the doctor listens for a querier */
	bool json; /* --log=json: the doctor's findings as JSON, as the log */
	bool block_given; /* -b */
	const char *address[2]; /* NULL: not given, for the doctor */
	const char *word; /* CLI_KEYGEN, CLI_OVERVIEW: the word behind it, or NULL */
};

/* Scan the arguments (core behaviour of classic: single letters, no bundling, no permutation). Log
 * options take effect at once. Returns 0, or -1 when the program has to end with status 1: @err
 * holds the sentence, or is empty when a text without log prefix has been written already. */
int cli_parse(struct cli *cli, int argc, char *const argv[], struct err *err);

/* Texts to types, options and configuration; an address not given is a side without halves. The
 * @plan owns everything until plan_done(). */
int plan_make(struct plan *plan, const struct cli *cli, struct err *err);
void plan_done(struct plan *plan);

/* -V and -h, -hh, -hhh, printed from the tables. @classic: the program is called socat. */
void help_version(FILE *out, bool classic);
void help_print(FILE *out, int level);
void help_usage(FILE *out);

/* --version: one line. */
void help_line(FILE *out);

/* --help: a screen for people. */
void help_overview(FILE *out);

/* --help WORD: whatever has this name, a topic, type, option or flag. Returns 0, or -1 with @err.
 */
int help_word(FILE *out, const char *word, struct err *err);

/* The lines of -V that scripts look into: the version of classic's @program that this one is
 * compatible with, when it was built, and the system it runs on. */
void about_print(FILE *out, const char *program);

/* --keygen: write a new key, of the kind @kind (NULL: a group key, "sign"), to standard output. A
 * file there becomes readable for its owner only. Returns 0, or -1 with @err. */
int keygen(const char *kind, struct err *err);

/* Call @fn for each flag as it stands in the help ("-r <file>", columns it takes there, one
 * sentence), until one call returns nonzero, which is returned. */
int cli_each_flag(int (*fn)(const char *token, int width, const char *help, void *arg), void *arg);

#endif
