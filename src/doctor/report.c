/* report.c - the findings on paper: text for people, JSON for programs */
#include "base/list.h"
#include "doctor/doctor.h"

static const char *const level_word[] = {
	[FIND_OK] = "ok",
	[FIND_NOTE] = "note",
	[FIND_UNKNOWN] = "unknown",
	[FIND_PROBLEM] = "problem",
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
	for (size_t i = 0; i < f->n; i++) {
		const struct finding *e = &f->find[i];

		fprintf(out, "%-7s  %s: ", level_word[e->level], e->check);
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

/* Length of the UTF-8 character at @p, 0 if there is none (RFC 3629). */
static size_t utf8_len(const unsigned char *p)
{
	size_t len = *p < 0x80 ? 1 : *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2;

	if (len > 1 && (*p < 0xc2 || *p > 0xf4))
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

/* A JSON string (RFC 8259 section 7); bytes that are no UTF-8 become U+FFFD. */
static void put_string(FILE *out, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	fputc('"', out);
	while (*p) {
		size_t len = utf8_len(p);

		if (!len)
			fputs("\\ufffd", out);
		else if (*p == '"' || *p == '\\')
			fprintf(out, "\\%c", *p);
		else if (*p < ' ')
			fprintf(out, "\\u%04x", *p);
		else
			fwrite(p, 1, len, out);
		p += len ? len : 1;
	}
	fputc('"', out);
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
