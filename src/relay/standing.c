/* standing.c - an end that stays while what is below it comes and goes, see standing.h
 *
 * The session has an end in memory (end/queue.h). Below it is the end that the address opens to: a
 * connection, a device, a program. When that has ended or failed it is closed and opened again.
 *
 * States. Opening: @opening goes on. Open: @lower is there, and this is its user. Deaf: it takes no
 * more (@why says why), but what it has said is read to its end first. Ending: a program has ended
 * its output; it gets a moment for its exit (the timer runs). Away: neither, and the timer runs:
 * the first pause is the option's, each failure doubles it up to PAUSE_MAX, and some chance is in
 * it, so that a thousand of us do not come back at once. Over: the session has said that it writes
 * no more, and the peer has ended, too: that is an end of file.
 *
 * Who calls what. Events of the lower end come to on_lower(): what can be read goes by way of @rest
 * into the queue, until that is full; tell_drained() goes on. What the session writes goes straight
 * to the lower end; where there is none, or it takes nothing, the session waits, and so does its
 * source: nothing is collected here. Both ways wake the session by endpoint_ready(). The lower end
 * is never closed from within a write.
 *
 * Ownership. The session owns the upper end; with it go the lower one and the opening.
 *
 * What is lost is what the lower end had been given and its peer has not (end/undelivered.h): it is
 * told, and counted. What the peer has sent is not lost: it is read first. A datagram of which a
 * stream has been given a part is dropped by who writes it (flow/path_dgram.c), as @lives of the
 * upper end has changed. What layers have kept (records, frames) goes with the lower end, and so
 * does the frame of which a part has been sent. */
#include "relay/standing.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "data/packet.h"
#include "end/proc.h"
#include "end/queue.h"
#include "end/relay.h"
#include "end/undelivered.h"
#include "flow/forecast.h"
#include "open/opening.h"
#include "open/source.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define PAUSE_MAX (60 * NSEC_PER_SEC)
#define READS_PER_TURN 16

struct standing {
	struct queue_end q; /* the upper end */
	enum open_mode mode;
	struct endpoint *other; /* borrowed */
	const struct vars *vars; /* the session's, borrowed, or NULL */
	struct opening *opening; /* of the lower end, or NULL */
	struct endpoint *lower; /* or NULL */
	struct chunk_list rest; /* read, and not in the queue yet: one read, or one batch */
	struct timer again;
	int64_t pause_ns; /* until it is tried again */
	struct undelivered given; /* to this lower end */
	struct err *why; /* Deaf, Ending: what has failed; owned, or NULL */
	bool ended; /* Ending */
	bool promised; /* descriptors, while there is no lower end */
	bool quiet; /* it is a program, which need not read everything */
	bool shut; /* the session writes no more */
};

static struct standing *standing_of(struct queue_end *q)
{
	return container_of(q, struct standing, q);
}

static struct loop *loop_of(const struct standing *s)
{
	return s->q.ep.addr->engine->loop;
}

/* ---- opening again ---- */

/* What has no end below needs descriptors for one: others get none of those. */
static void promise_descriptors(struct standing *s, bool promise)
{
	struct address *addr = s->q.ep.addr;

	if (promise == s->promised)
		return;
	s->promised = promise;
	if (promise) {
		engine_fds_promise(addr->engine);
	} else {
		engine_fds_kept(addr->engine);
		sources_look_again(addr->relay);
	}
}

/* Between 0.8 and 1.2 of the pause. */
static int64_t with_chance(const struct standing *s, int64_t ns)
{
	return ns / 100 * (80 + loop_clock(loop_of(s)) / 1000 % 41);
}

/* Each pause in which nothing has moved makes the next one longer. */
static void wait_to_open(struct standing *s)
{
	promise_descriptors(s, true);
	loop_timer(loop_of(s), &s->again, loop_now(loop_of(s)) + with_chance(s, s->pause_ns));
	if (s->pause_ns < PAUSE_MAX)
		s->pause_ns = 2 * s->pause_ns < PAUSE_MAX ? 2 * s->pause_ns : PAUSE_MAX;
}

