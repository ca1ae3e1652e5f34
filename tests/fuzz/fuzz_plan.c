/* fuzz_plan.c - two addresses, one a line: planned, explained, and thrown away; nothing is opened
 */
#include "plan_make.h"

#include "base/log.h"
#include "explain/explain.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Flags are for cli_parse(), some of which print: only what is an address. */
static bool is_flag(const char *text)
{
	return text[0] == '-' && text[1];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *nowhere;
	char *left = strndup((const char *)data, size), *right = strchr(left, '\n');
	char name[] = "socast";
	struct plan plan = { 0 };
	struct cli cli;
	struct err err;

	log_threshold = LV_FATAL + 1;
	if (!nowhere)
		nowhere = fopen("/dev/null", "w");
	if (right)
		*right++ = '\0';
	if (right && !is_flag(left) && !is_flag(right)) {
		char *argv[] = { name, left, right, NULL };

		if (cli_parse(&cli, 3, argv, &err) == 0) {
			if (plan_make(&plan, &cli, &err) == 0)
				explain(nowhere, &plan, NULL, false);
			plan_done(&plan);
		}
	}
	free(left);
	return 0;
}
