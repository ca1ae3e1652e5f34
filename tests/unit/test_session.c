/* test_session.c - the rules of a session's life: ends of file, -t, -T, failures, programs, signals
 *
 * Two stage ends on a clock that stands still (stage.h): nothing here waits for real time, but for
 * programs to end. */
#include "relay/session.h"

#include "base/log.h"
#include "end/proc.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>

#include "stage.h"

#define LINGER_NS (NSEC_PER_SEC / 2)
#define IDLE_NS (3 * NSEC_PER_SEC)

static struct {
	struct memory_relay m;
	struct stage_side left, right;
	struct source src; /* counts the session as its own */
	unsigned resumes;
	int control; /* what the program waits for */
	struct addr_type type; /* of the right address, where it is opened */
	enum step_result result;
	struct err err;
} r;

static void set_up(void)
{
	memset(&r, 0, sizeof(r));
	stage_plan(&r.m);
	r.m.plan.set.linger_ns = LINGER_NS;
	r.left.open = r.right.open = true;
}

static struct endpoint *end_new(int i)
{
	return stage_end_new(relay_address(&r.m.relay, (unsigned)i + 1), i ? &r.right : &r.left);
}

static void start(void)
{
	stage_begin(&r.m);
	session_new(&r.m.relay, end_new(0), end_new(1), NULL, NULL);
	stage_rest(&r.m);
}

static struct session *session(void)
{
	return stage_session(&r.m);
}

static void lives(void)
{
	(void)session();
	assert_int_equal(r.left.m.closes + r.right.m.closes, 0);
	assert_false(stage_is_over(&r.m));
}

static void tear_down(void)
{
	stage_end(&r.m);
	stage_side_done(&r.left);
	stage_side_done(&r.right);
}

/* It has ended, once, and its bytes are counted, once. */
static void has_ended(int status)
{
	const struct stage_side *side[2] = { &r.left, &r.right };

	assert_true(list_empty(&r.m.relay.sessions));
	assert_true(stage_is_over(&r.m));
	assert_int_equal(r.m.relay.status, status);
	stage_pass(&r.m, 100 * NSEC_PER_SEC);
	for (int i = 0; i < 2; i++) {
		const struct address *a = relay_address(&r.m.relay, (unsigned)i + 1);

		assert_int_equal(side[i]->m.closes, 1);
		assert_true(side[i]->m.shuts <= 1);
		assert_false(side[i]->m.late_write);
		assert_int_equal(r.m.relay.total.bytes[1 - i], side[i]->m.out.len);
		assert_int_equal(a->tally->sent_bytes, side[i]->m.out.len);
		assert_int_equal(a->tally->sessions_total, 1);
		assert_int_equal(a->live, 0);
	}
	assert_int_equal(r.m.relay.status, status);
	assert_int_equal(r.m.engine.fds.promised, 0);
	tear_down();
}

static void fail_read(struct stage_side *s, int code)
{
	s->read_code = code;
	stage_wake(&r.m, s);
}

static void say_both_ends(void)
{
	stage_say_end(&r.m, &r.left);
	stage_say_end(&r.m, &r.right);
}

/* ---- ends of file ---- */

static void test_both_end(void **state)
{
	(void)state;
	set_up();
	start();
	stage_say(&r.m, &r.left, "from the left");
	stage_say(&r.m, &r.right, "from the right");
	lives();
	assert_string_equal(stage_heard(&r.right), "from the left");
	assert_string_equal(stage_heard(&r.left), "from the right");
	assert_int_equal(r.left.m.shuts + r.right.m.shuts, 0);
	stage_say_end(&r.m, &r.left);
	assert_int_equal(r.right.m.shuts, 1);
	lives();
	stage_say_end(&r.m, &r.right);
	assert_int_equal(r.left.m.shuts, 1);
	assert_int_equal(r.m.relay.total.packets[0], 1);
	assert_int_equal(r.m.relay.total.packets[1], 1);
	has_ended(0);
}

