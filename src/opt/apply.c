/* apply.c - from written options to rows, values and effects
 *
 * opts_parse() looks names up, checks groups, parses values, lets the conf setters record their
 * wishes in textual order and then sorts by phase; opts_apply() runs the set functions of one
 * phase. Which phases an address runs through, and in which order, is decided by its steps. Names
 * are found by a scan over the rows: there is no index to build, a start needs a dozen look-ups. */
#include "opt/opt.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/names.h"
#include "opt/tables.h"
#include "spec/spec.h"

#include <stdlib.h>
#include <string.h>

static const char *const group_names[] = {
	"FD",    "FIFO",    "CHR",     "BLK",       "REG",   "SOCKET", "READLINE",  "NAMED",
	"OPEN",  "EXEC",    "FORK",    "LISTEN",    "SHELL", "CHILD",  "RETRY",     "TERMIOS",
	"RANGE", "PTY",     "PARENT",  "UNIX",      "IP4",   "IP6",    "INTERFACE", "UDP",
	"TCP",   "SOCKS",   "OPENSSL", "PROCESS",   "APPL",  "HTTP",   "POSIXMQ",   "SCTP",
	"DCCP",  "UDPLITE", "DGRAM",   "MULTICAST", "(all)", "LAYERS", "FRAMES",
};

void groups_format(uint64_t groups, struct str *out)
{
	const char *comma = "";

	for (size_t i = 0; i < ARRAY_SIZE(group_names); i++)
		if (groups & (1ULL << i)) {
			str_addf(out, "%s%s", comma, group_names[i]);
			comma = ",";
		}
}

const struct opt_row *opt_find(const char *name)
{
	for (const struct opt_table *const *t = opt_tables; *t; t++)
		for (size_t i = 0; i < (*t)->n; i++)
			if (names_have((*t)->row[i].names, name))
				return &(*t)->row[i];
	return NULL;
}

int opt_each(int (*fn)(const struct opt_row *row, void *arg), void *arg)
{
	for (const struct opt_table *const *t = opt_tables; *t; t++)
		for (size_t i = 0; i < (*t)->n; i++) {
			int rc = fn(&(*t)->row[i], arg);

			if (rc)
				return rc;
		}
	return 0;
}

const char *opt_name(const struct opt_row *row, size_t i, char *buf, size_t cap)
{
	return names_get(row->names, i, buf, cap);
}

const char *opt_suggest(const char *name, uint64_t groups, char *buf, size_t cap)
{
	struct names_near near;

	names_near_begin(&near, name);
	for (const struct opt_table *const *t = opt_tables; *t; t++)
		for (size_t i = 0; i < (*t)->n; i++)
			if (groups == 0 || (*t)->row[i].groups & groups)
				names_near_offer(&near, (*t)->row[i].names);
	return names_near_end(&near, buf, cap);
}

static int unknown(const char *name, uint64_t groups, struct err *err)
{
	const struct elsewhere *e = elsewhere_find(name);
	char near[64];

	if (e && e->where)
		return err_set(err, 0,
			       "parseopts_table(): unknown option \"%s\": one of %s, not of "
			       "Linux%s%s",
			       name, e->where, e->instead ? "; use " : "",
			       e->instead ? e->instead : "");
	if (e)
		return err_set(err, 0, "parseopts_table(): unknown option \"%s\"; use %s", name,
			       e->instead);
	if (opt_suggest(name, groups, near, sizeof(near)))
		return err_set(err, 0,
			       "parseopts_table(): unknown option \"%s\"; did you mean \"%s\"?",
			       name, near);
	err_set(err, 0, "parseopts_table(): unknown option \"%s\"", name);
	if (groups & G_EXEC)
		return err_hint(err,
				"a comma ends the command: write \"\\,\" where it belongs to it");
	return -1;
}

static int misplaced(const char *name, uint64_t groups, struct err *err)
{
	struct str list = { 0 };

	groups_format(groups, &list);
	err_set(err, 0,
		"parseopts_table(): option \"%s\" not supported with this address type; "
		"it belongs to addresses of group%s %s",
		name, groups & (groups - 1) ? "s" : "", list.data);
	str_done(&list);
	return -1;
}

static void announce(const struct opt *o)
{
	const bool quote =
		o->val.str && o->row->type != V_INT_STRING && o->row->type != V_INT_INT_STRING;
	struct str text = { 0 };
	char name[64];

	opt_name(o->row, 0, name, sizeof(name));
	if (o->row->flags & OPT_SECRET)
		str_adds(&text, "***");
	else
		value_format(o, &text);
	if (o->row->type == V_CONST || o->val.null)
		log_info("setting option \"%s\"", name);
	else
		log_info("setting option \"%s\" to %s%s%s", name, quote ? "\"" : "",
			 text.data ? text.data : "", quote ? "\"" : "");
	str_done(&text);
}

/* Parse one occurrence and let it record its wish. */
static int parse_one(struct opt *o, struct conf *conf, const struct spec_opt *spec, uint64_t groups,
		     unsigned flags, struct err *err)
{
	struct target t = { .conf = conf, .fd = -1 };
	char name[64];

	*o = (struct opt){ .row = opt_find(spec->name),
			   .spec = spec,
			   .offline = flags & OPTS_OFFLINE,
			   .unread = flags & OPTS_UNREAD };
	if (o->row == NULL)
		return unknown(spec->name, flags & OPTS_ANY_GROUP ? 0 : groups, err);
	if (!(flags & OPTS_ANY_GROUP) && !(o->row->groups & groups))
		return misplaced(spec->name, o->row->groups, err);
	if (value_parse(o, err) == -1)
		return -1;
	if (log_threshold <= LV_INFO)
		announce(o);
	if ((o->row->flags & OPT_EXPERIMENTAL) && !(flags & OPTS_EXPERIMENTAL))
		log_warn("option \"%s\" is experimental", opt_name(o->row, 0, name, sizeof(name)));
	if (o->row->conf && o->row->conf(&t, o, err) == -1) {
		value_done(&o->val);
		return -1;
	}
	return 0;
}

