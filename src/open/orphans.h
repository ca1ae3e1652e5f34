/* orphans.h - the duty of process 1
 *
 * In a container the relay is often process 1, the parent of all whose own parent has ended: what
 * programs leave behind stays a zombie until we collect it. */
#ifndef OPEN_ORPHANS_H
#define OPEN_ORPHANS_H

#include "base/err.h"
#include "ev/loop.h"

struct engine;

struct orphans {
	struct engine *engine;
	struct timer again;
};

/* Collect them from now on, if we are process 1; anywhere else nothing happens. @o lives as long as
 * the loop runs. Returns 0, or -1 with @err. */
int orphans_adopt(struct orphans *o, struct engine *engine, struct err *err);

#endif
