/* engine.c - what one process has, see engine.h
 *
 * States. An engine is empty (engine_init()), holds relays (relay_init() links one, relay_done()
 * takes it out), and is done (engine_done()). In a forked session process it is the engine of that
 * process: engine_forget() has taken out all that belongs to others.
 *
 * Who calls what. Whatever goes calls engine_settle(): a session, a source, an opening, a socket
 * that lingered, a program. The one who runs relays has set e->settle and judges whether anything
 * is left; nobody else stops the loop. Who is about to use descriptors asks
 * engine_has_descriptors() first (sources do, before they take a connection), promises as many as a
 * session needs (engine_fds_promise(), from the moment it is made until its right end is there, and
 * again while what an end with option reopen stands on is away), and tells the highest one it has
 * seen.
 *
 * Ownership. The loop is the caller's. Relays, programs, lingering sockets and datagram sockets are
 * linked here and owned by who has linked them; each owner of descriptors has registered with
 * engine_on_fork() how it is forgotten, and takes that back when it goes.
 *
 * Descriptors. Linux counts those of a process (fd_count(), since 6.2); counting costs a system
 * call, so a sum of what is surely left (fds.sure) is used up first. Where nobody counts, the
 * newest one tells: the lowest number that is free is given out.
 *
 * Forks. Hooks are called the newest first, so who is built upon somebody else is forgotten before
 * him. While they run @forgetting is set: what is closed then was closed in one of two processes
 * only, and neither counts as lost nor says goodbye.
 *
 * What may not happen: a forget hook shuts anything down, signals anybody or removes an entry; a
 * relay is asked anything (its type is not known here). */
#include "end/engine.h"

#include "base/mem.h"
#include "sys/fd.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>

/* Descriptors kept for opening a session (its ends, a program, a look-up): as many as a session may
 * need while it is opened, and more where there are many, because several open at a time. */
#define SPARE_MIN 6
#define SPARE_MAX 32
#define PER_SESSION 8 /* more than any uses */

void engine_init(struct engine *e, struct loop *loop)
{
	*e = (struct engine){ .loop = loop };
	list_init(&e->relays);
	list_init(&e->procs);
	list_init(&e->lingering);
	list_init(&e->socks);
	list_init(&e->forget);
	e->fds.limit = (int)fd_limit();
	e->pool.fd_limit = e->fds.limit / 4 * 3;
}

void engine_on_fork(struct engine *e, struct forget *f, void (*fn)(struct forget *f))
{
	f->fn = fn;
	list_init(&f->node);
	list_add(&e->forget, &f->node);
}

void engine_forget(struct engine *e)
{
	e->forgetting = true;
	while (!list_empty(&e->forget)) {
		struct forget *f = container_of(e->forget.next, struct forget, node);

		list_del(&f->node);
		f->fn(f);
	}
	pool_done(&e->pool); /* its pipes would have two users */
	e->forgetting = false;
}

bool engine_has_inherited(struct engine *e, int fd)
{
	int flags = fcntl(fd, F_GETFD);

	for (size_t i = 0; i < e->inherited.n; i++) {
		if (e->inherited.fd[i] == fd)
			return flags != -1;
	}
	if (flags == -1 || flags & FD_CLOEXEC)
		return false;
	e->inherited.fd = xrealloc(e->inherited.fd, (e->inherited.n + 1) * sizeof(int));
	e->inherited.fd[e->inherited.n++] = fd;
	return true;
}

void engine_done(struct engine *e)
{
	free(e->inherited.fd);
	pool_done(&e->pool);
}

bool engine_has_descriptors(struct engine *e)
{
	int spare = e->fds.limit / 8, used, left;

	if (e->fds.sure > 0)
		return true;
	spare = spare < SPARE_MIN ? SPARE_MIN : spare > SPARE_MAX ? SPARE_MAX : spare;
	used = fd_count();
	left = e->fds.limit - spare - e->fds.promised * SPARE_MIN -
	       (used > 0 ? used : e->fds.newest + 1);
	e->fds.sure = left / PER_SESSION;
	return left > 0;
}

void engine_fd_used(struct engine *e, int fd)
{
	if (fd >= 0)
		e->fds.newest = fd;
	e->fds.sure--;
}

void engine_fds_promise(struct engine *e)
{
	e->fds.sure--;
	e->fds.promised++;
}

void engine_fds_kept(struct engine *e)
{
	assert(e->fds.promised > 0);
	e->fds.promised--;
}

void engine_fd_freed(struct engine *e, int fd)
{
	if (fd >= 0 && fd <= e->fds.newest)
		e->fds.newest = fd - 1;
}
