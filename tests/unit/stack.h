/* stack.h - an end with layers on it, alone: in memory, on a socket pair, on a pipe
 *
 * The relay is a stage (stage.h), turned by hand. What layers (fake_layer.h) and the transport in
 * memory are asked is noted, in order; what the user of the end is told is counted. The test has
 * the other end of a socket pair or pipe. */
#ifndef TESTS_STACK_H
#define TESTS_STACK_H

#include "stage.h"

#include "end/fd_end.h"
#include "fake_layer.h"

static struct {
	struct memory_relay m;
	struct stage_side left, right;
	struct str notes;
	struct stage_fds before;
	int peer, peer2; /* the test's ends of socket pairs and pipes, or -1 */
	uint32_t events; /* that the user was told */
	unsigned calls;
	struct err err;
} stack;

/* ---- ends ---- */

static inline void stack_on_event(struct endpoint *ep, uint32_t events)
{
	(void)ep;
	stack.events |= events;
	stack.calls++;
}

static const struct endpoint_user stack_user = { .event = stack_on_event };

/* A stage end that notes what its transport is told. */
static inline void stack_noted_shut(struct endpoint *ep)
{
	str_addf(&stack.notes, "%sshut transport", stack.notes.len ? ", " : "");
	memory_shut(ep);
}

static inline void stack_noted_close(struct endpoint *ep)
{
	str_addf(&stack.notes, "%sclose transport", stack.notes.len ? ", " : "");
	stage_close(ep);
}

static const struct endpoint_ops stack_noted_ops = {
	.read = stage_read_bytes,
	.write = stage_write_bytes,
	.shut_write = stack_noted_shut,
	.close = stack_noted_close,
};

static inline void stack_plan(void)
{
	memset(&stack, 0, sizeof(stack));
	stack.peer = stack.peer2 = -1;
	stack.before = stage_fds();
	stage_plan(&stack.m);
}

static inline void stack_begin(void)
{
	stage_begin(&stack.m);
	stack.left.open = stack.right.open = true;
}

static inline void stack_set_up(void)
{
	stack_plan();
	stack_begin();
}

static inline struct address *stack_address(int i)
{
	return relay_address(&stack.m.relay, (unsigned)i + 1);
}

static inline struct endpoint *stack_in_memory(int i)
{
	struct endpoint *ep = stage_end_new(stack_address(i), i ? &stack.right : &stack.left);

	ep->ops = &stack_noted_ops;
	ep->user = &stack_user;
	return ep;
}

/* A stream socket of ours that was written to. */
static inline struct endpoint *stack_on_socket(void)
{
	struct endpoint *ep = endpoint_socket_new(stack_address(0), stage_socket_pair(&stack.peer));

	ep->user = &stack_user;
	ep->parting.written_to = true;
	return ep;
}

/* A descriptor as any other: nobody lingers for it. */
static inline struct endpoint *stack_on_descriptor(void)
{
	int fd = stage_socket_pair(&stack.peer);
	struct endpoint *ep = endpoint_fd_new(stack_address(0), fd, fd);

	ep->user = &stack_user;
	return ep;
}

static inline struct endpoint *stack_on_pipe(void)
{
	struct endpoint *ep;
	int fd[2];

	assert_int_equal(pipe2(fd, O_CLOEXEC | O_NONBLOCK), 0);
	stack.peer = fd[0];
	ep = endpoint_fd_new(stack_address(0), -1, fd[1]);
	ep->user = &stack_user;
	return ep;
}

static inline struct fake *stack_push(struct endpoint *ep, const struct layer_ops *ops, char name)
{
	return fake_push(ep, ops, name, &stack.notes);
}

/* The peer goes. */
static inline void stack_hang_up(void)
{
	close(stack.peer);
	stack.peer = -1;
}

/* Nothing lingers, nothing is left open. */
static inline void stack_tear_down(void)
{
	stage_rest(&stack.m);
	assert_int_equal(stack.m.engine.nlingering, 0);
	for (int i = 0; i < 2; i++) {
		int *fd = i ? &stack.peer2 : &stack.peer;

		if (*fd >= 0)
			close(*fd);
	}
	stage_end(&stack.m);
	assert_int_equal(stage_new_fd(&stack.before), -1);
	stage_side_done(&stack.left);
	stage_side_done(&stack.right);
	str_done(&stack.notes);
}

static inline void stack_noted(const char *want)
{
	assert_string_equal(stack.notes.len ? stack.notes.data : "", want);
	str_done(&stack.notes);
}

/* ---- bytes ---- */

static inline ssize_t stack_put(struct endpoint *ep, const char *text)
{
	struct iovec iov = { (void *)text, strlen(text) };

	return endpoint_write(ep, &iov, 1, &stack.err);
}

static inline void stack_puts_all(struct endpoint *ep, const char *text)
{
	assert_int_equal(stack_put(ep, text), strlen(text));
}

static inline void stack_gets_text(struct endpoint *ep, size_t max, const char *want)
{
	char buf[1000];
	ssize_t n = endpoint_read(ep, buf, max, &stack.err);

	assert_int_equal(n, strlen(want));
	assert_memory_equal(buf, want, strlen(want));
}

static inline void stack_gets_nothing(struct endpoint *ep)
{
	char buf[10];

	errno = 0;
	assert_int_equal(endpoint_read(ep, buf, sizeof(buf), &stack.err), -1);
	assert_int_equal(errno, EAGAIN);
}

static inline void stack_says(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

/* What can be read of @fd now; true behind it, if it is the end. */
static inline bool stack_listens(int fd, struct str *out)
{
	for (;;) {
		ssize_t n = read(fd, str_room(out, 65536), 65535);

		if (n <= 0)
			return n == 0;
		out->len += (size_t)n;
		out->data[out->len] = '\0';
	}
}

static inline void stack_hears(const char *want, bool ends)
{
	struct str s = { 0 };
	bool ended = stack_listens(stack.peer, &s);

	assert_string_equal(s.len ? s.data : "", want);
	assert_int_equal(ended, ends);
	str_done(&s);
}

/* Write past the layers until nothing more goes. */
static inline size_t stack_fill(const struct endpoint *ep)
{
	static const char block[512];
	size_t n = 0;

	while (write(ep->wfd, block, sizeof(block)) > 0)
		n++;
	assert_int_equal(errno, EAGAIN);
	return n * sizeof(block);
}

/* The peer reads what was filled in, and @want behind it. */
static inline void stack_hears_behind(size_t filled, const char *want, bool ends)
{
	struct str s = { 0 };
	bool ended = stack_listens(stack.peer, &s);

	assert_int_equal(s.len, filled + strlen(want));
	assert_string_equal(s.data + filled, want);
	assert_int_equal(ended, ends);
	str_done(&s);
}

#endif
