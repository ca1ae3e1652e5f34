/* plan_make.c - address texts to a plan
 *
 * Finds each keyword's type, checks parameters and options, fills the configuration, and decides
 * whether sessions need processes of their own. */
#include "plan_make.h"

#include "addr/addr.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/names.h"
#include "base/str.h"
#include "dgram/wrap.h"
#include "plan_layers.h"
#include "relay/standing.h"
#include "seal/seal.h"
#include "sys/module.h"
#include "sys/resolve.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* A keyword that is no type: a number is a descriptor, a path is GOPEN. The keyword becomes the
 * parameter then, kept in @kept. */
static const struct addr_type *shorthand(struct half *h, const struct spec_single *s, char **kept)
{
	const char *word = s->keyword;
	const char *type;

	if (*word && word[strspn(word, "0123456789")] == '\0') {
		log_info("interpreting address \"%s\" as file descriptor", word);
		type = "FD";
	} else if (strchr(word, '/')) {
		log_info("interpreting address \"%s\" as file name", word);
		type = "GOPEN";
	} else {
		return NULL;
	}
	*kept = s->keyword;
	h->keyword = type;
	h->param = kept;
	h->nparams = 1 + s->nparams; /* surplus ones are refused by the count */
	return addr_find(type);
}

/* What people write where a type should be, and what they mean. */
static const struct {
	const char *words, *meant;
} no_types[] = {
	{ "http https web www", "a web server is TCP:<host>:80 or TLS:<host>:443, a proxy PROXY" },
	{ "serial com com1 com2 tty uart rs232",
	  "a serial line is OPEN:/dev/ttyUSB0,b115200,raw,echo=0" },
	{ "ssh scp", "a program is EXEC:\"ssh <host> <command>\"" },
	{ "bash sh cmd run program",
	  "a program is EXEC:<command>, a line for the shell SYSTEM:<line>" },
	{ "multicast group", "a group is MCAST:<group>:<port>" },
	{ "broadcast", "everybody on the link is BCAST:<port>" },
	{ "server", "a server is TCP-LISTEN:<port>,fork,reuseaddr" },
};

static const char *find_meant(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(no_types); i++) {
		if (names_have(no_types[i].words, word))
			return no_types[i].meant;
	}
	return NULL;
}

/* Is it a host that stands where a type should be: a number, a name with dots, or anything before
 * a port? Then the type it lacks. */
static const char *type_for_host(const struct spec_single *s)
{
	const char *word = s->keyword;
	bool name = *word && word[strspn(word, "0123456789abcdefghijklmnopqrstuvwxyz"
					       "ABCDEFGHIJKLMNOPQRSTUVWXYZ.-")] == '\0';
	bool port =
		s->nparams == 1 && *s->param[0] && !s->param[0][strspn(s->param[0], "0123456789")];
	struct netaddr a;

	if (resolve_number(word, AF_UNSPEC, &a))
		return netaddr_is_multicast(&a) ? "MCAST" : "TCP";
	return name && (port || strchr(word, '.')) ? "TCP" : NULL;
}

static int unknown_type(const struct spec_single *s, struct err *err)
{
	const char *word = s->keyword, *meant = find_meant(word), *type;
	char near[64];

	if (!meant && addr_suggest(word, near, sizeof(near)))
		return err_set(err, 0, "unknown device/address \"%s\"; did you mean \"%s\"?", word,
			       near);
	err_set(err, 0, "unknown device/address \"%s\"", word);
	if (access(word, F_OK) == 0)
		return err_hint(err, "there is a file of that name: ./%s", word);
	if (meant)
		return err_hint(err, "%s", meant);
	type = type_for_host(s);
	if (type)
		return err_hint(err, "an address begins with a type: %s:%s:%s", type, word,
				s->nparams == 1 ? s->param[0] : "<port>");
	return -1;
}

