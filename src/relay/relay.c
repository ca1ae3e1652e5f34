/* relay.c - what the parts of a relay tell it, see relay.h */
#include "relay/relay.h"

#include "sys/notify.h"

struct address *relay_address(const struct relay *r, unsigned number)
{
	struct address *a = r->addr;

	while (a->number != number)
		a++;
	return a;
}

void relay_tell(struct relay *relay, enum log_level level, const struct err *err)
{
	struct log_limit *limit = &relay->shared->failures[level == LV_ERROR];
	char more[80];

	if (!relay_is_crowded(relay)) {
		log_err(level, err);
	} else if (level >= log_threshold && log_limit_turn(limit, loop_now(relay->engine->loop))) {
		log_at(level, "%s%s", err->text, log_limit_text(limit, 0, "", more, sizeof(more)));
		if (err->hint[0])
			log_warn("%s", err->hint);
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