/* One side has ended: the other one may still answer, and is heard. */
static void answer(struct stage_side *asks, struct stage_side *answers)
{
	set_up();
	start();
	stage_say(&r.m, asks, "question");
	stage_say_end(&r.m, asks);
	assert_int_equal(answers->m.shuts, 1);
	assert_int_equal(answers->m.out_at_shut, strlen("question"));
	assert_int_equal(asks->m.shuts, 0);
	stage_say(&r.m, answers, "answer");
	assert_string_equal(stage_heard(asks), "answer");
	lives();
	stage_say_end(&r.m, answers);
	assert_int_equal(answers->m.shuts, 1); /* not again */
	has_ended(0);
}

static void test_either_ends_first(void **state)
{
	(void)state;
	answer(&r.left, &r.right);
	answer(&r.right, &r.left);
}

/* The half-close comes behind the last byte, however long that has to wait. */
static void test_shut_waits_for_bytes(void **state)
{
	(void)state;
	set_up();
	r.right.full = true;
	start();
	stage_say(&r.m, &r.left, "to be taken later");
	stage_say_end(&r.m, &r.left);
	stage_pass(&r.m, 100 * LINGER_NS);
	assert_int_equal(r.right.m.shuts, 0);
	lives();
	r.right.full = false;
	stage_wake(&r.m, &r.right);
	assert_string_equal(stage_heard(&r.right), "to be taken later");
	assert_int_equal(r.right.m.shuts, 1);
	assert_int_equal(r.right.m.out_at_shut, r.right.m.out.len);
	stage_say_end(&r.m, &r.right);
	has_ended(0);
}

static void test_ignoreeof(void **state)
{
	(void)state;
	set_up();
	stage_conf(&r.m, 0)->flow.ignoreeof = true;
	r.left.open = false;
	start();
	assert_int_equal(r.right.m.shuts, 0);
	stage_give(&r.left, "grown");
	stage_pass(&r.m, NSEC_PER_SEC - 1); /* it is looked at every second */
	assert_string_equal(stage_heard(&r.right), "");
	stage_pass(&r.m, 1);
	assert_string_equal(stage_heard(&r.right), "grown");
	stage_wake(&r.m, &r.left); /* a descriptor at its end is readable */
	stage_pass(&r.m, 10 * NSEC_PER_SEC);
	lives();
	stage_say_end(&r.m, &r.right); /* then nobody asks for more */
	has_ended(0);
}

static void test_readbytes(void **state)
{
	(void)state;
	set_up();
	stage_conf(&r.m, 0)->flow.readbytes = 4;
	start();
	stage_say(&r.m, &r.left, "one");
	assert_int_equal(r.right.m.shuts, 0);
	stage_say(&r.m, &r.left, "two");
	assert_string_equal(stage_heard(&r.right), "onet");
	assert_int_equal(r.right.m.shuts, 1);
	stage_pass(&r.m, LINGER_NS - 1);
	lives();
	stage_pass(&r.m, 1);
	has_ended(0);
}

/* -u and -U: the other direction does not exist, and nobody waits for it. */
static void one_way(struct stage_side *from, struct stage_side *to)
{
	start();
	stage_say(&r.m, from, "there");
	stage_say(&r.m, to, "and back");
	lives();
	stage_say_end(&r.m, from);
	assert_string_equal(stage_heard(to), "there");
	assert_int_equal(to->m.in_off, 0);
	assert_int_equal(from->m.out.len, 0);
	assert_int_equal(to->m.shuts, 1);
	assert_int_equal(from->m.shuts, 0);
	has_ended(0);
}

static void test_one_way(void **state)
{
	(void)state;
	set_up();
	r.m.plan.set.right_to_left = false;
	one_way(&r.left, &r.right);
	set_up();
	r.m.plan.set.left_to_right = false;
	one_way(&r.right, &r.left);
}

