/* check.c - what can be said about addresses before they are opened, see check.h */
#include "relay/check.h"

#include "base/log.h"
#include "dgram/admit.h"
#include "dgram/destination.h"
#include "end/relay.h"
#include "open/opening.h"
#include "stats/metrics_http.h"

#include <net/if.h>
#include <stdlib.h>
#include <string.h>

/* Options that take no note of a value before they are applied: apply them to nothing. */
static bool is_judged(const struct opt_row *row)
{
	return row->set && (row->flags & OPT_HOSTS || row->groups & G_TERMIOS);
}

static int check_values(const struct opening *o, struct hosts *hosts, struct err *err)
{
	struct tty_edit edit = { 0 };
	struct target nothing = { .fd = -1, .hosts = hosts, .tty = &edit };
	const struct opts *opts = &o->addr->half->opts;

	for (size_t i = 0; i < opts->n; i++) {
		const struct opt *opt = &opts->opt[i];

		if (!is_judged(opt->row) || opt->row->set(&nothing, opt, err) == 0)
			continue;
		err->code = 0; /* as where it is applied: see opening.c */
		if (!opts->sloppy)
			return opt_blame(opt, err);
		log_err(LV_ERROR, err);
	}
	return 0;
}

/* The version of IP that the socket will have; where a name or a descriptor will tell, that of
 * @text. */
static int family_of(const struct opening *o, const char *text)
{
	int fixed = o->addr->conf->sock.family >= 0 ? o->addr->conf->sock.family
						    : o->addr->half->type->net.family;

	if (o->remote.n)
		return o->remote.addr[0].any.sa_family;
	if (o->local.len)
		return o->local.any.sa_family;
	if (fixed != AF_UNSPEC)
		return fixed;
	return strchr(text, '[') ? AF_INET6 : AF_INET;
}

/* Options range and dst, which are read when the socket is there. */
static int check_networks(const struct opening *o, struct hosts *hosts, struct err *err)
{
	const struct conf *c = o->addr->conf;
	struct admission admission;
	struct dst_rule *rule;

	if (c->sock.range &&
	    admission_init(&admission, c, family_of(o, c->sock.range), 0, hosts, err) == -1)
		return -1;
	if (!c->sock.dst || !(o->addr->half->type->groups & G_DGRAM))
		return 0;
	rule = dst_rule_new(c->sock.dst, family_of(o, c->sock.dst), err);
	free(rule);
	return rule ? 0 : -1;
}

/* Interfaces come and go: no error yet. */
static void warn_device(const struct opening *o)
{
	const char *name = o->addr->conf->sock.device;

	if (name && !o->target.device_chosen && !if_nametoindex(name))
		log_warn("interface \"%s\" not found: there is none of that name now", name);
}

static int judge(struct opening *o, struct err *err)
{
	struct hosts *hosts = &o->addr->hosts;

	hosts->collecting = true; /* names that nobody has looked up mean nothing */
	if (check_values(o, hosts, err) == -1 || check_networks(o, hosts, err) == -1)
		return -1;
	warn_device(o);
	return 0;
}

int check_plan(const struct plan *plan, struct err *err)
{
	struct engine engine;
	struct relay relay;
	struct netaddr where;
	int rc = plan->set.metrics ? metrics_where(&where, plan->set.metrics, err) : 0;

	engine_init(&engine, NULL); /* nothing runs */
	relay_make(&relay, &engine, plan, NULL);
	for (unsigned i = 1; i <= plan->nsides && rc == 0; i++)
		rc = opening_check(relay_address(&relay, i), plan_mode(&plan->set, (int)i - 1),
				   judge, err);
	relay_free_addresses(&relay);
	engine_done(&engine);
	return rc;
}
