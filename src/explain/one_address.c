/* one_address.c - one address in plain sentences
 *
 * What it is comes from the row of its type, what its options do from theirs. */
#include "addr/addr.h"
#include "base/names.h"
#include "explain/parts.h"
#include "open/layer_target.h"

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

/* A text of the command line; quoted where that helps to see it. */
static void add_text(struct str *out, const char *text)
{
	bool quote = !*text;

	for (const char *p = text; *p; p++)
		quote |= !isalnum((unsigned char)*p) && !strchr("./:-_[]%@,+", *p);
	str_addf(out, quote ? "\"%s\"" : "%s", text);
}

/* What parameter @n is called in @syntax (":<host>:<port>", "[:<filename>]"): the letters between
 * the brackets of that part. "[<source>@]<group>" is called group where nothing is before it. */
static void param_name(const char *syntax, size_t n, const char *value, struct str *out)
{
	const char *end, *optional;

	for (n++; n && *syntax; syntax++)
		n -= *syntax == ':';
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
	/* of a shorter form than its syntax, the optional part is missing: nothing has a name */
	bool named = h->nparams == h->type->max_params;

	for (size_t i = 0; i < h->nparams; i++) {
		struct str name = { 0 };

		if (named)
			param_name(h->type->syntax, i, h->param[i], &name);
		str_addf(out, "%s%s is ", i ? ", its " : "  Its ",
			 name.len ? name.data : "parameter");
		add_text(out, h->param[i]);
		str_done(&name);
	}
	if (h->nparams)
		str_adds(out, ".\n");
}

static void add_direction(struct str *out, const struct addr_type *t, enum open_mode mode)
{
	static const char *const word[] = { [MODE_RW] = "read from and written to",
					    [MODE_READ] = "only read from",
					    [MODE_WRITE] = "only written to" };

	str_addf(out, "  It is %s", word[mode]);
	if ((mode != MODE_WRITE && !t->reads) || (mode != MODE_READ && !t->writes))
		str_addf(out, ", although it supports only %s: a warning will say so",
			 t->reads ? "reading" : "writing");
	str_adds(out, ".\n");
}

static void add_option(struct str *out, const struct opt *o)
{
	char name[64];

	opt_name(o->row, 0, name, sizeof(name));
	str_addf(out, "      %s", o->spec->name);
	if (o->row->flags & OPT_SECRET) {
		str_adds(out, "=***");
	} else if (o->spec->value) {
		str_addc(out, '=');
		add_text(out, o->spec->value);
	} else if (o->row->type != V_CONST && !o->val.null) {
		str_addc(out, '=');
		value_format(o, out);
	}
	if (strcasecmp(name, o->spec->name) != 0)
		str_addf(out, " (%s)", name);
	str_addf(out, ": %s.\n", o->row->help);
}

static void add_options(struct str *out, const struct opts *opts)
{
	enum phase last = PH_NONE;

	if (opts->n)
		str_adds(out, opts->n == 1 ? "  Its option acts\n"
					   : "  Its options, in the order in which they act:\n");
	for (size_t i = 0; i < opts->n; i++) {
		enum phase ph = opts->opt[i].row->phase;

		if (ph != last)
			str_addf(out, "    %s (%s)\n", phase_moment(ph), phase_name(ph));
		last = ph;
		add_option(out, &opts->opt[i]);
	}
}

/* Whom a layer that verifies wants to see. */
static void add_expected(struct str *out, const struct half *h, size_t i)
{
	const struct conf *c = h->layer[i].conf;
	const char *name = c->tls.commonname ? c->tls.commonname : layer_peer(h, i).host;

	if (!(h->layer[i].type->groups & G_OPENSSL))
		return;
	if (layer_is_server(h, i)) {
		str_addf(out, "  It is the server; clients %s.\n",
			 c->tls.verify ? "have to show a certificate" : "need no certificate");
		return;
	}
	if (h->type->flags & TYPE_ACCEPTS || c->role)
		str_adds(out, "  It is the client.\n");
	if (!c->tls.verify)
		str_adds(out, "  Whom it talks to is not verified.\n");
	else if (name && *name)
		str_addf(out, "  The server has to prove that it is %s.\n", name);
}

/* What stands on the transport, in the order in which bytes that are read come through it. */
static void add_layers(struct str *out, const struct half *h)
{
	for (size_t i = 0; i < h->nlayers; i++) {
		const struct half_layer *l = &h->layer[i];

		if (!l->own) { /* the type is that */
			if (l->conf->role)
				add_expected(out, h, i);
			continue;
		}
		str_addf(out, "  On that stands the layer %s: it %s.\n", l->name, l->type->help);
		add_expected(out, h, i);
		add_options(out, &l->opts);
	}
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
		add_direction(out, h->type, mode);
		add_options(out, &h->opts);
		add_layers(out, h);
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