static void test_no_way(void **state)
{
	struct endpoint *left;

	(void)state;
	set_up();
	r.m.plan.set.right_to_left = false;
	stage_begin(&r.m);
	left = end_new(0);
	left->caps |= EP_NO_READ; /* it was opened for writing only */
	session_new(&r.m.relay, left, end_new(1), NULL, NULL);
	stage_rest(&r.m);
	has_ended(1);
}

/* ---- time ---- */

static void test_linger(void **state)
{
	(void)state;
	set_up();
	start();
	stage_pass(&r.m, 100 * LINGER_NS); /* counts only behind an end */
	stage_say_end(&r.m, &r.left);
	stage_pass(&r.m, LINGER_NS - 1);
	lives();
	stage_pass(&r.m, 1);
	has_ended(0);
}

/* From the last byte on, and not while somebody takes nothing. */
static void test_linger_begins_anew(void **state)
{
	(void)state;
	set_up();
	start();
	stage_say_end(&r.m, &r.right);
	stage_pass(&r.m, LINGER_NS - 1);
	stage_say(&r.m, &r.left, "a");
	stage_pass(&r.m, LINGER_NS - 1);
	lives();
	r.right.full = true;
	stage_say(&r.m, &r.left, "b");
	stage_pass(&r.m, 10 * LINGER_NS);
	stage_pass(&r.m, 10 * LINGER_NS);
	lives();
	r.right.full = false;
	stage_wake(&r.m, &r.right);
	assert_string_equal(stage_heard(&r.right), "ab");
	stage_pass(&r.m, LINGER_NS - 1);
	lives();
	stage_pass(&r.m, 1);
	has_ended(0);
}

static void test_no_linger(void **state)
{
	(void)state;
	set_up();
	r.m.plan.set.linger_ns = 0;
	start();
	stage_say(&r.m, &r.left, "all");
	stage_say_end(&r.m, &r.left);
	assert_string_equal(stage_heard(&r.right), "all");
	has_ended(0);
}

static void test_idle(void **state)
{
	(void)state;
	set_up();
	r.m.plan.set.idle_ns = IDLE_NS;
	start();
	stage_pass(&r.m, IDLE_NS - 1);
	stage_say(&r.m, &r.left, "x");
	stage_pass(&r.m, IDLE_NS - 1);
	stage_say(&r.m, &r.right, "x"); /* either way */
	stage_pass(&r.m, IDLE_NS - 1);
	lives();
	stage_pass(&r.m, 1);
	has_ended(0);

	set_up(); /* with -t behind the end of file, not with -T */
	r.m.plan.set.idle_ns = 10 * LINGER_NS;
	start();
	stage_say_end(&r.m, &r.left);
	stage_pass(&r.m, LINGER_NS);
	has_ended(0);

	set_up(); /* nobody speaks at all */
	r.m.plan.set.idle_ns = IDLE_NS;
	start();
	stage_pass(&r.m, IDLE_NS);
	has_ended(0);
}

/* ---- failures ---- */

static void test_write_fails(void **state)
{
	(void)state;
	set_up();
	r.right.write_code = EIO;
	r.right.writes_left = 1;
	start();
	stage_say(&r.m, &r.left, "taken");
	lives();
	stage_say(&r.m, &r.left, "not taken");
	assert_string_equal(stage_heard(&r.right), "taken");
	assert_int_equal(r.right.m.shuts, 0);
	has_ended(1);

	set_up(); /* one of many: not the program's status */
	r.left.write_code = EPIPE;
	start();
	r.m.relay.settled = true;
	stage_say(&r.m, &r.right, "x");
	has_ended(0);

	set_up();
	stage_conf(&r.m, 1)->flow.cool_write = true;
	r.right.write_code = EPIPE;
	start();
	stage_say(&r.m, &r.left, "x");
	has_ended(0);

	set_up(); /* that is not what cool-write is about */
	stage_conf(&r.m, 1)->flow.cool_write = true;
	r.right.write_code = EIO;
	start();
	stage_say(&r.m, &r.left, "x");
	has_ended(1);
}

