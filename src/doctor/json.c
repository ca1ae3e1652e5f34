/* json.c - a small JSON reader, see json.h */
#include "doctor/json.h"

#include "base/mem.h"
#include "base/str.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 64

struct reader {
	const char *p, *end;
	int depth;
};

static struct json *read_value(struct reader *r);

static void skip_blank(struct reader *r)
{
	while (r->p < r->end && strchr(" \t\r\n", *r->p) && *r->p)
		r->p++;
}

/* The character at the next place that is not blank, or -1 at the end. */
static int look(struct reader *r)
{
	skip_blank(r);
	return r->p < r->end ? (unsigned char)*r->p : -1;
}

static bool take(struct reader *r, int c)
{
	if (look(r) != c)
		return false;
	r->p++;
	return true;
}

static bool take_word(struct reader *r, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(r->end - r->p) < len || memcmp(r->p, word, len) != 0)
		return false;
	r->p += len;
	return true;
}

/* What follows a backslash; only ASCII is kept. */
static bool read_escape(struct reader *r, struct str *out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at;
	unsigned code = 0;

	if (r->p == r->end)
		return false;
	at = *r->p ? strchr(from, *r->p) : NULL;
	if (at) {
		str_addc(out, to[at - from]);
		r->p++;
		return true;
	}
	if (*r->p != 'u' || r->end - r->p < 5)
		return false;
	for (int i = 1; i < 5; i++) {
		if (!isxdigit((unsigned char)r->p[i]))
			return false;
		code = code << 4 |
		       (unsigned)(isdigit((unsigned char)r->p[i]) ? r->p[i] - '0'
								  : (r->p[i] | 0x20) - 'a' + 10);
	}
	str_addc(out, code && code < 0x80 ? (char)code : '?');
	r->p += 5;
	return true;
}

/* A string behind its first quote; NULL: it does not end well. */
static char *read_string(struct reader *r)
{
	struct str out = { 0 };
	bool ok = true;

	while (ok && r->p < r->end && *r->p != '"') {
		char c = *r->p++;

		if (c == '\\')
			ok = read_escape(r, &out);
		else if (c)
			str_addc(&out, c);
		else
			ok = false;
	}
	if (ok && r->p < r->end) {
		r->p++;
		str_add(&out, "", 0);
		return out.data ? str_take(&out) : xstrdup("");
	}
	str_done(&out);
	return NULL;
}

static bool read_number(struct reader *r, int64_t *out)
{
	char text[64];
	size_t len = 0;

	while (r->p < r->end && len < sizeof(text) - 1 &&
	       (isalnum((unsigned char)*r->p) || strchr("+-.", *r->p)) && *r->p)
		text[len++] = *r->p++;
	text[len] = '\0';
	*out = strtoll(text, NULL, 10);
	return len && (isdigit((unsigned char)text[0]) || text[0] == '-');
}

/* Elements up to @closing; @named: each has a name before it. */
static bool read_children(struct reader *r, struct json *j, int closing, bool named)
{
	struct json **tail = &j->child;

	if (take(r, closing))
		return true;
	do {
		char *name = NULL;

		if (named && (!take(r, '"') || !(name = read_string(r)) || !take(r, ':'))) {
			free(name);
			return false;
		}
		*tail = read_value(r);
		if (!*tail) {
			free(name);
			return false;
		}
		(*tail)->name = name;
		tail = &(*tail)->next;
	} while (take(r, ','));
	return take(r, closing);
}

static bool fill(struct reader *r, struct json *j)
{
	switch (look(r)) {
	case '{':
		j->type = JSON_OBJECT;
		r->p++;
		return read_children(r, j, '}', true);
	case '[':
		j->type = JSON_ARRAY;
		r->p++;
		return read_children(r, j, ']', false);
	case '"':
		j->type = JSON_STRING;
		r->p++;
		j->text = read_string(r);
		return j->text != NULL;
	case 't':
	case 'f':
		j->type = JSON_BOOL;
		j->number = *r->p == 't';
		return take_word(r, "true") || take_word(r, "false");
	case 'n':
		return take_word(r, "null");
	default:
		j->type = JSON_NUMBER;
		return read_number(r, &j->number);
	}
}

static struct json *read_value(struct reader *r)
{
	struct json *j;
	bool ok;

	if (r->depth == DEPTH_MAX)
		return NULL;
	j = xcalloc(1, sizeof(*j));
	r->depth++;
	ok = fill(r, j);
	r->depth--;
	if (ok)
		return j;
	json_free(j);
	return NULL;
}

struct json *json_parse(const char *text, size_t len)
{
	struct reader r = { .p = text, .end = text + len };
	struct json *j = read_value(&r);

	if (j && look(&r) == -1)
		return j;
	json_free(j);
	return NULL;
}

void json_free(struct json *j)
{
	while (j) {
		struct json *next = j->next;

		json_free(j->child);
		free(j->name);
		free(j->text);
		free(j);
		j = next;
	}
}

const struct json *json_member(const struct json *j, const char *name)
{
	if (!j || j->type != JSON_OBJECT)
		return NULL;
	for (const struct json *c = j->child; c; c = c->next) {
		if (strcmp(c->name, name) == 0)
			return c;
	}
	return NULL;
}

const char *json_text(const struct json *j, const char *name)
{
	const struct json *m = json_member(j, name);

	return m && m->type == JSON_STRING ? m->text : "";
}
