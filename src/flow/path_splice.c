/* path_splice.c - stream to stream inside the kernel
 *
 * splice(2) moves pages between a pipe and a file or socket. Where neither end is a pipe, a pipe of
 * our own goes in between, borrowed while bytes are in it. Used only where nobody needs to see the
 * bytes; where the kernel refuses the flow goes on by copying. */
#include "end/fd_end.h"
#include "end/relay.h"
#include "flow/flow.h"
#include "sys/chaos.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#define SPLICE_LEN ((size_t)1 << 20) /* bytes asked for at once; the pipe's capacity limits it */

#define PIPE_PROVEN (1 << 20) /* bytes after which a pipe counts as busy, and a flow as bulk */

static const char *against(const struct path_ask *ask)
{
	if (ask->plain)
		return "SOCAST_FASTPATH=0 forbids it";
	if (!ask->src.bare || !ask->dst.bare)
		return "an end changes the bytes or watches over them itself";
	if (!(ask->src.caps & EP_SPLICE_IN))
		return ask->src.kind == FD_TTY
			       ? "the source is a terminal"
			       : "the source is neither pipe nor file nor stream socket";
	if (!(ask->dst.caps & EP_SPLICE_OUT) && ask->dst.kind == FD_FILE)
		return "the file is appended to";
	if (!(ask->dst.caps & EP_SPLICE_OUT))
		return ask->dst.kind == FD_TTY
			       ? "the destination is a terminal"
			       : "the destination is neither pipe nor file nor stream socket";
	/* between two files the page cache is copied anyway, with less overhead by read and write
	 */
	if (ask->src.kind == FD_FILE && ask->dst.kind == FD_FILE)
		return "between two files it saves nothing";
	if (ask->seen)
		return ask->seen;
	return ask->no_splice ? "the kernel refused it" : NULL;
}

