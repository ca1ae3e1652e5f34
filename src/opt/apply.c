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
#include "spec/spec.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const group_names[] = {
	"FD",    "FIFO",      "CHR",     "BLK",  "REG",    "SOCKET",  "READLINE",
	"NAMED", "OPEN",      "EXEC",    "FORK", "LISTEN", "SHELL",   "CHILD",
	"RETRY", "TERMIOS",   "RANGE",   "PTY",  "PARENT", "UNIX",    "IP4",
	"IP6",   "INTERFACE", "UDP",     "TCP",  "SOCKS",  "OPENSSL", "PROCESS",
	"APPL",  "HTTP",      "POSIXMQ", "SCTP", "DCCP",   "UDPLITE", "(all)",
};

static const char *const phase_names[PH_COUNT] = {
	"NONE",      "OFFSET",    "INIT",   "EARLY",      "PREOPEN", "OPEN",
	"PASTOPEN",  "PRESOCKET", "SOCKET", "PASTSOCKET", "BIGEN",   "PASTBIGEN",
	"FD",        "PREBIND",   "BIND",   "LISTEN",     "ACCEPT",  "PASTACCEPT",
	"CONNECTED", "PASTFORK",  "LATE",   "LATE2",      "PREEXEC", "SPECIFIC",
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

const char *phase_name(enum phase ph)
{
	return (unsigned)ph < PH_COUNT ? phase_names[ph] : "?";
}

/* Length of the word at the beginning of a list of names. */
static size_t word_len(const char *names)
{
	return strcspn(names, " ");
}

/* The word behind the first one of a list of names, or NULL. */
static const char *next_word(const char *names)
{
	names += word_len(names);
	return *names ? names + 1 : NULL;
}

const struct opt_row *opt_find(const char *name)
{
	const size_t len = strlen(name);

	if (len == 0 || strchr(name, ' '))
		return NULL;
	for (const struct opt_table *const *t = opt_tables; *t; t++)
		for (size_t i = 0; i < (*t)->n; i++)
			for (const char *w = (*t)->row[i].names; w; w = next_word(w))
				if (word_len(w) == len && strncasecmp(w, name, len) == 0)
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
	const char *w = row->names;

	while (w && i--)
		w = next_word(w);
	if (w == NULL || cap == 0)
		return NULL;
	snprintf(buf, cap, "%.*s", (int)word_len(w), w);
	return buf;
}

#define SUGGEST_MAX 40 /* bytes of a name; longer ones are not typing errors */
#define PREFIX_MIN 4   /* so many bytes of the beginning tell what was meant */

/* Edit distance in which swapping two neighbours counts once (optimal string alignment). */
static int distance(const char *a, size_t alen, const char *b, size_t blen)
{
	int row[3][SUGGEST_MAX + 1];
	int *before = row[0], *last = row[1], *now = row[2];

	for (size_t j = 0; j <= blen; j++)
		last[j] = (int)j;
	for (size_t i = 1; i <= alen; i++) {
		int *spare = before;

		now[0] = (int)i;
		for (size_t j = 1; j <= blen; j++) {
			const int ca = tolower((unsigned char)a[i - 1]);
			const int cb = tolower((unsigned char)b[j - 1]);
			int d = last[j - 1] + (ca != cb);

			if (last[j] + 1 < d)
				d = last[j] + 1;
			if (now[j - 1] + 1 < d)
				d = now[j - 1] + 1;
			if (i > 1 && j > 1 && ca == tolower((unsigned char)b[j - 2]) &&
			    cb == tolower((unsigned char)a[i - 2]) && before[j - 2] + 1 < d)
				d = before[j - 2] + 1;
			now[j] = d;
		}
		before = last;
		last = now;
		now = spare;
	}
	return last[blen];
}

const char *opt_suggest(const char *name, uint64_t groups, char *buf, size_t cap)
{
	const size_t len = strlen(name);
	int best = len < PREFIX_MIN ? 2 : 3; /* first distance that is too far */
	const char *found = NULL;

	if (len < 2 || len > SUGGEST_MAX)
		return NULL;
	for (const struct opt_table *const *t = opt_tables; *t; t++)
		for (size_t i = 0; i < (*t)->n; i++) {
			if (groups && !((*t)->row[i].groups & groups))
				continue;
			for (const char *w = (*t)->row[i].names; w; w = next_word(w)) {
				const size_t wlen = word_len(w);
				int d = best;

				if (wlen <= SUGGEST_MAX)
					d = distance(name, len, w, wlen);
				if (d > 1 && len >= PREFIX_MIN && wlen > len &&
				    strncasecmp(w, name, len) == 0)
					d = 2;
				if (d < best) {
					best = d;
					found = w;
				}
			}
		}
	if (found == NULL)
		return NULL;
	snprintf(buf, cap, "%.*s", (int)word_len(found), found);
	return buf;
}

static int unknown(const char *name, uint64_t groups, struct err *err)
{
	char near[SUGGEST_MAX + 1];

	if (opt_suggest(name, groups, near, sizeof(near)))
		return err_set(err, 0,
			       "parseopts_table(): unknown option \"%s\"; did you mean \"%s\"?",
			       name, near);
	return err_set(err, 0, "parseopts_table(): unknown option \"%s\"", name);
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

	*o = (struct opt){ .row = opt_find(spec->name), .spec = spec };
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
			const struct spec_opt *s = opt->spec;

			to.tty->loaded = false;
			if (!err->hint[0])
				err_hint(err, "this was option \"%s%s%s\"", s->name,
					 s->value ? "=" : "", s->value ? s->value : "");
			return -1;
		}
	}
	if ((phase == PH_FD || to.tty == &own) && tty_store(to.tty, to.fd, err) == -1 &&
	    fatal(o, err))
		return -1;
	return 0;
}

void conf_init(struct conf *c)
{
	*c = (struct conf){
		.open = { .access = -1, .perm = -1, .user = -1, .group = -1, .unlink_close = -1 },
		.sock = { .family = -1,
			  .type = -1,
			  .protocol = -1,
			  .sourceport = -1,
			  .tightsocklen = true },
		.listen = { .backlog = -1,
			    .session_timeout_ns = 600 * NSEC_PER_SEC,
			    .max_sessions = 10000 },
		.retry = { .interval_ns = NSEC_PER_SEC },
		.flow = { .escape = -1 },
		.prog = { .fdin = -1, .fdout = -1 },
		.pty = { .interval_ns = NSEC_PER_SEC },
	};
	ident_init(&c->ident);
}

void conf_done(struct conf *c)
{
	ident_done(&c->ident);
}
