/* doctor_ask.h - what the user asks the doctor for */
#ifndef DOCTOR_DOCTOR_ASK_H
#define DOCTOR_DOCTOR_ASK_H

#include <stddef.h>
#include <stdint.h>

struct plan;

struct doctor_ask {
	const struct plan *plan; /* addresses; none: the host in general */
	int64_t wait_ns; /* how long to listen for a querier; 0: not at all */
	size_t datagram; /* bytes of the datagrams that will be sent; 0: unknown */
};

#endif
