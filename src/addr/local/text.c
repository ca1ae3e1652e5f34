/* text.c - TEXT (delivers a string once) and STALL (nothing, for ever) */
#include "addr/addr.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "end/fd_end.h"
#include "flow/forecast.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The text waits in memory behind a descriptor, whatever its length. */
static int text_fd(const char *text, struct err *err)
{
	size_t len = strlen(text), done = 0;
	int fd = memfd_create("text", MFD_CLOEXEC);

	if (fd == -1)
		return err_set(err, errno, "memfd_create()");
	while (done < len) {
		ssize_t n = write(fd, text + done, len - done);

		if (n == -1) {
			err_set(err, errno, "write(%d, text, %zu)", fd, len - done);
			close(fd);
			return -1;
		}
		done += (size_t)n;
	}
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static enum step_result check_text(struct opening *o, struct err *err)
{
	(void)err;
	if (o->mode == MODE_WRITE)
		log_warn("TEXT address in write-only context degenerates to STDOUT");
	return STEP_DONE;
}

static enum step_result step_text(struct opening *o, struct err *err)
{
	if (o->mode == MODE_WRITE)
		return check_text(o, err);
	if (o->mode == MODE_RW)
		log_notice("using stdout for writing");
	log_notice("reading from data pipe");
	o->target.fd = text_fd(opening_param(o, 0), err);
	return o->target.fd == -1 ? STEP_FAIL : STEP_DONE;
}

static void close_text(struct endpoint *ep)
{
	fd_close(&ep->rfd); /* standard output is not ours */
	ep->wfd = -1;
}

static const struct endpoint_ops text_ops = {
	.read = ep_fd_read,
	.write = ep_fd_write,
	.shut_write = ep_fd_shut_write,
	.close = close_text,
	.share = ep_fd_share,
};

static struct endpoint *make_text(struct opening *o, struct err *err)
{
	struct endpoint *ep = xmalloc(sizeof(*ep));

	(void)err;
	endpoint_init(ep, &text_ops, o->addr, o->target.fd, o->mode == MODE_READ ? -1 : 1);
	endpoint_probe(ep);
	ep->caps |= EP_KEEP_OPEN;
	return ep;
}

static void forecast_text(const struct half *half, enum open_mode mode, struct forecast *f)
{
	(void)half;
	forecast_kind(f, FD_FILE);
	if (mode != MODE_READ)
		forecast_fds(f, -1, 1);
}

static enum step_result step_stall(struct opening *o, struct err *err)
{
	static const char *const say[] = {
		[MODE_RW] = "reading from stall pipe, writing to nothing",
		[MODE_READ] = "reading from stall pipe",
		[MODE_WRITE] = "writing to nothing",
	};
	int fd[2];

	log_notice("%s", say[o->mode]);
	if (pipe2(fd, O_CLOEXEC | O_NONBLOCK) == -1) {
		err_set(err, errno, "pipe()");
		return STEP_FAIL;
	}
	o->target.fd = fd[0]; /* nobody ever writes to the other end, and it stays open */
	o->fd2 = fd[1];
	return STEP_DONE;
}

static struct endpoint *make_stall(struct opening *o, struct err *err)
{
	struct endpoint *ep = endpoint_fd_new(o->addr, o->target.fd, o->fd2);

	(void)err;
	ep->caps = EP_NEVER_WRITABLE;
	return ep;
}

static void forecast_stall(const struct half *half, enum open_mode mode, struct forecast *f)
{
	(void)half;
	(void)mode;
	f->in = f->out = (struct path_end){ 0, FD_PIPE, true };
}

static const struct step text_steps[] = { { .run = step_text, .check = check_text, .after = PH_FD },
					  STEP_END };
static const struct step stall_steps[] = { { .run = step_stall, .after = PH_FD }, STEP_END };

static const struct addr_type types[] = {
	{ .names = "TEXT",
	  .syntax = ":<string>",
	  .help = "delivers the string once, then end of file; what is written goes to stdout",
	  .groups = G_FD | G_FIFO,
	  .reads = true,
	  .writes = true,
	  .min_params = 1,
	  .max_params = 1,
	  .flags = TYPE_TRANSPARENT,
	  .steps = text_steps,
	  .forecast = forecast_text,
	  .make = make_text },
	{ .names = "STALL",
	  .syntax = "",
	  .help = "delivers nothing and takes nothing",
	  .groups = G_FD | G_FIFO,
	  .reads = true,
	  .writes = true,
	  .flags = TYPE_TRANSPARENT,
	  .steps = stall_steps,
	  .forecast = forecast_stall,
	  .make = make_stall },
};

const struct addr_family text_family = { types, ARRAY_SIZE(types) };