static bool begins_with_host(const char *syntax)
{
	return strncmp(syntax, ":<host>", 7) == 0 || strstr(syntax, "<group>");
}

/* "TCP:::1:80": an IPv6 address has fallen apart at its colons. */
static void hint_brackets(const struct half *h, struct err *err)
{
	size_t last = h->type->max_params - 1; /* parameters behind it */
	struct str host = { 0 }, rest = { 0 };
	struct in6_addr ip;
	char *scope;

	for (size_t i = 0; i < h->nparams; i++) {
		struct str *s = i + last < h->nparams ? &host : &rest;

		str_addf(s, "%s%s", s == &rest || i ? ":" : "", h->param[i]);
	}
	str_addc(&host, '\0');
	scope = strchr(host.data, '%');
	if (scope)
		*scope = '\0';
	if (inet_pton(AF_INET6, host.data, &ip) == 1)
		err_hint(err, "IPv6 addresses stand in brackets: %s:[%s%s%s]%s", h->keyword,
			 host.data, scope ? "%" : "", scope ? scope + 1 : "",
			 rest.data ? rest.data : "");
	str_done(&host);
	str_done(&rest);
}

static int wrong_params(const struct half *h, struct err *err)
{
	err_set(err, 0, "%s: wrong number of parameters (%zu instead of %zu): usage: %s%s",
		h->keyword, h->nparams, h->type->max_params, h->keyword, h->type->syntax);
	if (h->nparams > h->type->max_params && begins_with_host(h->type->syntax))
		hint_brackets(h, err);
	else if (h->nparams > h->type->max_params && h->type->flags & TYPE_PROGRAM)
		return err_hint(err,
				"a colon ends the command: write \"\\:\" where it belongs to it");
	return -1;
}

static int check_params(const struct half *h, struct err *err)
{
	const struct addr_type *t = h->type;

	if (h->nparams >= t->min_params && h->nparams <= t->max_params)
		return 0;
	if (t->flags & TYPE_NO_USAGE)
		return err_set(err, 0, "%s: wrong number of parameters (%zu instead of %zu)",
			       h->keyword, h->nparams, t->max_params);
	return wrong_params(h, err);
}

/* Names of the types that take options of @groups, for a misplaced option: those that are nearest
 * to the one it was given to. */
struct takers {
	uint64_t groups;
	const struct addr_type *like;
	int nearest;
	struct str text;
	size_t n;
};

#define TAKERS_MAX 8 /* names in the message */

/* Of the same family of addresses, by the same protocol. */
static int nearness(const struct addr_type *a, const struct addr_type *b)
{
	return (a->net.family && a->net.family == b->net.family) +
	       (a->net.protocol && a->net.protocol == b->net.protocol);
}

static int find_nearest(const struct addr_type *type, void *arg)
{
	struct takers *t = arg;

	if (type->groups & t->groups && nearness(type, t->like) > t->nearest)
		t->nearest = nearness(type, t->like);
	return 0;
}

static int add_taker(const struct addr_type *type, void *arg)
{
	struct takers *t = arg;
	char name[64];

	if (!(type->groups & t->groups) || nearness(type, t->like) < t->nearest)
		return 0;
	if (t->n++ < TAKERS_MAX)
		str_addf(&t->text, "%s%s", t->n > 1 ? ", " : "",
			 names_get(type->names, 0, name, sizeof(name)));
	return 0;
}

/* Which option does not fit, and where it would. */
static void hint_misplaced(const struct half *h, const struct spec_single *s, struct err *err)
{
	for (size_t i = 0; i < s->nopts; i++) {
		const struct opt_row *row = opt_find(s->opt[i].name);
		struct takers t = { .like = h->type };
		struct str layers = { 0 };

		if (!row || row->groups & (h->type->groups | GROUPS_EVERYWHERE))
			continue;
		t.groups = row->flags & OPT_OF_STACK ? 0 : row->groups;
		addr_each(find_nearest, &t);
		addr_each(add_taker, &t);
		if (t.n > TAKERS_MAX)
			str_adds(&t.text, ", ...");
		if (t.n && plan_layers_taking(row, &layers))
			str_adds(&t.text, ", and the layers ");
		if (t.n || plan_layers_taking(row, &layers))
			err_hint(err, "option \"%s\" fits %s%s", s->opt[i].name,
				 t.n ? t.text.data : "the layers ", layers.len ? layers.data : "");
		str_done(&t.text);
		str_done(&layers);
		return;
	}
}

