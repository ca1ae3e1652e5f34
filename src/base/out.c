/* out.c - an output that holds nobody up, see out.h */
#include "base/out.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define WAITING_MAX ((size_t)256 * 1024) /* bytes that wait, their lengths included */
#define TTY_PIECE 128 /* a terminal that is writable takes as much at once */

typedef uint32_t piece_len;

/* A description of our own is non-blocking without making the shared one so. It cannot be had for
 * sockets, without /proc, or where the file belongs to somebody else. */
static bool reopen(struct out *o)
{
	const int flags = O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	char path[128];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", o->fd);
	o->own = open(path, flags);
	if (o->own == -1 && ttyname_r(o->fd, path, sizeof(path)) == 0)
		o->own = open(path, flags);
	return o->own != -1;
}

static enum out_how look(struct out *o)
{
	struct stat st;
	int flags = fcntl(o->fd, F_GETFL);

	if (flags == -1 || flags & O_NONBLOCK || fstat(o->fd, &st) == -1)
		return OUT_PLAIN;
	switch (st.st_mode & S_IFMT) {
	case S_IFSOCK:
		return OUT_SOCKET;
	case S_IFIFO:
		return OUT_NOWAIT;
	case S_IFCHR:
		return !isatty(o->fd) || reopen(o) ? OUT_PLAIN : OUT_READY;
	default:
		return OUT_PLAIN;
	}
}

static bool writable(const struct out *o, int wait_ms)
{
	struct pollfd p = { .fd = o->own != -1 ? o->own : o->fd, .events = POLLOUT };

	return poll(&p, 1, wait_ms) > 0;
}

/* write(2) that does not wait: -1 with EAGAIN instead. */
static ssize_t write_now(struct out *o, const char *data, size_t len)
{
	struct iovec iov = { (char *)data, len };
	ssize_t n;

	if (o->how == OUT_UNKNOWN)
		o->how = look(o);
	switch (o->how) {
	case OUT_SOCKET:
		return send(o->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	case OUT_NOWAIT:
		n = syscall(SYS_pwritev2, o->fd, &iov, 1UL, -1L, -1L, 8 /* RWF_NOWAIT */);
		if (n == -1 && (errno == EOPNOTSUPP || errno == ENOSYS)) { /* before Linux 6.4 */
			o->how = reopen(o) ? OUT_PLAIN : OUT_READY;
			return write_now(o, data, len);
		}
		return n;
	case OUT_READY:
		errno = EAGAIN;
		if (!writable(o, 0))
			return -1;
		return write(o->fd, data, len < TTY_PIECE ? len : TTY_PIECE);
	default:
		return write(o->own != -1 ? o->own : o->fd, data, len);
	}
}

/* Write as much as goes; -1: nothing of it will ever be taken. */
static ssize_t write_some(struct out *o, const char *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write_now(o, data + done, len - done);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN)
			break;
		o->dead = n <= 0;
		if (o->dead)
			return -1;
		done += (size_t)n;
		o->stuck = false;
	}
	return (ssize_t)done;
}

/* A forked process has its parent's pieces in its memory: they are not its own. */
static void keep_own(struct out *o)
{
	pid_t self = getpid();

	if (o->owner != self && o->owner) {
		o->len = o->done = 0;
		o->lost = 0;
	}
	o->owner = self;
}

/* Write what waits; true if nothing waits any more. */
static bool drain(struct out *o)
{
	size_t at = 0;

	while (at < o->len) {
		piece_len len;
		ssize_t n;

		memcpy(&len, o->buf + at, sizeof(len));
		n = write_some(o, o->buf + at + sizeof(len) + o->done, len - o->done);
		if (n != -1 && o->done + (size_t)n < len) {
			o->done += (size_t)n;
			break;
		}
		o->done = 0;
		at += sizeof(len) + len;
	}
	o->len -= at;
	if (o->len)
		memmove(o->buf, o->buf + at, o->len);
	if (!o->len) {
		free(o->buf);
		o->buf = NULL;
	}
	return !o->len;
}

/* Wait once; a reader that has stopped is not waited for again. */
static bool wait_for_room(struct out *o, int wait_ms)
{
	if (o->stuck || wait_ms <= 0)
		return false;
	o->stuck = !writable(o, wait_ms);
	return !o->stuck;
}

static void enqueue(struct out *o, const char *data, size_t len)
{
	piece_len n = (piece_len)len;

	if (!o->buf)
		o->buf = xmalloc(WAITING_MAX);
	memcpy(o->buf + o->len, &n, sizeof(n));
	memcpy(o->buf + o->len + sizeof(n), data, len);
	o->len += sizeof(n) + len;
}

bool out_put(struct out *o, const char *data, size_t len, int wait_ms)
{
	if (o->fd == -1)
		return true;
	keep_own(o);
	if (drain(o)) {
		ssize_t n = write_some(o, data, len);

		if (n == -1 || (size_t)n == len)
			return true;
		if (len + sizeof(piece_len) <= WAITING_MAX) {
			enqueue(o, data, len);
			o->done = (size_t)n;
			return true;
		}
		data += n;
		len -= (size_t)n;
	}
	while (o->len + sizeof(piece_len) + len > WAITING_MAX) {
		if (!wait_for_room(o, wait_ms)) {
			o->lost++;
			return false;
		}
		(void)drain(o);
	}
	enqueue(o, data, len);
	return true;
}

void out_try(struct out *o, const char *data, size_t len)
{
	if (o->fd != -1 && !o->len)
		(void)write_some(o, data, len);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

bool out_flush(struct out *o, int wait_ms)
{
	int64_t end = now_ms() + wait_ms;

	if (!o->len && !o->lost)
		return true;
	keep_own(o);
	while (!drain(o)) {
		int64_t left = end - now_ms();

		if (left <= 0 || !writable(o, (int)left))
			return false;
	}
	return true;
}

void out_done(struct out *o)
{
	free(o->buf);
	if (o->own != -1)
		close(o->own);
	*o = (struct out)OUT_INIT(-1);
}
