/* doctor.h - why does nothing arrive? The findings, and how to ask for them
 *
 * The doctor opens the socket of an address as a session would, compares what the kernel says about
 * it with what multicast and broadcast need, and tells for every fault the evidence and the cure.
 * It changes nothing: groups are joined for a moment, and the datagrams it sends do not leave the
 * host (broadcast ones go to a port nobody uses). Layer between addr and the top. */
#ifndef DOCTOR_DOCTOR_H
#define DOCTOR_DOCTOR_H

#include "doctor/doctor_ask.h"
#include "doctor/finding.h"

/* What whoever examines "239.1.2.3:5000" means: "MCAST:239.1.2.3:5000", so that only the group is
 * typed; "BCAST:5000" for 255.255.255.255. Options may follow. Returns a text of the caller's, or
 * NULL: @text begins with no group. */
char *doctor_group_address(const char *text);

/* Run all checks on each address of the plan. Blocks: up to a second for each probe, for names that
 * must be looked up, and for wait_ns. Never fails: what cannot be done is a finding. */
void doctor_examine(struct findings *out, const struct doctor_ask *ask);
void findings_done(struct findings *f);

#endif
