/* opening.c - the step runner, see opening.h
 *
 * An opening goes through lists of steps: the prologue that all types have, what each layer does
 * ahead of everything, the steps of the type, those of a connection, those of each layer, lowest
 * first, and the epilogue (prologue.c). o->step is the next step, o->part and o->layer say which
 * list it is in. One for a source begins behind the prologue or, if it has been accepted, at the
 * type's conn_steps, or, if the source has its end already, at the layers.
 *
 * The end is made behind the last list (opening_take_end()), or, where layers stand on it, ahead of
 * theirs (step_bottom()): from then on it is in o->end, and descriptors and options of the last
 * phases are its.
 *
 * States. Queued: opening_start() has put it into the loop's ready list; nothing has run. Running:
 * run_opening() calls steps until one waits, fails, or there is none left. Waiting: a step has
 * asked for a descriptor, a time, or opening_ready(), and is resumed at the next step (STEP_WAIT)
 * or at itself (STEP_AGAIN). Over: done() has been called, or never will be; the memory goes at the
 * end of the turn.
 *
 * When a step fails: options and look-ups have a sentence of their own; a type that connects tries
 * the next address of the name first, then, with retry or forever, everything again after interval,
 * for errors that have a code. drop_attempt() undoes what the attempt has made. When all are
 * through: opening_succeeds() builds the endpoint (or, with fork, the source) and calls done().
 *
 * A dual address is opened half by half: the reading half is kept in o->dual_in while the writing
 * half goes through the same lists.
 *
 * Watched. An opening that somebody looks at (opening_start_watched()) runs the same steps, but
 * claims nothing, tries nothing twice, goes on behind an option that is refused, and is over
 * without having built anything, so no layer says a word: the watcher may take what the steps have
 * made.
 *
 * Ownership. The opening owns what the steps have made (descriptor, program, state of the type)
 * until the endpoint or source has taken it. In a forked session process openings of others are
 * forgotten: descriptors are closed, programs and entries are the parent's. */
#include "open/opening.h"

#include "base/log.h"
#include "base/mem.h"
#include "end/dual.h"
#include "end/proc.h"
#include "end/relay.h"
#include "open/layer_fit.h"
#include "open/layer_target.h"
#include "open/source.h"
#include "sys/groups.h"

#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHORT_NS (100 * NSEC_PER_MSEC) /* to the next look for descriptors */

static void run_opening(struct opening *o);

const char *mode_word(enum open_mode mode)
{
	static const char *const word[] = { "reading and writing", "reading", "writing" };

	return word[mode];
}

void opening_name_peer(const struct opening *o, struct err *err)
{
	char host[NETADDR_TEXT_LEN], text[ERR_TEXT_LEN], port[16] = "";

	if (o->addr->relay->plan->set.classic ||
	    o->peer.len <= sizeof(o->peer.any.sa_family)) /* nobody, or a socket without a name */
		return;
	if (netaddr_port(&o->peer))
		snprintf(port, sizeof(port), ":%u", netaddr_port(&o->peer));
	snprintf(text, sizeof(text), "%s", err->text);
	snprintf(err->text, sizeof(err->text), "%.500s%s: %.500s",
		 netaddr_host_text(&o->peer, host), port, text);
}

const char *opening_param(const struct opening *o, size_t i)
{
	return i < o->addr->half->nparams ? o->addr->half->param[i] : "";
}

void opening_wait(struct opening *o, int fd, uint32_t events, int64_t due_ns)
{
	if (fd >= 0)
		loop_watch(o->addr->engine->loop, &o->watch, fd, events);
	if (due_ns)
		loop_timer(o->addr->engine->loop, &o->timer, due_ns);
}

static void stop_waiting(struct opening *o)
{
	if (o->waits_for) {
		endpoint_want(o->waits_for, 0, EPOLLIN | EPOLLOUT);
		o->waits_for->user = NULL;
		o->waits_for = NULL;
	}
	loop_watch(o->addr->engine->loop, &o->watch, o->watch.fd, 0);
	loop_timer_stop(o->addr->engine->loop, &o->timer);
	loop_unready(&o->ready);
}