static void test_read_fails(void **state)
{
	(void)state;
	set_up();
	start();
	fail_read(&r.right, ETIMEDOUT);
	assert_int_equal(r.left.m.shuts, 0); /* no end of file was seen */
	has_ended(1);
}

/* -s: a direction that fails has ended, the other one goes on. */
static void test_sloppy(void **state)
{
	(void)state;
	set_up();
	r.m.plan.set.sloppy = true;
	r.right.write_code = EIO;
	start();
	stage_say(&r.m, &r.left, "x");
	lives();
	stage_say(&r.m, &r.right, "y");
	assert_string_equal(stage_heard(&r.left), "y");
	stage_pass(&r.m, LINGER_NS);
	has_ended(0);
}

/* A program need not read its input: its output is still heard. */
static void test_quiet(void **state)
{
	(void)state;
	set_up();
	r.right.write_code = EPIPE;
	start();
	r.right.ep->caps |= EP_QUIET_PIPE;
	stage_say(&r.m, &r.left, "x");
	lives();
	assert_int_equal(r.right.m.shuts, 0);
	stage_say(&r.m, &r.right, "y");
	assert_string_equal(stage_heard(&r.left), "y");
	stage_say_end(&r.m, &r.right);
	has_ended(0);
}

/* ---- programs ---- */

/* A program behind the right end: it ends with the status that is written to r.control. */
static void start_with_program(enum proc_kind kind)
{
	struct endpoint *ep;
	struct child child;
	struct err err;
	int p[2];
	pid_t pid;

	stage_begin(&r.m);
	ep = end_new(1);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		char status = 0;

		close(p[1]);
		signal(SIGTERM, SIG_DFL);
		_exit(read(p[0], &status, 1) == 1 ? status : 0);
	}
	close(p[0]);
	r.control = p[1];
	assert_int_equal(child_watch(&child, pid, &err), 0);
	ep->proc = proc_new(ep->addr, kind, child);
	session_new(&r.m.relay, end_new(0), ep, NULL, NULL);
	stage_rest(&r.m);
}

/* The program ends, for whatever reason. */
static void wait_for_program(void)
{
	stage_until_no_program(&r.m);
	close(r.control);
}

static void end_program(char status)
{
	assert_int_equal(write(r.control, &status, 1), 1);
	wait_for_program();
	stage_rest(&r.m);
}

/* Its status is waited for a moment when it has said everything. */
static void test_program_status(void **state)
{
	(void)state;
	set_up();
	start_with_program(PROC_EXEC);
	stage_say_end(&r.m, &r.left);
	stage_say(&r.m, &r.right, "output");
	stage_say_end(&r.m, &r.right);
	lives();
	assert_int_equal(session()->state, SESSION_CLOSING);
	end_program(3);
	assert_string_equal(stage_heard(&r.left), "output");
	has_ended(1);

	set_up();
	start_with_program(PROC_EXEC);
	say_both_ends();
	end_program(0);
	has_ended(0);
}

/* What it has left behind is still transferred; then nobody is there to take anything. */
static void test_program_leaves(void **state)
{
	(void)state;
	set_up();
	start_with_program(PROC_EXEC);
	stage_give(&r.right, "last words");
	end_program(0);
	assert_string_equal(stage_heard(&r.left), "last words");
	lives();
	stage_wake(&r.m, &r.right); /* a descriptor at its end is readable */
	has_ended(0);
}

static void test_program_is_ended(void **state)
{
	(void)state;
	set_up(); /* only written to: it has a second for its work, then it is told to end */
	r.m.plan.set.right_to_left = false;
	start_with_program(PROC_EXEC);
	stage_say(&r.m, &r.left, "input");
	stage_say_end(&r.m, &r.left);
	assert_int_equal(r.right.m.shuts, 1);
	stage_pass(&r.m, NSEC_PER_SEC - 1);
	lives();
	stage_pass(&r.m, 1);
	wait_for_program();
	has_ended(0);

	set_up(); /* in the middle of it: no time at all */
	start_with_program(PROC_EXEC);
	fail_read(&r.left, EIO);
	wait_for_program();
	has_ended(1);

	set_up(); /* a command of SYSTEM goes on */
	start_with_program(PROC_SYSTEM);
	fail_read(&r.left, EIO);
	assert_true(list_empty(&r.m.relay.sessions));
	assert_int_equal(poll(NULL, 0, 20), 0);
	stage_rest(&r.m);
	assert_true(procs_run(&r.m.engine));
	end_program(7); /* which is nobody's affair any more */
	has_ended(1);
}

