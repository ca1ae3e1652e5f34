/* cli.h - the command line: flags to settings */
#ifndef CLI_H
#define CLI_H

#include "end/plan.h"

#include <stdbool.h>
#include <stdint.h>

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
 * holds the sentence, or is empty when the flags are to be shown instead (help_usage()). */
int cli_parse(struct cli *cli, int argc, char *const argv[], struct err *err);

/* Call @fn for each flag as it stands in the help ("-r <file>", columns it takes there, one
 * sentence), until one call returns nonzero, which is returned. */
int cli_each_flag(int (*fn)(const char *token, int width, const char *help, void *arg), void *arg);

#endif
