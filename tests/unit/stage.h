/* stage.h - a relay that is turned by hand, and ends that speak and listen when the test wants it
 *
 * The clock stands still until stage_pass() moves it. The relay's plan is made of memory ends
 * (stage_plan(), see memory_end.h) or of texts as on the command line (stage_read()).
 *
 * A stage end is a memory end with a will of its own: behind its text comes silence instead of the
 * end of file while @open, it takes nothing while @full, and it fails when it shall. stage_wake()
 * tells its user that something is different now; nothing else does. */
#ifndef TESTS_STAGE_H
#define TESTS_STAGE_H

#include "memory_end.h"

#include "plan_make.h"
#include "end/proc.h"
#include "ev/internal.h"
#include "open/source.h"
#include "relay/session.h"
#include "sys/netaddr.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define STAGE_LIMIT_NS (20 * NSEC_PER_SEC) /* of real time: what the kernel does comes earlier */

/* ---- the relay ---- */

/* A plan of memory ends that move both ways, with the defaults of the command line; the test may
 * change it before stage_begin(). */
static inline void stage_plan(struct memory_relay *m)
{
	memset(m, 0, sizeof(*m));
	memory_plan(m);
	m->plan.set.block = 8192;
	m->plan.set.linger_ns = NSEC_PER_SEC / 2;
	m->plan.set.left_to_right = m->plan.set.right_to_left = true;
}

/* The same from texts. */
static inline void stage_read(struct memory_relay *m, const char *left, const char *right)
{
	char *const argv[] = { (char *)"socast", (char *)left, (char *)right };
	struct cli cli;
	struct err err = { 0 };

	memset(m, 0, sizeof(*m));
	if (cli_parse(&cli, 3, argv, &err) == -1 || plan_make(&m->plan, &cli, &err) == -1)
		fail_msg("%s", err.text);
}

static inline struct conf *stage_conf(struct memory_relay *m, int side)
{
	return &m->plan.side[side].half[0].conf;
}

/* The engine and the relay of the plan; nothing is opened yet. */
static inline void stage_begin(struct memory_relay *m)
{
	struct err err;
	struct loop *loop = loop_new_by_hand(&err);

	assert_non_null(loop);
	memory_relay_start_on(m, loop);
}

/* Let time pass: one turn of the loop. */
static inline void stage_pass(struct memory_relay *m, int64_t ns)
{
	loop_turn(m->loop, ns);
}

/* As many turns as anything needs to come to rest that needs no time. */
static inline void stage_rest(struct memory_relay *m)
{
	for (int i = 0; i < 20; i++)
		loop_turn(m->loop, 0);
}

/* Has the relay told the loop that nothing is left? */
static inline bool stage_is_over(const struct memory_relay *m)
{
	return m->loop->stop;
}

/* Nothing wants to be called before time passes: the loop would sleep. */
static inline bool stage_sleeps(const struct memory_relay *m)
{
	struct epoll_event ev;

	return list_empty(&m->loop->ready) && list_empty(&m->loop->always) &&
	       epoll_wait(m->loop->epfd, &ev, 1, 0) == 0;
}

/* Turn without letting time pass until @done says so: the kernel has to do something first. */
static inline void stage_until(struct memory_relay *m, bool (*done)(void *arg), void *arg)
{
	struct timespec now;
	int64_t end = 0, ns;

	for (;;) {
		loop_turn(m->loop, 0);
		if (done(arg))
			return;
		clock_gettime(CLOCK_MONOTONIC, &now);
		ns = now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
		end = end ? end : ns + STAGE_LIMIT_NS;
		if (ns > end)
			fail_msg("what was waited for has not come");
		poll(NULL, 0, 1);
	}
}

static inline bool stage_no_program(void *arg)
{
	return !procs_run(arg);
}

/* The same until no program runs, nor a process of a session. */
static inline void stage_until_no_program(struct memory_relay *m)
{
	stage_until(m, stage_no_program, &m->engine);
}

/* The end of a relay, which has been ended or has come to its end; @texts: its plan is made of. */
static inline void stage_end(struct memory_relay *m)
{
	bool texts = m->plan.side != m->side;

	loop_turn(m->loop, 0);
	relay_done(&m->relay);
	engine_done(&m->engine);
	loop_free(m->loop);
	if (texts) {
		plan_done(&m->plan);
		return;
	}
	for (int i = 0; i < 2; i++)
		conf_done(stage_conf(m, i));
}

/* The same of a relay that must be over, with @status, and have nothing left. */
static inline void stage_end_with(struct memory_relay *m, int status)
{
	assert_true(stage_is_over(m));
	assert_int_equal(m->relay.status, status);
	assert_true(list_empty(&m->relay.sessions));
	assert_true(list_empty(&m->relay.sources));
	assert_true(list_empty(&m->relay.openings));
	stage_end(m);
}

static inline size_t stage_count(const struct list *head)
{
	size_t n = 0;

	list_for_each (node, head)
		n++;
	return n;
}

/* The one session of the relay. */
static inline struct session *stage_session(const struct memory_relay *m)
{
	assert_int_equal(stage_count(&m->relay.sessions), 1);
	return container_of(m->relay.sessions.next, struct session, node);
}

/* The one source of the relay. */
static inline struct source *stage_source(const struct memory_relay *m)
{
	assert_int_equal(stage_count(&m->relay.sources), 1);
	return container_of(m->relay.sources.next, struct source, node);
}