/* Order by phase, keeping the textual order inside each. */
static void sort_by_phase(struct opts *o)
{
	struct opt *sorted = xcalloc(o->n ? o->n : 1, sizeof(*sorted));
	size_t n = 0;

	for (int ph = 0; ph < PH_COUNT; ph++)
		for (size_t i = 0; i < o->n; i++)
			if (o->opt[i].row->phase == (enum phase)ph)
				sorted[n++] = o->opt[i];
	free(o->opt);
	o->opt = sorted;
}

int opts_parse(struct opts *out, struct conf *conf, const struct spec_opt *spec, size_t n,
	       uint64_t groups, unsigned flags, struct err *err)
{
	*out = (struct opts){ .sloppy = flags & OPTS_SLOPPY };
	out->opt = xcalloc(n ? n : 1, sizeof(*out->opt));
	for (size_t i = 0; i < n; i++) {
		if (parse_one(&out->opt[out->n], conf, &spec[i], groups | GROUPS_EVERYWHERE, flags,
			      err) == 0) {
			out->n++;
			continue;
		}
		if (!out->sloppy)
			goto fail;
		log_err(LV_ERROR, err);
	}
	if (conf->flow.lockfile && conf->flow.waitlock) {
		err_set(err, 0, "only one use of options lockfile and waitlock allowed");
		if (!out->sloppy)
			goto fail;
		log_err(LV_ERROR, err);
		conf->flow.waitlock = NULL;
	}
	sort_by_phase(out);
	return 0;

fail:
	opts_done(out);
	return -1;
}

void opts_done(struct opts *o)
{
	for (size_t i = 0; i < o->n; i++)
		value_done(&o->opt[i].val);
	free(o->opt);
	*o = (struct opts){ 0 };
}

/* True if the failure in @err is to be passed on; in sloppy mode it becomes a record. */
static bool fatal(const struct opts *o, const struct err *err)
{
	if (!o->sloppy)
		return true;
	log_err(LV_ERROR, err);
	return false;
}

int opt_blame(const struct opt *o, struct err *err)
{
	const struct spec_opt *s = o->spec;

	if (!err->hint[0])
		err_hint(err, "this was option \"%s%s%s\"", s->name, s->value ? "=" : "",
			 s->value ? s->value : "");
	return -1;
}

int opts_apply(const struct opts *o, enum phase phase, struct target *t, struct err *err)
{
	struct tty_edit own = { 0 };
	struct target to = *t;

	if (phase == PH_NONE)
		return 0;
	if (to.tty == NULL)
		to.tty = &own;
	for (size_t i = 0; i < o->n; i++) {
		const struct opt *opt = &o->opt[i];

		if (opt->row->phase == phase && opt->row->set &&
		    opt->row->set(&to, opt, err) == -1 && fatal(o, err)) {
			to.tty->loaded = false;
			return opt_blame(opt, err);
		}
	}
	if ((phase == PH_FD || to.tty == &own) && tty_store(to.tty, to.fd, err) == -1 &&
	    fatal(o, err))
		return -1;
	return 0;
}

void opts_collect(const struct opts *o, struct hosts *hosts)
{
	struct target nothing = { .fd = -1, .hosts = hosts };
	struct err err;

	for (size_t i = 0; i < o->n; i++) {
		if (o->opt[i].row->flags & OPT_HOSTS)
			(void)o->opt[i].row->set(&nothing, &o->opt[i], &err);
	}
}

void conf_init(struct conf *c)
{
	*c = (struct conf){
		.open = { .access = -1, .perm = -1, .user = -1, .group = -1, .unlink_close = -1 },
		.sock = { .family = -1,
			  .type = -1,
			  .protocol = -1,
			  .sourceport = -1,
			  .close_timeout_ns = 5 * NSEC_PER_SEC,
			  .any_port = -1,
			  .tightsocklen = true },
		.listen = { .backlog = -1,
			    .session_timeout_ns = 600 * NSEC_PER_SEC,
			    .max_sessions = 10000 },
		.tls = { .verify = true,
			 .maxfraglen = -1,
			 .maxsendfrag = -1,
			 .eof_without_notify = -1,
			 .handshake_timeout_ns = -1 },
		.retry = { .interval_ns = NSEC_PER_SEC },
		.flow = { .escape = -1 },
		.prog = { .fdin = -1, .fdout = -1 },
		.proxy = { .http_version = "1.0", .timeout_ns = 30 * NSEC_PER_SEC },
		.pty = { .interval_ns = NSEC_PER_SEC },
		.netif = { .mtu = -1 },
		.mcast = { .hops = -1, .loop = -1 },
		.mq = { .maxmsg = -1, .msgsize = -1 },
		.seal = { .age_ns = 60 * NSEC_PER_SEC, .senders = 4096 },
	};
	ident_init(&c->ident);
}

void conf_done(struct conf *c)
{
	free(c->wrap.table[0]);
	free(c->wrap.table[1]);
	c->wrap.table[0] = c->wrap.table[1] = NULL;
	free(c->proxy.auth_read);
	free(c->proxy.to_host);
	c->proxy.auth_read = c->proxy.to_host = NULL;
	ident_done(&c->ident);
}
