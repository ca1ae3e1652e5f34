/* open.c - opening a path without blocking the loop, see open.h */
#include "addr/local/open.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "end/relay.h"
#include "sys/fd.h"
#include "sys/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define RETRY_NS (50 * NSEC_PER_MSEC) /* a FIFO without reader is tried again this often */

int unlink_first(const struct opening *o, struct err *err)
{
	if (!o->addr->conf->open.unlink || unlink(o->target.path) == 0 || errno == ENOENT)
		return 0;
	return err_set(err, errno, "unlink(\"%s\")", o->target.path);
}

/* Access mode by direction, unless an option says otherwise; then the flags. */
static int open_flags(const struct opening *o, int flags)
{
	static const int by_mode[] = { O_RDWR, O_RDONLY, O_WRONLY };
	const struct conf *c = o->addr->conf;

	if (c->open.access >= 0)
		flags |= c->open.access;
	else if (!o->addr->half->type->reads)
		flags |= O_WRONLY;
	else
		flags |= by_mode[o->mode];
	return (flags | c->open.set) & ~c->open.clear;
}

static mode_t open_perm(const struct opening *o)
{
	return o->addr->conf->open.perm >= 0 ? (mode_t)o->addr->conf->open.perm : 0666;
}

static enum step_result refused(const struct opening *o, int how, struct err *err)
{
	err_set(err, errno, "open(\"%s\", 0%o, 0%03o)", o->target.path, (unsigned)how,
		(unsigned)open_perm(o));
	return STEP_FAIL;
}

static int folder_check(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? xstrndup(path, (size_t)(slash - path) + 1) : xstrdup(".");
	int rc = faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS);

	free(folder);
	return rc;
}

int open_may(const char *path, int how)
{
	static const int rights[] = {
		[O_RDONLY] = R_OK, [O_WRONLY] = W_OK, [O_RDWR] = R_OK | W_OK
	};
	int access = how & O_ACCMODE;
	struct stat st;

	if (stat(path, &st) == -1)
		return errno == ENOENT && how & O_CREAT ? folder_check(path) : -1;
	if (access > O_RDWR)
		return 0;
	errno = EISDIR;
	if (S_ISDIR(st.st_mode) && access != O_RDONLY)
		return -1;
	return faccessat(AT_FDCWD, path, rights[access], AT_EACCESS);
}

/* Another user or root directory may find something else; with reopen it may come later. */
enum step_result open_check(struct opening *o, int flags, struct err *err)
{
	const struct conf *c = o->addr->conf;
	int how = open_flags(o, flags);

	if (c->open.unlink || ident_has(&c->ident, ID_EARLY) || open_may(o->target.path, how) == 0)
		return STEP_DONE;
	if (c->retry.reopen_ns && errno == ENOENT)
		return STEP_DONE;
	return refused(o, how, err);
}

static bool is_fifo(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISFIFO(st.st_mode);
}

static void inotify_free(void *impl)
{
	close(*(int *)impl);
	free(impl);
}

/* Somebody has the FIFO @fd open for writing, or had. Bytes or a hang-up say so; else tee(2), which
 * takes nothing away, finds an empty pipe at its end if nobody has. */
static bool has_writer(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	bool silent = false;
	int side[2];

	if (poll(&p, 1, 0) > 0)
		return true;
	if (pipe2(side, O_CLOEXEC) == -1)
		return false;
	silent = tee(fd, side[1], 1, SPLICE_F_NONBLOCK) == -1 && errno == EAGAIN;
	close(side[0]);
	close(side[1]);
	return silent;
}

/* The FIFO is open for reading; somebody opening it for writing wakes us. */
static enum step_result wait_for_writer(struct opening *o)
{
	int fd, *impl;

	if (has_writer(o->target.fd))
		return STEP_DONE;
	fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (fd == -1 || inotify_add_watch(fd, o->target.path, IN_OPEN | IN_MODIFY) == -1) {
		fd_close(&fd);
		return STEP_DONE; /* without a way to wait: data will come when it comes */
	}
	impl = xmalloc(sizeof(*impl));
	*impl = fd;
	o->impl = impl;
	o->impl_free = inotify_free;
	/* the writer may have come between open and watch */
	if (has_writer(o->target.fd))
		return STEP_DONE;
	relay_ready(o->addr->relay);
	opening_wait(o, fd, EPOLLIN, 0);
	return STEP_WAIT;
}

enum step_result open_path(struct opening *o, int flags, struct err *err)
{
	const struct conf *c = o->addr->conf;
	const char *path = o->target.path;
	mode_t perm = open_perm(o);
	bool fifo = is_fifo(path), user_nonblock;
	/* a device that is pulled out must not hang up the whole program */
	int ours = O_CLOEXEC | (c->open.clear & O_NOCTTY ? 0 : O_NOCTTY), how;

	if (unlink_first(o, err) == -1)
		return STEP_FAIL;
	how = open_flags(o, flags);
	user_nonblock = how & O_NONBLOCK;
	o->target.fd = open(path, how | ours | (fifo ? O_NONBLOCK : 0), perm);
	if (o->target.fd == -1) {
		if (errno == ENXIO && fifo && !user_nonblock) {
			opening_wait(o, -1, 0, loop_now(o->addr->engine->loop) + RETRY_NS);
			return STEP_AGAIN;
		}
		return refused(o, how, err);
	}
	log_info("open(\"%s\", 0%o, 0%03o) -> %d", path, (unsigned)how, (unsigned)perm,
		 o->target.fd);
	if (fifo && !user_nonblock && (how & O_ACCMODE) == O_RDONLY)
		return wait_for_writer(o);
	return STEP_DONE;
}

enum step_result step_opened(struct opening *o, struct err *err)
{
	const struct conf *c = o->addr->conf;

	(void)err;
	if (o->impl)
		inotify_free(o->impl);
	o->impl = NULL;
	tty_save(&o->undo.tty[0], o->target.fd);
	if (c->open.unlink_close == 1)
		leftovers_add_opened(&o->undo.left, o->target.path, o->target.fd);
	return STEP_DONE;
}
