/* test_standing.c - an end that stays while what is below it comes and goes: its states, pauses,
 * losses
 *
 * The left end of the session is a stage end, the right one stands; its address opens to one life
 * after the other: stage ends, or what the test puts there. The clock moves when the test says so.
 */
#include "relay/standing.h"

#include "base/log.h"
#include "data/packet.h"
#include "end/fd_end.h"
#include "end/layer.h"
#include "end/queue.h"
#include "flow/forecast.h"

#include <stdint.h>

#include "stage.h"

#define LIVES 20
#define SECOND NSEC_PER_SEC

static struct {
	struct memory_relay m;
	struct stage_side left, life[LIVES];
	unsigned lives; /* so many have been opened */
	struct addr_type type;
	enum step_result result; /* of opening one */
	int fd; /* the next life is this descriptor, -1: a stage end */
	bool socket; /* and a socket that lingers */
	enum fd_kind kind; /* of which the next life says it is */
	const struct endpoint_ops *ops; /* of the next life, or NULL */
	bool halves; /* a layer stands on it that sends a half of each write, and has to be asked
			again */
	unsigned attempts;
	struct err err;
} r;

static enum step_result step_open(struct opening *o, struct err *err)
{
	r.attempts++;
	if (r.result == STEP_FAIL)
		err_set(err, ECONNREFUSED, "nobody is there");
	if (r.result == STEP_AGAIN)
		opening_wait(o, -1, 0, loop_now(o->addr->engine->loop) + SECOND / 10);
	return r.result;
}

static const struct step steps[] = { { .run = step_open }, STEP_END };

/* A layer that would complete a record when the end is over. */
struct half_layer_state {
	struct layer l;
	bool begun, over;
};

static int half_code; /* of its second write */

static void hand_down(struct layer *l, const char *text)
{
	struct iovec iov = { (void *)text, strlen(text) };
	struct err err;

	assert_int_equal(layer_write(l, &iov, 1, &err), strlen(text));
}

static ssize_t half_write(struct layer *l, const struct iovec *iov, int niov, struct err *err)
{
	struct half_layer_state *h = (struct half_layer_state *)l;

	(void)iov;
	(void)niov;
	if (h->begun)
		return stage_cannot(half_code, "layer", err);
	hand_down(l, "half");
	h->begun = true;
	return stage_cannot(EAGAIN, NULL, err);
}

static void half_finish(struct layer *l)
{
	((struct half_layer_state *)l)->over = true;
}

static bool half_flush(struct layer *l)
{
	struct half_layer_state *h = (struct half_layer_state *)l;

	if (!h->over || !h->begun)
		return true;
	hand_down(l, ", rest");
	h->begun = false;
	return true;
}

static void half_free(struct layer *l)
{
	free(l);
}

static const struct layer_ops half_ops = {
	.name = "HALF",
	.read = layer_read,
	.write = half_write,
	.finish = half_finish,
	.flush = half_flush,
	.free = half_free,
};

static struct endpoint *make(struct opening *o, struct err *err)
{
	struct endpoint *ep;

	(void)err;
	assert_true(r.lives < LIVES);
	if (r.fd >= 0) {
		ep = r.socket ? endpoint_socket_new(o->addr, r.fd)
			      : endpoint_fd_new(o->addr, r.fd, r.fd);
		r.lives++;
		r.fd = -1;
		return ep;
	}
	r.life[r.lives].open = true;
	ep = stage_end_new(o->addr, &r.life[r.lives++]);
	ep->rkind = r.kind;
	if (r.halves)
		layer_push(ep, xcalloc(1, sizeof(struct half_layer_state)), &half_ops);
	if (r.ops) {
		ep->ops = r.ops;
		ep->caps = r.ops->recv_batch ? EP_DGRAM_IN : 0;
	}
	return ep;
}

static void foresee(const struct half *half, enum open_mode mode, struct forecast *f)
{
	(void)half;
	(void)mode;
	f->in.caps = r.ops && r.ops->recv_batch ? EP_DGRAM_IN : 0;
}

static void set_up(void)
{
	memset(&r, 0, sizeof(r));
	stage_plan(&r.m);
	r.fd = -1;
	r.kind = FD_OTHER;
	r.left.open = true;
	r.type = (struct addr_type){ .names = "LIVES",
				     .reads = true,
				     .writes = true,
				     .steps = steps,
				     .make = make,
				     .forecast = foresee };
	r.m.side[1].half[0].type = &r.type;
	r.m.side[1].half[0].keyword = "LIVES";
	stage_conf(&r.m, 1)->retry.reopen_ns = SECOND;
}

