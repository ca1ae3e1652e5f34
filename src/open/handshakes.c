/* handshakes.c - the time layers have to shake hands, and who gives way, see handshakes.h
 *
 * States of a handshake, for the others: silent (it has come, and not said a word), talking (it
 * has), over. Whatever is heard moves it to the end of the talking ones, so all lists are in the
 * order of time, and the three at their heads are all that has to be looked at.
 *
 * Who calls what. opening.c tells that one begins, is heard, and ends. source.c asks whether there
 * is room; where there is none, and a newcomer is there, it has one give way, whose opening ends
 * and gives the place back by source_opened().
 *
 * A client says its first word with, or right behind, the packet that makes it a connection, so
 * silence is short; what follows may take round trips, and somebody else's processor. */
#include "open/handshakes.h"

#include "ev/loop.h"
#include "open/addr_type.h"

#define SILENT_NS (100 * NSEC_PER_MSEC) /* nobody gives way before; without a word, */
#define QUIET_NS NSEC_PER_SEC /* behind the last one, */
#define AGE_NS (3 * NSEC_PER_SEC) /* and however much he says */
#define DEFAULT_NS (30 * NSEC_PER_SEC) /* option handshake-timeout */

void handshakes_init(struct handshakes *all)
{
	list_init(&all->silent);
	list_init(&all->talking);
	list_init(&all->all);
	all->n = 0;
}

void handshake_begins(struct handshakes *all, struct handshake *h, int64_t now_ns,
		      void (*give_way)(struct handshake *h))
{
	h->all = all;
	h->begun_ns = h->heard_ns = now_ns;
	h->talks = false;
	h->give_way = give_way;
	list_add_tail(&all->silent, &h->node);
	list_add_tail(&all->all, &h->by_age);
	all->n++;
}

void handshake_heard(struct handshake *h, int64_t now_ns)
{
	if (list_empty(&h->node))
		return;
	h->heard_ns = now_ns;
	h->talks = true;
	list_del(&h->node);
	list_add_tail(&h->all->talking, &h->node);
}

void handshake_ends(struct handshake *h)
{
	if (list_empty(&h->node))
		return;
	list_del(&h->node);
	list_del(&h->by_age);
	h->all->n--;
}

/* @h can give way at @due: if that is earlier than the one so far, it is the next one. */
static void propose(struct handshake **next, int64_t *next_ns, struct handshake *h, int64_t due)
{
	if (*next && *next_ns <= due)
		return;
	*next = h;
	*next_ns = due;
}

struct handshake *handshakes_next(const struct handshakes *all, int64_t *due_ns)
{
	struct handshake *next = NULL, *h;

	if (!all->n)
		return NULL;
	if (!list_empty(&all->silent)) {
		h = container_of(all->silent.next, struct handshake, node);
		propose(&next, due_ns, h, h->heard_ns + SILENT_NS);
	}
	if (!list_empty(&all->talking)) {
		h = container_of(all->talking.next, struct handshake, node);
		propose(&next, due_ns, h, h->heard_ns + QUIET_NS);
	}
	h = container_of(all->all.next, struct handshake, by_age);
	propose(&next, due_ns, h, h->begun_ns + AGE_NS);
	return next;
}

static int64_t due_in(int64_t now_ns, int64_t limit_ns)
{
	return limit_ns > 0 ? now_ns + limit_ns : 0;
}

/* Of all layers, in ns; 0: none. */
static int64_t limit_of_all(const struct half *half)
{
	bool accepts = half->type->flags & TYPE_ACCEPTS;
	int64_t limit = half->conf.tls.handshake_timeout_ns;

	for (size_t i = 0; accepts && i < half->nlayers; i++) {
		int64_t own = half->layer[i].conf->tls.handshake_timeout_ns;

		if (limit <= 0 || (own > 0 && own < limit))
			limit = own >= 0 ? own : limit;
	}
	return limit >= 0 ? limit : accepts ? DEFAULT_NS : 0;
}

void handshake_time_begins(struct handshake *h, const struct half *half, int64_t now_ns)
{
	h->due_ns = h->all_due_ns = due_in(now_ns, limit_of_all(half));
}

void handshake_layer_begins(struct handshake *h, const struct half *half, size_t i, int64_t now_ns)
{
	const struct half_layer *l = &half->layer[i];
	int64_t own = l->conf->tls.handshake_timeout_ns;

	h->due_ns = h->all_due_ns;
	if (!(half->type->flags & TYPE_ACCEPTS) && !l->type->has_target)
		h->due_ns =
			handshake_earlier(h->due_ns, due_in(now_ns, own < 0 ? DEFAULT_NS : own));
}