/* Undo what the steps of one attempt have made. */
static void drop_attempt(struct opening *o)
{
	stop_waiting(o);
	resolve_cancel(&o->job);
	if (o->impl)
		o->impl_free(o->impl);
	o->impl = NULL;
	groups_unref(o->more);
	o->more = NULL;
	endpoint_free(o->end);
	o->end = NULL;
	tty_restore(&o->undo.tty[0]);
	tty_restore(&o->undo.tty[1]);
	if (!(o->addr->half->type->flags & TYPE_FOREIGN)) {
		if (o->fd2 != o->target.fd)
			fd_close(&o->fd2);
		fd_close(&o->target.fd);
	}
	o->fd2 = o->target.fd = -1;
	if (o->proc)
		proc_release(o->proc, false);
	o->proc = NULL;
}

static void free_opening(struct deferred *d)
{
	struct opening *o = container_of(d, struct opening, deferred);

	vars_done(&o->vars);
	free(o->host);
	free(o->service);
	free(o->behind);
	free(o);
}

static void dispose_opening(struct opening *o)
{
	o->over = true;
	list_del(&o->node);
	handshake_ends(&o->handshake);
	drop_attempt(o);
	leftovers_remove(&o->undo.left);
	endpoint_free(o->dual_in);
	loop_defer(o->addr->engine->loop, &o->deferred, free_opening);
}

void opening_cancel(struct opening *o)
{
	struct source *src = o->from;

	dispose_opening(o);
	if (src)
		source_opened(src, NULL, NULL);
}

void opening_ready(struct opening *o)
{
	if (!o->over)
		loop_ready(o->addr->engine->loop, &o->ready);
}

void opening_forget(struct opening *o)
{
	stop_waiting(o);
	o->undo.left.owner = 0;
	o->proc = NULL;
	endpoint_abandon(o->end);
	o->end = NULL;
	dispose_opening(o);
}

static void on_watch(struct watch *w, uint32_t events)
{
	(void)events;
	run_opening(container_of(w, struct opening, watch));
}

static void on_timer(struct timer *t)
{
	run_opening(container_of(t, struct opening, timer));
}

static void on_ready(struct ready *r)
{
	run_opening(container_of(r, struct opening, ready));
}

static void on_end_ready(struct endpoint *ep, uint32_t events)
{
	if (events & EPOLLIN)
		handshake_heard(&((struct opening *)ep->owner)->handshake,
				loop_now(ep->addr->engine->loop));
	run_opening(ep->owner);
}

static void on_end_taken(struct endpoint *ep, const char *why)
{
	log_debug("opening ends: %s", why);
	opening_cancel(ep->owner);
}

static bool never_begins(const struct endpoint *ep)
{
	(void)ep;
	return false;
}

static const struct endpoint_user user_of_end = {
	.event = on_end_ready,
	.end = on_end_taken,
	.has_begun = never_begins,
};

void opening_wait_end(struct opening *o, struct endpoint *ep, uint32_t events, int64_t due_ns)
{
	o->waits_for = ep;
	ep->user = &user_of_end;
	ep->owner = o;
	endpoint_want(ep, events, 0);
	opening_wait(o, -1, 0, handshake_earlier(due_ns, o->handshake.due_ns));
}

bool opening_forks(const struct opening *o)
{
	const struct addr_type *type = o->addr->half->type;

	return o->addr->conf->listen.fork && type->source && !o->from &&
	       !(type->flags & TYPE_FORK_FIRST && relay_has_source(o->addr->relay));
}

static bool is_list_end(const struct step *s)
{
	return !s->run && s->after == PH_NONE;
}

/* Connections, and datagrams' peers, are left to the source, with their layers and the options at
 * the end. */
static bool leaves_connections(const struct opening *o)
{
	const struct half *half = o->addr->half;

	return opening_forks(o) && half->type->flags & TYPE_ACCEPTS &&
	       (half->type->conn_steps || half->nlayers);
}

static enum step_result step_bottom(struct opening *o, struct err *err);

