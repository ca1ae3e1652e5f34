/* handshakes.h - connections whose layers shake hands: how long they may take, who gives way
 *
 * Who has been accepted and says nothing holds a place. So the layers of a connection have one
 * deadline, all together, and the unfinished take at most half of the places of a source
 * (max-children) and of the descriptors. Where no place is left, a newcomer gets that of the one
 * who has been quiet longest, or there longest; but who has just come, or has just said something,
 * keeps his: then newcomers wait where they are, in the kernel or in the table of peers. */
#ifndef OPEN_HANDSHAKES_H
#define OPEN_HANDSHAKES_H

#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct half;

/* The unfinished of a source, in each list the one first who has been quiet longest. */
struct handshakes {
	struct list silent; /* have not said a word */
	struct list talking;
	struct list all; /* of both, the one first who has been there longest */
	size_t n;
};

/* One of them, or that of an opening which is in nobody's way: then only times are used. */
struct handshake {
	struct list node; /* silent or talking, or in no list */
	struct list by_age; /* in the list of all */
	struct handshakes *all;
	int64_t begun_ns; /* when its peer has come, */
	int64_t heard_ns; /* and when it has been heard last */
	bool talks;
	void (*give_way)(struct handshake *h); /* it ends, and its place is free */
	int64_t all_due_ns, due_ns; /* end of the time for all layers, for this one; 0: none */
};

void handshakes_init(struct handshakes *all);

/* @h is one of @all from now on, and borrowed; @give_way may be called by source_make_room(). */
void handshake_begins(struct handshakes *all, struct handshake *h, int64_t now_ns,
		      void (*give_way)(struct handshake *h));

/* Its peer has been heard; it is over. Harmless for one that is in no list. */
void handshake_heard(struct handshake *h, int64_t now_ns);
void handshake_ends(struct handshake *h);

/* Who has been quiet longest, measured by how long he may, and when he can give way; NULL: there is
 * nobody. */
struct handshake *handshakes_next(const struct handshakes *all, int64_t *due_ns);

/* The end is made, and the layers of @half come next; layer @i does. Of who has been accepted all
 * of them have one time, the shortest that is given by option handshake-timeout, else half a
 * minute. Who connects has his own for each layer (one with a target looks after that itself), and,
 * if the option stands behind the comma, one for all. */
void handshake_time_begins(struct handshake *h, const struct half *half, int64_t now_ns);
void handshake_layer_begins(struct handshake *h, const struct half *half, size_t i, int64_t now_ns);

/* Of two times the earlier one; 0: there is none. */
static inline int64_t handshake_earlier(int64_t a, int64_t b)
{
	return !a || (b && b < a) ? b : a;
}

#endif
