/* progress.h - how far a transfer is, on the terminal (--progress)
 *
 * Once a second one line at the bottom of the terminal that stderr is: bytes, rate, and, where the
 * source is a regular file, how much of it is gone and how long the rest will take. The numbers are
 * those of the tallies, so sessions in processes of their own count as well. */
#ifndef STATS_PROGRESS_H
#define STATS_PROGRESS_H

#include "base/str.h"

#include <stdint.h>

struct flow;
struct progress;
struct relay;

/* Begin to show it; NULL, and nothing is ever shown, when stderr is no terminal. */
struct progress *progress_new(struct relay *relay);

/* A session with these two flows begins: how much will come is known if it is the only one. @p may
 * be NULL. */
void progress_session(struct progress *p, const struct flow *flow);

/* Show the sums and leave the line. @p may be NULL. */
void progress_end(struct progress *p);

/* @p may be NULL; what the terminal shows stays. */
void progress_free(struct progress *p);

/* Append @bytes as "812 B", "1.21 MiB"; @seconds as "0:09", "1:02:33". */
void progress_add_bytes(struct str *out, double bytes);
void progress_add_time(struct str *out, double seconds);

#endif