/* The steps of @part, and there of layer @i, or NULL: there are none. */
static const struct step *steps_of(const struct opening *o, enum opening_part part, size_t i)
{
	static const struct step bottom[] = { { .run = step_bottom }, STEP_END };
	const struct half *half = o->addr->half;
	const struct layer_type *layer = i < half->nlayers ? half->layer[i].type : NULL;
	bool is_of_end = part == PART_BOTTOM || part == PART_LAYERS;

	if ((part >= PART_CONNECTION && leaves_connections(o)) || (o->watcher && is_of_end))
		return NULL;
	switch (part) {
	case PART_PROLOGUE:
		return opening_prologue;
	case PART_BEFORE:
		return layer ? layer->before : NULL;
	case PART_STEPS:
		return half->type->steps;
	case PART_CONNECTION:
		return half->type->conn_steps;
	case PART_BOTTOM:
		return half->nlayers ? bottom : NULL;
	case PART_LAYERS:
		return layer ? layer->steps : NULL;
	case PART_EPILOGUE:
		return opening_epilogue;
	}
	return NULL;
}

static void go_to_part(struct opening *o, enum opening_part part)
{
	o->part = part;
	o->layer = 0;
	o->step = steps_of(o, part, 0);
}

/* On to the next list of steps, the present one being done; false: there is none. */
static bool next_list(struct opening *o)
{
	do {
		if ((o->part == PART_BEFORE || o->part == PART_LAYERS) &&
		    o->layer + 1 < o->addr->half->nlayers) {
			o->layer++;
		} else if (o->part == PART_EPILOGUE) {
			return false;
		} else {
			o->part++;
			o->layer = 0;
		}
		o->step = steps_of(o, o->part, o->layer);
	} while (!o->step);
	return true;
}

const struct half_layer *opening_layer(const struct opening *o)
{
	return &o->addr->half->layer[o->layer];
}

struct layer_share *opening_layer_share(const struct opening *o)
{
	return &o->addr->layer_share[o->layer];
}

struct netaddr *opening_behind(struct opening *o)
{
	return &o->behind[o->layer];
}

/* Where the next address is tried: behind the step that has found them. NULL: it has not run. */
static const struct step *behind_addresses(const struct opening *o)
{
	const struct step *behind = NULL, *step = o->addr->half->type->steps;

	if (o->part < PART_STEPS)
		return NULL;
	for (; step != o->step && !is_list_end(step); step++) {
		if (step->flags & STEP_NEXT_ADDRESS)
			behind = step + 1;
	}
	return behind;
}

/* ---- outcome ---- */

static void opening_gives_up(struct opening *o, struct err *err)
{
	opening_done_fn *done = o->done;

	if (o->addr->relay->plan->set.sloppy && !err->over)
		err->status = 255;
	dispose_opening(o);
	done(o, NULL, NULL, err);
}

static void end_watched(struct opening *o, const struct err *err)
{
	o->watcher->ended(o, err);
	dispose_opening(o);
}

static void open_second_half(struct opening *o, struct endpoint *in);

/* What the type never does, the session need not try. Descriptors of others may do more than the
 * word for them says: a terminal as standard input takes answers. */
static void limit_directions(struct endpoint *ep, const struct addr_type *type)
{
	if (type->flags & TYPE_FOREIGN)
		return;
	ep->caps |= type->reads ? 0 : EP_NO_READ;
	ep->caps |= type->writes ? 0 : EP_NO_WRITE;
}

/* What the steps have made becomes an end, which owns it from now on. */
static struct endpoint *make_end(struct opening *o, struct err *err)
{
	const struct addr_type *type = o->addr->half->type;
	struct endpoint *ep = type->make(o, err);

	if (!ep)
		return NULL;
	o->target.fd = o->fd2 = -1;
	o->impl = NULL;
	limit_directions(ep, type);
	endpoint_undo_later(ep, &o->undo);
	o->undo.left = (struct leftovers){ 0 };
	o->undo.tty[0].fd = o->undo.tty[1].fd = -1;
	ep->proc = o->proc;
	o->proc = NULL;
	return ep;
}

static enum step_result step_bottom(struct opening *o, struct err *err)
{
	const struct half *half = o->addr->half;
	bool is_heard = o->end; /* it is of a peer in a table, who has sent something */

