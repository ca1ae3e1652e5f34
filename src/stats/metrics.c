/* metrics.c - the counters of both addresses, for people and for machines; see metrics.h */
#include "stats/metrics.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/names.h"
#include "dgram/dgram_drops.h"
#include "end/proc.h"
#include "end/relay.h"
#include "open/opening.h"
#include "open/source.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A row: one number per address, or one per address and reason. */
struct row {
	const char *name; /* behind "socast_"; counters end with "_total" */
	const char *text; /* in records; NULL: it is not in there */
	size_t offset; /* in struct tally */
	const char *(*reason)(size_t i); /* or NULL */
	size_t nreasons;
	const char *help; /* one sentence without full stop */
};

#define AT(member) offsetof(struct tally, member)
#define PER_REASON(member, count, reason) AT(member), reason, count

/* clang-format off */
static const struct row rows[] = {
	{ "received_datagrams_total", "received datagrams", AT(received_datagrams), NULL, 0,
	  "Datagrams accepted from the address" },
	{ "received_bytes_total", "received bytes", AT(received_bytes), NULL, 0,
	  "Bytes accepted from the address" },
	{ "sent_datagrams_total", "sent datagrams", AT(sent_datagrams), NULL, 0,
	  "Datagrams sent to the address" },
	{ "sent_bytes_total", "sent bytes", AT(sent_bytes), NULL, 0,
	  "Bytes sent to the address" },
	{ "kernel_drops_total", "kernel drops", AT(kernel_drops), NULL, 0,
	  "Datagrams the kernel dropped, mostly because a receive queue was full" },
	{ "refused_total", "refused", PER_REASON(refused, REFUSE_COUNT, tally_refusal_name),
	  "Datagrams and connections refused, by the option or rule that did it" },
	{ "lost_total", "lost", PER_REASON(lost, LOSS_COUNT, tally_loss_name),
	  "Datagrams that went nowhere, by reason" },
	{ "lost_bytes_total", "lost bytes", AT(lost_bytes), NULL, 0,
	  "Bytes of streams that may have been lost with an end that was opened again (reopen)" },
	{ "oversize_total", "oversize", AT(oversize), NULL, 0,
	  "Datagrams cut when received, or too long to be sent" },
	{ "gso", "gso", AT(gso), NULL, 0,
	  "1 while the kernel segments runs of datagrams that are sent" },
	{ "sessions", "sessions", AT(sessions), NULL, 0,
	  "Sessions that use the address now" },
	{ "sessions_max", NULL, AT(sessions_max), NULL, 0,
	  "Sessions the address may have at once, by max-children or max-sessions; 0: no limit" },
	{ "sessions_total", "sessions so far", AT(sessions_total), NULL, 0,
	  "Sessions that have used the address" },
};

/* The process itself, under the names that every exporter uses. */
static const struct {
	const char *name;
	size_t offset; /* of a double in struct metrics */
	const char *help;
} process_rows[] = {
	{ "process_cpu_seconds_total", offsetof(struct metrics, process.cpu_seconds),
	  "Processor time used, in seconds" },
	{ "process_start_time_seconds", offsetof(struct metrics, process.start_seconds),
	  "When the process began, in seconds since the epoch" },
	{ "process_max_fds", offsetof(struct metrics, process.max_fds),
	  "Descriptors the process may have" },
};
/* clang-format on */

/* ---- the snapshot ---- */

static void type_text(const struct side *side, char *out, size_t cap)
{
	char name[64];
	size_t len = 0;

	*out = '\0';
	for (size_t i = 0; i < side->nhalves; i++) {
		names_get(side->half[i].type->names, 0, name, sizeof(name));
		len += (size_t)snprintf(out + len, cap - len, "%s%s", i ? "!!" : "", name);
		if (len >= cap)
			return;
	}
}

/* What the listening address @a allows: the smaller of max-children and max-sessions; 0: no limit.
 */
static uint64_t most_sessions(const struct address *a)
{
	uint64_t most = 0;

	list_for_each (node, &a->relay->sources) {
		const struct source *src = container_of(node, struct source, node);
		int64_t children = a->conf->listen.max_children;

		if (src->addr != a)
			continue;
		most = src->most;
		if (children > 0 && (!most || (uint64_t)children < most))
			most = (uint64_t)children;
	}
	return most;
}

