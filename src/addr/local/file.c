/* file.c - OPEN, CREATE, GOPEN
 *
 * OPEN uses what exists, CREATE makes or empties a regular file, GOPEN looks what is there: a
 * socket is connected to, a regular file is appended to, anything else is opened. A FIFO is opened
 * without blocking the loop: a reader waits for its writer by inotify, a writer tries again until
 * there is a reader. */
#include "addr/addr.h"
#include "addr/local/open.h"
#include "addr/local/unix.h"
#include "base/list.h"
#include "base/log.h"
#include "end/fd_end.h"
#include "flow/forecast.h"
#include "sys/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether it is there may be for open(2) to say. */
static int look(const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) == 0 || errno == ENOENT)
		return 0;
	return err_set(err, errno, "stat(\"%s\")", path);
}

static enum step_result check_open(struct opening *o, struct err *err)
{
	return look(o->target.path, err) == -1 ? STEP_FAIL : open_check(o, 0, err);
}

static enum step_result step_open(struct opening *o, struct err *err)
{
	const char *path = o->target.path;

	if (look(path, err) == -1)
		return STEP_FAIL;
	if (o->waiting != STEP_AGAIN)
		log_notice("opening %s \"%s\" for %s", fd_type_word(path), path,
			   mode_word(o->mode));
	return open_path(o, 0, err);
}

static enum step_result not_made(const struct opening *o, struct err *err)
{
	int64_t perm = o->addr->conf->open.perm;

	err_set(err, errno, "creat(\"%s\", 0%03o)", o->target.path,
		perm >= 0 ? (unsigned)perm : 0666);
	return STEP_FAIL;
}

static int check_direction(const struct opening *o, struct err *err)
{
	if (o->mode != MODE_READ)
		return 0;
	return err_set(err, 0, "%s:\"%s\": read-only mode, refusing to truncate or create file",
		       o->addr->half->keyword, o->target.path);
}

static enum step_result check_create(struct opening *o, struct err *err)
{
	if (check_direction(o, err) == -1)
		return STEP_FAIL;
	if (o->addr->conf->open.unlink || ident_has(&o->addr->conf->ident, ID_EARLY) ||
	    open_may(o->target.path, O_WRONLY | O_CREAT) == 0)
		return STEP_DONE;
	return not_made(o, err);
}

static enum step_result step_create(struct opening *o, struct err *err)
{
	const struct conf *c = o->addr->conf;
	const char *path = o->target.path;
	mode_t perm = c->open.perm >= 0 ? (mode_t)c->open.perm : 0666;
	struct stat st;

	if (check_direction(o, err) == -1)
		return STEP_FAIL;
	if (o->waiting != STEP_AGAIN)
		log_notice("creating regular file \"%s\" for %s", path, mode_word(o->mode));
	/* a FIFO waits for its reader in the loop, not in open(2) */
	if (stat(path, &st) == 0 && S_ISFIFO(st.st_mode))
		return open_path(o, O_TRUNC, err);
	if (unlink_first(o, err) == -1)
		return STEP_FAIL;
	o->target.fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, perm);
	if (o->target.fd == -1) {
		return not_made(o, err);
	}
	log_info("creat(\"%s\", 0%03o) -> %d", path, (unsigned)perm, o->target.fd);
	return STEP_DONE;
}

/* The steps of UNIX-CLIENT, which follow, connect to it. */
static enum step_result is_socket(struct opening *o, struct err *err)
{
	log_info("\"%s\" is a socket, connecting to it", opening_param(o, 0));
	return unix_connect_to(o, opening_param(o, 0), err) == -1 ? STEP_FAIL : STEP_DONE;
}

static bool connects(const struct opening *o)
{
	return o->remote.n;
}

static enum step_result step_client_name(struct opening *o, struct err *err)
{
	return connects(o) ? step_unix_name(o, err) : STEP_DONE;
}

static enum step_result step_gopened(struct opening *o, struct err *err)
{
	return connects(o) ? STEP_DONE : step_opened(o, err);
}

static enum step_result check_gopen(struct opening *o, struct err *err)
{
	struct stat st;

	if (look(opening_param(o, 0), err) == -1)
		return STEP_FAIL;
	if (stat(opening_param(o, 0), &st) == 0 && S_ISSOCK(st.st_mode))
		return STEP_DONE;
	if (o->addr->conf->retry.reopen_ns) /* it may come later */
		return STEP_DONE;
	return open_check(o, O_CREAT, err);
}

static enum step_result step_gopen(struct opening *o, struct err *err)
{
	const char *path = opening_param(o, 0);
	bool missing, regular;
	struct stat st;
	int flags = 0;

