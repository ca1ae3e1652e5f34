/* doctor.c - the table of checks, and running them, see doctor.h */
#include "doctor/doctor.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "doctor/exam.h"

#include <stdlib.h>

/* Which examinations a check belongs to. */
enum scope { OF_HOST = 1, OF_IP = 2, OF_OTHER = 4 };

static const struct {
	const char *name;
	exam_check *fn;
	unsigned scope;
} checks[] = {
	{ "interface", check_links, OF_HOST | OF_IP },
	{ "route", check_route, OF_HOST | OF_IP },
	{ "membership", check_membership, OF_HOST | OF_IP },
	{ "port", check_port, OF_IP },
	{ "source", check_source, OF_HOST | OF_IP },
	{ "igmp", check_igmp, OF_HOST | OF_IP },
	{ "bridge", check_bridge, OF_HOST | OF_IP },
	{ "firewall", check_firewall, OF_HOST | OF_IP },
	{ "buffer", check_buffer, OF_HOST | OF_IP },
	{ "send", check_send, OF_IP },
	{ "probe", check_probe, OF_HOST | OF_IP },
	{ "unix", check_unix, OF_OTHER },
};

static void run_checks(struct exam *x)
{
	unsigned scope = !x->half ? OF_HOST : x->ip ? OF_IP : OF_OTHER;

	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		x->check = checks[i].name;
		if (checks[i].scope & scope)
			checks[i].fn(x);
	}
}

/* All of it inside the network namespace of the address. */
static void examine(struct findings *out, const struct doctor_ask *ask, const struct half *half)
{
	struct exam *x = xcalloc(1, sizeof(*x));
	struct ident_saved saved;
	struct err err;

	x->out = out;
	x->ask = ask;
	x->half = half;
	x->check = "address";
	x->fd = -1;
	x->family = AF_INET;
	if (half && ident_enter(&half->conf.ident, &saved, &err) == -1) {
		exam_add(x, FIND_PROBLEM, xstrdup(err.text), xstrdup(half->keyword));
		free(x);
		return;
	}
	links_read(x);
	if (half)
		rehearse(x);
	route_find(x);
	run_checks(x);
	rehearse_close(x);
	if (half)
		ident_leave(&saved);
	free(x);
}

void doctor_examine(struct findings *out, const struct doctor_ask *ask)
{
	bool any = false;
	/* what the steps would warn about comes as findings */
	int before = log_shutup(2);

	*out = (struct findings){ 0 };
	for (int i = 0; i < 2; i++) {
		const struct side *side = &ask->plan->side[i];

		for (size_t k = 0; k < side->nhalves; k++) {
			examine(out, ask, &side->half[k]);
			any = true;
		}
	}
	if (!any)
		examine(out, ask, NULL);
	log_shutup(before);
}

void findings_done(struct findings *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->find[i].what);
		free(f->find[i].evidence);
		free(f->find[i].cure);
	}
	free(f->find);
	*f = (struct findings){ 0 };
}
