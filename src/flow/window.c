/* window.c - a program's terminal is as large as the user's, see window.h */
#include "flow/window.h"

#include "base/log.h"
#include "end/endpoint.h"
#include "end/relay.h"
#include "open/opening.h"

#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The terminal that @ep is the user's side of, or -1. */
static int users_terminal(const struct endpoint *ep)
{
	if (ep->proc)
		return -1;
	return ep->rkind == FD_TTY ? ep->rfd : ep->wkind == FD_TTY ? ep->wfd : -1;
}

/* Our side of the terminal of the program behind @ep, or -1. */
static int programs_terminal(const struct endpoint *ep)
{
	return ep->proc && ep->rkind == FD_TTY ? ep->rfd : -1;
}

static bool has_size(int fd, struct winsize *size)
{
	return ioctl(fd, TIOCGWINSZ, size) == 0 && size->ws_row && size->ws_col;
}

static void copy_size(int from, int to)
{
	struct winsize size;

	if (has_size(from, &size) && ioctl(to, TIOCSWINSZ, &size) == 0)
		log_info("the program's terminal has %d columns and %d rows", size.ws_col,
			 size.ws_row);
}

static void on_resize(struct loop *loop, int sig, void *arg)
{
	const struct window *w = arg;

	(void)loop;
	(void)sig;
	copy_size(w->from, w->to);
}

void window_begin(const struct opening *o, int fd)
{
	const struct address *across = relay_address(o->addr->relay, 3 - o->addr->number);

	if (o->other && users_terminal(o->other) >= 0)
		copy_size(users_terminal(o->other), fd);
	else if (across->half->type->flags & TYPE_FOREIGN && isatty(0))
		copy_size(0, fd);
}

void window_follow(struct window *w, struct loop *loop, const struct endpoint *left,
		   const struct endpoint *right)
{
	const struct endpoint *end[2] = { left, right };
	struct winsize users, programs;
	struct err err;

	for (int i = 0; i < 2; i++) {
		int from = users_terminal(end[i]), to = programs_terminal(end[1 - i]);

		if (from == -1 || to == -1 || !has_size(from, &users) ||
		    (has_size(to, &programs) && memcmp(&users, &programs, sizeof(users)) != 0))
			continue;
		*w = (struct window){ from, to, true };
		if (loop_signal(loop, SIGWINCH, on_resize, w, &err) == -1)
			log_err(LV_WARN, &err);
	}
}

void window_leave(struct window *w, struct loop *loop)
{
	struct err err;

	if (w->on)
		(void)loop_signal(loop, SIGWINCH, NULL, NULL, &err);
	w->on = false;
}
