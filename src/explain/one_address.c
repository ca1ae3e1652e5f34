/* one_address.c - one address in plain sentences
 *
 * What it is comes from the row of its type. */
#include "addr/addr.h"
#include "base/names.h"
#include "explain/parts.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

const char *side_word(int i)
{
	return i ? "right" : "left";
}

void add_half_name(struct str *out, const struct plan *plan, int i, size_t k)
{
	if (plan->side[i].nhalves == 2)
		str_addf(out, "the %s half of the %s address", k ? "second" : "first",
			 side_word(i));
	else
		str_addf(out, "the %s address", side_word(i));
}

bool half_mode(const struct plan *plan, int i, size_t k, enum open_mode *mode)
{
	const enum open_mode own = k ? MODE_WRITE : MODE_READ;

	*mode = plan_mode(&plan->set, i);
	if (plan->side[i].nhalves < 2)
		return true;
	if (*mode == MODE_RW)
		*mode = own;
	return *mode == own;
}

/* What parameter @n is called in @syntax (":<host>:<port>", "[:<filename>]"): the letters between
 * the brackets of that part. "[<source>@]<group>" is called group where nothing is before it. Of
 * what is not @whole, the part in square brackets is missing. */
static void param_name(const char *syntax, size_t n, const char *value, bool whole, struct str *out)
{
	const char *end, *optional;
	char last = 0;

	for (n++; n && *syntax; syntax++)
		n -= *syntax == ':' && (whole || last != '['), last = *syntax;
	end = syntax + strcspn(syntax, ":");
	optional = memchr(syntax, ']', (size_t)(end - syntax));
	if (*syntax == '[' && optional && !strchr(value, '@'))
		syntax = optional;
	for (; syntax < end; syntax++) {
		if (!strchr("<>[]", *syntax))
			str_addc(out, *syntax);
	}
	str_add(out, "", 0);
}

static void add_params(struct str *out, const struct half *h)
{
	size_t missing = h->type->max_params - h->nparams;

	for (size_t i = 0; i < h->nparams; i++) {
		struct str name = { 0 };

		if (missing < 2)
			param_name(h->type->syntax, i, h->param[i], !missing, &name);
		str_addf(out, "%s%s is ", i ? ", its " : "  Its ",
			 name.len ? name.data : "parameter");
		explain_text(out, h->param[i]);
		str_done(&name);
	}
	if (h->nparams)
		str_adds(out, ".\n");
}

static void add_direction(struct str *out, const struct half *h, enum open_mode mode)
{
	const struct addr_type *t = h->type;
	static const char *const word[] = { [MODE_RW] = "read from and written to",
					    [MODE_READ] = "only read from",
					    [MODE_WRITE] = "only written to" };

	str_addf(out, "  It is %s", word[mode]);
	if (h->nlayers && mode != MODE_RW)
		str_adds(out, ", but for what its layers have to say and hear");
	if ((mode != MODE_WRITE && !t->reads) || (mode != MODE_READ && !t->writes))
		str_addf(out, ", although it supports only %s: a warning will say so",
			 t->reads ? "reading" : "writing");
	str_adds(out, ".\n");
}

/* "TLS on SOCKS5 on " */
static void add_stack(struct str *out, const struct half *h)
{
	for (size_t i = h->nlayers; i-- > 0;) {
		if (h->layer[i].own)
			str_addf(out, "%s on ", h->layer[i].name);
	}
}

static void add_half(struct str *out, const struct plan *plan, int i, size_t k)
{
	const struct half *h = &plan->side[i].half[k];
	enum open_mode mode;
	char name[64];

	names_get(h->type->names, 0, name, sizeof(name));
	add_stack(out, h);
	str_addf(out, "%s", name);
	if (strcasecmp(name, h->keyword) != 0)
		str_addf(out, " (written %s)", h->keyword);
	str_addf(out, "\n  %c%s.\n", toupper((unsigned char)h->type->help[0]), h->type->help + 1);
	add_params(out, h);
	if (half_mode(plan, i, k, &mode)) {
		add_direction(out, h, mode);
		explain_options(out, &h->opts, "  ");
		explain_layers(out, h);
	} else {
		str_adds(out, "  It is not opened, because data goes the other way only.\n");
	}
}

void explain_address(struct str *out, const struct plan *plan, int i)
{
	const struct side *side = &plan->side[i];

	for (size_t k = 0; k < side->nhalves; k++) {
		str_addf(out, "%s address%s: ", i ? "Right" : "Left",
			 side->nhalves < 2 ? ""
			 : k               ? ", for writing"
					   : ", for reading");
		add_half(out, plan, i, k);
		str_addc(out, '\n');
	}
}
