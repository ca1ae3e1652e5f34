/* fuzz_value.c - an option value, formatted and parsed again, is the same value
 *
 * The first byte selects the row, the rest is the text. Names of users and hosts are left out: the
 * answer would depend on the machine. */
#include "opt/opt.h"
#include "spec/spec.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct search {
	unsigned left;
	const struct opt_row *row;
};

static int count_down(const struct opt_row *row, void *arg)
{
	struct search *s = arg;

	/* left out so that a byte is enough: the many flags and characters of terminals */
	if (row->groups == G_TERMIOS &&
	    (row->type == V_BOOL || row->type == V_CONST || row->type == V_BYTE))
		return 0;
	s->row = row;
	return s->left-- == 0;
}

/* Times go through floating point: above some weeks a nanosecond more or less is not seen. */
static int same_time(int64_t a, int64_t b)
{
	const double d = (double)a - (double)b, limit = (double)(a < 0 ? -(double)a : a) / 1e15;

	return d <= limit && d >= -limit;
}

static int same(const struct value *a, const struct value *b)
{
	return a->null == b->null && memcmp(a->n, b->n, sizeof(a->n)) == 0 &&
	       (a->str == NULL) == (b->str == NULL) &&
	       (a->str == NULL || strcmp(a->str, b->str) == 0) && a->bin_len == b->bin_len &&
	       (a->bin_len == 0 || memcmp(a->bin, b->bin, a->bin_len) == 0) &&
	       same_time(a->ns, b->ns) && netaddr_same(&a->addr, &b->addr);
}

static int needs_lookup(enum value_type type, const char *text)
{
	if (type == V_IP4NAME || type == V_IP4SOCK)
		return text[strspn(text, "0123456789.:")] != '\0' || *text == '\0' || *text == ':';
	return (type == V_UID || type == V_GID) && !(*text >= '0' && *text <= '9');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct search s = { 0, NULL };
	struct spec_opt spec = { .name = (char *)"o", .rest = "" };
	struct opt first = { .spec = &spec }, again = { .spec = &spec };
	struct str text = { 0 };
	struct err err;

	if (size == 0)
		return 0;
	s.left = data[0];
	opt_each(count_down, &s);
	first.row = again.row = s.row;
	spec.value = strndup((const char *)data + 1, size - 1);
	if (!needs_lookup(s.row->type, spec.value) && value_parse(&first, &err) == 0 &&
	    !first.val.null) {
		char *given = spec.value;

		value_format(&first, &text);
		spec.value = text.data ? text.data : (char *)"";
		if (s.row->type == V_CONST)
			spec.value = NULL;
		if (value_parse(&again, &err) == -1 || !same(&first.val, &again.val))
			abort();
		value_done(&again.val);
		value_done(&first.val);
		spec.value = given;
	}
	str_done(&text);
	free(spec.value);
	return 0;
}
