/* shared.h - what session processes share with the process that forked them
 *
 * It lies in memory that stays one over fork(2). Only atomic operations change it, so everybody
 * counts at the same place and nothing has to be reported, not even by a process that is killed. */
#ifndef END_SHARED_H
#define END_SHARED_H

#include "base/log_limit.h"
#include "end/tally.h"

struct shared {
	struct log_limit cuts; /* of warnings about sides that -t has cut off */
	struct log_limit lost_ends; /* about peers that did not take all; see linger.h */
	struct log_limit shortage; /* about sessions for which something is short */
	struct log_limit failures[2]; /* of sessions: warnings, errors; see relay_tell() */
	size_t naddr;
	struct {
		struct tally tally;
		struct log_limit limit; /* of records that its peers cause */
	} address[];
};

/* For @naddr addresses; all zero. NULL with @err. */
struct shared *shared_new(size_t naddr, struct err *err);
void shared_free(struct shared *s);

#endif