	if (!o->end)
		o->end = make_end(o, err);
	if (!o->end || layer_fit_kinds(half, o->end->caps & EP_DGRAM_IN, err) == -1 ||
	    layer_fit_ways(half, !(o->end->caps & (EP_NO_READ | EP_NO_WRITE)), err) == -1)
		return STEP_FAIL;
	handshake_time_begins(&o->handshake, half, loop_now(o->addr->engine->loop));
	if (is_heard || !half->layer[0].type->client_begins || !layer_is_server(half, 0) ||
	    !(half->type->flags & TYPE_ACCEPTS))
		return STEP_DONE;
	opening_wait_end(o, o->end, EPOLLIN, 0); /* nothing is made for who says nothing */
	return STEP_WAIT;
}

struct endpoint *opening_take_end(struct opening *o, struct err *err)
{
	struct endpoint *ep = o->end;

	o->end = NULL;
	return ep ? ep : make_end(o, err);
}

static struct source *make_source(struct opening *o, struct err *err)
{
	struct source *src = o->addr->half->type->source(o, err);

	if (!src)
		return NULL;
	o->target.fd = o->fd2 = -1;
	o->impl = NULL;
	o->proc = NULL;
	src->left = o->undo.left;
	o->undo.left = (struct leftovers){ 0 };
	o->undo.tty[0].fd = o->undo.tty[1].fd = -1;
	return src;
}

static void opening_succeeds(struct opening *o)
{
	struct endpoint *ep = NULL;
	struct source *src = NULL;
	struct err err;

	if (o->watcher) {
		end_watched(o, NULL);
		return;
	}
	if (opening_forks(o) && !o->dual_in)
		src = make_source(o, &err);
	else
		ep = opening_take_end(o, &err);
	if (!ep && !src) {
		opening_gives_up(o, &err);
		return;
	}
	if (ep && o->is_dual) {
		open_second_half(o, ep);
		return;
	}
	if (ep && o->dual_in) {
		ep = dual_new(o->dual_in, ep);
		o->dual_in = NULL;
	}
	dispose_opening(o);
	o->done(o, ep, src, NULL);
}

static void final_connect_error(const struct opening *o, struct err *err)
{
	const struct addr_type *t = o->addr->half->type;
	char hint[ERR_TEXT_LEN];

	memcpy(hint, err->hint, sizeof(hint));
	if (t->server.noun)
		err_set(err, err->code, "%s:%s%s%s%s", o->addr->half->keyword, opening_param(o, 0),
			t->server.before, o->service ? o->service : t->server.port(o->addr->half),
			t->server.behind);
	else
		err_set(err, err->code, "%s:%s:%s", o->addr->half->keyword, opening_param(o, 0),
			opening_param(o, 1));
	memcpy(err->hint, hint, sizeof(hint));
}

/* Begin anew with the steps after @delay_ns. */
static void try_opening_again(struct opening *o, int64_t delay_ns)
{
	if (o->part != PART_PROLOGUE) {
		go_to_part(o, PART_PROLOGUE);
		next_list(o);
	}
	o->remote_i = 0;
	o->waiting = STEP_AGAIN;
	opening_wait(o, -1, 0, loop_now(o->addr->engine->loop) + delay_ns);
}

/* This session's right address finds no descriptors, and other sessions will give some back. */
static bool opening_is_short(const struct opening *o, const struct err *err)
{
	const struct list *all = &o->addr->relay->sessions;

	return (err->code == EMFILE || err->code == ENFILE) && relay_has_source(o->addr->relay) &&
	       !o->from && all->next != all->prev;
}

static void say_short(struct opening *o, const struct err *err)
{
	char more[80];
	unsigned hidden;

	if (log_limit_pass(&o->addr->relay->shared->shortage, 0, loop_now(o->addr->engine->loop),
			   &hidden))
		log_warn("%s; the session waits until others have ended%s", err->text,
			 log_limit_text(&o->addr->relay->shared->shortage, hidden, "kind", more,
					sizeof(more)));
}

/* Without the hint, which belongs to the final error. */
static void tell_refusal(const struct opening *o, enum log_level level, const struct err *err)
{
	struct err bare = *err;

	bare.hint[0] = '\0';
	if (level == LV_WARN)
		relay_tell(o->addr->relay, level, &bare);
	else
		log_err(level, &bare);
}

/* Options and look-ups have a sentence of their own. */
static bool is_of_connecting(const struct opening *o, const struct err *err)
{
	return o->addr->half->type->flags & TYPE_CONNECTS && err->code && !err->status;
}

