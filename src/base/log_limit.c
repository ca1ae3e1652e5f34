/* log_limit.c - records that strangers cause, and how often, see log_limit.h */
#include "base/log_limit.h"

#include "base/str.h"

#include <stdio.h>

#define SAME_NS (60 * NSEC_PER_SEC)

/* One more within the limit for all. */
static bool take_turn(struct log_limit *l, int64_t now_ns)
{
	int64_t began = __atomic_load_n(&l->second_ns, __ATOMIC_RELAXED);

	if (!began || now_ns - began >= NSEC_PER_SEC) {
		/* of several processes one begins the second */
		if (__atomic_compare_exchange_n(&l->second_ns, &began, now_ns, false,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED))
			__atomic_store_n(&l->written, 0, __ATOMIC_RELAXED);
	}
	if (__atomic_load_n(&l->written, __ATOMIC_RELAXED) >= LOG_LIMIT_PER_SECOND)
		return false;
	return __atomic_fetch_add(&l->written, 1, __ATOMIC_RELAXED) < LOG_LIMIT_PER_SECOND;
}

bool log_limit_turn(struct log_limit *l, int64_t now_ns)
{
	bool pass = take_turn(l, now_ns);

	if (!pass)
		__atomic_fetch_add(&l->others, 1, __ATOMIC_RELAXED);
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

unsigned log_limit_take_others(struct log_limit *l)
{
	return __atomic_exchange_n(&l->others, 0, __ATOMIC_RELAXED);
}

bool log_limit_has_others(const struct log_limit *l)
{
	return __atomic_load_n(&l->others, __ATOMIC_RELAXED) > 0;
}

const char *log_limit_text(struct log_limit *l, unsigned suppressed, const char *noun, char *buf,
			   size_t cap)
{
	unsigned others = log_limit_take_others(l);

	*buf = '\0';
	if (suppressed && others)
		snprintf(buf, cap, " (%u more of this %s since, %u of others)", suppressed, noun,
			 others);
	else if (suppressed)
		snprintf(buf, cap, " (%u more of this %s since)", suppressed, noun);
	else if (others)
		snprintf(buf, cap, " (and %u of others)", others);
	return buf;
}
