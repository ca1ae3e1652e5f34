/* log.c - records to where they shall go, see log.h */
#include "base/log.h"

#include "base/colour.h"
#include "base/list.h"
#include "base/log_form.h"
#include "base/log_syslog.h"
#include "base/out.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <signal.h>
#include <string.h>
#include <strings.h>
#include <sys/utsname.h>
#include <syslog.h>
#include <unistd.h>

#define RECORD_WAIT_MS 10 /* for room where records go, at most */
#define DUMP_WAIT_MS 1000 /* dumps are data that somebody has asked for */
#define LOOK_MS 100 /* a patient wait looks for signals this often */
#define DUMP_PIECE ((size_t)4096) /* bytes of a dump that are written or left out together */
#define END_WAIT_MS 500 /* for what waits at the end of the program */
#define HIDE "\r\033[K" /* empties the terminal's line */

enum log_level log_threshold = LV_WARN;

static struct {
	struct log_look look;
	enum log_form form;
	unsigned sinks; /* enum log_sink bits */
	bool patient; /* the last dump was waited for, and so is the end of it */
	bool hurried; /* no more: the program is to end */
	struct out error, file, system; /* descriptor 2, SINK_FILE, SINK_SYSLOG */
	int facility;
	bool status; /* stderr is a terminal whose last line is ours */
	int shutup;
	log_catch_fn *caught; /* or NULL */
	void *caught_arg;
	volatile bool busy; /* a record is being written: a crash signal must not format a date */
} state = { .look.name = "socast",
	    .sinks = SINK_STDERR,
	    .error = OUT_INIT(2),
	    .file = OUT_INIT(-1),
	    .system = OUT_INIT(-1),
	    .facility = LOG_DAEMON };

static const struct {
	const char *name;
	int code;
} facilities[] = {
	{ "auth", LOG_AUTH },     { "authpriv", LOG_AUTHPRIV }, { "cron", LOG_CRON },
	{ "daemon", LOG_DAEMON }, { "ftp", LOG_FTP },           { "kern", LOG_KERN },
	{ "local0", LOG_LOCAL0 }, { "local1", LOG_LOCAL1 },     { "local2", LOG_LOCAL2 },
	{ "local3", LOG_LOCAL3 }, { "local4", LOG_LOCAL4 },     { "local5", LOG_LOCAL5 },
	{ "local6", LOG_LOCAL6 }, { "local7", LOG_LOCAL7 },     { "lpr", LOG_LPR },
	{ "mail", LOG_MAIL },     { "news", LOG_NEWS },         { "syslog", LOG_SYSLOG },
	{ "user", LOG_USER },     { "uucp", LOG_UUCP },
};

static const int priorities[] = { LOG_DEBUG, LOG_INFO, LOG_NOTICE, LOG_WARNING, LOG_ERR, LOG_CRIT };

void log_set_name(const char *name)
{
	state.look.name = name;
}

const char *log_name(void)
{
	return state.look.name;
}

void log_set_micros(bool on)
{
	state.look.micros = on;
}

void log_set_form(enum log_form form)
{
	state.form = form;
	state.look.main = getpid();
	state.look.colour = colour_wanted(STDERR_FILENO);
}

void log_set_host(bool on)
{
	const char *env = getenv("HOSTNAME");
	struct utsname u;

	state.look.host[0] = '\0';
	if (!on)
		return;
	if (!env && uname(&u) == 0)
		env = u.nodename;
	snprintf(state.look.host, sizeof(state.look.host), "%s", env ? env : "");
}

static int find_facility(const char *name, int *out, struct err *err)
{
	*out = LOG_DAEMON;
	if (!*name)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(facilities); i++) {
		if (strcasecmp(name, facilities[i].name) == 0) {
			*out = facilities[i].code;
			return 0;
		}
	}
	return err_set(err, 0, "unknown syslog facility \"%s\"", name);
}

static void close_file(void)
{
	if (state.file.fd >= 0)
		close(state.file.fd);
	out_done(&state.file);
	state.sinks &= ~(unsigned)SINK_FILE;
}

bool log_to_stderr(void)
{
	return state.sinks & SINK_STDERR;
}

