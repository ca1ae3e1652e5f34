/* window.h - a program's terminal is as large as the user's
 *
 * Between a terminal of the user's (STDIO and the like) and a program on a pseudo terminal of ours:
 * the program finds the size of the user's window when it starts, and is told whenever that changes
 * (SIGWINCH). A size given by option winsz stays. */
#ifndef RELAY_WINDOW_H
#define RELAY_WINDOW_H

struct opening;
struct session;

/* Give @fd, the pseudo terminal of the program that @o will start, the size of the user's, if the
 * other address is a terminal. */
void window_begin(const struct opening *o, int fd);

/* Follow its changes in a session whose ends are there; does nothing where the ends are others. */
void window_follow(struct session *s);

/* The session ends: the signal is nobody's any more. */
void window_leave(struct session *s);

#endif
