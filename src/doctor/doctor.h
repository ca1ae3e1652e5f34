/* doctor.h - why does nothing arrive? The findings, and how to ask for them
 *
 * The doctor opens the socket of an address as a session would, compares what the kernel says about
 * it with what multicast and broadcast need, and tells for every fault the evidence and the cure.
 * It changes nothing: groups are joined for a moment, and the datagrams it sends do not leave the
 * host (broadcast ones go to a port nobody uses). Layer between addr and the top. */
#ifndef DOCTOR_DOCTOR_H
#define DOCTOR_DOCTOR_H

#include "doctor/finding.h"
#include "end/plan.h"

#include <stdio.h>

/* What the user asks for. */
struct doctor_ask {
	const struct plan *plan; /* addresses; none: the host in general */
	int64_t wait_ns; /* how long to listen for a querier; 0: not at all */
	size_t datagram; /* bytes of the datagrams that will be sent; 0: unknown */
};

/* What whoever examines "239.1.2.3:5000" means: "MCAST:239.1.2.3:5000", so that only the group is
 * typed; "BCAST:5000" for 255.255.255.255. Options may follow. Returns a text of the caller's, or
 * NULL: @text begins with no group. */
char *doctor_group_address(const char *text);

/* Run all checks on each address of the plan. Blocks: up to a second for each probe, for names that
 * must be looked up, and for wait_ns. Never fails: what cannot be done is a finding. */
void doctor_examine(struct findings *out, const struct doctor_ask *ask);
void findings_done(struct findings *f);

/* Print all of it, as text or as one JSON object. */
void doctor_report(FILE *out, const struct findings *f, bool json);

/* Exit status: 1 if there is a problem, else 2 if something could not be told, else 0. */
int doctor_status(const struct findings *f);

#endif
