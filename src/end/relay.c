/* relay.c - what the parts of a relay tell it, see relay.h */
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

/* Each half of an address is an address of its own to what is below: they share number and tally.
 */
void relay_make_addresses(struct relay *relay)
{
	const struct plan *plan = relay->plan;

	relay->addr = xcalloc(plan->side[0].nhalves + plan->side[1].nhalves, sizeof(*relay->addr));
	for (unsigned i = 0; i < 2; i++) {
		for (size_t k = 0; k < plan->side[i].nhalves; k++) {
			struct address *a = &relay->addr[relay->naddr++];

			address_init(a, relay, relay->engine, &plan->side[i].half[k], i + 1);
			if (relay->shared) {
				a->tally = &relay->shared->tally[i];
				a->limit = &relay->shared->address[i];
			}
			if (k)
				a[-1].dual = a;
		}
	}
}

void relay_free_addresses(struct relay *relay)
{
	for (size_t i = 0; i < relay->naddr; i++)
		address_done(&relay->addr[i]);
	free(relay->addr);
	relay->addr = NULL;
	relay->naddr = 0;
}

void relay_tell(struct relay *relay, enum log_level level, const struct err *err)
{
	struct log_limit *limit;
	char more[80];

	if (!relay_is_crowded(relay)) { /* nor is one that only checks: it shares nothing */
		log_err(level, err);
		return;
	}
	limit = &relay->shared->failures[level == LV_ERROR];
	if (level >= log_threshold && log_limit_turn(limit, loop_now(relay->engine->loop))) {
		log_at(level, "%s%s", err->text, log_limit_text(limit, 0, "", more, sizeof(more)));
		log_hint(err);
	}
}

void relay_failed(struct relay *relay, const struct err *err)
{
	if (err->over)
		return;
	relay_tell(relay, LV_ERROR, err);
	if (!relay->many)
		relay->status = err->status ? err->status : 1;
}

void relay_ready(struct relay *relay)
{
	if (!relay->ready)
		notify_send(relay->notify_fd, "READY=1");
	relay->ready = true;
}