/* Something has moved: what was lost is tried again soon. */
static void begin_pause(struct standing *s)
{
	s->pause_ns = s->q.ep.addr->conf->retry.reopen_ns;
}

/* What may have been lost with the lower end. */
static void tell_loss(struct standing *s, const struct err *why)
{
	struct undelivered_loss loss = undelivered_judge(&s->given, why);
	struct address *addr = s->q.ep.addr;
	struct err err;

	if (loss.unknown)
		err_set(&err, 0,
			"nobody knows how much of what was written to socket %u had been %s when "
			"it was lost",
			addr->number, loss.not_done);
	else if (loss.n)
		err_set(&err, 0, "%s%llu %s written to socket %u had not been %s when it was lost",
			loss.at_most ? "up to " : "", (unsigned long long)loss.n,
			loss.datagrams ? "datagrams" : "bytes", addr->number, loss.not_done);
	else
		return;
	relay_tell(addr->relay, LV_WARN, &err);
	tally_add(loss.datagrams ? &addr->tally->lost[LOSS_GONE] : &addr->tally->lost_bytes,
		  loss.n);
}

/* The session has said that it writes no more, and its peer has ended. A socket lingers as always
 * until the peer has taken everything: it may still read. */
static void end_lower(struct standing *s, const struct err *err)
{
	if (endpoint_lingers(s->lower))
		s->lower->parting.ended = true;
	else
		tell_loss(s, err);
	s->lower->parting.told |= !endpoint_lingers(s->lower);
	endpoint_free(s->lower);
	s->lower = NULL;
	queue_end_finish(&s->q);
}

/* A program that ends without having read everything has failed nobody. */
static bool is_failure(const struct standing *s, const struct err *err)
{
	return err && !(s->quiet && err->code == ECONNRESET);
}

/* What layers have not handed down is told as lost: no farewell must bring it after all. */
static bool keeps_something(const struct standing *s)
{
	return s->lower->top && (s->why || s->lower->want & EPOLLOUT || endpoint_kept(s->lower));
}

/* The lower end has ended (@err NULL) or failed. */
static void lose_lower(struct standing *s, const struct err *err)
{
	loop_timer_stop(loop_of(s), &s->again);
	s->ended = false;
	if (s->shut && !is_failure(s, err)) {
		end_lower(s, err);
		return;
	}
	if (is_failure(s, err))
		log_notice("%s", err->text);
	tell_loss(s, err);
	if (keeps_something(s))
		s->lower->caps |= EP_SHARED;
	s->lower->parting.told = true;
	endpoint_free(s->lower);
	s->lower = NULL;
	s->q.ep.lives++;
	free(s->why);
	s->why = NULL;
	log_notice("socket %u has been lost, and is opened again (option reopen)",
		   s->q.ep.addr->number);
	wait_to_open(s);
}

/* Its end has been read. A program that has not exited yet gets the time it always has. */
static void read_the_end(struct standing *s, const struct err *err)
{
	const struct proc *p = s->lower->proc;
	int64_t ns = p && !p->done ? proc_end_wait(p->kind, PROC_SPOKEN) : 0;

	if (is_failure(s, err) || s->why || !ns) {
		lose_lower(s, err ? err : s->why);
		return;
	}
	s->ended = true;
	s->why = err ? xmemdup(err, sizeof(*err)) : NULL;
	endpoint_want(s->lower, 0, EPOLLIN | EPOLLOUT);
	loop_timer(loop_of(s), &s->again, loop_now(loop_of(s)) + ns);
}

/* ---- reading ---- */

/* Push what has been read; false: the queue is full, and the rest waits. */
static bool push_rest(struct standing *s)
{
	const struct chunk_run *first;

	while ((first = chunk_list_first(&s->rest))) {
		uint32_t n = first->n;
		uint32_t done = queue_end_push(&s->q, first->chunk, first->first, n);
		struct chunk_run run;

		if (done && chunk_list_take(&s->rest, done, &run))
			chunk_unref(run.chunk);
		if (done < n) {
			if (s->lower)
				endpoint_want(s->lower, 0, EPOLLIN);
			return false;
		}
	}
	return true;
}

