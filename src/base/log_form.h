/* log_form.h - what a record looks like: as in classic, as JSON, or for people at a terminal
 *
 *   2026/11/22 14:31:05 socast[13778] E getpwnam("nobdy"): no such user
 *
 *   {"time":"2026-11-22T13:31:05.204518Z","program":"socast","pid":13778,"level":"error", ...}
 *
 *   socast: error: getpwnam("nobdy"): no such user
 *   hint: what would be right
 *
 * Text out of foreign hands is escaped here. log.c decides where records go. */
#ifndef BASE_LOG_FORM_H
#define BASE_LOG_FORM_H

#include "base/log_level.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define LOG_RECORD_MAX 4095 /* bytes without the newline; with it a pipe takes it in one piece */
#define LOG_CLASSIC_MAX 511 /* of a classic record: its limit */

/* What all records have in common. */
struct log_look {
	const char *name; /* of the program */
	char host[65]; /* "" when not wanted */
	bool micros;
	bool colour; /* LOG_PEOPLE */
	pid_t main; /* LOG_PEOPLE: this process needs no id in its records */
};

struct log_record {
	enum log_level level;
	bool hint; /* says what would mend what the record before it tells */
	bool bare; /* a crash signal has interrupted us: without a date in local time */
	const char *text;
};

/* Write the record, without newline and without NUL, into @buf, which has LOG_RECORD_MAX bytes;
 * returns its length. */
size_t log_form_write(char *buf, enum log_form form, const struct log_look *look,
		      const struct log_record *r);

/* The record as syslog gets it, which knows time and program itself. At most LOG_CLASSIC_MAX. */
size_t log_form_brief(char *buf, const struct log_record *r);

#endif
