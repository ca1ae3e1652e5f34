/* relay_run.h - the life of a relay: from the plan to the exit status */
#ifndef RELAY_RELAY_RUN_H
#define RELAY_RELAY_RUN_H

#include "base/err.h"

struct engine;
struct plan;
struct relay;

/* A relay without sessions. Returns 0, or -1 with @err; relay_done() is due in both cases. */
int relay_init(struct relay *relay, struct engine *engine, const struct plan *plan,
	       struct err *err);

/* Open both addresses of the plan and begin. Everything else happens in the loop, which is stopped
 * when nothing is left to do; then relay->status is the exit status. */
void relay_start(struct relay *relay);

/* End everything now: sessions, sources, openings. Exit status becomes @status. */
void relay_end(struct relay *relay, int status);

/* End accepting; sessions may finish within settings.drain_ns. */
void relay_drain(struct relay *relay, int status);

/* Free what the relay itself holds; after the loop has stopped. */
void relay_done(struct relay *relay);

/* Print the counters (--statistics, SIGUSR1), and those of the addresses. */
void relay_statistics(struct relay *relay);

/* Print the counters at the end, as the flags want it. */
void relay_final_statistics(struct relay *relay);

#endif