static void start(void)
{
	stage_begin(&r.m);
	session_new(&r.m.relay, stage_end_new(relay_address(&r.m.relay, 1), &r.left), NULL, NULL,
		    NULL);
	stage_rest(&r.m);
}

static struct tally *tally(void)
{
	return relay_address(&r.m.relay, 2)->tally;
}

/* The life that is there, or was last. */
static struct stage_side *life(void)
{
	return &r.life[r.lives - 1];
}

static void tear_down(void)
{
	assert_int_equal(r.m.engine.fds.promised, 0);
	stage_end(&r.m);
	stage_side_done(&r.left);
	for (int i = 0; i < LIVES; i++)
		stage_side_done(&r.life[i]);
}

/* The relay is told to end, and nothing is left of it: whatever was open is closed, and nothing
 * happens later. */
static void end_and_tear_down(void)
{
	unsigned attempts = r.attempts;

	relay_end(&r.m.relay, 0);
	stage_rest(&r.m);
	assert_int_equal(r.left.m.closes, 1);
	assert_int_equal(r.m.engine.fds.promised, 0);
	for (unsigned i = 0; i < r.lives; i++)
		assert_null(r.life[i].ep);
	stage_pass(&r.m, 200 * SECOND);
	assert_int_equal(r.attempts, attempts);
	stage_end_with(&r.m, 0);
	stage_side_done(&r.left);
	for (int i = 0; i < LIVES; i++)
		stage_side_done(&r.life[i]);
}

static void lives(unsigned n, bool there)
{
	(void)stage_session(&r.m);
	assert_int_equal(r.lives, n);
	assert_int_equal(r.m.engine.fds.promised, !there);
	if (n)
		assert_int_equal(life()->ep != NULL, there);
}

/* The next attempt is made in @ns, give or take a fifth. */
static void comes_again_in(int64_t ns)
{
	unsigned before = r.attempts;

	stage_pass(&r.m, ns * 79 / 100);
	stage_rest(&r.m);
	assert_int_equal(r.attempts, before);
	stage_pass(&r.m, ns * 42 / 100);
	stage_rest(&r.m);
	assert_int_equal(r.attempts, before + 1);
}

static void fail_write(struct stage_side *s, int code)
{
	s->write_code = code;
	stage_say(&r.m, &r.left, "refused");
}

/* ---- opening ---- */

static void test_waits_while_it_opens(void **state)
{
	(void)state;
	set_up();
	r.result = STEP_AGAIN;
	start();
	stage_say(&r.m, &r.left, "early");
	lives(0, false);
	assert_true(stage_sleeps(&r.m));
	r.result = STEP_DONE;
	stage_pass(&r.m, SECOND / 10);
	stage_rest(&r.m);
	lives(1, true);
	assert_string_equal(stage_heard(life()), "early");
	stage_say(&r.m, life(), "answer");
	assert_string_equal(stage_heard(&r.left), "answer");
	end_and_tear_down();
}

static void test_pauses(void **state)
{
	(void)state;
	set_up();
	r.result = STEP_FAIL;
	start();
	assert_int_equal(r.attempts, 1);
	for (int64_t s = 1; s < 60; s *= 2)
		comes_again_in(s * SECOND);
	comes_again_in(60 * SECOND);
	r.result = STEP_DONE;
	comes_again_in(60 * SECOND);
	lives(1, true);
	stage_say_end(&r.m, life()); /* nothing has moved */
	comes_again_in(60 * SECOND);
	stage_say(&r.m, life(), "x");
	stage_say_end(&r.m, life());
	comes_again_in(SECOND);
	stage_say(&r.m, &r.left, "y");
	stage_say_end(&r.m, life());
	comes_again_in(SECOND);
	stage_say_end(&r.m, life());
	comes_again_in(2 * SECOND);
	end_and_tear_down();
}

static void test_long_pauses(void **state)
{
	(void)state;
	set_up();
	stage_conf(&r.m, 1)->retry.reopen_ns = 300 * SECOND;
	r.result = STEP_FAIL;
	start();
	comes_again_in(300 * SECOND);
	comes_again_in(300 * SECOND);
	end_and_tear_down();
}

/* ---- losing it ---- */