static ssize_t do_splice(int from, int to, size_t len)
{
	ssize_t n;

	len = chaos_len(len);
	do
		n = splice(from, NULL, to, NULL, len, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	while (n == -1 && errno == EINTR);
	return n;
}

/* The source's errno (or end of file, 0) as a result. */
static enum move_result source_says(struct flow *f, ssize_t n)
{
	if (n == -1 && (errno == EINVAL || errno == EBADF)) {
		f->no_splice = true;
		return MOVE_SOME;
	}
	if (n == -1)
		n = ep_fd_read_failed(f->src, f, SPLICE_LEN, f->err);
	if (n == 0)
		return MOVE_END;
	return errno == EAGAIN ? MOVE_WANT_READ : MOVE_FAIL;
}

static enum move_result destination_says(struct flow *f, size_t len)
{
	if (errno == EAGAIN)
		return MOVE_WANT_WRITE;
	err_set(f->err, errno, "write(%d, %p, %zu)", f->dst->wfd, (void *)f, len);
	return flow_write_failed(f);
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

static size_t allowed(const struct flow *f)
{
	return f->src->read_left < SPLICE_LEN ? (size_t)f->src->read_left : SPLICE_LEN;
}

static enum move_result took(struct flow *f, ssize_t n)
{
	flow_received(f, (uint64_t)n);
	if (f->src->read_left != UINT64_MAX) {
		f->src->read_left -= (uint64_t)n;
		f->end_seen = f->src->read_left == 0;
	}
	return MOVE_SOME;
}

/* A pipe that proves to carry much gets room for more, so that both ends are woken less often;
 * unless the user has decided, or a limit of theirs forbids it. */
static void widen(struct flow *f)
{
	const struct endpoint *end[2] = { f->src, f->dst };
	int fd[2] = { f->src->rfd, f->dst->wfd };

	f->wide = true;
	for (int i = 0; i < 2; i++) {
		int size = fcntl(fd[i], F_GETPIPE_SZ);

		if (size > 0 && size < PIPE_WIDE && !end[i]->addr->conf->flow.pipesz_given)
			(void)fcntl(fd[i], F_SETPIPE_SZ, PIPE_WIDE);
	}
}

/* Who reads a pipe faster than it is filled is woken for every page, and slows the writer down, who
 * has to do the waking. Into a file, at more than 100 MB/s, the flow gives the pipe a moment to
 * fill when it brought little; the rate is measured over 10 ms. */
#define DENSE (100 * 1000) /* bytes per millisecond */
#define LITTLE (64 << 10) /* bytes */

static void measure_density(struct flow *f, size_t n)
{
	if (!f->one_way || f->dst->wkind != FD_FILE)
		return;
	if (flow_measure(f, n)) {
		f->meter->nap_ns = FLOW_NAP_PIPE_NS;
		f->dense = f->meter->per_ms >= DENSE;
	}
	f->drained = f->dense && n < LITTLE;
}

/* One end is a pipe: no detour. */
static enum move_result move_direct(struct flow *f)
{
	ssize_t n = do_splice(f->src->rfd, f->dst->wfd, allowed(f));

	if (n > 0) {
		if (!f->wide && f->bytes > PIPE_PROVEN)
			widen(f);
		flow_count(f, 1, (uint64_t)n);
		measure_density(f, (size_t)n);
		took(f, n);
		return f->end_seen ? MOVE_END : MOVE_SOME;
	}
	if (n == 0 || errno == EINVAL || errno == EBADF)
		return source_says(f, n);
	/* EAGAIN stands for an empty source and for a full destination alike */
	if (errno == EAGAIN)
		return readable(f->src->rfd) ? MOVE_WANT_WRITE : source_says(f, n);
	/* a pipe that nobody reads is met before the source is looked at: it is the business of the
	 * write that will fail when there is something to write */
	if (errno == EPIPE) {
		f->no_splice = true;
		return MOVE_SOME;
	}
	/* the end that is no pipe has failed, and says so only once */
	return f->src->rkind == FD_PIPE ? destination_says(f, SPLICE_LEN) : source_says(f, n);
}

static void idle(struct flow *f)
{
	if (!f->splice.open)
		return;
	if (f->splice.in_pipe) {
		close(f->splice.pipe[0]);
		close(f->splice.pipe[1]);
	} else {
		pool_pipe_back(&f->relay->engine->pool, f->splice.pipe, f->wide);
	}
	f->splice.open = false;
	f->splice.in_pipe = 0;
}

static enum move_result drain_pipe(struct flow *f)
{
	while (f->splice.in_pipe) {
		ssize_t n = -1;

		if (!chaos_again())
			n = do_splice(f->splice.pipe[0], f->dst->wfd, f->splice.in_pipe);

		if (n == -1)
			return destination_says(f, f->splice.in_pipe);
		f->splice.in_pipe -= (size_t)n;
		flow_count(f, 1, (uint64_t)n);
	}
	return MOVE_SOME;
}

static enum move_result move_through_pipe(struct flow *f)
{
	enum move_result r = drain_pipe(f);
	ssize_t n;

	if (r != MOVE_SOME)
		return r;
	if (f->end_seen)
		return MOVE_END;
	if (!f->wide && f->bytes > PIPE_PROVEN) {
		idle(f);
		f->wide = true;
	}
	if (!f->splice.open && pool_pipe(&f->relay->engine->pool, f->splice.pipe, f->wide) == -1) {
		f->no_splice = true; /* out of descriptors: copying needs none */
		return MOVE_SOME;
	}
	f->splice.open = true;
	n = do_splice(f->src->rfd, f->splice.pipe[1], allowed(f));
	if (n <= 0)
		return source_says(f, n);
	f->splice.in_pipe = (size_t)n;
	/* so little empties a socket; if not, its readiness tells (FLOW_SHORT) */
	f->drained = n < FLOW_SHORT;
	took(f, n);
	r = drain_pipe(f);
	return r == MOVE_SOME && f->end_seen ? MOVE_END : r;
}

static enum move_result move(struct flow *f)
{
	bool direct = f->src->rkind == FD_PIPE || f->dst->wkind == FD_PIPE;

	return direct && !f->splice.in_pipe ? move_direct(f) : move_through_pipe(f);
}

static size_t pending(const struct flow *f)
{
	return f->splice.in_pipe;
}

const struct path path_splice = { "splicing", "moved inside the kernel, by splice(2)",
				  against,    move,
				  idle,       pending };
