/* test_session_process.c - a process for one session: what it keeps, and what its parent does
 *
 * The parent has one of everything when it forks: another session, a program, an opening that
 * waits, a socket that lingers. The child looks at what is left of it, and says by its status
 * whether that is right. */
#include "relay/session_process.h"

#include "base/log.h"
#include "end/fd_end.h"
#include "end/linger.h"
#include "end/proc.h"
#include "open/source.h"
#include "relay/session.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stage.h"

#define RIGHT 33 /* the status of a child that has found nothing wrong */
#define CANNOT 77 /* what is to fail cannot be made to */

/* In a child: a test has failed unless @what holds. */
#define CHILD_CHECK(what)                                                                          \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "child, line %d: %s\n", __LINE__, #what);                  \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

/* A socket of the relay, and the test's end of it. */
struct pair {
	int ours, peer;
};

static struct {
	struct memory_relay m;
	struct source *src;
	struct endpoint *ep; /* what the source yields */
	void (*child)(struct session *s); /* what its process does; it does not return */
	struct addr_type type;
	struct stage_fds before; /* what the test has open, and the relay has not */
	struct pair conn, left, right, early, opening, lingers;
	struct pair go; /* the child waits for it */
	struct pair control; /* the program waits for it */
	struct proc *program; /* of the opening */
	struct proc *process;
	void (*on_exit)(struct proc *p, void *arg); /* the real one */
	int status; /* of the process, when it has ended */
	unsigned pauses, resumes, closes, releases, told;
} r;

/* ---- the parent's world ---- */

static void pause_fake(struct source *src)
{
	(void)src;
	r.pauses++;
}

static void resume_fake(struct source *src)
{
	(void)src;
	r.resumes++;
}

static void close_fake(struct source *src)
{
	(void)src;
	r.closes++;
}

static void release_fake(struct source *src)
{
	(void)src;
	r.releases++;
}

static const struct source_ops fake_ops = {
	.pause = pause_fake,
	.resume = resume_fake,
	.close = close_fake,
	.release = release_fake,
};

/* The process that has been forked last: how it ends is noted before its source is told. */
static void on_process_end(struct proc *p, void *arg)
{
	r.status = p->status;
	r.told++;
	r.on_exit(p, arg);
}

static void note_process(void)
{
	r.process = container_of(r.m.engine.procs.prev, struct proc, node);
	assert_int_equal(r.process->kind, PROC_SESSION);
	r.on_exit = r.process->on_exit;
	r.process->on_exit = on_process_end;
}

/* What the relay calls for a new session: what it does anyway, then the test's part. */
static bool fork_session(struct session *s)
{
	bool here = session_process_fork(s);

	if (r.m.engine.session_process)
		r.child(here ? s : NULL);
	assert_false(here);
	if (stage_count(&r.m.engine.procs) > 1)
		note_process();
	return here;
}

static struct pair pair_new(void)
{
	struct pair p;

	p.ours = stage_socket_pair(&p.peer);
	return p;
}

static enum step_result step_wait(struct opening *o, struct err *err)
{
	(void)err;
	o->target.fd = r.opening.ours;
	o->proc = r.program;
	opening_wait(o, o->target.fd, EPOLLIN, 0);
	return STEP_WAIT;
}

static const struct step steps[] = { { .run = step_wait }, STEP_END };

static void begin_program(void)
{
	struct child child;
	struct err err;
	pid_t pid = fork();
	char c;

	if (pid == 0) {

		signal(SIGTERM, SIG_DFL);
		for (int fd = 3; fd < STAGE_FDS; fd++) {
			if (fd != r.control.ours)
				close(fd);
		}
		CHILD_CHECK(write(r.control.ours, "", 1) == 1);
		while (read(r.control.ours, &c, 1) == -1)
			poll(&(struct pollfd){ r.control.ours, POLLIN, 0 }, 1, -1);
		_exit(0);
	}
	/* it has no copies of our sockets any more */
	assert_int_equal(poll(&(struct pollfd){ r.control.peer, POLLIN, 0 }, 1, 20000), 1);
	assert_int_equal(read(r.control.peer, &c, 1), 1);
	assert_int_equal(child_watch(&child, pid, &err), 0);
	r.program = proc_new(relay_address(&r.m.relay, 2), PROC_EXEC, child);
}

