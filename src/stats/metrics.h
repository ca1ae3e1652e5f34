/* metrics.h - the counters of all addresses, for people and for machines
 *
 * A snapshot is taken of the tallies (tally.h) and of what the process knows of itself. One table
 * of rows says what the numbers are called and what they mean; a log record and the text that
 * Prometheus reads are two renderings of it. Who asks is the business of others: relay.c (--stats,
 * SIGUSR1, the end), metrics_http.c. */
#ifndef STATS_METRICS_H
#define STATS_METRICS_H

#include "base/str.h"
#include "end/tally.h"

struct relay;

struct metrics {
	struct metrics_address {
		char type[80]; /* names of the types, "UDP4-RECV", "UDP4-RECV!!STDOUT" */
		struct tally tally;
	} * address; /* owned */
	size_t naddr;
	struct {
		double cpu_seconds, start_seconds; /* used; since the epoch */
		double max_fds;
	} process;
};

/* Take a snapshot; asks the kernel for losses first. The caller frees it with metrics_done(). */
void metrics_gather(struct metrics *m, struct relay *relay);
void metrics_done(struct metrics *m);

/* Append "address 1 (UDP4-RECV): received datagrams 3, ..." without newline; @i: from 0. Reasons
 * that never occurred are left out. */
void metrics_text(const struct metrics *m, size_t i, struct str *out);

/* Append all of it in the text format of Prometheus, version 0.0.4
 * (prometheus.io/docs/instrumenting/exposition_formats). */
void metrics_prometheus(const struct metrics *m, struct str *out);

/* A record for each address; none in a session process. */
void metrics_log(struct relay *relay);

#endif
