/* between.c - how data gets from one address to the other, and in which processes
 *
 * The path is the one that path_choose() takes for ends as the types foretell them; the rule about
 * processes is plan_make.c's. */
#include "end/proc_end.h"
#include "explain/parts.h"
#include "flow/filter.h"
#include "flow/forecast.h"
#include "open/opening.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The conf that reads (or writes) of address @i are made with. */
static const struct conf *conf_of(const struct plan *plan, int i, bool writes)
{
	return &plan->side[i].half[writes && plan->side[i].nhalves == 2].conf;
}

/* What becomes of the borders of datagrams. */
static void add_borders(struct str *out, const struct plan *plan, int from,
			const struct path_ask *ask)
{
	bool in = ask->src.caps & EP_DGRAM_IN, to = ask->dst.caps & EP_DGRAM_OUT;

	if (in && to)
		str_adds(out,
			 "    Borders are kept: each datagram that is read is written as one.\n");
	else if (in)
		str_addf(out,
			 "    Borders are not kept: the datagrams are written one behind the "
			 "other, %s.\n",
			 conf_of(plan, 1 - from, true)->flow.newline
				 ? "each with a newline at its end (newline)"
				 : "with nothing in between (option newline puts an end to each)");
	else if (to)
		str_addf(out, "    Each stretch of at most %zu bytes (-b) makes one datagram.\n",
			 plan->set.block);
}

/* The direction that begins at address @from. */
static void add_path(struct str *out, const struct plan *plan, int from)
{
	struct forecast ends[2];
	struct path_ask ask = { .plain = plan->set.plain };
	const struct path *path;

	for (int i = 0; i < 2; i++)
		forecast_side(&plan->side[i], plan_mode(&plan->set, i), &ends[i]);
	str_addf(out, "  From %s to %s the data is ", side_word(from), side_word(1 - from));
	for (int i = 0; i < 2; i++) {
		if (!ends[i].unknown)
			continue;
		str_addf(out, "moved in a way that shows when the %s address is open: %s.\n",
			 side_word(i), ends[i].unknown);
		return;
	}
	ask.src = ends[from].in;
	ask.dst = ends[1 - from].out;
	if (ask.src.caps & EP_NO_READ) {
		str_addf(out, "not moved: the %s address is open for writing only.\n",
			 side_word(from));
		return;
	}
	ask.seen =
		filters_why(&plan->set, conf_of(plan, from, false), conf_of(plan, 1 - from, true),
			    from == 0, ask.src.caps & EP_DGRAM_IN);
	path = path_choose(&ask);
	str_addf(out, "%s.\n", path->how);
	for (size_t i = 0; path_number(i) != path; i++)
		str_addf(out, "    Not by %s: %s.\n", path_number(i)->name,
			 path_number(i)->against(&ask));
	if (!(ask.dst.caps & EP_NO_WRITE))
		add_borders(out, plan, from, &ask);
}

static void add_end(struct str *out, const struct settings *set)
{
	if (set->left_to_right && set->right_to_left)
		str_addf(out,
			 "  When one direction has ended, the other may stay silent for %g seconds "
			 "(-t), then it is over.\n",
			 (double)set->linger_ns / 1e9);
	else
		str_adds(out, "  When that direction has ended, it is over.\n");
	if (set->idle_ns >= 0)
		str_addf(out, "  After %g seconds without any data it is over, too (-T).\n",
			 (double)set->idle_ns / 1e9);
	if (set->drain_ns > 0)
		str_addf(out,
			 "  After SIGTERM, SIGINT or SIGHUP sessions get %g seconds to finish "
			 "(--drain).\n",
			 (double)set->drain_ns / 1e9);
}

static bool is_number(const char *host)
{
	char text[64];
	struct in6_addr a;
	size_t len = strcspn(host + (*host == '['), "]%");

	if (len >= sizeof(text))
		return false;
	memcpy(text, host + (*host == '['), len);
	text[len] = '\0';
	return inet_aton(text, (struct in_addr *)&a) || inet_pton(AF_INET6, text, &a) == 1;
}

