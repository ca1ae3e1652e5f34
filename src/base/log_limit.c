/* log_limit.c - records that strangers cause, and how often, see log_limit.h */
#include "base/log_limit.h"

#include "base/str.h"

#include <stdio.h>

#define SAME_NS (60 * NSEC_PER_SEC)

/* One more within the limit for all. */
static bool take_turn(struct log_limit *l, int64_t now_ns)
{
	if (!l->second_ns || now_ns - l->second_ns >= NSEC_PER_SEC) {
		l->second_ns = now_ns;
		l->written = 0;
	}
	if (l->written == LOG_LIMIT_PER_SECOND)
		return false;
	l->written++;
	return true;
}

bool log_limit_turn(struct log_limit *l, int64_t now_ns)
{
	bool pass = take_turn(l, now_ns);

	l->others += !pass;
	return pass;
}

bool log_limit_pass(struct log_limit *l, uint64_t key, int64_t now_ns, unsigned *suppressed)
{
	size_t at = 0;

	key |= 1; /* 0 marks an unused slot */
	for (size_t i = 0; i < LOG_LIMIT_SLOTS; i++) {
		if (l->slot[i].hash == key) {
			at = i;
			break;
		}
		if (l->slot[i].since_ns < l->slot[at].since_ns)
			at = i;
	}
	if (l->slot[at].hash == key && now_ns - l->slot[at].since_ns < SAME_NS) {
		l->slot[at].suppressed++;
		return false;
	}
	if (!log_limit_turn(l, now_ns))
		return false;
	*suppressed = l->slot[at].hash == key ? l->slot[at].suppressed : 0;
	l->slot[at].hash = key;
	l->slot[at].since_ns = now_ns;
	l->slot[at].suppressed = 0;
	return true;
}

const char *log_limit_text(struct log_limit *l, unsigned suppressed, const char *noun, char *buf,
			   size_t cap)
{
	*buf = '\0';
	if (suppressed && l->others)
		snprintf(buf, cap, " (%u more of this %s since, %u of others)", suppressed, noun,
			 l->others);
	else if (suppressed)
		snprintf(buf, cap, " (%u more of this %s since)", suppressed, noun);
	else if (l->others)
		snprintf(buf, cap, " (and %u of others)", l->others);
	l->others = 0;
	return buf;
}
