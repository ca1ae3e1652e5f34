/* lock.h - lock files (-L, -W, options lockfile and waitlock)
 *
 * A temporary file with our process id is made beside the name and hard-linked to it: the link
 * succeeds for one process only. Any existing entry counts as held; stale ones are not detected. */
#ifndef OPEN_LOCK_H
#define OPEN_LOCK_H

#include "base/err.h"

enum lock_result { LOCK_TAKEN, LOCK_HELD, LOCK_FAILED };

/* Try to take the lock @name. LOCK_FAILED fills @err ('mkstemp("DIR/a.XXXXXX"): …'). */
enum lock_result lock_take(const char *name, struct err *err);

#endif
