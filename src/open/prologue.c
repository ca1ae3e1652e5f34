/* prologue.c - the steps of every type, before and behind its own
 *
 * The prologue takes locks, looks names in values of options up, loads keys and carries out early
 * process options. The epilogue carries out the late ones. The runner (opening.c) knows them as two
 * lists. */
#include "open/opening.h"

#include "base/log.h"
#include "base/mem.h"
#include "dgram/admit.h"
#include "dgram/dgram_seal.h"
#include "end/relay.h"
#include "open/lock.h"
#include "open/steps.h"
#include "sys/route.h"

static enum step_result step_locks(struct opening *o, struct err *err)
{
	const struct conf *c = o->addr->conf;
	const char *name = c->flow.lockfile ? c->flow.lockfile : c->flow.waitlock;

	if (!name || o->undo.left.lock.name)
		return STEP_DONE;
	switch (lock_take(name, err)) {
	case LOCK_TAKEN:
		leftovers_add_lock(&o->undo.left, name);
		return STEP_DONE;
	case LOCK_HELD:
		if (c->flow.lockfile) {
			err_set(err, 0, "could not obtain lock \"%s\"", name);
			return STEP_FAIL;
		}
		log_at(o->waiting == STEP_AGAIN ? LV_INFO : LV_NOTICE, "waiting for lock \"%s\"",
		       name);
		opening_wait(o, -1, 0, loop_now(o->addr->engine->loop) + NSEC_PER_SEC);
		return STEP_AGAIN;
	default:
		return STEP_FAIL;
	}
}

/* A name may have been meant for an interface. */
static void hint_interfaces(const char *name, struct err *err)
{
	char have[ERR_TEXT_LEN / 2];

	route_interfaces(have, sizeof(have));
	err_hint(err, "no interface is named \"%s\" either; there are: %s", name, have);
}

/* Names in values: looked up before anything is opened, because nobody can wait for them later. */
static enum step_result step_names(struct opening *o, struct err *err)
{
	struct hosts *hosts = &o->addr->hosts;
	struct host *unknown;

	if (!hosts->collected) {
		hosts->collecting = true;
		opts_collect(&o->addr->half->opts, hosts);
		hosts->nlinks = hosts->n;
		admission_collect(o->addr->conf, hosts);
		hosts->collecting = false;
		hosts->collected = true;
	}
	while ((unknown = hosts_unknown(hosts))) {
		enum step_result r =
			opening_look_up(o, unknown->name, unknown->family, &unknown->addr, err);

		if (r == STEP_FAIL && o->watcher) {
			unknown->why = xstrdup(err->text);
			continue;
		}
		if (r == STEP_FAIL && unknown < hosts->host + hosts->nlinks)
			hint_interfaces(unknown->name, err);
		if (r != STEP_DONE)
			return r;
	}
	return STEP_DONE;
}

static enum step_result step_keys(struct opening *o, struct err *err)
{
	return dgram_seal_load(o->addr, err) == -1 ? STEP_FAIL : STEP_DONE;
}

static enum step_result step_early(struct opening *o, struct err *err)
{
	return ident_apply(&o->addr->conf->ident, ID_EARLY, err) == -1 ? STEP_FAIL : STEP_DONE;
}

/* Process options at the end of opening act on this process only if it serves one session; where
 * an address forks they wait for the session's own process (source.c). */
static bool acts_on_us(const struct opening *o)
{
	return !(o->addr->half->type->flags & TYPE_PROGRAM) && !relay_has_source(o->addr->relay) &&
	       !opening_forks(o);
}

static enum step_result step_late_ident(struct opening *o, struct err *err)
{
	if (acts_on_us(o) && ident_apply(&o->addr->conf->ident, ID_LATE, err) == -1)
		return STEP_FAIL;
	return STEP_DONE;
}

static enum step_result step_privileges(struct opening *o, struct err *err)
{
	if (acts_on_us(o) && ident_become(&o->addr->conf->ident, ID_LATE2, err) == -1)
		return STEP_FAIL;
	return STEP_DONE;
}

const struct step opening_prologue[] = {
	{ .run = step_locks, .after = PH_INIT, .flags = STEP_CLAIMS },
	{ STEP_PURE(step_names) },
	{ STEP_PURE(step_keys) },
	{ .run = step_early, .after = PH_EARLY, .flags = STEP_CLAIMS },
	STEP_END,
};

const struct step opening_epilogue[] = {
	{ .after = PH_LATE },
	{ .run = step_late_ident, .flags = STEP_CLAIMS },
	{ .run = step_privileges, .after = PH_LATE2, .flags = STEP_CLAIMS },
	STEP_END,
};