int log_set_sink(enum log_sink sink, const char *arg, struct err *err)
{
	int fd;

	switch (sink) {
	case SINK_STDERR:
		close_file();
		state.sinks |= SINK_STDERR;
		return 0;
	case SINK_FILE:
		fd = open(arg, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
		if (fd == -1)
			return err_set(err, errno, "cannot open log file \"%s\"", arg);
		close_file();
		state.file.fd = fd;
		state.sinks = SINK_FILE;
		return 0;
	case SINK_SYSLOG:
	case SINK_MIXED:
		if (find_facility(arg, &state.facility, err) == -1)
			return -1;
		close_file();
		state.sinks = sink == SINK_SYSLOG ? SINK_SYSLOG : SINK_MIXED | SINK_STDERR;
		if (sink == SINK_SYSLOG)
			log_syslog_open(&state.system);
		return 0;
	}
	return 0;
}

void log_switch(const char *why, bool always)
{
	if (!(state.sinks & SINK_MIXED)) {
		if (always)
			log_info("%s", why);
		return;
	}
	log_info("%s%sswitching to syslog", why, *why ? ", " : "");
	log_syslog_open(&state.system);
	state.sinks = SINK_SYSLOG;
}

int log_shutup(int steps)
{
	int old = state.shutup;

	state.shutup = steps;
	return old;
}

static void put_syslog(const struct log_record *r, const char *json)
{
	char line[LOG_CLASSIC_MAX + 1];

	if (!json)
		line[log_form_brief(line, r)] = '\0';
	log_syslog_put(&state.system, state.facility | priorities[r->level], state.look.name,
		       json ? json : line);
}

/* @nested: a crash has interrupted us, perhaps right in there. */
static void put_line(struct out *out, const char *line, size_t len, bool nested)
{
	if (nested)
		out_try(out, line, len);
	else
		(void)out_put(out, line, len, RECORD_WAIT_MS);
}

static void put_record(struct log_record *r)
{
	char buf[sizeof(HIDE) + LOG_RECORD_MAX + 1], *line = buf + strlen(HIDE);
	bool nested = state.busy;
	size_t n;

	state.busy = true;
	r->bare = nested;
	n = log_form_write(line, state.form, &state.look, r);
	line[n] = '\0';
	if (state.sinks & SINK_SYSLOG && !nested)
		put_syslog(r, state.form == LOG_JSON ? line : NULL);
	line[n++] = '\n';
	if (state.sinks & SINK_FILE)
		put_line(&state.file, line, n, nested);
	if (state.sinks & SINK_STDERR && state.status) {
		memcpy(buf, HIDE, strlen(HIDE));
		put_line(&state.error, buf, n + strlen(HIDE), nested);
	} else if (state.sinks & SINK_STDERR) {
		put_line(&state.error, line, n, nested);
	}
	state.busy = nested;
}

/* Say how many pieces have found no room, now that there is some again. */
static void tell_lost(struct out *out)
{
	unsigned long lost = out->lost;
	char text[128];

	if (!lost || out->len)
		return;
	out->lost = 0;
	snprintf(text, sizeof(text), "%lu records were left out: nobody has read the log", lost);
	put_record(&(struct log_record){ .level = LV_WARN, .text = text });
}

bool log_flush(void)
{
	struct out *const outs[] = { &state.error, &state.file, &state.system };
	bool all = true;

	for (size_t i = 0; i < ARRAY_SIZE(outs); i++) {
		if (out_flush(outs[i], 0))
			tell_lost(outs[i]);
		else
			all = false;
	}
	return all;
}

/* Somebody wants the program to end: these signals wait for the loop. */
static bool end_is_wanted(void)
{
	sigset_t set;

	return sigpending(&set) == 0 && (sigismember(&set, SIGTERM) || sigismember(&set, SIGINT) ||
					 sigismember(&set, SIGHUP) || sigismember(&set, SIGQUIT));
}

/* Until all that waits for the reader of stderr is written. */
static void wait_for_reader(void)
{
	while (!out_flush(&state.error, LOOK_MS) && !end_is_wanted())
		;
}

void log_end(void)
{
	struct out *const outs[] = { &state.error, &state.file, &state.system };

	if (state.patient)
		wait_for_reader();
	for (size_t i = 0; i < ARRAY_SIZE(outs); i++) {
		if (out_flush(outs[i], END_WAIT_MS))
			tell_lost(outs[i]);
	}
}

void log_hurry(void)
{
	state.hurried = true;
	state.patient = false;
}

void log_dump(const char *data, size_t len, bool patient)
{
	state.patient = patient && !state.hurried;
	if (state.patient)
		wait_for_reader();
	if (state.status)
		(void)out_put(&state.error, HIDE, strlen(HIDE), 0);
	while (len) {
		size_t n = len < DUMP_PIECE ? len : DUMP_PIECE;

		if (!out_put(&state.error, data, n, DUMP_WAIT_MS))
			return;
		data += n;
		len -= n;
	}
}

void log_status(const char *line)
{
	char buf[256];
	int n = snprintf(buf, sizeof(buf), HIDE "%.200s", line ? line : "");

	if (!line && state.status)
		(void)out_put(&state.error, "\n", 1, 0);
	state.status = line != NULL;
	if (line && n > 0)
		(void)out_put(&state.error, buf, (size_t)n, 0);
}

void log_catch(log_catch_fn *fn, void *arg)
{
	state.caught = fn;
	state.caught_arg = arg;
}

static void put(enum log_level level, bool hint, const char *text)
{
	int saved = errno;

	if (state.caught) {
		state.caught(state.caught_arg, level, hint, text);
		errno = saved;
		return;
	}
	if (state.shutup > 0) {
		if ((int)level - state.shutup < (int)log_threshold)
			return;
		level -= (unsigned)state.shutup;
	}
	put_record(&(struct log_record){ .level = level, .hint = hint, .text = text });
	if (state.error.lost || state.file.lost || state.system.lost)
		(void)log_flush();
	errno = saved;
}

void log_put(enum log_level level, const char *fmt, ...)
{
	char text[ERR_TEXT_LEN];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	put(level, false, text);
}

void log_hint(const struct err *err)
{
	if (err->hint[0] && LV_WARN >= log_threshold)
		put(LV_WARN, true, err->hint);
}

void log_err(enum log_level level, const struct err *err)
{
	log_at(level, "%s", err->text);
	log_hint(err);
}
