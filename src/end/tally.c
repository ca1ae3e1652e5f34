/* tally.c - what an address has done, as numbers; see tally.h */
#include "end/tally.h"

void tally_copy(struct tally *to, const struct tally *from)
{
	const uint64_t *in = (const uint64_t *)from;
	uint64_t *out = (uint64_t *)to;

	for (size_t i = 0; i < sizeof(*to) / sizeof(*out); i++)
		out[i] = __atomic_load_n(&in[i], __ATOMIC_RELAXED);
}

uint32_t tally_advance(uint64_t *seen, uint32_t now)
{
	uint64_t before = __atomic_load_n(seen, __ATOMIC_RELAXED);

	/* a datagram that has waited in the queue brings the number of the moment it came in */
	while ((int32_t)(now - (uint32_t)before) > 0) {
		if (__atomic_compare_exchange_n(seen, &before, now, false, __ATOMIC_RELAXED,
						__ATOMIC_RELAXED))
			return now - (uint32_t)before;
	}
	return 0;
}

const char *tally_refusal_name(size_t why)
{
	static const char *const name[REFUSE_COUNT] = {
		[REFUSE_RANGE] = "range",
		[REFUSE_SOURCEPORT] = "sourceport",
		[REFUSE_LOWPORT] = "lowport",
		[REFUSE_TCPWRAP] = "tcpwrap",
		[REFUSE_NAMELESS] = "tcpwrap name",
		[REFUSE_DST] = "dst",
		[REFUSE_ECHO] = "no-echo",
		[REFUSE_SELF] = "self",
		[REFUSE_PEER] = "peer",
		[REFUSE_NOISE] = "noise",
		[REFUSE_HANDSHAKE] = "handshake",
		[REFUSE_SEAL + SEAL_PLAIN] = "unsealed",
		[REFUSE_SEAL + SEAL_NO_KEY] = "wrong key",
		[REFUSE_SEAL + SEAL_FORGED] = "forged",
		[REFUSE_SEAL + SEAL_REPLAY] = "replayed",
		[REFUSE_SEAL + SEAL_LATE] = "late",
		[REFUSE_SEAL + SEAL_OLD] = "old",
		[REFUSE_SEAL + SEAL_CROWD] = "crowd",
		[REFUSE_SEAL + SEAL_REPLY] = "answers",
		[REFUSE_SEAL + SEAL_UNSIGNED] = "unsigned",
		[REFUSE_SEAL + SEAL_STRANGER] = "untrusted",
	};

	return name[why];
}

const char *tally_loss_name(size_t why)
{
	static const char *const name[LOSS_COUNT] = {
		[LOSS_EMPTY] = "empty",         [LOSS_SHORT] = "short",
		[LOSS_SLOW] = "slow",           [LOSS_UNREAD] = "unread",
		[LOSS_INTERFACE] = "interface", [LOSS_NAMELESS] = "nameless",
		[LOSS_RECEIVER] = "receiver",   [LOSS_GONE] = "gone",
		[LOSS_UNFRAMED] = "unframed",
	};

	return name[why];
}
