/* window.h - a program's terminal is as large as the user's
 *
 * Between a terminal of the user's (STDIO and the like) and a program on a pseudo terminal of ours:
 * the program finds the size of the user's window when it starts, and is told whenever that changes
 * (SIGWINCH). A size given by option winsz stays. */
#ifndef FLOW_WINDOW_H
#define FLOW_WINDOW_H

#include <stdbool.h>

struct endpoint;
struct loop;
struct opening;

/* Whose size goes where, in one session. */
struct window {
	int from, to; /* the terminals */
	bool on;
};

/* Give @fd, the pseudo terminal of the program that @o will start, the size of the user's, if the
 * other address is a terminal. */
void window_begin(const struct opening *o, int fd);

/* Follow its changes between these two ends of a session; does nothing where they are others. @w
 * stays where it is until window_leave(). */
void window_follow(struct window *w, struct loop *loop, const struct endpoint *left,
		   const struct endpoint *right);

/* The session ends: the signal is nobody's any more. */
void window_leave(struct window *w, struct loop *loop);

#endif
