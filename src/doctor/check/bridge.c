/* bridge.c - bridges that look into IGMP, and nobody who asks
 *
 * A bridge with snooping sends groups only where it has seen members. Members tell when they are
 * asked; without a querier they fall silent after some 260 seconds (RFC 3376 section 8.4), and
 * switches behind the bridge forget them. A bridge can be the querier itself. */
#include "base/mem.h"
#include "doctor/checks.h"
#include "doctor/exam.h"
#include "end/plan.h"

#include <stdlib.h>

/* Is the interface the address uses this bridge, or one of its ports? */
static bool is_used(const struct exam *x, const struct exam_link *bridge)
{
	const struct exam_link *l = x->half ? exam_link_used(x) : NULL;

	return l && (l == bridge || l->master == bridge->index);
}

static void check_one(struct exam *x, const struct exam_link *l)
{
	enum finding_level level = FIND_NOTE;
	struct finding *f;

	if (!l->snoops) {
		exam_add(x, FIND_OK, xasprintf("bridge %s sends groups everywhere", l->name),
			 xstrdup("mcast_snooping is 0"));
		return;
	}
	if (l->querier || x->querier) {
		exam_add(x, FIND_OK, xasprintf("bridge %s snoops and has a querier", l->name),
			 xstrdup(x->querier ? "a query was heard" : "it is one, or has heard one"));
		return;
	}
	if (is_used(x, l))
		level = FIND_PROBLEM;
	f = exam_add(x, level, xasprintf("bridge %s snoops IGMP, and no querier is known", l->name),
		     xstrdup("mcast_snooping is 1, mcast_querier is 0: members may be "
			     "forgotten after 260 s"));
	exam_command(f, "ip link set %s type bridge mcast_querier 1", l->name);
}

void check_bridge(struct exam *x)
{
	for (size_t i = 0; i < x->nlinks; i++) {
		const struct exam_link *l = &x->link[i];

		if (l->flags & IFF_UP && l->bridge)
			check_one(x, l);
	}
}