/* The other side is silent for -t when the program has said everything: it is told that nothing
 * more comes, and has a moment for its status, no longer whoever else wants it ended. */
static void test_program_is_told(void **state)
{
	(void)state;
	set_up();
	start_with_program(PROC_EXEC);
	stage_say_end(&r.m, &r.right);
	stage_pass(&r.m, LINGER_NS);
	lives();
	assert_int_equal(session()->state, SESSION_CLOSING);
	assert_int_equal(r.right.m.shuts, 1);
	assert_int_equal(r.left.ep->want | r.right.ep->want, 0);
	stage_pass(&r.m, NSEC_PER_SEC / 4 - 1);
	session_end(session(), "test");
	stage_pass(&r.m, 1);
	wait_for_program();
	has_ended(0);

	set_up(); /* a transfer that fails waits for nobody */
	start_with_program(PROC_EXEC);
	stage_say_end(&r.m, &r.right);
	lives();
	fail_read(&r.left, EIO);
	assert_true(list_empty(&r.m.relay.sessions));
	wait_for_program();
	has_ended(1);
}

static void test_program_is_killed(void **state)
{
	(void)state;
	set_up();
	start_with_program(PROC_EXEC);
	kill(r.right.ep->proc->child.pid, SIGKILL);
	wait_for_program();
	stage_rest(&r.m);
	has_ended(1);
}

/* ---- sources ---- */

static void no_op(struct source *src)
{
	(void)src;
}

static void count_resume(struct source *src)
{
	(void)src;
	r.resumes++;
}

static const struct source_ops source_ops = {
	.pause = no_op,
	.resume = count_resume,
	.close = no_op,
};

/* The place among the source's sessions is given back once, by the end of the session. */
static void test_source_place(void **state)
{
	(void)state;
	set_up();
	stage_conf(&r.m, 0)->listen.max_children = 1;
	stage_begin(&r.m);
	source_init(&r.src, &source_ops, relay_address(&r.m.relay, 1));
	r.src.nsessions = 1;
	r.src.paused = true;
	session_new(&r.m.relay, end_new(0), end_new(1), &r.src, NULL);
	stage_say_end(&r.m, &r.left);
	assert_int_equal(r.src.nsessions, 1);
	assert_int_equal(r.resumes, 0);
	stage_say_end(&r.m, &r.right);
	assert_int_equal(r.src.nsessions, 0);
	assert_int_equal(r.resumes, 1);
	has_ended(0);
}

/* A source on the right: every session has a copy of the left end. One that arrives when that is
 * gone, because listening has ended, has nobody to talk to. */
static void test_right_source_closed(void **state)
{
	struct source *src;

	(void)state;
	set_up();
	stage_begin(&r.m);
	src = xcalloc(1, sizeof(*src));
	source_init(src, &source_ops, relay_address(&r.m.relay, 2));
	src->other = end_new(0);
	source_start(src);
	source_opening(src); /* a handshake, say */
	source_close(src);
	assert_int_equal(r.left.m.closes, 1);
	assert_false(stage_is_over(&r.m));
	source_opened(src, end_new(1), NULL);
	assert_int_equal(r.right.m.closes, 1);
	assert_true(list_empty(&r.m.relay.sources));
	assert_true(stage_is_over(&r.m));
	tear_down();
}

/* ---- the right address is opened ---- */

