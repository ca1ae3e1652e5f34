/* doctor.c - the table of checks, and running them, see doctor.h */
#include "doctor/doctor.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "doctor/checks.h"
#include "doctor/exam.h"
#include "doctor/host/links.h"
#include "doctor/rehearse.h"
#include "doctor/check/way_out.h"
#include "end/plan.h"
#include "sys/resolve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	{ "layers", check_stack, OF_IP | OF_OTHER },
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

/* All of it inside the network namespace of the address. False: it is passed over. */
static bool examine(struct findings *out, const struct doctor_ask *ask, const struct half *half)
{
	struct exam *x = xcalloc(1, sizeof(*x));
	struct ident_saved saved;
	struct err err;
	bool passed;

	x->out = out;
	x->ask = ask;
	x->half = half;
	x->check = "address";
	x->fd = -1;
	x->family = AF_INET;
	if (half && ident_enter(&half->conf.ident, &saved, &err) == -1) {
		exam_add(x, FIND_PROBLEM, xstrdup(err.text), xstrdup(half->keyword));
		free(x);
		return true;
	}
	links_read(x);
	if (half)
		rehearse(x);
	route_find(x);
	run_checks(x);
	rehearse_close(x);
	if (half)
		ident_leave(&saved);
	passed = x->passed_over;
	free(x);
	return !passed;
}

/* That nothing was found is no good news then. */
static void say_nothing_examined(struct findings *out)
{
	struct exam *x = xcalloc(1, sizeof(*x));
	struct finding *f;

	x->out = out;
	x->check = "address";
	f = exam_add(x, FIND_UNKNOWN, xstrdup("there is no address here that can be examined"),
		     xstrdup("the doctor knows UDP, UDP-Lite, raw IP and UNIX sockets"));
	exam_advice(f, "--explain and --check look at every address");
	free(x);
}

char *doctor_group_address(const char *text)
{
	struct netaddr group;
	char host[NETADDR_TEXT_LEN];
	size_t len = *text == '[' ? strcspn(text, "]") : strcspn(text, ":,");

	len += text[len] == ']';
	if (len >= sizeof(host) || text[len] != ':')
		return NULL;
	snprintf(host, sizeof(host), "%.*s", (int)len, text);
	if (!resolve_number(host, AF_UNSPEC, &group))
		return NULL;
	if (netaddr_is_broadcast(&group))
		return xasprintf("BCAST%s", text + len);
	return netaddr_is_multicast(&group) ? xasprintf("MCAST:%s", text) : NULL;
}

void doctor_examine(struct findings *out, const struct doctor_ask *ask)
{
	bool any = false, examined = false;
	/* what the steps would warn about comes as findings */
	int before = log_shutup(2);

	*out = (struct findings){ 0 };
	for (size_t i = 0; i < ask->plan->nsides; i++) {
		const struct side *side = &ask->plan->side[i];

		for (size_t k = 0; k < side->nhalves; k++) {
			any = true;
			examined |= examine(out, ask, &side->half[k]);
		}
	}
	if (!any)
		examine(out, ask, NULL);
	else if (!examined)
		say_nothing_examined(out);
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
