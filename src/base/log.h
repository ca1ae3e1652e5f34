/* log.h - records in the classic format, as JSON, or for people at a terminal
 *
 *   2026/11/22 14:31:05 socast[13778] N opening connection to 127.0.0.1:80
 *
 * The log is the one mutable global of the program, together with the program name. Records of
 * silent levels cost one comparison: their arguments are not evaluated. A record is written in one
 * go and cut to 511 bytes plus newline (classic's limit), in the other forms (log_form.h) to 4095.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/err.h"
#include "base/log_level.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where records go. SINK_MIXED: stderr until log_switch(), then syslog. */
enum log_sink { SINK_STDERR = 1, SINK_FILE = 2, SINK_SYSLOG = 4, SINK_MIXED = 8 };

extern enum log_level log_threshold; /* lowest level that is written */

#define log_at(level, ...)                                                                         \
	do {                                                                                       \
		if ((level) >= log_threshold)                                                      \
			log_put(level, __VA_ARGS__);                                               \
	} while (0)
#define log_error(...) log_at(LV_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LV_WARN, __VA_ARGS__)
#define log_notice(...) log_at(LV_NOTICE, __VA_ARGS__)
#define log_info(...) log_at(LV_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LV_DEBUG, __VA_ARGS__)

/* Write a record whatever the threshold says (statistics). */
void log_put(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Write the sentence of @err at @level, and its hint. */
void log_err(enum log_level level, const struct err *err);

/* The hint of @err alone, if it has one: at warning level. */
void log_hint(const struct err *err);

/* Lower every following record by @steps levels (option children-shutup); returns the former value
 * so that the caller can put it back. */
int log_shutup(int steps);

/* From now on records are given to @fn, with their level and whether they are hints, and written
 * nowhere; not even those of silent levels come. NULL: they are written again. */
typedef void log_catch_fn(void *arg, enum log_level level, bool hint, const char *text);
void log_catch(log_catch_fn *fn, void *arg);

/* Program name in records and syslog, default: last path component of argv[0]. Borrowed. */
void log_set_name(const char *name);
const char *log_name(void);

void log_set_micros(bool on); /* -lu */
void log_set_host(bool on); /* -lh: $HOSTNAME, else the node name */

/* LOG_JSON: times are UTC with microseconds (RFC 3339). LOG_PEOPLE: for a terminal, coloured where
 * that is wanted (colour.h); other processes than the calling one tell their id. */
void log_set_form(enum log_form form);

/* Keep a line at the bottom of the terminal that stderr is (--progress): @line replaces what it
 * shows, and what is written to stderr by way of the log stands above it. "": there is one from now
 * on, still empty. NULL: no more; what it shows stays. At most 200 bytes, without newline. */
void log_status(const char *line);

/* A signal has told the program to end: no dump is waited for any more. */
void log_hurry(void);

/* Write a dump of data to stderr, whatever the sinks are; above the line of log_status(). @patient:
 * wait for whoever reads it, until a signal to end is pending, as long as there is one session;
 * else nobody is held up for longer than a second, and what finds no room is left out. */
void log_dump(const char *data, size_t len, bool patient);

/* Records never wait for a reader: what cannot be written at once is kept, up to 256 KiB for each
 * sink, and what finds no room is counted, and told when there is some. Write what is kept as far
 * as it goes; false: some is left, so call it again soon. */
bool log_flush(void);

/* The program ends: the same, waiting up to half a second. */
void log_end(void);

/* Use @sink. Selecting SINK_STDERR after SINK_SYSLOG adds to it, after SINK_FILE replaces it
 * (core specification: -ls). @arg: file name for SINK_FILE, facility name or "" for the syslog
 * kinds. Fails with a sentence when the file cannot be opened or the facility is unknown. */
int log_set_sink(enum log_sink sink, const char *arg, struct err *err);

/* True if records reach stderr. */
bool log_to_stderr(void);

/* Mixed mode: from now on syslog. @why is written first, at info level; no effect in other modes
 * except that @why is written without the ", switching to syslog" part if @always. */
void log_switch(const char *why, bool always);

#endif