static enum step_result step_test(struct opening *o, struct err *err)
{
	if (r.result == STEP_WAIT)
		opening_wait(o, -1, 0, loop_now(o->addr->engine->loop) + NSEC_PER_SEC);
	*err = r.err;
	return r.result;
}

static struct endpoint *make(struct opening *o, struct err *err)
{
	(void)err;
	return stage_end_new(o->addr, &r.right);
}

static const struct step steps[] = { { .run = step_test }, STEP_END };

static void start_opening(enum step_result result)
{
	r.type = (struct addr_type){
		.names = "TEST", .reads = true, .writes = true, .steps = steps, .make = make
	};
	r.m.plan.side[1].half[0].type = &r.type;
	r.m.plan.side[1].half[0].keyword = "TEST";
	r.result = result;
	stage_begin(&r.m);
	session_new(&r.m.relay, end_new(0), NULL, NULL, NULL);
	assert_int_equal(session()->state, SESSION_NEW);
	assert_int_equal(r.m.engine.fds.promised, 1);
}

/* There never was a right end. */
static void has_failed(int status)
{
	assert_int_equal(r.left.m.closes, 1);
	assert_true(list_empty(&r.m.relay.sessions));
	assert_true(list_empty(&r.m.relay.openings));
	assert_true(stage_is_over(&r.m));
	assert_int_equal(r.m.relay.status, status);
	assert_int_equal(r.m.engine.fds.promised, 0);
	assert_int_equal(relay_address(&r.m.relay, 1)->live, 0);
	stage_end(&r.m);
	assert_int_equal(r.left.m.closes, 1);
	stage_side_done(&r.left);
}

static void test_right_opens(void **state)
{
	(void)state;
	set_up();
	start_opening(STEP_WAIT);
	stage_say(&r.m, &r.left, "early"); /* it is not read before somebody can take it */
	assert_int_equal(r.left.m.in_off, 0);
	stage_pass(&r.m, NSEC_PER_SEC - 1);
	assert_int_equal(session()->state, SESSION_OPENING);
	stage_pass(&r.m, 1);
	assert_int_equal(session()->state, SESSION_RELAYING);
	assert_string_equal(stage_heard(&r.right), "early");
	say_both_ends();
	has_ended(0);
}

static void fail_to_open(int status)
{
	start_opening(STEP_FAIL);
	stage_rest(&r.m);
	has_failed(status);
}

static void test_right_fails(void **state)
{
	(void)state;
	set_up();
	err_set(&r.err, 0, "no");
	fail_to_open(1);

	set_up();
	err_set(&r.err, 0, "no");
	r.err.status = 42;
	fail_to_open(42);

	set_up(); /* accept-timeout: that is no failure */
	err_over(&r.err);
	fail_to_open(0);

	set_up(); /* one of many */
	err_set(&r.err, 0, "no");
	start_opening(STEP_FAIL);
	r.m.relay.settled = true;
	stage_rest(&r.m);
	has_failed(0);
}

/* ---- signals ---- */

static void test_end_opening(void **state)
{
	(void)state;
	set_up();
	start_opening(STEP_WAIT);
	relay_end(&r.m.relay, 143); /* queued */
	has_failed(143);

	set_up();
	start_opening(STEP_WAIT);
	stage_rest(&r.m);
	relay_end(&r.m.relay, 143); /* waiting */
	has_failed(143);

	set_up();
	start_opening(STEP_WAIT);
	stage_rest(&r.m);
	relay_drain(&r.m.relay, 5); /* what has not begun will not */
	has_failed(5);
}

static void test_end_relaying(void **state)
{
	(void)state;
	set_up();
	start();
	stage_say(&r.m, &r.left, "x");
	relay_end(&r.m.relay, 143);
	has_ended(143);

	set_up(); /* a failure that comes with it changes nothing */
	r.right.write_code = EIO;
	start();
	stage_say(&r.m, &r.left, "x");
	assert_int_equal(r.m.relay.status, 1);
	relay_end(&r.m.relay, 143);
	has_ended(143);

	set_up(); /* nor does one that is only now told */
	r.left.full = true;
	start_with_program(PROC_EXEC);
	stage_say(&r.m, &r.right, "x");
	end_program(3);
	lives();
	relay_end(&r.m.relay, 0);
	has_ended(0);
}

