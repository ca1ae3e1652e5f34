/* log_limit.h - records that strangers cause, and how often
 *
 * Two limits. The first record of a kind is written, repetitions within a minute are only counted
 * and told with the next one. And of all kinds together no more than ten are written in a second:
 * who forges a new address for each datagram makes every record a new kind. Zero-initialise.
 *
 * A limit may lie in memory that processes share. The second limit then holds for all of them; of a
 * kind, two that are writing at the same moment may both pass, within the second limit. */
#ifndef BASE_LOG_LIMIT_H
#define BASE_LOG_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_LIMIT_SLOTS 16 /* kinds that are remembered */
#define LOG_LIMIT_PER_SECOND 10

struct log_limit {
	struct {
		uint64_t hash;
		int64_t since_ns; /* monotonic time of the last one written */
		unsigned suppressed;
	} slot[LOG_LIMIT_SLOTS];
	int64_t second_ns; /* when the present second began */
	unsigned written; /* in it */
	unsigned others; /* left out because of the second limit, not yet told */
};

/* True if a record with this @key (any hash of what makes it "the same") may be written at @now_ns;
 * @suppressed gets how many of this key were swallowed since the last one. */
bool log_limit_pass(struct log_limit *l, uint64_t key, int64_t now_ns, unsigned *suppressed);

/* The second limit alone, for records that are each of their own kind. */
bool log_limit_turn(struct log_limit *l, int64_t now_ns);

/* How many the second limit has left out and nobody has been told of; they are told now. */
unsigned log_limit_take_others(struct log_limit *l);
bool log_limit_has_others(const struct log_limit *l);

/* What is to be told beside a record that may be written: " (3 more of this NOUN since, 40 of
 * others)", or "". The counts begin anew. Returns @buf. */
const char *log_limit_text(struct log_limit *l, unsigned suppressed, const char *noun, char *buf,
			   size_t cap);

#endif
