/* tables.h - the option tables by subject; private to opt/ */
#ifndef OPT_TABLES_H
#define OPT_TABLES_H

#include "opt/opt.h"

extern const struct opt_table table_sock;
extern const struct opt_table table_tcp;
extern const struct opt_table table_tls;
extern const struct opt_table table_file;
extern const struct opt_table table_tty;
extern const struct opt_table table_proc;
extern const struct opt_table table_if;
extern const struct opt_table table_mcast;
extern const struct opt_table table_mq;
extern const struct opt_table table_readline;
extern const struct opt_table table_proxy;
extern const struct opt_table table_seal;
extern const struct opt_table table_frames;

/* An option that is not in these tables, though people look for it. */
struct elsewhere {
	const char *names;
	const char *where; /* systems that have it; NULL: Linux has it, under a number */
	const char *instead; /* what to use here, or NULL */
};

/* The row of @name, or NULL. */
const struct elsewhere *elsewhere_find(const char *name);

#endif