/* The name that has to be looked up before @h is open, or NULL. */
static const char *name_of(const struct half *h)
{
	const char *syntax = h->type->syntax;

	if (!h->nparams || is_number(h->param[0]) || !*h->param[0])
		return NULL;
	return strncmp(syntax, ":<host>", 7) == 0 || strstr(syntax, "-server>") ? h->param[0]
										: NULL;
}

static bool is_awaited(const struct half *h)
{
	return proc_end_is_awaited((enum proc_kind)h->type->net.protocol);
}

/* Programs and helpers of one half; @each: " for each session" or "". */
static void add_programs(struct str *out, const struct plan *plan, int i, size_t k,
			 const char *each)
{
	const struct half *h = &plan->side[i].half[k];
	enum open_mode mode;

	if (!half_mode(plan, i, k, &mode))
		return;
	if (h->type->flags & TYPE_PROGRAM) {
		str_adds(out, !h->conf.prog.nofork ? "  A program is started for "
			      : is_awaited(h)      ? "  The process waits for the command of "
						   : "  The process becomes the program of ");
		add_half_name(out, plan, i, k);
		str_addf(out, "%s%s.\n", h->conf.prog.nofork ? " (option nofork)" : "",
			 h->conf.prog.nofork ? "" : each);
	}
	if (name_of(h))
		str_addf(out, "  A helper process looks up the name %s%s, and ends.\n", name_of(h),
			 each);
}

/* How many sessions of a forking address there may be at once (max-children). */
static void add_at_once(struct str *out, const struct plan *plan, int side)
{
	int64_t most = plan->side[side].half[0].conf.listen.max_children;

	if (most == 1)
		str_adds(out, ", never two at a time");
	else if (most > 1)
		str_addf(out, ", at most %" PRId64 " at a time", most);
	else if (side == 1)
		str_adds(out, ", and does not wait for the last one to end");
	str_adds(out, ".\n");
}

/* Which address is opened how often. */
static void add_sessions(struct str *out, const struct plan *plan, bool left_forks,
			 bool right_forks)
{
	if (left_forks) {
		str_addf(out, "  The left address is opened once and serves many: %s",
			 plan->side[0].half[0].conf.listen.max_children == 1
				 ? "one session after another"
				 : "whoever comes there begins a session");
		add_at_once(out, plan, 0);
		str_adds(out, "  For each session the right address is opened anew.\n");
	} else {
		str_adds(out, "  The left address is opened first, then the right one.\n");
	}
	if (right_forks) {
		str_adds(out, "  The right address yields one session after another");
		add_at_once(out, plan, 1);
	}
}

static void add_processes(struct str *out, const struct plan *plan)
{
	bool left_forks = plan->side[0].half[0].conf.listen.fork;
	bool right_forks = plan->side[1].half[0].conf.listen.fork;
	bool forks = left_forks || right_forks;

	add_sessions(out, plan, left_forks, right_forks);
	if (!forks)
		str_adds(out, "  There is one session, and one process for it: this one.\n");
	else if (plan->isolate)
		str_addf(out,
			 "  Each session gets a process of its own, beside the one that waits: "
			 "%s.\n",
			 plan->isolate_why);
	else
		str_adds(out, "  All sessions share one process: this one.\n");
	for (int i = 0; i < 2; i++) {
		bool each = i ? forks : false;

		for (size_t k = 0; k < plan->side[i].nhalves; k++)
			add_programs(out, plan, i, k, each ? " for each session" : "");
	}
}

static bool becomes_program(const struct plan *plan)
{
	const struct half *h = &plan->side[1].half[0];

	return h->type->flags & TYPE_PROGRAM && h->conf.prog.nofork;
}

void explain_between(struct str *out, const struct plan *plan)
{
	const struct settings *set = &plan->set;

	str_adds(out, "Between them\n");
	if (becomes_program(plan)) {
		str_adds(out, "  The program gets the descriptors of the left address as its "
			      "standard input and output: nothing is moved here.\n");
	} else {
		if (set->left_to_right)
			add_path(out, plan, 0);
		if (set->right_to_left)
			add_path(out, plan, 1);
		add_end(out, set);
	}
	str_adds(out, "\nSessions and processes\n");
	add_processes(out, plan);
}