static void begin_lingering(void)
{
	struct parting p = { .written_to = true, .read_from = true, .grace_ns = NSEC_PER_SEC };

	assert_int_equal(write(r.lingers.peer, "more", 4), 4); /* it still talks */
	linger_close(relay_address(&r.m.relay, 1), r.lingers.ours, &p, NULL);
	assert_int_equal(r.m.engine.nlingering, 1);
}

static void make_pairs(void)
{
	r.conn = pair_new();
	r.left = pair_new();
	r.right = pair_new();
	r.early = pair_new();
	r.opening = pair_new();
	r.lingers = pair_new();
	r.go = pair_new();
	r.control = pair_new();
	r.before = stage_fds();
	r.before.open[r.conn.ours] = r.before.open[r.left.ours] = false;
	r.before.open[r.right.ours] = r.before.open[r.opening.ours] = false;
	r.before.open[r.lingers.ours] = r.before.open[r.early.ours] = false;
}

static struct endpoint *socket_end(unsigned number, int fd)
{
	return endpoint_socket_new(relay_address(&r.m.relay, number), fd);
}

/* A source with room for one session, and an end for it. */
static void set_up(void)
{
	memset(&r, 0, sizeof(r));
	make_pairs();
	stage_plan(&r.m);
	r.m.plan.isolate = true;
	r.m.plan.set.plain = true; /* empty pipes for splice(2) are the engine's and would stay */
	stage_conf(&r.m, 0)->listen.max_children = 1;
	r.type = (struct addr_type){
		.names = "TEST", .reads = true, .writes = true, .steps = steps
	};
	r.m.plan.side[1].half[0].type = &r.type;
	stage_begin(&r.m);
	r.m.relay.apart = fork_session;
	r.src = xcalloc(1, sizeof(*r.src));
	source_init(r.src, &fake_ops, relay_address(&r.m.relay, 1));
	source_start(r.src);
	begin_program();
	session_new(&r.m.relay, socket_end(1, r.left.ours), socket_end(2, r.right.ours), NULL,
		    NULL);
	session_new(&r.m.relay, socket_end(1, r.early.ours), NULL, NULL, NULL);
	begin_lingering();
	r.ep = socket_end(1, r.conn.ours);
	r.ep->final = FINAL_SHUTDOWN;
	stage_rest(&r.m);
	assert_int_equal(stage_count(&r.m.relay.openings), 1);
}

static void tear_down(void)
{
	int fd[] = { r.conn.peer,    r.left.peer, r.right.peer, r.opening.peer, r.early.peer,
		     r.lingers.peer, r.go.ours,   r.go.peer,    r.control.ours, r.control.peer };

	if (!r.m.relay.ended)
		relay_end(&r.m.relay, 0);
	assert_int_equal(write(r.control.peer, "", 1), 1); /* the program may end */
	stage_until_no_program(&r.m);
	assert_int_equal(r.closes, 1);
	assert_int_equal(r.releases, 1);
	stage_end(&r.m);
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
		close(fd[i]);
	for (int i = 0; i < STAGE_FDS; i++) {
		if (fcntl(i, F_GETFD) != -1)
			assert_true(r.before.open[i]);
	}
}

/* The source has an end for a session; @child is what its process does. */
static void yield(void (*child)(struct session *s))
{
	r.child = child;
	source_yield(r.src, r.ep, NULL);
	stage_pass(&r.m, 0);
}

static bool process_has_ended(void *arg)
{
	(void)arg;
	return r.told > 0;
}

/* The child may go on, and has found nothing wrong when it ends. */
static void let_child_end(void)
{
	assert_int_equal(write(r.go.peer, "", 1), 1);
	stage_until(&r.m, process_has_ended, NULL);
	assert_true(WIFEXITED(r.status));
	assert_int_equal(WEXITSTATUS(r.status), RIGHT);
}

/* It waits at most as long as any test does. */
static void child_waits(void)
{
	struct pollfd p = { .fd = r.go.ours, .events = POLLIN };

	CHILD_CHECK(poll(&p, 1, (int)(STAGE_LIMIT_NS / NSEC_PER_MSEC)) == 1);
}