/* A seal is never passed over in silence, not even when options are not checked (-g). */
static int check_seal(const struct half *h, struct err *err)
{
	const struct conf *c = &h->conf;
	const char *part = c->seal.sign_file ? "sign-key" : c->seal.trust_file ? "trust" : NULL;

	if (c->seal.file && !(h->type->groups & G_DGRAM))
		return err_set(err, 0, "%s: option seal is for addresses of group DGRAM only",
			       h->keyword);
	if (part && !c->seal.file)
		return err_set(err, 0, "%s: option %s needs option seal with a group key",
			       h->keyword, part);
	return 0;
}

/* Modules are loaded here and nowhere later: an address may change the root directory, and nothing
 * must be run that lies in the new one. */
static int load_modules(struct half *h, struct err *err)
{
	if (h->type->module) {
		h->module = module_symbol(h->type->module, h->type->symbol, err);
		if (!h->module)
			return -1;
	}
	for (size_t i = 0; i < h->nlayers; i++) {
		const struct layer_type *t = h->layer[i].type;

		if (!t->module)
			continue;
		h->layer[i].module = module_symbol(t->module, t->symbol, err);
		if (!h->layer[i].module)
			return -1;
	}
	if (h->conf.seal.file) {
		h->seal = module_symbol(SEAL_MODULE, SEAL_SYMBOL, err);
		if (!h->seal)
			return -1;
	}
	return h->conf.wrap.on ? wrap_prepare(&h->conf, h->type->source != NULL, err) : 0;
}

/* What an option says that was not given may depend on the program's name. */
static void set_by_name(struct conf *conf, const struct settings *set)
{
	if (conf->sock.any_port == -1)
		conf->sock.any_port = set->classic;
	if (conf->tls.eof_without_notify == -1)
		conf->tls.eof_without_notify = set->classic;
}

static int make_half(struct half *h, const struct spec_single *s, char **kept,
		     const struct settings *set, struct err *err)
{
	unsigned flags = (set->any_group ? OPTS_ANY_GROUP : 0) | (set->sloppy ? OPTS_SLOPPY : 0) |
			 (set->experimental ? OPTS_EXPERIMENTAL : 0) |
			 (set->offline ? OPTS_OFFLINE : 0) | (set->unread ? OPTS_UNREAD : 0);

	conf_init(&h->conf);
	h->keyword = s->keyword;
	h->param = s->param;
	h->nparams = s->nparams;
	h->type = addr_find(s->keyword);
	if (!h->type)
		h->type = shorthand(h, s, kept);
	if (!h->type)
		return unknown_type(s, err);
	if (check_params(h, err) == -1)
		return -1;
	if (addr_missing(h->type))
		return err_set(err, 0, "%s: %s", h->keyword, addr_missing(h->type));
	h->conf.sock.range_is_data = h->type->flags & TYPE_DATA;
	if (plan_layers_make(h, s, flags, err) == -1)
		return -1;
	if (opts_parse(&h->opts, &h->conf, h->spec_opt, h->nspec_opts,
		       h->type->groups | (h->nlayers ? G_LAYERS : 0), flags, err) == 0) {
		if (check_seal(h, err) == -1 || plan_layers_fit(h, err) == -1)
			return -1;
		set_by_name(&h->conf, set);
		for (size_t i = 0; i < h->nlayers; i++) {
			if (h->layer[i].own)
				set_by_name(h->layer[i].own, set);
		}
		return set->unread ? 0 : load_modules(h, err);
	}
	if (!err->hint[0] && !set->any_group)
		hint_misplaced(h, s, err);
	return -1;
}

