/* steps.h - steps that several address types share
 *
 * Rows of types are made of these and of their own; each is one small thing that opening an address
 * takes, and says in struct opening what it has found or made. */
#ifndef OPEN_STEPS_H
#define OPEN_STEPS_H

#include "open/opening.h"

/* Look the target up: parameter 0 (host), and o->service or parameter 1 (service). Passive types:
 * fixed IP version. */
enum step_result step_resolve_target(struct opening *o, struct err *err);
/* Look the local address up: bind host, parameter 0 is the service. */
enum step_result step_resolve_local(struct opening *o, struct err *err);
/* Collect the answer: o->remote, or o->local. */
enum step_result step_resolved(struct opening *o, struct err *err);
enum step_result step_resolved_local(struct opening *o, struct err *err);
/* Look up option bind of clients ("host", ":port", "host:port"), sourceport. */
enum step_result step_resolve_bind(struct opening *o, struct err *err);
/* socket(2) for the current target or local address. */
enum step_result step_socket(struct opening *o, struct err *err);
/* bind(2) to o->local if there is one; of clients also by option lowport. */
enum step_result step_bind(struct opening *o, struct err *err);
enum step_result step_bind_client(struct opening *o, struct err *err);
/* connect(2), and its outcome. */
enum step_result step_connect(struct opening *o, struct err *err);
enum step_result step_connected(struct opening *o, struct err *err);
/* All of it: look the target up, try its addresses one after another; also for types that have more
 * to do before or behind it. */
/* clang-format off */
#define CONNECT_STEPS \
	{ STEP_PURE(step_resolve_target) }, \
	{ STEP_PURE(step_resolved), .flags = STEP_NEXT_ADDRESS }, \
	{ STEP_PURE(step_resolve_bind) }, \
	{ .run = step_socket, .after = PH_PASTSOCKET }, \
	{ .after = PH_FD }, \
	{ .after = PH_PREBIND }, \
	{ .run = step_bind_client }, \
	{ .run = step_connect }, \
	{ .run = step_connected, .after = PH_CONNECTED }
/* clang-format on */
extern const struct step connect_steps[];
/* SO_REUSEADDR, unless an option has decided about it. */
enum step_result step_reuseaddr(struct opening *o, struct err *err);
/* Option max-children makes sense with fork only. */
enum step_result step_max_children(struct opening *o, struct err *err);

/* Not a step, for steps that need one more address: look @host up in @family; the address goes into
 * @out, without port. STEP_AGAIN: call it again when the step is resumed. Fails with
 * 'xioresolve(node="x", pf=2, ...): Name or service not known' behind a warning with the question,
 * temporary failures with code EAGAIN. */
enum step_result opening_look_up(struct opening *o, const char *host, int family,
				 struct netaddr *out, struct err *err);

/* AF_* fixed for this opening, or AF_UNSPEC, by type, option pf and settings. */
int opening_family(const struct opening *o, bool passive);

#endif
