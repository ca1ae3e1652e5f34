/* tally.h - what an address has done, as numbers
 *
 * There is one tally for each side of the command line, whatever the number of sessions: sessions
 * end, their counts stay. The two lie in memory that session processes share (shared.h). Additions
 * happen once per read, write or refusal, never once per packet of a batch. */
#ifndef END_TALLY_H
#define END_TALLY_H

#include "seal/seal.h"

#include <stdbool.h>
#include <stdint.h>

/* Why a datagram or a connection was not accepted. */
enum refusal {
	REFUSE_RANGE,
	REFUSE_SOURCEPORT,
	REFUSE_LOWPORT,
	REFUSE_TCPWRAP,
	REFUSE_NAMELESS, /* tcpwrap, too */
	REFUSE_DST, /* datagrams only: see admit_refuse() */
	REFUSE_ECHO,
	REFUSE_SELF, /* it says that we have sent it */
	REFUSE_PEER, /* not from the one peer of a connection */
	REFUSE_NOISE, /* bytes between frames that are none */
	REFUSE_HANDSHAKE, /* quiet while shaking hands, and others wanted the place */
	REFUSE_SEAL, /* and enum seal_result */
	REFUSE_COUNT = REFUSE_SEAL + SEAL_RESULTS,
};

/* Why a datagram that had been accepted, or was to be sent, went nowhere. */
enum loss {
	LOSS_EMPTY, /* nothing in it, and nothing it could mean here */
	LOSS_SHORT, /* shorter than its header says */
	LOSS_SLOW, /* its session has too many waiting already */
	LOSS_UNREAD, /* its session ended before it was read */
	LOSS_INTERFACE, /* the interface it should leave by refused it */
	LOSS_NAMELESS, /* an answer to a UNIX socket without a name */
	LOSS_RECEIVER, /* its receiver, a UNIX socket, is not there, and option forever waits for it
			*/
	LOSS_GONE, /* an end with option reopen was lost, and it was not yet read, or sent in part
		    */
	LOSS_UNFRAMED, /* the stream's frames cannot say it */
	LOSS_COUNT,
};

/* Nothing but uint64_t: copied as an array. */
struct tally {
	uint64_t received_datagrams, received_bytes; /* accepted from this address */
	uint64_t sent_datagrams, sent_bytes; /* taken by this address */
	uint64_t kernel_drops; /* datagrams lost in receive queues */
	uint64_t oversize; /* datagrams cut, or too long to be sent */
	uint64_t refused[REFUSE_COUNT];
	uint64_t lost[LOSS_COUNT];
	uint64_t lost_bytes; /* of streams, with ends of option reopen: at most so many */
	uint64_t gso; /* the kernel segments what is sent */
	uint64_t sessions_total;
	uint64_t sessions, sessions_max; /* filled in when a snapshot is taken; max 0: no limit */
	uint64_t drops_seen; /* kernel counter of a socket that several sessions share */
};

/* A consistent copy of each number (not of all together). */
void tally_copy(struct tally *to, const struct tally *from);

static inline void tally_add(uint64_t *count, uint64_t n)
{
	__atomic_fetch_add(count, n, __ATOMIC_RELAXED);
}

static inline void tally_set(uint64_t *count, uint64_t value)
{
	if (__atomic_load_n(count, __ATOMIC_RELAXED) != value)
		__atomic_store_n(count, value, __ATOMIC_RELAXED);
}

/* A kernel counter of 32 bits that wraps shows @now; *@seen is what it showed before, perhaps to
 * another process. Returns how much has been added since; 0 also when @now is older than *@seen. */
uint32_t tally_advance(uint64_t *seen, uint32_t now);

/* The word for a reason, as it stands in statistics; @why: enum refusal, enum loss. NULL: the
 * number stands for no reason. */
const char *tally_refusal_name(size_t why);
const char *tally_loss_name(size_t why);

#endif