	/* an earlier attempt may have found something else */
	o->target.path = path;
	o->remote.n = 0;
	missing = stat(path, &st) == -1;
	if (missing && errno != ENOENT) {
		err_set(err, errno, "stat(\"%s\")", path);
		return STEP_FAIL;
	}
	if (!missing && S_ISSOCK(st.st_mode))
		return is_socket(o, err);
	regular = !missing && S_ISREG(st.st_mode);
	if (o->waiting != STEP_AGAIN)
		log_info("\"%s\" is not a socket, open()'ing it", path);
	if (o->waiting != STEP_AGAIN)
		log_notice("opening %s \"%s\" for %s", fd_type_word(path), path,
			   mode_word(o->mode));
	if (missing && !o->addr->conf->retry.reopen_ns) /* even for reading, as classic does */
		flags = O_CREAT;
	else if ((regular || S_ISDIR(st.st_mode)) && o->mode != MODE_READ)
		flags = O_APPEND;
	return open_path(o, flags, err);
}

static struct endpoint *make(struct opening *o, struct err *err)
{
	int fd = o->target.fd;

	(void)err;
	if (fd_kind(fd) == FD_TTY || fd_kind(fd) == FD_PIPE)
		fd_nonblock(fd);
	return endpoint_fd_new(o->addr, fd, fd);
}

static struct endpoint *make_gopen(struct opening *o, struct err *err)
{
	return connects(o) ? make_unix_client(o, err) : make(o, err);
}

static void forecast_create(const struct half *half, enum open_mode mode, struct forecast *f)
{
	(void)half;
	(void)mode;
	forecast_kind(f, FD_FILE);
	f->in.caps |= EP_NO_READ;
}

static void forecast_gopen(const struct half *half, enum open_mode mode, struct forecast *f)
{
	unsigned type = forecast_file_type(half, half->param[0]);

	if (type == S_IFSOCK) {
		forecast_socket(half, mode, f);
		return;
	}
	forecast_entry(half, mode, f);
	if (!type && !half->conf.retry.reopen_ns)
		f->unknown = NULL; /* it will be made */
	if (type == S_IFREG && mode != MODE_READ)
		f->out.caps &= ~(unsigned)EP_SPLICE_OUT; /* appended to */
}

static const struct step open_steps[] = {
	{ .after = PH_PREOPEN },
	{ .run = step_open, .check = check_open },
	{ .run = step_opened, .after = PH_PASTOPEN },
	{ .after = PH_FD },
	STEP_END,
};

static const struct step create_steps[] = {
	{ .after = PH_PREOPEN },
	{ .run = step_create, .check = check_create, .after = PH_PASTOPEN },
	{ .after = PH_FD },
	STEP_END,
};

static const struct step gopen_steps[] = {
	{ .after = PH_PREOPEN },
	{ .run = step_gopen, .check = check_gopen },
	{ .run = step_client_name, .flags = STEP_NEXT_ADDRESS },
	{ .run = step_unix_socket, .after = PH_PASTSOCKET },
	{ .after = PH_PREBIND },
	{ .run = step_unix_bind },
	{ .run = step_unix_connect, .after = PH_CONNECTED },
	{ .run = step_gopened, .after = PH_PASTOPEN },
	{ .after = PH_FD },
	STEP_END,
};

#define G_OPENED (G_FD | G_FIFO | G_CHR | G_BLK | G_REG | G_NAMED | G_OPEN | G_TERMIOS)

static const struct addr_type types[] = {
	{ .names = "OPEN FILE",
	  .syntax = ":<filename>",
	  .help = "opens a file, device or FIFO that exists (or option creat)",
	  .groups = G_OPENED,
	  .reads = true,
	  .writes = true,
	  .min_params = 1,
	  .max_params = 1,
	  .flags = TYPE_ENTRY | TYPE_TRANSPARENT,
	  .steps = open_steps,
	  .forecast = forecast_entry,
	  .make = make },
	{ .names = "CREATE CREAT",
	  .syntax = ":<filename>",
	  .help = "makes a regular file, or empties an existing one, for writing",
	  .groups = G_FD | G_REG | G_NAMED,
	  .writes = true,
	  .min_params = 1,
	  .max_params = 1,
	  .flags = TYPE_ENTRY | TYPE_TRANSPARENT,
	  .steps = create_steps,
	  .forecast = forecast_create,
	  .make = make },
	{ .names = "GOPEN",
	  .syntax = ":<filename>",
	  .help = "whatever is there: connects to a socket, appends to a file, else opens",
	  .groups = G_OPENED | G_SOCKET | G_UNIX,
	  .reads = true,
	  .writes = true,
	  .min_params = 1,
	  .max_params = 1,
	  .flags = TYPE_ENTRY | TYPE_TRANSPARENT,
	  .steps = gopen_steps,
	  .forecast = forecast_gopen,
	  .make = make_gopen },
};

const struct addr_family file_family = { types, ARRAY_SIZE(types) };