/* Takes @c. Where the session does not read (flag -u) nobody wants it: it is read only to see the
 * end. */
static void keep(struct standing *s, struct chunk *c)
{
	if (s->mode != MODE_WRITE)
		chunk_list_push(&s->rest, c, 0, c->n);
	chunk_unref(c);
}

static ssize_t read_bytes(struct standing *s, struct err *err)
{
	struct pool *pool = &s->q.ep.addr->engine->pool;
	uint8_t *buf = pool_buf(pool, CHUNK_MAX);
	ssize_t n = endpoint_read(s->lower, buf, CHUNK_MAX, err);
	int code = errno;

	if (n > 0) {
		struct iovec iov = { buf, (size_t)n };

		keep(s, chunk_of_bytes(&iov, 1, NULL));
	}
	pool_buf_back(pool, buf, CHUNK_MAX);
	errno = code;
	return n;
}

/* A batch is copied into chunks at once, and given back. */
static ssize_t read_datagrams(struct standing *s, struct err *err)
{
	struct pool *pool = &s->q.ep.addr->engine->pool;
	struct batch *b = pool_batch(pool);
	long n = endpoint_recv(s->lower, b, BATCH_MAX, err);
	int code = errno;
	size_t next = 0;
	struct chunk *c;

	while (n > 0 && (c = chunk_of_batch(b, &next, NULL)))
		keep(s, c);
	pool_batch_back(pool, b);
	errno = code;
	return n;
}

/* Read one piece. False: it goes on with an event, or there is no lower end any more. */
static bool read_some(struct standing *s)
{
	struct err err;
	ssize_t n = s->q.ep.caps & EP_DGRAM_IN ? read_datagrams(s, &err) : read_bytes(s, &err);

	if (n > 0) {
		begin_pause(s);
		return push_rest(s);
	}
	if (n == 0 || errno != EAGAIN)
		read_the_end(s, n ? &err : NULL);
	else if (s->why && s->why->code != EPIPE) /* with that it may still say something */
		lose_lower(s, s->why);
	return false;
}

static void read_lower(struct standing *s)
{
	if (!s->lower || s->ended || s->rest.n)
		return;
	for (int i = 0; i < READS_PER_TURN; i++) {
		if (!read_some(s))
			return;
	}
	if (s->why || endpoint_holds(s->lower))
		endpoint_ready(s->lower, EPOLLIN);
}

static void tell_drained(struct queue_end *q)
{
	struct standing *s = standing_of(q);

	if (!push_rest(s) || !s->lower || s->ended)
		return;
	endpoint_want(s->lower, EPOLLIN, 0);
	endpoint_ready(s->lower, EPOLLIN);
}

/* What can only be written says that it has gone, and no more; it is no error of ours. */
static void look_at_writer(struct standing *s, bool gone)
{
	if (s->why || gone)
		lose_lower(s, s->why);
	else
		endpoint_want(s->lower, 0, EPOLLIN);
}

static void on_lower(struct endpoint *ep, uint32_t events)
{
	struct standing *s = ep->owner;
	uint32_t trouble = EPOLLERR | EPOLLHUP;

	if (events & (EPOLLOUT | trouble))
		endpoint_ready(&s->q.ep, EPOLLOUT);
	if (!(events & (EPOLLIN | trouble)))
		return;
	if (ep->caps & EP_NO_READ)
		look_at_writer(s, events & trouble || ep->drained_is_eof);
	else
		read_lower(s);
}

/* The program has ended: nothing more will come than what it has written. */
static void on_program_exit(struct proc *p, void *arg)
{
	struct standing *s = arg;

	(void)p;
	s->lower->drained_is_eof = true;
	if (s->ended)
		lose_lower(s, s->why);
	else
		endpoint_ready(s->lower, EPOLLIN);
}

