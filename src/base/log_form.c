/* log_form.c - what a record looks like, see log_form.h */
#include "base/log_form.h"

#include "base/colour.h"
#include "base/escape.h"
#include "base/json_escape.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct {
	char letter; /* classic */
	const char *word; /* JSON and people */
	const char *colour; /* people: begins it, or "" */
} levels[] = {
	[LV_DEBUG] = { 'D', "debug", "" },         [LV_INFO] = { 'I', "info", "" },
	[LV_NOTICE] = { 'N', "notice", "" },       [LV_WARN] = { 'W', "warning", COLOUR_YELLOW },
	[LV_ERROR] = { 'E', "error", COLOUR_RED }, [LV_FATAL] = { 'F', "fatal", COLOUR_RED },
};

size_t log_form_brief(char *buf, const struct log_record *r)
{
	buf[0] = levels[r->level].letter;
	buf[1] = ' ';
	return 2 + escape_text(buf + 2, LOG_CLASSIC_MAX - 2, r->text, strlen(r->text));
}

/* Date, host and program name as every record begins; returns the length written. */
static int prefix(char *buf, size_t cap, const struct log_look *look)
{
	struct timespec now;
	struct tm tm;
	char when[32], micros[24] = "";

	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	strftime(when, sizeof(when), "%Y/%m/%d %H:%M:%S", &tm);
	if (look->micros)
		snprintf(micros, sizeof(micros), ".%06ld", now.tv_nsec / 1000);
	return snprintf(buf, cap, "%s%s %s%s%.256s[%d] ", when, micros, look->host,
			look->host[0] ? " " : "", look->name, (int)getpid());
}

static size_t classic(char *buf, const struct log_look *look, const struct log_record *r)
{
	int n = r->bare ? 0 : prefix(buf, LOG_CLASSIC_MAX + 1, look);

	if (n < 0 || n > LOG_CLASSIC_MAX - 2)
		n = 0;
	buf[n++] = levels[r->level].letter;
	buf[n++] = ' ';
	return (size_t)n +
	       escape_text(buf + n, (size_t)(LOG_CLASSIC_MAX - n), r->text, strlen(r->text));
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

static size_t json(char *buf, const struct log_look *look, const struct log_record *r)
{
	const size_t cap = LOG_RECORD_MAX;
	size_t n = (size_t)snprintf(buf, cap, "{\"time\":\"");

	n += (size_t)utc_now(buf + n, cap - n);
	if (look->host[0]) {
		n += (size_t)snprintf(buf + n, cap - n, "\",\"host\":\"");
		n += json_escape(buf + n, 6 * sizeof(look->host), look->host);
	}
	n += (size_t)snprintf(buf + n, cap - n, "\",\"program\":\"");
	n += json_escape(buf + n, 256, look->name);
	n += (size_t)snprintf(buf + n, cap - n, "\",\"pid\":%d,\"level\":\"%s\",\"text\":\"",
			      (int)getpid(), levels[r->level].word);
	n += json_escape(buf + n, cap - n - strlen(JSON_END), r->text);
	memcpy(buf + n, JSON_END, strlen(JSON_END));
	return n + strlen(JSON_END);
}

/* "socast: error: ", "hint: "; the process id where it is another one than that of the program. */
static size_t people(char *buf, const struct log_look *look, const struct log_record *r)
{
	const char *begin = r->hint ? COLOUR_CYAN : levels[r->level].colour;
	const char *end = *begin ? COLOUR_END : "";
	char pid[16] = "";
	size_t n = 0;

	if (getpid() != look->main)
		snprintf(pid, sizeof(pid), "[%d]", (int)getpid());
	if (!r->hint || pid[0]) {
		n = escape_text(buf, 256, look->name, strlen(look->name));
		n += (size_t)snprintf(buf + n, LOG_RECORD_MAX - n, "%s: ", pid);
	}
	n += (size_t)snprintf(buf + n, LOG_RECORD_MAX - n, "%s%s:%s ", look->colour ? begin : "",
			      r->hint ? "hint" : levels[r->level].word, look->colour ? end : "");
	return n + escape_text(buf + n, LOG_RECORD_MAX - n, r->text, strlen(r->text));
}

size_t log_form_write(char *buf, enum log_form form, const struct log_look *look,
		      const struct log_record *r)
{
	static size_t (*const write[])(char *, const struct log_look *,
				       const struct log_record *) = {
		[LOG_CLASSIC] = classic,
		[LOG_JSON] = json,
		[LOG_PEOPLE] = people,
	};

	return write[form](buf, look, r);
}
