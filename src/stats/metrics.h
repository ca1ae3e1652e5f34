/* metrics.h - the counters of both addresses, for people and for machines
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
	struct {
		char type[80]; /* names of the types, "UDP4-RECV", "UDP4-RECV!!STDOUT" */
		struct tally tally;
	} address[2];
	struct {
		double cpu_seconds, start_seconds; /* used; since the epoch */
		double max_fds;
	} process;
};

/* Take a snapshot; asks the kernel for losses first. */
void metrics_gather(struct metrics *m, struct relay *relay);

/* Append "address 1 (UDP4-RECV): received datagrams 3, ..." without newline; @i: 0 or 1. Reasons
 * that never occurred are left out. */
void metrics_text(const struct metrics *m, int i, struct str *out);

/* Append all of it in the text format of Prometheus, version 0.0.4
 * (prometheus.io/docs/instrumenting/exposition_formats). */
void metrics_prometheus(const struct metrics *m, struct str *out);

/* Two records, one for each address; none in a session process. */
void metrics_log(struct relay *relay);

#endif
