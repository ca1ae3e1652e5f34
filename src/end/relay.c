/* relay.c - what the parts of a relay tell it, see relay.h
 *
 * A relay is made (relay_make()), runs (relay_run.c), and is freed. Here is what sessions, sources
 * and openings below it may call: that something has failed (relay_failed(), which may set the exit
 * status; relay_tell(), which does not), and that what is opened at the start is open
 * (relay_ready()).
 *
 * The status. While sessions come from a source, or once the relay is being drained, it is settled:
 * no session's failure is the program's. Else the one session decides.
 *
 * Limits of records. relay_tell() lets ten of a level pass in a second where there are many
 * sessions, and all where there is one. What is left out is counted; the count goes with the next
 * record that passes, or is told a moment later (relay_tell_rest_later()), or at the end. Session
 * processes tell their failures themselves and count in the parent's memory; only the parent tells
 * the rest, as it lives longest.
 *
 * Ownership. Addresses are the relay's, two of them for a dual one, in one array; so is the memory
 * that session processes share. The plan is borrowed, and constant.
 *
 * What may not happen: a record for each of many sessions that fail; relay_tell() limits them, and
 * what it has left out is counted and told, all session processes together (shared.h). */
#include "end/relay.h"

#include "base/log.h"
#include "base/mem.h"
#include "sys/notify.h"

#include <stdlib.h>

struct address *relay_address(const struct relay *r, unsigned number)
{
	struct address *a = r->addr;

	while (a->number != number)
		a++;
	return a;
}

static void make_addresses(struct relay *relay)
{
	const struct plan *plan = relay->plan;

	size_t n = 0;

	for (size_t i = 0; i < plan->nsides; i++)
		n += plan->side[i].nhalves;
	relay->addr = xcalloc(n, sizeof(*relay->addr));
	for (unsigned i = 0; i < plan->nsides; i++) {
		for (size_t k = 0; k < plan->side[i].nhalves; k++) {
			struct address *a = &relay->addr[relay->naddr++];

			address_init(a, relay, relay->engine, &plan->side[i].half[k], i + 1);
			if (relay->shared) {
				a->tally = &relay->shared->address[i].tally;
				a->limit = &relay->shared->address[i].limit;
			}
			if (k)
				a[-1].dual = a;
		}
	}
}

void relay_make(struct relay *relay, struct engine *engine, const struct plan *plan,
		struct shared *shared)
{
	*relay =
		(struct relay){ .engine = engine, .plan = plan, .shared = shared, .notify_fd = -1 };
	list_init(&relay->node);
	list_init(&relay->sessions);
	list_init(&relay->sources);
	list_init(&relay->openings);
	make_addresses(relay);
}

void relay_free_addresses(struct relay *relay)
{
	for (size_t i = 0; i < relay->naddr; i++)
		address_done(&relay->addr[i]);
	free(relay->addr);
	relay->addr = NULL;
	relay->naddr = 0;
}

void relay_tell_rest(struct relay *relay)
{
	static const enum log_level level[2] = { LV_WARN, LV_ERROR };

	for (int i = 0; relay->shared && i < 2; i++) {
		unsigned n = log_limit_take_others(&relay->shared->failures[i]);

		if (n && level[i] >= log_threshold)
			log_put(level[i], "%u more %s of sessions were left out", n,
				i ? "errors" : "warnings");
	}
}

void relay_tell_rest_later(struct relay *relay)
{
	struct loop *loop = relay->engine->loop;

	if (log_limit_has_others(&relay->shared->failures[0]) ||
	    log_limit_has_others(&relay->shared->failures[1]))
		loop_timer(loop, &relay->rest, loop_now(loop) + 2 * NSEC_PER_SEC);
}

void relay_tell(struct relay *relay, enum log_level level, const struct err *err)
{
	struct log_limit *limit;
	int64_t now;
	char more[80];

	if (!relay_is_crowded(relay)) { /* nor is one that only checks: it shares nothing */
		log_err(level, err);
		return;
	}
	if (level < log_threshold)
		return;
	limit = &relay->shared->failures[level == LV_ERROR];
	now = loop_clock(relay->engine->loop); /* a turn may have forked for long */
	if (log_limit_turn(limit, now)) {
		log_put(level, "%s%s", err->text, log_limit_text(limit, 0, "", more, sizeof(more)));
		log_hint(err);
	} else if (!relay->engine->session_process) { /* else the one that forked us tells */
		relay_tell_rest_later(relay);
	}
}

void relay_failed(struct relay *relay, const struct err *err)
{
	if (err->over)
		return;
	relay_tell(relay, LV_ERROR, err);
	if (!relay_is_settled(relay))
		relay->status = err->status ? err->status : 1;
}

void relay_ready(struct relay *relay)
{
	if (!relay->ready)
		notify_send(relay->notify_fd, "READY=1");
	relay->ready = true;
}