/* ---- what the child keeps ---- */

static void check_lists(struct session *s)
{
	struct relay *relay = &r.m.relay;

	CHILD_CHECK(s && s->left == r.ep && s->state == SESSION_NEW);
	CHILD_CHECK(relay->sessions.next == &s->node && relay->sessions.prev == &s->node);
	CHILD_CHECK(list_empty(&relay->sources));
	CHILD_CHECK(list_empty(&relay->openings));
	CHILD_CHECK(list_empty(&r.m.engine.procs));
	CHILD_CHECK(list_empty(&r.m.engine.lingering) && r.m.engine.nlingering == 0);
	CHILD_CHECK(list_empty(&r.m.engine.forget));
	CHILD_CHECK(r.m.engine.session_process && !r.m.engine.forgetting);
	CHILD_CHECK(r.m.engine.parent == getppid());
	CHILD_CHECK(r.m.engine.fds.promised == 1); /* to this one */
	CHILD_CHECK(relay->total.bytes[0] == 0 && relay->total.bytes[1] == 0);
	CHILD_CHECK(r.src->nsessions == 1 && r.src->nopenings == 0);
	CHILD_CHECK(r.closes == 1 && r.releases == 1 && r.src->closed && r.src->released);
	CHILD_CHECK(r.m.loop->nheap == 0 && stage_sleeps(&r.m));
}

static void check_fds(void)
{
	for (int fd = 0; fd < STAGE_FDS; fd++) {
		bool kept = r.before.open[fd] || fd == r.m.loop->epfd || fd == r.ep->rfd;

		if ((fcntl(fd, F_GETFD) != -1) == kept)
			continue;
		fprintf(stderr, "child: descriptor %d is %s\n", fd, kept ? "missing" : "left");
		_exit(1);
	}
}

static void serve(struct session *s)
{
	child_waits();
	_exit(write(s->left->wfd, "served", 6) == 6 ? RIGHT : 1);
}

static void check_and_serve(struct session *s)
{
	check_lists(s);
	check_fds();
	loop_turn(r.m.loop, NSEC_PER_SEC); /* frees what was forgotten; nobody is called */
	check_fds();
	serve(s);
}

static void test_child_keeps_its_session(void **state)
{
	(void)state;
	set_up();
	r.m.relay.total.bytes[0] = 5;
	source_opening(r.src); /* others are on their way, */
	r.src->nsessions += 2; /* or there already */
	yield(check_and_serve);
	source_opened(r.src, NULL, NULL);
	assert_int_equal(r.src->nsessions, 3);
	let_child_end();
	source_session_ended(r.src);
	source_session_ended(r.src);
	tear_down();
}

/* ---- what the parent does ---- */

static bool moved(int from, int to)
{
	char got[8];

	assert_int_equal(write(from, "bytes", 5), 5);
	stage_rest(&r.m);
	return read(to, got, sizeof(got)) == 5;
}

static bool is_open_and_silent(int fd)
{
	char got[8];

	return read(fd, got, sizeof(got)) == -1 && errno == EAGAIN;
}

/* Its end of the connection is closed without a word: the peer sees the child's end only. */
static void test_parent_lets_go(void **state)
{
	char got[8];

	(void)state;
	set_up();
	yield(serve);
	stage_rest(&r.m);
	assert_int_equal(fcntl(r.conn.ours, F_GETFD), -1);
	assert_true(is_open_and_silent(r.conn.peer));
	let_child_end();
	assert_int_equal(read(r.conn.peer, got, sizeof(got)), 6);
	assert_int_equal(read(r.conn.peer, got, sizeof(got)), 0);
	tear_down();
}

static void leave(struct session *s)
{
	(void)s;
	_exit(RIGHT);
}