static void on_lower_taken(struct endpoint *ep, const char *why)
{
	struct err err;

	err_set(&err, 0, "%s", why);
	lose_lower(ep->owner, &err);
}

static bool always_begun(const struct endpoint *ep)
{
	(void)ep;
	return true;
}

static const struct endpoint_user standing_user = {
	.event = on_lower,
	.end = on_lower_taken,
	.has_begun = always_begun,
};

/* It could not be opened: the pauses grow. */
static void fail(struct standing *s, const struct err *err)
{
	relay_tell(s->q.ep.addr->relay, LV_WARN, err);
	wait_to_open(s);
}

static const char no_files[] = "%s: option reopen is not for files, which end where they end";

static bool ends_where_it_ends(enum fd_kind kind)
{
	return kind == FD_FILE || kind == FD_BLK;
}

/* What it would be could not be seen before it was open, and has been guessed wrong. */
static bool is_of_other_kind(const struct standing *s, const struct endpoint *ep, struct err *err)
{
	unsigned kind = EP_DGRAM_IN | EP_DGRAM_OUT;

	if (ends_where_it_ends(ep->rkind) || ends_where_it_ends(ep->wkind)) {
		err_set(err, 0, no_files, s->q.ep.addr->half->keyword);
		return true;
	}
	if ((ep->caps & kind) == (s->q.ep.caps & kind))
		return false;
	err_set(err, 0, "%s: option reopen: it is made of datagrams, which nobody knew",
		s->q.ep.addr->half->keyword);
	err_hint(err, "say so: option so-type");
	return true;
}

static void use_lower(struct standing *s, struct endpoint *ep)
{
	s->lower = ep;
	promise_descriptors(s, false);
	undelivered_begin(&s->given, ep);
	ep->user = &standing_user;
	ep->owner = s;
	s->quiet = ep->caps & EP_QUIET_PIPE;
	ep->caps &= ~(unsigned)EP_QUIET_PIPE; /* what it leaves unread is told */
	ep->parting.read_from = ep->parting.written_to = true;
	if (ep->proc) {
		ep->proc->on_exit = on_program_exit;
		ep->proc->arg = s;
		ep->drained_is_eof = ep->proc->done;
	}
	endpoint_want(ep, s->rest.n ? 0 : EPOLLIN, 0);
	if (endpoint_holds(ep) || ep->drained_is_eof)
		endpoint_ready(ep, EPOLLIN);
}

static void on_open(struct opening *o, struct endpoint *ep, struct source *none, struct err *err)
{
	struct standing *s = o->arg;
	struct err wrong;

	assert(!none && !s->lower);
	s->opening = NULL;
	if (err) {
		fail(s, err);
		return;
	}
	if (is_of_other_kind(s, ep, &wrong)) {
		fail(s, &wrong);
		endpoint_free(ep);
		return;
	}
	log_notice("socket %u is open", s->q.ep.addr->number);
	use_lower(s, ep);
	if (s->shut)
		endpoint_shut_write(ep);
	endpoint_ready(&s->q.ep, EPOLLOUT);
}

static void open_lower(struct standing *s)
{
	s->opening = opening_start(s->q.ep.addr, s->mode, s->vars, s->other, on_open, s);
	s->opening->of_session = true;
}

static void on_again(struct timer *t)
{
	struct standing *s = container_of(t, struct standing, again);

	if (s->lower)
		lose_lower(s, s->why);
	else
		open_lower(s);
}

/* ---- what the session does ---- */

static bool takes_nothing(const struct standing *s)
{
	return !s->lower || s->why || s->ended;
}

/* What has become of a write below: the session waits where it cannot be done now. The end is lost
 * from the loop, behind what it has said. */
static void judge_write(struct standing *s, bool done, const struct err *err)
{
	if (!done && errno != EAGAIN) {
		s->why = xmemdup(err, sizeof(*err));
		endpoint_ready(s->lower, EPOLLIN);
	}
	endpoint_want(s->lower, done || s->why ? 0 : EPOLLOUT, done || s->why ? EPOLLOUT : 0);
	errno = EAGAIN;
}