static double seconds(clockid_t clock)
{
	struct timespec ts;

	return clock_gettime(clock, &ts) == -1 ? 0 : (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void metrics_gather(struct metrics *m, struct relay *relay)
{
	size_t processes = 0;

	dgram_count_drops(relay->engine);
	list_for_each (node, &relay->engine->procs)
		processes += container_of(node, struct proc, node)->kind == PROC_SESSION;
	m->naddr = relay->plan->nsides;
	m->address = xcalloc(m->naddr, sizeof(*m->address));
	for (size_t i = 0; i < m->naddr; i++) {
		const struct address *a = relay_address(relay, (unsigned)i + 1);

		type_text(&relay->plan->side[i], m->address[i].type, sizeof(m->address[i].type));
		tally_copy(&m->address[i].tally, a->tally);
		m->address[i].tally.sessions = a->live + processes;
		m->address[i].tally.sessions_max = most_sessions(a);
	}
	m->process.cpu_seconds = seconds(CLOCK_PROCESS_CPUTIME_ID);
	m->process.start_seconds = relay->start_seconds;
	m->process.max_fds = relay->engine->fds.limit;
}

void metrics_done(struct metrics *m)
{
	free(m->address);
	m->address = NULL;
}

static const uint64_t *values(const struct metrics *m, size_t i, const struct row *row)
{
	return (const uint64_t *)((const char *)&m->address[i].tally + row->offset);
}

/* ---- records ---- */

/* " 3 (range 2, dst 1)" */
static void text_reasons(const uint64_t *value, const struct row *row, struct str *out)
{
	uint64_t sum = 0;
	const char *sep = " (";

	for (size_t k = 0; k < row->nreasons; k++)
		sum += value[k];
	str_addf(out, " %llu", (unsigned long long)sum);
	for (size_t k = 0; k < row->nreasons; k++) {
		if (!value[k])
			continue;
		str_addf(out, "%s%s %llu", sep, row->reason(k), (unsigned long long)value[k]);
		sep = ", ";
	}
	if (sum)
		str_addc(out, ')');
}

void metrics_text(const struct metrics *m, size_t i, struct str *out)
{
	str_addf(out, "address %zu (%s):", i + 1, m->address[i].type);
	for (size_t k = 0; k < ARRAY_SIZE(rows); k++) {
		const uint64_t *value = values(m, i, &rows[k]);

		if (!rows[k].text)
			continue;
		str_addf(out, "%s %s", k ? "," : "", rows[k].text);
		if (rows[k].reason)
			text_reasons(value, &rows[k], out);
		else
			str_addf(out, " %llu", (unsigned long long)*value);
	}
}

void metrics_log(struct relay *relay)
{
	struct metrics m;

	if (relay->engine->session_process)
		return;
	metrics_gather(&m, relay);
	for (size_t i = 0; i < m.naddr; i++) {
		struct str text = { 0 };

		metrics_text(&m, i, &text);
		log_put(LV_INFO, "COUNTERS: %s", text.data);
		str_done(&text);
	}
	metrics_done(&m);
}

/* ---- Prometheus ---- */

static bool is_counter(const char *name)
{
	const char *end = strrchr(name, '_');

	return end && strcmp(end, "_total") == 0;
}

static void head(struct str *out, const char *prefix, const char *name, const char *help)
{
	str_addf(out, "# HELP %s%s %s.\n# TYPE %s%s %s\n", prefix, name, help, prefix, name,
		 is_counter(name) ? "counter" : "gauge");
}

static void sample(struct str *out, const struct metrics *m, size_t i, const struct row *row,
		   size_t k)
{
	if (row->reason && !row->reason(k))
		return;
	str_addf(out, "socast_%s{address=\"%zu\",type=\"%s\"", row->name, i + 1,
		 m->address[i].type);
	if (row->reason)
		str_addf(out, ",reason=\"%s\"", row->reason(k));
	str_addf(out, "} %llu\n", (unsigned long long)values(m, i, row)[k]);
}

void metrics_prometheus(const struct metrics *m, struct str *out)
{
	for (size_t r = 0; r < ARRAY_SIZE(rows); r++) {
		const struct row *row = &rows[r];

		head(out, "socast_", row->name, row->help);
		for (size_t i = 0; i < m->naddr; i++) {
			for (size_t k = 0; k < (row->reason ? row->nreasons : 1); k++)
				sample(out, m, i, row, k);
		}
	}
	for (size_t r = 0; r < ARRAY_SIZE(process_rows); r++) {
		double value;

		memcpy(&value, (const char *)m + process_rows[r].offset, sizeof(value));
		head(out, "", process_rows[r].name, process_rows[r].help);
		str_addf(out, "%s %.3f\n", process_rows[r].name, value);
	}
}