/* All the child has forgotten goes on here as if nothing had been. */
static void test_parent_keeps_all(void **state)
{
	(void)state;
	set_up();
	yield(leave);
	stage_until(&r.m, process_has_ended, NULL);
	assert_true(moved(r.left.peer, r.right.peer));
	assert_true(moved(r.right.peer, r.left.peer));
	assert_true(is_open_and_silent(r.opening.peer));
	assert_int_equal(stage_count(&r.m.relay.openings), 1);
	assert_int_equal(stage_count(&r.m.relay.sources), 1);
	assert_int_equal(stage_count(&r.m.relay.sessions), 2);
	assert_true(is_open_and_silent(r.early.peer));
	assert_int_equal(r.closes + r.releases, 0);
	assert_int_equal(r.m.engine.nlingering, 1);
	assert_true(procs_run(&r.m.engine)); /* the program */
	assert_false(r.m.engine.session_process);
	assert_false(r.m.engine.forgetting);
	assert_int_equal(r.m.engine.fds.promised, 1);
	stage_pass(&r.m, 2 * NSEC_PER_SEC);
	assert_int_equal(r.m.engine.nlingering, 0);
	tear_down();
}

/* The process is a session of the source until it has ended, however. */
static void test_parent_counts(void **state)
{
	(void)state;
	set_up();
	yield(serve);
	stage_rest(&r.m);
	assert_int_equal(r.src->nsessions, 1);
	assert_int_equal(r.pauses, 1);
	assert_int_equal(r.resumes, 1);
	let_child_end();
	assert_int_equal(r.src->nsessions, 0);
	assert_int_equal(r.resumes, 2);
	assert_int_equal(r.m.relay.status, 0); /* one of many */
	stage_rest(&r.m);
	assert_int_equal(r.told, 1);
	assert_int_equal(stage_count(&r.m.engine.procs), 1); /* the program */
	tear_down();
}

static void test_killed(void **state)
{
	(void)state;
	set_up();
	yield(serve);
	source_close(r.src);
	assert_int_equal(r.releases, 0); /* it waits for its last session */
	kill(r.process->child.pid, SIGKILL);
	stage_until(&r.m, process_has_ended, NULL);
	assert_true(WIFSIGNALED(r.status) && WTERMSIG(r.status) == SIGKILL);
	assert_int_equal(r.releases, 1);
	assert_true(list_empty(&r.m.relay.sources));
	tear_down();
}

/* The end of the relay is that of its processes; nobody waits for them. */
static void test_relay_ends(void **state)
{
	(void)state;
	set_up();
	yield(serve);
	relay_end(&r.m.relay, 143);
	assert_true(stage_is_over(&r.m));
	assert_int_equal(r.releases, 1);
	assert_true(procs_run(&r.m.engine));
	tear_down(); /* which waits until it is gone */
	assert_int_equal(r.m.relay.status, 143);
}

/* ---- failures ---- */

static void has_no_session(struct session *s)
{
	CHILD_CHECK(!s && stage_is_over(&r.m)); /* nothing is left to do */
	CHILD_CHECK(list_empty(&r.m.relay.sessions));
	CHILD_CHECK(fcntl(r.conn.ours, F_GETFD) == -1);
	_exit(r.m.relay.status + RIGHT);
}

/* Its process options cannot be had: there is no session, and the process ends with status 1. */
static void test_child_fails(void **state)
{
	struct err err;

	(void)state;
	set_up();
	assert_int_equal(
		ident_add(&stage_conf(&r.m, 0)->ident, ID_LATE, ID_CHROOT, "/nonexistent", 0, &err),
		0);
	yield(has_no_session);
	stage_until(&r.m, process_has_ended, NULL);
	assert_int_equal(WEXITSTATUS(r.status), 1 + RIGHT);
	assert_int_equal(r.m.relay.status, 0);
	tear_down();
}

/* In a process that may have no child: what comes of what is yielded. */
static void yield_without_processes(void)
{
	struct rlimit none = { 0, 0 };

	if (geteuid() == 0 && (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534)))
		_exit(CANNOT);
	if (setrlimit(RLIMIT_NPROC, &none) == -1)
		_exit(CANNOT);
	source_opening(r.src); /* it has been accepted */
	CHILD_CHECK(r.pauses == 1);
	r.child = leave;
	source_opened(r.src, r.ep, NULL);
	stage_pass(&r.m, 0);
	if (r.src->nsessions)
		_exit(CANNOT);
	CHILD_CHECK(stage_count(&r.m.engine.procs) == 1); /* the program */
	CHILD_CHECK(fcntl(r.conn.ours, F_GETFD) == -1);
	CHILD_CHECK(r.src->nopenings == 0 && !r.src->paused && r.resumes == 2);
	CHILD_CHECK(!r.m.relay.stopping && r.m.relay.status == 0);
	_exit(RIGHT);
}

