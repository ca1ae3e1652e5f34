/* options.c - options in plain sentences, by the moment at which they act
 *
 * What they do comes from their rows. */
#include "explain/parts.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

void explain_text(struct str *out, const char *text)
{
	bool quote = !*text;

	for (const char *p = text; *p; p++)
		quote |= !isalnum((unsigned char)*p) && !strchr("./:-_[]%@,+", *p);
	str_addf(out, quote ? "\"%s\"" : "%s", text);
}

static void add_option(struct str *out, const struct opt *o, const char *margin)
{
	char name[64];

	opt_name(o->row, 0, name, sizeof(name));
	str_addf(out, "%s    %s", margin, o->spec->name);
	if (o->row->flags & OPT_SECRET) {
		str_adds(out, "=***");
	} else if (o->spec->value) {
		str_addc(out, '=');
		explain_text(out, o->spec->value);
	} else if (o->row->type != V_CONST && !o->val.null) {
		str_addc(out, '=');
		value_format(o, out);
	}
	if (strcasecmp(name, o->spec->name) != 0)
		str_addf(out, " (%s)", name);
	str_addf(out, ": %s.\n", o->row->help);
}

void explain_options(struct str *out, const struct opts *opts, const char *margin)
{
	enum phase last = PH_NONE;

	if (opts->n)
		str_addf(out, "%s%s\n", margin,
			 opts->n == 1 ? "Its option acts"
				      : "Its options, in the order in which they act:");
	for (size_t i = 0; i < opts->n; i++) {
		enum phase ph = opts->opt[i].row->phase;

		if (ph != last)
			str_addf(out, "%s  %s (%s)\n", margin, phase_moment(ph), phase_name(ph));
		last = ph;
		add_option(out, &opts->opt[i], margin);
	}
}