static void attempt_failed(struct opening *o, struct err *err)
{
	const struct step *behind = behind_addresses(o);
	bool connects = is_of_connecting(o, err);
	bool next = behind && o->remote_i + 1 < o->remote.n;
	bool retry = o->retries_left != 0 && err->code;

	if (o->watcher) {
		end_watched(o, err);
		return;
	}
	drop_attempt(o);
	if (opening_is_short(o, err)) {
		say_short(o, err);
		try_opening_again(o, SHORT_NS);
		return;
	}
	if (connects)
		tell_refusal(o, next || retry ? LV_NOTICE : LV_WARN, err);
	else if (next)
		log_err(LV_NOTICE, err);
	if (next) {
		o->remote_i++;
		o->part = PART_STEPS;
		o->step = behind;
		run_opening(o);
		return;
	}
	if (retry) {
		if (!connects)
			log_err(o->addr->half->type->flags & TYPE_CONNECTS ? LV_NOTICE : LV_INFO,
				err);
		if (o->retries_left > 0)
			o->retries_left--;
		try_opening_again(o, o->addr->conf->retry.interval_ns);
		return;
	}
	if (connects)
		final_connect_error(o, err);
	opening_gives_up(o, err);
}

/* ---- running ---- */

/* One by one, each of them told; what is refused is passed over. */
static void apply_watched(struct opening *o, enum phase phase, struct target *target)
{
	const struct opts *all = &o->addr->half->opts;

	for (size_t i = 0; i < all->n; i++) {
		struct opts one = { .opt = &all->opt[i], .n = 1 };
		struct err err = { 0 };

		if (all->opt[i].row->phase == phase)
			o->watcher->option(o, one.opt,
					   opts_apply(&one, phase, target, &err) ? &err : NULL);
	}
}

/* The options of a phase. One that is refused will be refused again: no retry for that. */
static int apply_options(struct opening *o, int fd, enum phase phase, struct err *err)
{
	struct target target = o->target;
	struct tty_edit edit = { 0 };

	target.fd = fd;
	target.tty = &edit;
	target.more = &o->more;
	target.hosts = &o->addr->hosts;
	if (o->watcher) {
		apply_watched(o, phase, &target);
		return 0;
	}
	if (opts_apply(&o->addr->half->opts, phase, &target, err) == 0)
		return 0;
	err->code = 0;
	return -1;
}

/* One step and the options of its phase, inside the ambient state of the address. */
static enum step_result run_step(struct opening *o, struct err *err)
{
	enum phase phase = o->step->after;
	enum step_result r = STEP_DONE;
	struct ident_saved saved;

	if (ident_enter(&o->addr->conf->ident, &saved, err) == -1)
		return STEP_FAIL;
	if (o->step->run && !(o->watcher && o->step->flags & STEP_CLAIMS))
		r = o->step->run(o, err);
	if ((r == STEP_DONE || r == STEP_WAIT) && phase != PH_NONE) {
		if (apply_options(o, o->end ? o->end->rfd : o->target.fd, phase, err) == -1)
			r = STEP_FAIL;
		/* bidirectional stdio: the write side is a descriptor of its own */
		else if (o->fd2 >= 0 && o->fd2 != o->target.fd &&
			 apply_options(o, o->fd2, phase, err) == -1)
			r = STEP_FAIL;
	}
	ident_leave(&saved);
	return r;
}

/* No step is left, or the watcher wants to see none of the others. */
static bool is_through(struct opening *o)
{
	while (is_list_end(o->step)) {
		if (!next_list(o))
			return true;
		if (o->part == PART_LAYERS)
			handshake_layer_begins(&o->handshake, o->addr->half, o->layer,
					       loop_now(o->addr->engine->loop));
	}
	return o->watcher && o->watcher->stop_before(o, o->step);
}

static bool is_late(const struct opening *o)
{
	return o->part == PART_LAYERS && o->handshake.due_ns &&
	       loop_now(o->addr->engine->loop) >= o->handshake.due_ns;
}

static enum step_result late(const struct opening *o, struct err *err)
{
	err_set(err, ETIMEDOUT, "%s: handshake", opening_layer(o)->name);
	err->status = 1; /* it has its own sentence */
	return STEP_FAIL;
}

