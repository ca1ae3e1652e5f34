/* table_readline.c - options of READLINE
 *
 * All of them are wishes that readline.c reads. */
#include "base/list.h"
#include "opt/setters.h"
#include "opt/tables.h"

/* clang-format off */
static const struct opt_row rows[] = {
	{ "history-file history", V_STRING, G_READLINE, PH_LATE, conf_text, NULL,
	  .arg.field = { offsetof(struct conf, readline.history), 0 },
	  .help = "file the history is read from, and written to at the end" },
	{ "noecho", V_STRING, G_READLINE, PH_LATE, conf_regex, NULL,
	  .arg.field = { offsetof(struct conf, readline.noecho), 0 },
	  .help = "regular expression; a prompt that matches gets an answer nobody sees" },
	{ "noprompt", V_BOOL, G_READLINE, PH_LATE, conf_bool, NULL,
	  .arg.field = { offsetof(struct conf, readline.noprompt), 0 },
	  .help = "no prompt but what the other side prints" },
	{ "prompt", V_STRING, G_READLINE, PH_LATE, conf_text, NULL,
	  .arg.field = { offsetof(struct conf, readline.prompt), 0 },
	  .help = "text in front of each line" },
};
/* clang-format on */

const struct opt_table table_readline = { rows, ARRAY_SIZE(rows) };