static void test_its_end_is_no_end(void **state)
{
	(void)state;
	set_up();
	start();
	stage_say(&r.m, &r.left, "one ");
	stage_say(&r.m, life(), "first ");
	stage_say_end(&r.m, life());
	lives(1, false);
	stage_say(&r.m, &r.left, "two");
	assert_string_equal(stage_heard(&r.life[0]), "one ");
	comes_again_in(SECOND);
	lives(2, true);
	stage_say(&r.m, life(), "second");
	assert_string_equal(stage_heard(&r.life[1]), "two");
	assert_string_equal(stage_heard(&r.left), "first second");
	assert_int_equal(r.life[0].m.shuts + r.left.m.shuts, 0);
	end_and_tear_down();
}

static void test_a_failed_read(void **state)
{
	(void)state;
	set_up();
	start();
	life()->read_code = ETIMEDOUT;
	stage_say(&r.m, life(), "last words");
	lives(1, false);
	assert_string_equal(stage_heard(&r.left), "last words");
	comes_again_in(SECOND);
	lives(2, true);
	assert_int_equal(r.m.relay.status, 0);
	end_and_tear_down();
}

/* What it has said is read before it is closed, though nobody had been told of it. */
static void test_a_failed_write(void **state)
{
	(void)state;
	set_up();
	start();
	stage_give(life(), "last words");
	fail_write(life(), ECONNRESET);
	lives(1, false);
	assert_string_equal(stage_heard(&r.left), "last words");
	assert_string_equal(stage_heard(&r.life[0]), "");
	comes_again_in(SECOND);
	assert_string_equal(stage_heard(&r.life[1]), "refused");
	end_and_tear_down();
}

/* Nobody reads there any more, but somebody may still speak. */
static void test_deaf(void **state)
{
	(void)state;
	set_up();
	start();
	fail_write(life(), EPIPE);
	lives(1, true);
	assert_true(stage_sleeps(&r.m));
	stage_say(&r.m, &r.left, " again");
	stage_say(&r.m, life(), "still ");
	stage_say(&r.m, life(), "here");
	assert_string_equal(stage_heard(&r.left), "still here");
	life()->write_code = 0;
	stage_wake(&r.m, life());
	assert_string_equal(stage_heard(life()), ""); /* once deaf, always deaf */
	stage_say_end(&r.m, life());
	lives(1, false);
	comes_again_in(SECOND);
	assert_string_equal(stage_heard(&r.life[1]), "refused again");
	end_and_tear_down();
}

static void test_deaf_and_ended(void **state)
{
	(void)state;
	set_up();
	start();
	fail_write(life(), EPIPE);
	end_and_tear_down();
}