/* @n bytes or datagrams have been; @all: all there were. */
static void note_written(struct standing *s, size_t n, bool all)
{
	if (!n)
		return;
	begin_pause(s);
	undelivered_note(&s->given, n, all);
}

static ssize_t write_lower(struct queue_end *q, const struct iovec *iov, int niov, struct err *err)
{
	struct standing *s = standing_of(q);
	size_t len = 0;
	ssize_t n;

	if (takes_nothing(s)) {
		errno = EAGAIN;
		return -1;
	}
	for (int i = 0; i < niov; i++)
		len += iov[i].iov_len;
	n = endpoint_write(s->lower, iov, niov, err);
	judge_write(s, n != -1, err);
	note_written(s, n > 0 ? (size_t)n : 0, (size_t)n == len);
	errno = EAGAIN;
	return n;
}

static int send_lower(struct queue_end *q, struct batch *b, struct err *err)
{
	struct standing *s = standing_of(q);
	size_t before = b->next, sent = 0;
	int rc;

	if (takes_nothing(s)) {
		errno = EAGAIN;
		return -1;
	}
	rc = endpoint_send(s->lower, b, err);
	judge_write(s, rc != -1, err);
	for (; before < b->next; before++)
		sent += !b->packet[before].drop;
	note_written(s, sent, rc == 0);
	errno = EAGAIN;
	return rc;
}

/* An end that takes no more is lost from the loop, and with it what its layers keep. */
static int settle_lower(struct queue_end *q, struct err *err)
{
	struct standing *s = standing_of(q);
	int rc;

	if (takes_nothing(s) || !s->lower->top)
		return 0;
	rc = endpoint_settle(s->lower, err);
	if (rc == -1)
		judge_write(s, false, err);
	undelivered_note(&s->given, 0, rc == 0);
	errno = EAGAIN;
	return s->why ? 0 : rc;
}

static size_t lower_kept(const struct queue_end *q)
{
	const struct standing *s = container_of(q, const struct standing, q);

	return takes_nothing(s) ? 0 : endpoint_kept(s->lower);
}

static void shut_lower(struct queue_end *q)
{
	struct standing *s = standing_of(q);

	s->shut = true;
	if (s->lower)
		endpoint_shut_write(s->lower);
}

/* The session is over, or goes on in another process. */
static void close_lower(struct queue_end *q)
{
	struct standing *s = standing_of(q);
	bool forgetting = q->ep.addr->engine->forgetting;

	loop_timer_stop(loop_of(s), &s->again);
	promise_descriptors(s, false);
	if (!forgetting)
		tally_add(&q->ep.addr->tally->lost[LOSS_UNREAD], chunk_list_datagrams(&s->rest));
	chunk_list_done(&s->rest);
	free(s->why);
	s->why = NULL;
	if (s->opening && forgetting)
		opening_forget(s->opening);
	else if (s->opening)
		opening_cancel(s->opening);
	s->opening = NULL;
	if (!s->lower)
		return;
	s->lower->parting = q->ep.parting;
	if (forgetting)
		endpoint_abandon(s->lower);
	else
		endpoint_free(s->lower);
	s->lower = NULL;
}

static const struct endpoint *end_below(const struct queue_end *q)
{
	return container_of(q, const struct standing, q)->lower;
}

static const struct queue_ops ops = {
	.write = write_lower,
	.send = send_lower,
	.settle = settle_lower,
	.kept = lower_kept,
	.shut = shut_lower,
	.drained = tell_drained,
	.below = end_below,
	.closed = close_lower,
};

bool standing_is_wanted(const struct address *addr)
{
	return addr->conf->retry.reopen_ns > 0;
}

