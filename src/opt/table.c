/* table.c - the list of option tables
 *
 * Options stand in table_<subject>.c, one row each. A table that is not named here does not exist
 * for the program. */
#include "opt/tables.h"

/* clang-format off */
const struct opt_table *const opt_tables[] = {
	&table_sock,
	&table_tcp,
	&table_tls,
	&table_proxy,
	&table_file,
	&table_tty,
	&table_proc,
	&table_readline,
	&table_if,
	&table_mcast,
	&table_mq,
	&table_seal,
	&table_frames,
	NULL,
};
/* clang-format on */