/* An end that can only be written goes with its hang-up, or with what a write says. */
static void test_only_written(void **state)
{
	int p[2];

	(void)state;
	set_up();
	for (int by_write = 0; by_write < 2; by_write++) {
		assert_int_equal(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
		r.fd = p[1];
		if (by_write) {
			comes_again_in(SECOND);
		} else {
			start();
		}
		assert_int_equal(r.lives, by_write + 1);
		stage_say(&r.m, &r.left, "12345");
		close(p[0]);
		if (by_write)
			stage_say(&r.m, &r.left, "6");
		stage_rest(&r.m);
		assert_int_equal(tally()->lost_bytes, 5 + 5 * (unsigned)by_write);
	}
	comes_again_in(SECOND);
	assert_string_equal(stage_heard(life()), "6");
	end_and_tear_down();
}

/* ---- the end ---- */

static void test_both_have_ended(void **state)
{
	(void)state;
	set_up();
	start();
	stage_say(&r.m, &r.left, "question");
	stage_say_end(&r.m, &r.left);
	lives(1, true);
	assert_int_equal(life()->m.shuts, 1);
	stage_say(&r.m, life(), "answer");
	stage_say_end(&r.m, life());
	assert_string_equal(stage_heard(&r.left), "answer");
	assert_int_equal(r.life[0].m.closes, 1);
	stage_end_with(&r.m, 0);
	stage_side_done(&r.left);
	stage_side_done(&r.life[0]);
}

/* What ends while nothing is there is told to the next one; one that fails is no end. */
static void test_ends_while_it_is_away(void **state)
{
	(void)state;
	set_up();
	r.m.plan.set.linger_ns = 100 * SECOND;
	start();
	stage_say_end(&r.m, life());
	stage_say(&r.m, &r.left, "late");
	stage_say_end(&r.m, &r.left);
	comes_again_in(SECOND);
	assert_string_equal(stage_heard(life()), "late");
	assert_int_equal(life()->m.shuts, 1);
	life()->read_code = ECONNRESET;
	stage_wake(&r.m, life());
	lives(2, false);
	comes_again_in(SECOND);
	lives(3, true);
	assert_int_equal(life()->m.shuts, 1);
	stage_say_end(&r.m, life());
	stage_end_with(&r.m, 0);
	stage_side_done(&r.left);
	for (int i = 0; i < 3; i++)
		stage_side_done(&r.life[i]);
}

static void test_silence(void **state)
{
	(void)state;
	set_up();
	r.m.plan.set.idle_ns = 10 * SECOND;
	start();
	stage_say_end(&r.m, life());
	r.result = STEP_FAIL;
	for (int i = 0; i < 9; i++) {
		stage_pass(&r.m, SECOND);
		stage_rest(&r.m);
		lives(1, false);
	}
	stage_pass(&r.m, 2 * SECOND);
	stage_rest(&r.m);
	assert_true(list_empty(&r.m.relay.sessions));
	stage_end_with(&r.m, 0);
	stage_side_done(&r.left);
	stage_side_done(&r.life[0]);
}

static void ended_in(enum step_result result, bool lost)
{
	set_up();
	r.result = result;
	start();
	if (lost)
		stage_say_end(&r.m, life());
	end_and_tear_down();
}

static void test_ended_in_each_state(void **state)
{
	(void)state;
	ended_in(STEP_AGAIN, false);
	ended_in(STEP_FAIL, false);
	ended_in(STEP_DONE, false);
	ended_in(STEP_DONE, true);
}

/* In the process of another session nothing of it is left, and nobody is told. */
static void forgotten_in(enum step_result result, bool lost)
{
	unsigned attempts;

	set_up();
	r.result = result;
	start();
	if (lost)
		stage_say_end(&r.m, life());
	attempts = r.attempts;
	session_forget(stage_session(&r.m));
	stage_rest(&r.m);
	assert_true(list_empty(&r.m.relay.openings));
	stage_pass(&r.m, 200 * SECOND);
	assert_int_equal(r.attempts, attempts);
	if (r.lives) {
		assert_int_equal(life()->m.closes, 1);
		assert_int_equal(life()->m.shuts, 0);
	}
	tear_down();
}

static void test_forgotten_in_each_state(void **state)
{
	(void)state;
	forgotten_in(STEP_AGAIN, false);
	forgotten_in(STEP_FAIL, false);
	forgotten_in(STEP_DONE, false);
	forgotten_in(STEP_DONE, true);
}

/* The socket is another process's: its peer is not told the end. */
static void test_forgotten_socket(void **state)
{
	struct pollfd p = { .events = POLLIN };
	int others;

	(void)state;
	set_up();
	r.socket = true;
	r.fd = stage_socket_pair(&p.fd);
	others = dup(r.fd);
	start();
	stage_say(&r.m, &r.left, "x");
	assert_int_equal(read(p.fd, &(char){ 0 }, 1), 1);
	session_forget(stage_session(&r.m));
	stage_rest(&r.m);
	assert_int_equal(poll(&p, 1, 0), 0);
	assert_true(list_empty(&r.m.engine.lingering));
	stage_close_fds((int[]){ others, p.fd }, 2);
	tear_down();
}

/* A relay that drains goes on opening for sessions that have begun. */
static void test_drained(void **state)
{
	(void)state;
	set_up();
	r.m.plan.set.drain_ns = 10 * SECOND;
	r.result = STEP_AGAIN;
	start();
	stage_say(&r.m, &r.left, "early");
	relay_drain(&r.m.relay, 0);
	r.result = STEP_DONE;
	stage_pass(&r.m, SECOND / 10);
	stage_rest(&r.m);
	lives(1, true);
	assert_string_equal(stage_heard(life()), "early");
	stage_say_end(&r.m, life());
	comes_again_in(SECOND);
	lives(2, true);
	stage_pass(&r.m, 10 * SECOND);
	stage_rest(&r.m);
	stage_end_with(&r.m, 0);
	stage_side_done(&r.left);
	stage_side_done(&r.life[0]);
	stage_side_done(&r.life[1]);
}

/* ---- who is too slow ---- */

static char much[3 * QUEUE_BYTES];

static void fill(char *text, size_t len)
{
	for (size_t i = 0; i + 1 < len; i++)
		text[i] = (char)('a' + (i + i / 26) % 26);
	text[len - 1] = '\0';
}

/* A bounded part is read ahead of a slow reader, and all of it comes out, though what has said it
 * has gone meanwhile. */
static void test_slow_reader(void **state)
{
	size_t ahead;

	(void)state;
	fill(much, sizeof(much));
	set_up();
	r.left.full = true;
	start();
	stage_say(&r.m, life(), much);
	ahead = life()->m.in_off;
	assert_true(ahead >= QUEUE_BYTES && ahead <= QUEUE_BYTES + 4 * CHUNK_MAX);
	life()->open = false;
	fail_write(life(), ECONNRESET);
	lives(1, true); /* there is more to be read of it */
	assert_int_equal(life()->m.in_off, ahead);
	assert_true(stage_sleeps(&r.m));
	r.left.full = false;
	stage_wake(&r.m, &r.left);
	stage_rest(&r.m);
	lives(1, false);
	assert_int_equal(strlen(stage_heard(&r.left)), sizeof(much) - 1);
	assert_string_equal(stage_heard(&r.left), much);
	comes_again_in(SECOND);
	assert_string_equal(stage_heard(life()), "refused");
	end_and_tear_down();
}

/* The same with a descriptor: it is not watched while the queue is full. */
static void test_slow_reader_of_a_descriptor(void **state)
{
	int peer, n;

	(void)state;
	fill(much, sizeof(much));
	set_up();
	r.left.full = true;
	r.fd = stage_socket_pair(&peer);
	start();
	for (int i = 0; i < 100; i++) {
		n = (int)write(peer, much, CHUNK_MAX);
		stage_rest(&r.m);
	}
	assert_int_equal(n, -1); /* nobody reads on */
	assert_true(stage_sleeps(&r.m));
	r.left.full = false;
	stage_wake(&r.m, &r.left);
	assert_int_equal(write(peer, "more", 4), 4);
	stage_rest(&r.m);
	assert_memory_equal(stage_heard(&r.left) + r.left.m.out.len - 4, "more", 4);
	close(peer);
	stage_rest(&r.m);
	comes_again_in(SECOND);
	end_and_tear_down();
}

static bool holds_more(const struct endpoint *ep)
{
	const struct stage_side *s = stage_side_of((struct endpoint *)ep);

	return s->m.in_off < s->m.in_len;
}

/* Flag -u: what it says is read and dropped, however much it is, to see its end. */
static void test_nobody_listens(void **state)
{
	static char text[40 * CHUNK_MAX];
	struct endpoint_ops holding = stage_ops;

	(void)state;
	fill(text, sizeof(text));
	holding.holds = holds_more;
	set_up();
	r.m.plan.set.right_to_left = false;
	r.ops = &holding;
	start();
	stage_give(life(), text);
	life()->open = false;
	endpoint_ready(life()->ep, EPOLLIN);
	stage_rest(&r.m);
	lives(1, false);
	assert_int_equal(r.life[0].m.in_off, sizeof(text) - 1);
	comes_again_in(SECOND);
	end_and_tear_down();
}

static void test_slow_writer(void **state)
{
	(void)state;
	set_up();
	start();
	life()->full = true;
	stage_say(&r.m, &r.left, "one");
	assert_true(stage_sleeps(&r.m));
	assert_true(life()->ep->want & EPOLLOUT);
	life()->full = false;
	stage_wake(&r.m, life());
	assert_string_equal(stage_heard(life()), "one");
	assert_false(life()->ep->want & EPOLLOUT);
	life()->full = true;
	stage_say(&r.m, &r.left, "two");
	stage_say_end(&r.m, life());
	comes_again_in(SECOND);
	assert_string_equal(stage_heard(&r.life[0]), "one");
	assert_string_equal(stage_heard(&r.life[1]), "two");
	end_and_tear_down();
}

/* ---- datagrams ---- */

#define BIG 60000u

static unsigned batches;

static long recv_big(struct endpoint *ep, struct batch *b, size_t max, struct err *err)
{
	static uint8_t bytes[BIG];

	(void)ep;
	(void)err;
	if (!batches) {
		errno = EAGAIN;
		return -1;
	}
	batches--;
	b->n = b->next = 0;
	for (size_t i = 0; i < 20 && i < max; i++)
		batch_lend(b, bytes, BIG);
	return (long)b->n;
}

static void close_big(struct endpoint *ep)
{
	stage_side_of(ep)->ep = NULL;
}

static const struct endpoint_ops big_ops = { .recv_batch = recv_big, .close = close_big };

/* One batch brings more than the queue holds; none of it is lost. */
static void test_big_batches(void **state)
{
	(void)state;
	set_up();
	r.ops = &big_ops;
	start();
	batches = 3;
	stage_wake(&r.m, life());
	for (int i = 0; i < 5; i++)
		stage_rest(&r.m);
	assert_int_equal(r.left.m.out.len, 3 * 20 * BIG);
	assert_int_equal(tally()->lost[LOSS_SLOW], 0);
	batches = 1;
	r.left.full = true;
	stage_wake(&r.m, life());
	relay_end(&r.m.relay, 0);
	stage_rest(&r.m);
	assert_true(tally()->lost[LOSS_UNREAD] > QUEUE_BYTES / BIG);
	assert_true(tally()->lost[LOSS_UNREAD] <= 20);
	tear_down();
}

/* What a layer has sent in part is not completed: the session writes it to the next end. */
static void half_a_record(int code)
{
	half_code = code;
	set_up();
	r.halves = true;
	start();
	stage_say(&r.m, &r.left, "whole");
	assert_string_equal(stage_heard(life()), "half");
	stage_wake(&r.m, life());
	r.halves = false;
	stage_say_end(&r.m, life());
	lives(1, false);
	assert_string_equal(stage_heard(life()), "half");
	comes_again_in(SECOND);
	assert_string_equal(stage_heard(life()), "whole");
	end_and_tear_down();
}

static void test_half_a_record(void **state)
{
	(void)state;
	half_a_record(EAGAIN);
	half_a_record(EPIPE);
}

/* What it turns out to be is not what it was taken for, or a file: that is a failure, and tried
 * again. */
static void test_of_other_kind(void **state)
{
	(void)state;
	set_up();
	r.kind = FD_FILE;
	start();
	lives(1, false);
	r.kind = FD_OTHER;
	comes_again_in(SECOND);
	lives(2, true);
	r.ops = &big_ops;
	stage_say_end(&r.m, life());
	comes_again_in(2 * SECOND);
	lives(3, false);
	end_and_tear_down();
}

/* ---- losses ---- */

static void test_loss_of_a_local_peer(void **state)
{
	char text[10];
	int peer;

	(void)state;
	set_up();
	r.fd = stage_socket_pair(&peer);
	start();
	stage_say(&r.m, &r.left, "12345");
	assert_int_equal(read(peer, text, sizeof(text)), 5);
	close(peer);
	stage_rest(&r.m);
	assert_int_equal(tally()->lost_bytes, 0); /* it has read everything */
	r.fd = stage_socket_pair(&peer);
	comes_again_in(SECOND);
	stage_say(&r.m, &r.left, "6789");
	assert_int_equal(read(peer, text, 3), 3);
	assert_int_equal(write(peer, "bye", 3), 3);
	close(peer);
	stage_rest(&r.m);
	assert_int_equal(tally()->lost_bytes, 4); /* a bound, and no more than was written */
	assert_string_equal(stage_heard(&r.left), "bye");
	comes_again_in(SECOND);
	stage_say_end(&r.m, life());
	assert_int_equal(tally()->lost_bytes, 4); /* what has got nothing loses nothing */
	end_and_tear_down();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waits_while_it_opens),
		cmocka_unit_test(test_pauses),
		cmocka_unit_test(test_long_pauses),
		cmocka_unit_test(test_its_end_is_no_end),
		cmocka_unit_test(test_a_failed_read),
		cmocka_unit_test(test_a_failed_write),
		cmocka_unit_test(test_deaf),
		cmocka_unit_test(test_deaf_and_ended),
		cmocka_unit_test(test_only_written),
		cmocka_unit_test(test_both_have_ended),
		cmocka_unit_test(test_ends_while_it_is_away),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_ended_in_each_state),
		cmocka_unit_test(test_forgotten_in_each_state),
		cmocka_unit_test(test_forgotten_socket),
		cmocka_unit_test(test_drained),
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_slow_reader_of_a_descriptor),
		cmocka_unit_test(test_nobody_listens),
		cmocka_unit_test(test_slow_writer),
		cmocka_unit_test(test_big_batches),
		cmocka_unit_test(test_half_a_record),
		cmocka_unit_test(test_of_other_kind),
		cmocka_unit_test(test_loss_of_a_local_peer),
	};

	log_threshold = LV_FATAL;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
