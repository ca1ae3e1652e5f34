/* report.c - the findings on paper: text for people, JSON for programs */
#include "doctor/report.h"

#include "base/colour.h"
#include "base/json_escape.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const level_word[] = {
	[FIND_OK] = "ok",
	[FIND_NOTE] = "note",
	[FIND_UNKNOWN] = "unknown",
	[FIND_PROBLEM] = "problem",
};
static const char *const level_colour[] = {
	[FIND_OK] = COLOUR_GREEN,
	[FIND_NOTE] = "",
	[FIND_UNKNOWN] = COLOUR_YELLOW,
	[FIND_PROBLEM] = COLOUR_RED,
};

static size_t count(const struct findings *f, enum finding_level level)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++)
		n += f->find[i].level == level;
	return n;
}

int doctor_status(const struct findings *f)
{
	if (count(f, FIND_PROBLEM))
		return 1;
	return count(f, FIND_UNKNOWN) ? 2 : 0;
}

/* Texts may hold names from anywhere: no control characters on a terminal. */
static void put_clean(FILE *out, const char *text)
{
	for (; *text; text++)
		fputc((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text, out);
}

static void put_text(FILE *out, const struct findings *f)
{
	bool colour = colour_wanted(fileno(out));

	for (size_t i = 0; i < f->n; i++) {
		const struct finding *e = &f->find[i];

		fprintf(out, "%s%-7s%s  %s: ", colour ? level_colour[e->level] : "",
			level_word[e->level], colour && *level_colour[e->level] ? COLOUR_END : "",
			e->check);
		put_clean(out, e->what);
		if (*e->evidence) {
			fputs("\n         seen: ", out);
			put_clean(out, e->evidence);
		}
		if (*e->cure) {
			fprintf(out, "\n         %s ", e->command ? "run:" : "mend:");
			put_clean(out, e->cure);
		}
		fputc('\n', out);
	}
	fprintf(out, "problems: %zu, cannot tell: %zu, notes: %zu, healthy: %zu\n",
		count(f, FIND_PROBLEM), count(f, FIND_UNKNOWN), count(f, FIND_NOTE),
		count(f, FIND_OK));
}

static void put_string(FILE *out, const char *text)
{
	size_t cap = 6 * strlen(text) + 1; /* a control character becomes six */
	char *buf = xmalloc(cap);

	fprintf(out, "\"%.*s\"", (int)json_escape(buf, cap, text), buf);
	free(buf);
}

static void put_member(FILE *out, const char *name, const char *text)
{
	fprintf(out, ",\"%s\":", name);
	put_string(out, text);
}

static void put_json(FILE *out, const struct findings *f)
{
	fprintf(out, "{\"status\":%d,\"findings\":[", doctor_status(f));
	for (size_t i = 0; i < f->n; i++) {
		const struct finding *e = &f->find[i];

		fprintf(out, "%s\n{\"level\":\"%s\"", i ? "," : "", level_word[e->level]);
		put_member(out, "check", e->check);
		put_member(out, "what", e->what);
		put_member(out, "evidence", e->evidence);
		put_member(out, "cure", e->cure);
		fprintf(out, ",\"command\":%s}", e->command ? "true" : "false");
	}
	fputs("\n]}\n", out);
}

void doctor_report(FILE *out, const struct findings *f, bool json)
{
	if (json)
		put_json(out, f);
	else
		put_text(out, f);
}