static void test_fork_fails(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	set_up();
	pid = fork();
	if (pid == 0)
		yield_without_processes();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	endpoint_free(r.ep);
	tear_down();
	if (WEXITSTATUS(status) == CANNOT) {
		print_message("RLIMIT_NPROC keeps nobody from fork() here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), RIGHT);
}

/* ---- all of it ---- */

static pid_t parent;
static int client[2];

/* A turn of whatever process this is; a session's goes on until it has nothing left. */
static void turn(void)
{
	loop_turn(r.m.loop, 0);
	if (getpid() == parent)
		return;
	stage_close_fds(client, 2); /* of the test: their ends are not seen else */
	CHILD_CHECK(stage_listening_fd() == -1);
	CHILD_CHECK(stage_count(&r.m.relay.sessions) == 1);
	for (int i = 0; i < 10000 && !stage_is_over(&r.m); i++) {
		loop_turn(r.m.loop, 0);
		poll(NULL, 0, 1);
	}
	CHILD_CHECK(stage_is_over(&r.m));
	relay_done(&r.m.relay);
	_exit(r.m.relay.status + RIGHT);
}

static bool process_runs(void)
{
	return procs_run(&r.m.engine);
}

static bool is_told(void)
{
	return r.told > 0;
}

static bool has_answer(void)
{
	char got[8];

	for (int i = 0; i < 2; i++) {
		if (client[i] >= 0 && recv(client[i], got, sizeof(got), MSG_DONTWAIT) > 0)
			return true;
	}
	return false;
}

static void turn_until(bool (*done)(void))
{
	for (int i = 0; !done(); i++) {
		if (i == 10000)
			fail_msg("what was waited for has not come");
		turn();
		poll(NULL, 0, 1);
	}
}

/* A listener with place for one: its second client is served when the first one's process has
 * ended, and the entry it is found by stays until the parent goes. */
static void test_listener(void **state)
{
	char path[64], left[128], got[8];

	(void)state;
	memset(&r, 0, sizeof(r));
	parent = getpid();
	r.before = stage_fds();
	snprintf(path, sizeof(path), "/tmp/socast-test-%d", (int)parent);
	snprintf(left, sizeof(left), "UNIX-LISTEN:%s,fork,isolate,max-children=1", path);
	stage_read(&r.m, left, "PIPE");
	stage_begin(&r.m);
	relay_start(&r.m.relay);
	turn();
	for (int i = 0; i < 2; i++) {
		client[i] = stage_connect(stage_listening_fd());
		assert_int_equal(write(client[i], "hello", 5), 5);
	}
	for (int i = 0; i < 2; i++) {
		r.told = 0;
		turn_until(process_runs);
		note_process();
		assert_true(list_empty(&r.m.relay.sessions));
		turn_until(has_answer);
		if (i == 0)
			assert_int_equal(recv(client[1], got, sizeof(got), MSG_DONTWAIT), -1);
		close(client[i]);
		client[i] = -1;
		turn_until(is_told);
		assert_int_equal(WEXITSTATUS(r.status), RIGHT);
		assert_int_equal(access(path, F_OK), 0);
	}
	relay_end(&r.m.relay, 0);
	assert_int_equal(access(path, F_OK), -1);
	stage_end(&r.m);
	assert_int_equal(stage_new_fd(&r.before), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_child_keeps_its_session),
		cmocka_unit_test(test_parent_lets_go),
		cmocka_unit_test(test_parent_keeps_all),
		cmocka_unit_test(test_parent_counts),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_relay_ends),
		cmocka_unit_test(test_child_fails),
		cmocka_unit_test(test_fork_fails),
		cmocka_unit_test(test_listener),
	};

	log_threshold = LV_FATAL;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