struct endpoint *standing_new(struct address *addr, enum open_mode mode, struct endpoint *other,
			      const struct vars *vars)
{
	struct standing *s = xcalloc(1, sizeof(*s));
	struct forecast f = { 0 };

	forecast_half(addr->half, mode, &f);
	queue_end_init(&s->q, &ops, addr,
		       (f.in.caps & (EP_DGRAM_IN | EP_NO_READ)) |
			       (f.out.caps & (EP_DGRAM_OUT | EP_NO_WRITE)),
		       QUEUE_BYTES, QUEUE_BLOCK);
	s->mode = mode;
	s->other = other;
	s->vars = vars;
	timer_init(&s->again, on_again);
	begin_pause(s);
	promise_descriptors(s, true);
	open_lower(s);
	return &s->q.ep;
}

/* ---- what it is not for ---- */

static bool is_dual(const struct plan *plan, const struct side *side)
{
	(void)plan;
	return side->nhalves > 1;
}

static bool comes_from_others(const struct plan *plan, const struct side *side)
{
	const struct half *h = &side->half[0];

	(void)plan;
	return h->conf.listen.fork ||
	       h->type->flags & (TYPE_ACCEPTS | TYPE_ONE_SHOT | TYPE_FOREIGN);
}

static bool is_file(const struct plan *plan, const struct side *side)
{
	struct forecast f;

	(void)plan;
	forecast_side(side, MODE_RW, &f);
	return !f.unknown && ends_where_it_ends(f.in.kind);
}

/* The program takes the place of this one, or has the other end to itself. */
static bool is_replaced(const struct plan *plan, const struct side *side)
{
	(void)side;
	for (size_t i = 0; i < plan->nsides; i++) {
		for (size_t k = 0; k < plan->side[i].nhalves; k++) {
			if (plan->side[i].half[k].conf.prog.nofork)
				return true;
		}
	}
	return false;
}

/* It would be shared by what the right address brings. */
static bool is_shared(const struct plan *plan, const struct side *side)
{
	return side == &plan->side[0] && plan->nsides > 1 && plan->side[1].half[0].conf.listen.fork;
}

/* Who is another user, or in another root directory, cannot become that once more. What comes late
 * is done by the program itself, if there is one. */
static bool changes_us(const struct plan *plan, const struct side *side)
{
	const struct half *h = &side->half[0];
	bool program = h->type->flags & TYPE_PROGRAM;

	(void)plan;
	for (size_t i = 0; i < h->conf.ident.n; i++) {
		if (!program || h->conf.ident.act[i].stage == ID_EARLY)
			return true;
	}
	return false;
}

/* With %s for the keyword. */
static const struct {
	bool (*applies)(const struct plan *plan, const struct side *side);
	const char *sentence;
} not_for[] = {
	{ is_dual, "%s: option reopen is not possible in a dual address" },
	{ comes_from_others,
	  "%s: option reopen is for addresses that connect, devices and programs, "
	  "without fork" },
	{ is_file, no_files },
	{ is_replaced, "%s: option reopen is not possible with option nofork: nobody stays to open "
		       "anything again" },
	{ is_shared, "%s: option reopen is not possible where the right address has option fork: "
		     "all its sessions would share this end" },
	{ changes_us, "%s: option reopen is not possible with an option that changes user, root "
		      "directory or session: it would be obeyed again each time" },
};

static bool is_asked_for(const struct side *side, const char **keyword)
{
	for (size_t k = 0; k < side->nhalves; k++) {
		*keyword = side->half[k].keyword;
		if (side->half[k].conf.retry.reopen_ns)
			return true;
	}
	return false;
}

int standing_check(const struct plan *plan, struct err *err)
{
	const char *keyword;

	for (size_t i = 0; i < plan->nsides; i++) {
		const struct side *side = &plan->side[i];

		if (!is_asked_for(side, &keyword))
			continue;
		for (size_t k = 0; k < ARRAY_SIZE(not_for); k++) {
			if (not_for[k].applies(plan, side))
				return err_set(err, 0, not_for[k].sentence, keyword);
		}
	}
	return 0;
}