static void run_opening(struct opening *o)
{
	struct err err = { 0 };

	stop_waiting(o);
	for (;;) {
		if (is_through(o)) {
			opening_succeeds(o);
			return;
		}
		switch (is_late(o) ? late(o, &err) : run_step(o, &err)) {
		case STEP_DONE:
			o->waiting = STEP_DONE;
			o->step++;
			break;
		case STEP_WAIT:
			o->waiting = STEP_WAIT;
			o->step++;
			return;
		case STEP_AGAIN:
			o->waiting = STEP_AGAIN;
			return;
		case STEP_FAIL:
			if (o->part == PART_LAYERS)
				opening_name_peer(o, &err);
			attempt_failed(o, &err);
			return;
		}
	}
}

/* The address is to do what its type cannot. */
static void tell_direction(const struct opening *o)
{
	static const char *const word[] = { "read-write", "read-only", "write-only" };
	const struct addr_type *type = o->addr->half->type;
	const char *kin = type->both_ways;
	unsigned want = type->reads ? 1 : 2;
	struct err err;

	err_set(&err, 0, "address is opened in %s mode but only supports %s", word[o->mode],
		type->reads ? "read-only" : "write-only");
	/* with -u the first address is read from, the second one written to */
	err_hint(&err, "%s %s: use -u%s%s%s", o->addr->half->keyword,
		 type->reads ? "hears only" : "can only be written to",
		 o->addr->number == want ? ""
		 : type->reads           ? " and put it first"
					 : " and put it second",
		 kin ? ", or use " : "", kin ? kin : "");
	relay_tell(o->addr->relay, LV_WARN, &err);
}

static void begin_half(struct opening *o, struct address *addr, enum open_mode mode)
{
	const struct half *half = addr->half;
	const struct addr_type *type = half->type;

	o->addr = addr;
	o->mode = layer_fit_answers(half) ? MODE_RW : mode; /* a layer has something to say, too */
	go_to_part(o, PART_PROLOGUE);
	o->target = (struct target){ .fd = -1, .family = type->net.family };
	o->socktype = half->conf.sock.type >= 0 ? (int)half->conf.sock.type : type->net.type;
	o->protocol =
		half->conf.sock.protocol >= 0 ? (int)half->conf.sock.protocol : type->net.protocol;
	o->target.binds = type->flags & TYPE_BINDS;
	if (type->flags & TYPE_ENTRY && half->nparams)
		o->target.path = half->param[0];
	if (type->flags & TYPE_QUEUE)
		o->target.queue = half->param[0];
	o->fd2 = -1;
	o->remote_i = 0;
	o->local = (struct netaddr){ 0 };
	free(o->behind);
	o->behind = half->nlayers ? xcalloc(half->nlayers, sizeof(*o->behind)) : NULL;
	free(o->service);
	o->service = NULL;
	o->retries_left = half->conf.retry.forever ? -1 : half->conf.retry.retry;
	if ((mode != MODE_WRITE && !type->reads) || (mode != MODE_READ && !type->writes))
		tell_direction(o);
}

static void open_second_half(struct opening *o, struct endpoint *in)
{
	o->is_dual = false;
	o->dual_in = in;
	begin_half(o, o->addr->dual, MODE_WRITE);
	run_opening(o);
}

static struct opening *new_opening(struct address *addr, const struct vars *vars,
				   opening_done_fn *done, void *arg)
{
	struct opening *o = xcalloc(1, sizeof(*o));

	o->addr = addr;
	o->done = done;
	o->arg = arg;
	o->job.fd = -1;
	o->undo.tty[0].fd = o->undo.tty[1].fd = -1;
	list_init(&o->handshake.node);
	watch_init(&o->watch, on_watch);
	timer_init(&o->timer, on_timer);
	ready_init(&o->ready, on_ready);
	if (vars)
		vars_copy(&o->vars, vars);
	list_add_tail(&addr->relay->openings, &o->node);
	return o;
}

/* The half of @addr that is opened first, and how: of a dual address in one direction the other one
 * is never, which is told. @mode is that of the address, and becomes that of the half. */