/* ---- descriptors ---- */

#define STAGE_FDS 1024 /* tests have fewer */

/* Which descriptors are open. */
struct stage_fds {
	bool open[STAGE_FDS];
};

static inline struct stage_fds stage_fds(void)
{
	struct stage_fds f;

	for (int fd = 0; fd < STAGE_FDS; fd++)
		f.open[fd] = fcntl(fd, F_GETFD) != -1;
	return f;
}

/* The lowest descriptor that is open and was not when @before was taken, or -1. */
static inline int stage_new_fd(const struct stage_fds *before)
{
	for (int fd = 0; fd < STAGE_FDS; fd++) {
		if (!before->open[fd] && fcntl(fd, F_GETFD) != -1)
			return fd;
	}
	return -1;
}

/* The one socket of this process that listens, or -1. */
static inline int stage_listening_fd(void)
{
	for (int fd = 0; fd < STAGE_FDS; fd++) {
		socklen_t len = sizeof(int);
		int listens = 0;

		if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens)
			return fd;
	}
	return -1;
}

/* A stream socket for the relay; the test has its @peer. */
static inline int stage_socket_pair(int *peer)
{
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd), 0);
	*peer = fd[1];
	return fd[0];
}

/* Close those of @fd that are still open; -1: is not. */
static inline void stage_close_fds(const int *fd, int n)
{
	for (int i = 0; i < n; i++) {
		if (fd[i] >= 0)
			close(fd[i]);
	}
}

/* A client of the listening socket @fd; refused or not, it stands in the queue. */
static inline int stage_connect(int fd)
{
	struct netaddr to = { .len = sizeof(to.raw) };
	int client;

	assert_int_equal(getsockname(fd, &to.any, &to.len), 0);
	client = socket(to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(client, &to.any, to.len), 0);
	return client;
}

/* ---- its ends ---- */

struct stage_side {
	struct memory_side m; /* first: what memory_end.h works on */
	struct endpoint *ep; /* NULL before it is there, and when it is closed */
	bool open; /* more may come: silence, not the end of file */
	bool full; /* nothing can be written now */
	int write_code, read_code; /* errno with which it fails, or 0 */
	size_t writes_left; /* so many writes until @write_code counts */
};

static inline size_t stage_all(void *arg, size_t n)
{
	(void)arg;
	return n - 1; /* always possible, and all of it */
}

static inline struct stage_side *stage_side_of(struct endpoint *ep)
{
	return container_of(memory_side_of(ep), struct stage_side, m);
}

static inline ssize_t stage_cannot(int code, const char *what, struct err *err)
{
	if (code != EAGAIN)
		err_set(err, code, "%s", what);
	errno = code;
	return -1;
}

static inline ssize_t stage_read_bytes(struct endpoint *ep, void *buf, size_t len, struct err *err)
{
	struct stage_side *s = stage_side_of(ep);

	if (s->m.in_off < s->m.in_len)
		return memory_read(ep, buf, len, err);
	if (s->read_code)
		return stage_cannot(s->read_code, "read", err);
	if (s->open && !ep->drained_is_eof)
		return stage_cannot(EAGAIN, NULL, err);
	return 0;
}

static inline ssize_t stage_write_bytes(struct endpoint *ep, const struct iovec *iov, int niov,
					struct err *err)
{
	struct stage_side *s = stage_side_of(ep);

	if (s->full)
		return stage_cannot(EAGAIN, NULL, err);
	if (s->write_code && !s->writes_left)
		return stage_cannot(s->write_code, "write", err);
	if (s->writes_left)
		s->writes_left--;
	return memory_write(ep, iov, niov, err);
}

static inline void stage_close(struct endpoint *ep)
{
	stage_side_of(ep)->ep = NULL;
	memory_close(ep);
}

static const struct endpoint_ops stage_ops = {
	.read = stage_read_bytes,
	.write = stage_write_bytes,
	.shut_write = memory_shut,
	.close = stage_close,
};

/* An end of @addr that works on @s, which is borrowed. */
static inline struct endpoint *stage_end_new(struct address *addr, struct stage_side *s)
{
	s->m.dice = stage_all;
	s->ep = memory_end_new(addr, &s->m);
	s->ep->ops = &stage_ops;
	return s->ep;
}

/* Something is different now: the session shall look. */
static inline void stage_wake(struct memory_relay *m, struct stage_side *s)
{
	if (s->ep)
		endpoint_ready(s->ep, EPOLLIN | EPOLLOUT);
	stage_rest(m);
}

/* @text (borrowed) is what can be read of it next; nobody is told. */
static inline void stage_give(struct stage_side *s, const char *text)
{
	s->m.in = (const uint8_t *)text;
	s->m.in_len = strlen(text);
	s->m.in_off = 0;
}

/* It says @text next (borrowed). */
static inline void stage_say(struct memory_relay *m, struct stage_side *s, const char *text)
{
	stage_give(s, text);
	stage_wake(m, s);
}

/* It has nothing more to say. */
static inline void stage_say_end(struct memory_relay *m, struct stage_side *s)
{
	s->open = false;
	stage_wake(m, s);
}

static inline const char *stage_heard(const struct stage_side *s)
{
	return s->m.out.data ? s->m.out.data : "";
}

static inline void stage_side_done(struct stage_side *s)
{
	str_done(&s->m.out);
	memset(s, 0, sizeof(*s));
}

#endif