static void test_end_closing(void **state)
{
	(void)state;
	set_up();
	start_with_program(PROC_EXEC);
	say_both_ends();
	assert_int_equal(session()->state, SESSION_CLOSING);
	relay_end(&r.m.relay, 143);
	assert_true(stage_is_over(&r.m));
	wait_for_program(); /* it has been told */
	has_ended(143);
}

static void test_drain(void **state)
{
	(void)state;
	set_up(); /* it ends by itself, and the status is settled */
	r.m.plan.set.drain_ns = NSEC_PER_SEC;
	start();
	relay_drain(&r.m.relay, 0);
	stage_say(&r.m, &r.left, "still");
	assert_string_equal(stage_heard(&r.right), "still");
	lives();
	fail_read(&r.left, EIO);
	has_ended(0);

	set_up(); /* it has to end */
	r.m.plan.set.drain_ns = NSEC_PER_SEC;
	start();
	relay_drain(&r.m.relay, 5);
	stage_pass(&r.m, NSEC_PER_SEC - 1);
	lives();
	stage_pass(&r.m, 1);
	has_ended(5);

	set_up(); /* its program has its time */
	r.m.plan.set.drain_ns = NSEC_PER_SEC;
	start_with_program(PROC_EXEC);
	say_both_ends();
	relay_drain(&r.m.relay, 5);
	lives();
	end_program(1);
	has_ended(5);

	set_up(); /* nobody is there */
	stage_begin(&r.m);
	relay_drain(&r.m.relay, 5);
	assert_true(stage_is_over(&r.m));
	assert_int_equal(r.m.relay.status, 5);
	stage_end(&r.m);
}

/* session_end() and session_finish() are harmless when it is over. */
static void test_ends_once(void **state)
{
	struct session *s;

	(void)state;
	set_up();
	start();
	stage_say(&r.m, &r.left, "x");
	s = session();
	session_end(s, "test");
	session_end(s, "test");
	session_finish(s); /* its memory lives to the end of the turn */
	assert_int_equal(r.m.relay.total.bytes[0], 1);
	has_ended(0);
}

/* An idle session costs a kilobyte: itself and two ends, each with the allocator's head. */
static void test_what_it_costs(void **state)
{
	(void)state;
	if (sizeof(void *) == 8)
		assert_true(sizeof(struct session) + 2 * sizeof(struct endpoint) <= 1024 - 3 * 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_end),
		cmocka_unit_test(test_either_ends_first),
		cmocka_unit_test(test_shut_waits_for_bytes),
		cmocka_unit_test(test_ignoreeof),
		cmocka_unit_test(test_readbytes),
		cmocka_unit_test(test_one_way),
		cmocka_unit_test(test_no_way),
		cmocka_unit_test(test_linger),
		cmocka_unit_test(test_linger_begins_anew),
		cmocka_unit_test(test_no_linger),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_write_fails),
		cmocka_unit_test(test_read_fails),
		cmocka_unit_test(test_sloppy),
		cmocka_unit_test(test_quiet),
		cmocka_unit_test(test_program_status),
		cmocka_unit_test(test_program_leaves),
		cmocka_unit_test(test_program_is_ended),
		cmocka_unit_test(test_program_is_told),
		cmocka_unit_test(test_program_is_killed),
		cmocka_unit_test(test_source_place),
		cmocka_unit_test(test_right_source_closed),
		cmocka_unit_test(test_right_opens),
		cmocka_unit_test(test_right_fails),
		cmocka_unit_test(test_end_opening),
		cmocka_unit_test(test_end_relaying),
		cmocka_unit_test(test_end_closing),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_ends_once),
		cmocka_unit_test(test_what_it_costs),
	};

	log_threshold = LV_FATAL;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