static struct address *first_half(struct address *addr, enum open_mode *mode)
{
	if (!addr->dual)
		return addr;
	if (*mode == MODE_RW)
		*mode = MODE_READ;
	else
		log_warn("unidirectional open of dual address");
	return *mode == MODE_READ ? addr : addr->dual;
}

struct opening *opening_start(struct address *addr, enum open_mode mode, const struct vars *vars,
			      struct endpoint *other, opening_done_fn *done, void *arg)
{
	struct opening *o = new_opening(addr, vars, done, arg);

	o->other = other;
	o->is_dual = addr->dual && mode == MODE_RW;
	addr = first_half(addr, &mode);
	begin_half(o, addr, mode);
	opening_ready(o);
	return o;
}

/* Others want the place of one who has been quiet for too long. */
static void give_way(struct handshake *h)
{
	struct opening *o = container_of(h, struct opening, handshake);
	struct address *a = o->addr;
	struct err err;

	err_set(&err, 0, "%s: handshake: not over after %.2g seconds, and others want the place",
		opening_layer(o)->name,
		(double)(loop_now(a->engine->loop) - h->begun_ns) / NSEC_PER_SEC);
	opening_name_peer(o, &err);
	tally_add(&a->tally->refused[REFUSE_HANDSHAKE], 1);
	relay_tell(a->relay, LV_WARN, &err);
	opening_cancel(o);
}

struct opening *opening_start_single(struct source *src, enum open_mode mode, int fd,
				     struct endpoint *end, const struct vars *vars,
				     opening_done_fn *done)
{
	struct opening *o = new_opening(src->addr, vars, done, src);

	o->from = src;
	begin_half(o, src->addr, mode);
	if (end) {
		go_to_part(o, PART_BOTTOM);
		o->end = end;
		opening_wait_end(o, end, EPOLLIN, 0); /* who feeds it knows from now on whom */
	} else if (fd != -1) {
		go_to_part(o, PART_CONNECTION);
		o->target.fd = fd;
	} else {
		next_list(o);
	}
	if (end || fd != -1) {
		o->retries_left = 0;
		source_make_room(src);
		if (o->addr->half->nlayers)
			handshake_begins(&src->handshakes, &o->handshake,
					 loop_now(src->addr->engine->loop), give_way);
	}
	source_opening(src);
	opening_ready(o);
	return o;
}

struct opening *opening_start_watched(struct address *half, enum open_mode mode,
				      const struct opening_watcher *watcher, void *arg)
{
	struct opening *o = new_opening(half, NULL, NULL, arg);

	o->watcher = watcher;
	begin_half(o, half, mode);
	opening_ready(o);
	return o;
}

/* ---- judging without opening ---- */

/* A step that would have to wait (for a name) is passed over, as are those without a check. */
static int check_steps(struct opening *o, struct err *err)
{
	do {
		if (o->part == PART_EPILOGUE)
			return 0;
		for (; !is_list_end(o->step); o->step++) {
			if (o->step->check && o->step->check(o, err) == STEP_FAIL)
				return -1;
		}
	} while (next_list(o));
	return 0;
}

static int check_half(struct address *half, bool is_dual, enum open_mode mode,
		      opening_judge_fn *judge, struct err *err)
{
	struct opening *o = xcalloc(1, sizeof(*o));
	struct ident_saved saved;
	int rc = -1;

	o->is_dual = is_dual;
	o->job.fd = -1;
	begin_half(o, half, mode);
	if (ident_enter(&half->conf->ident, &saved, err) == 0) {
		if (check_steps(o, err) == 0)
			rc = judge(o, err);
		ident_leave(&saved);
	}
	if (rc == -1 && is_of_connecting(o, err)) {
		tell_refusal(o, LV_WARN, err);
		final_connect_error(o, err);
	}
	if (o->impl)
		o->impl_free(o->impl);
	free_opening(&o->deferred);
	return rc;
}

int opening_check(struct address *addr, enum open_mode mode, opening_judge_fn *judge,
		  struct err *err)
{
	bool both = addr->dual && mode == MODE_RW;
	struct address *first = first_half(addr, &mode);

	if (check_half(first, both, mode, judge, err) == -1)
		return -1;
	return both ? check_half(addr->dual, true, MODE_WRITE, judge, err) : 0;
}