/* Does opening this side for each session change the process it happens in? */
static const char *changes_process(const struct side *side)
{
	for (size_t i = 0; i < side->nhalves; i++) {
		const struct half *h = &side->half[i];

		if (h->conf.listen.isolate)
			return "option isolate";
		if (h->type->needs_process)
			return h->type->needs_process;
		if (h->type->flags & TYPE_PROGRAM) {
			if (h->conf.prog.nofork)
				return "option nofork";
			continue;
		}
		if (ident_has(&h->conf.ident, ID_EARLY))
			return "an option that changes user, root directory or session";
	}
	return NULL;
}

/* With several sessions, whatever changes the whole process needs a process for each. Early wishes
 * of the forking address itself come once, before it listens. */
static void decide_isolation(struct plan *plan)
{
	bool forks = false;

	for (size_t i = 0; i < plan->nsides; i++)
		forks |= plan->side[i].half[0].conf.listen.fork;
	if (!forks)
		return;
	for (size_t i = 0; i < plan->nsides && !plan->isolate_why; i++) {
		const struct side *side = &plan->side[i];
		const struct half *h = &side->half[0];

		if (h->conf.listen.isolate)
			plan->isolate_why = "option isolate";
		else if (h->conf.listen.fork)
			plan->isolate_why =
				ident_has(&h->conf.ident, ID_LATE) ? changes_process(side) : NULL;
		else if (i > 0) /* a left address that does not fork is opened once */
			plan->isolate_why = changes_process(side);
	}
	plan->isolate = plan->isolate_why != NULL;
	if (plan->isolate)
		log_notice("own process per connection: %s", plan->isolate_why);
}

static bool is_layer(const char *word, size_t len)
{
	return layer_find(word, len);
}

static int make_side(struct plan *plan, struct side *side, const char *text, struct err *err)
{
	if (spec_parse(&side->spec, text, is_layer, err) == -1)
		return -1;
	side->nhalves = side->spec.nsingles;
	for (size_t k = 0; k < side->nhalves; k++) {
		struct half *h = &side->half[k];

		if (make_half(h, &side->spec.single[k], &side->shorthand[k], &plan->set, err) == -1)
			return -1;
		if (h->type->flags & TYPE_PROGRAM)
			plan->programs = true;
		if (side->nhalves > 1 && side->spec.single[k].nlayers)
			return err_set(err, 0,
				       "%s: a layer cannot stand on one half of a dual address",
				       h->layer[h->nlayers - 1].name);
		if (side->nhalves > 1 && h->conf.listen.fork)
			return err_set(err, 0, "%s: option fork is not possible in a dual address",
				       h->keyword);
	}
	return 0;
}

int plan_make(struct plan *plan, const struct cli *cli, struct err *err)
{
	*plan = (struct plan){ .set = cli->set, .nsides = ARRAY_SIZE(cli->address) };
	plan->side = xcalloc(plan->nsides, sizeof(*plan->side));
	for (size_t i = 0; i < plan->nsides; i++) {
		if (cli->address[i] && make_side(plan, &plan->side[i], cli->address[i], err) == -1)
			return -1;
	}
	if (standing_check(plan, err) == -1)
		return -1;
	decide_isolation(plan);
	return 0;
}

void plan_done(struct plan *plan)
{
	for (size_t i = 0; i < plan->nsides; i++) {
		struct side *side = &plan->side[i];

		for (size_t k = 0; k < side->nhalves; k++) {
			opts_done(&side->half[k].opts);
			plan_layers_done(&side->half[k]);
			conf_done(&side->half[k].conf);
		}
		spec_done(&side->spec);
	}
	free(plan->side);
	plan->side = NULL;
	plan->nsides = 0;
}
