/* log.c - records in the classic format or as JSON, see log.h */
#include "base/log.h"

#include "base/escape.h"
#include "base/json_escape.h"
#include "base/list.h"
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
#include <time.h>
#include <unistd.h>

#define RECORD_MAX 511 /* bytes, without the newline */
#define JSON_MAX 4095 /* the same; with it what a pipe takes in one piece (PIPE_BUF) */
#define RECORD_WAIT_MS 10 /* for room where records go, at most */
#define DUMP_WAIT_MS 1000 /* dumps are data that somebody has asked for */
#define LOOK_MS 100 /* a patient wait looks for signals this often */
#define DUMP_PIECE ((size_t)4096) /* bytes of a dump that are written or left out together */
#define END_WAIT_MS 500 /* for what waits at the end of the program */
#define HIDE "\r\033[K" /* empties the terminal's line */

enum log_level log_threshold = LV_WARN;

static struct {
	const char *name;
	unsigned sinks; /* enum log_sink bits */
	bool patient; /* the last dump was waited for, and so is the end of it */
	bool hurried; /* no more: the program is to end */
	struct out error, file, system; /* descriptor 2, SINK_FILE, SINK_SYSLOG */
	int facility;
	bool micros;
	bool json;
	bool status; /* stderr is a terminal whose last line is ours */
	char host[65]; /* "" when not wanted */
	int shutup;
	volatile bool busy; /* a record is being written: a crash signal must not format a date */
} state = { .name = "socast",
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

static const char *const level_word[] = { "debug", "info", "notice", "warning", "error", "fatal" };
static const int priorities[] = { LOG_DEBUG, LOG_INFO, LOG_NOTICE, LOG_WARNING, LOG_ERR, LOG_CRIT };

void log_set_name(const char *name)
{
	state.name = name;
}

const char *log_name(void)
{
	return state.name;
}

void log_set_micros(bool on)
{
	state.micros = on;
}

void log_set_json(bool on)
{
	state.json = on;
}

void log_set_host(bool on)
{
	const char *env = getenv("HOSTNAME");
	struct utsname u;

	state.host[0] = '\0';
	if (!on)
		return;
	if (!env && uname(&u) == 0)
		env = u.nodename;
	snprintf(state.host, sizeof(state.host), "%s", env ? env : "");
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

/* Date, host and program name as every record begins; returns the length written. */
static int prefix(char *buf, size_t cap)
{
	struct timespec now;
	struct tm tm;
	char when[32], micros[24] = "";

	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	strftime(when, sizeof(when), "%Y/%m/%d %H:%M:%S", &tm);
	if (state.micros)
		snprintf(micros, sizeof(micros), ".%06ld", now.tv_nsec / 1000);
	return snprintf(buf, cap, "%s%s %s%s%.256s[%d] ", when, micros, state.host,
			state.host[0] ? " " : "", state.name, (int)getpid());
}

/* @bare: without date and name, as a crash signal must not format a date. */
static size_t classic_record(char *buf, enum log_level level, const char *text, bool bare)
{
	int n = bare ? 0 : prefix(buf, RECORD_MAX + 1);

	if (n < 0 || n > RECORD_MAX - 2)
		n = 0;
	buf[n++] = "DINWEF"[level];
	buf[n++] = ' ';
	return (size_t)n + escape_text(buf + n, (size_t)(RECORD_MAX - n), text, strlen(text));
}

/* UTC, because it needs no look at the time zone: a crash signal may interrupt us anywhere. Days to
 * a date by the usual arithmetic on 400 years of 146097 days that begin on the first of March. */
static int utc_now(char *buf, size_t cap)
{
	struct timespec now;
	long days, era, doe, yoe, doy, month, sec;

	clock_gettime(CLOCK_REALTIME, &now);
	sec = now.tv_sec % 86400;
	days = now.tv_sec / 86400 + 719468; /* since 0000-03-01 */
	era = days / 146097;
	doe = days % 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	month = (5 * doy + 2) / 153; /* 0: March */
	return snprintf(buf, cap, "%04ld-%02ld-%02ldT%02ld:%02ld:%02ld.%06ldZ",
			yoe + era * 400 + (month >= 10), month < 10 ? month + 3 : month - 9,
			doy - (153 * month + 2) / 5 + 1, sec / 3600, sec / 60 % 60, sec % 60,
			now.tv_nsec / 1000);
}

/* Room behind the text for what closes it. */
#define JSON_END "\"}"

static size_t json_record(char *buf, enum log_level level, const char *text)
{
	size_t n = (size_t)snprintf(buf, JSON_MAX, "{\"time\":\"");

	n += (size_t)utc_now(buf + n, JSON_MAX - n);
	if (state.host[0]) {
		n += (size_t)snprintf(buf + n, JSON_MAX - n, "\",\"host\":\"");
		n += json_escape(buf + n, 6 * sizeof(state.host), state.host);
	}
	n += (size_t)snprintf(buf + n, JSON_MAX - n, "\",\"program\":\"");
	n += json_escape(buf + n, 256, state.name);
	n += (size_t)snprintf(buf + n, JSON_MAX - n, "\",\"pid\":%d,\"level\":\"%s\",\"text\":\"",
			      (int)getpid(), level_word[level]);
	n += json_escape(buf + n, JSON_MAX - n - strlen(JSON_END), text);
	memcpy(buf + n, JSON_END, strlen(JSON_END));
	return n + strlen(JSON_END);
}

static void put_syslog(enum log_level level, const char *text, const char *json)
{
	char line[RECORD_MAX + 1] = { "DINWEF"[level], ' ' };

	if (!json)
		line[2 + escape_text(line + 2, RECORD_MAX - 2, text, strlen(text))] = '\0';
	log_syslog_put(&state.system, state.facility | priorities[level], state.name,
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

static void put_text(enum log_level level, const char *text)
{
	char buf[sizeof(HIDE) + JSON_MAX + 1], *line = buf + strlen(HIDE);
	bool nested = state.busy;
	size_t n;

	state.busy = true;
	n = state.json ? json_record(line, level, text) : classic_record(line, level, text, nested);
	line[n] = '\0';
	if (state.sinks & SINK_SYSLOG && !nested)
		put_syslog(level, text, state.json ? line : NULL);
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
	put_text(LV_WARN, text);
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

void log_put(enum log_level level, const char *fmt, ...)
{
	char text[ERR_TEXT_LEN];
	int saved = errno;
	va_list ap;

	if (state.shutup > 0) {
		if ((int)level - state.shutup < (int)log_threshold)
			return;
		level -= (unsigned)state.shutup;
	}
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	put_text(level, text);
	if (state.error.lost || state.file.lost || state.system.lost)
		(void)log_flush();
	errno = saved;
}

void log_err(enum log_level level, const struct err *err)
{
	log_at(level, "%s", err->text);
	if (err->hint[0])
		log_warn("%s", err->hint);
}
