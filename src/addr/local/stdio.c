/* stdio.c - STDIO, STDIN, STDOUT, STDERR, FD
 *
 * Descriptors that belong to others as well: they are never closed or shut down, their flags are
 * not changed, and terminal settings come back when the address is closed. A terminal is opened
 * once more so that writing to a stopped one cannot hold up everything else. */
#include "addr/addr.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "end/fd_end.h"
#include "flow/forecast.h"
#include "sys/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define G_STDIO                                                                                    \
	(G_FD | G_FIFO | G_CHR | G_BLK | G_REG | G_SOCKET | G_TERMIOS | G_UNIX | G_IP4 | G_IP6 |   \
	 G_UDP | G_TCP | G_SCTP | G_DCCP | G_UDPLITE)

static void use(struct opening *o, int rfd, int wfd)
{
	o->target.fd = rfd >= 0 ? rfd : wfd;
	o->fd2 = rfd >= 0 && wfd >= 0 && wfd != rfd ? wfd : -1;
	tty_save(&o->undo.tty[0], o->target.fd);
	if (o->fd2 >= 0)
		tty_save(&o->undo.tty[1], o->fd2);
}

static enum step_result step_stdio(struct opening *o, struct err *err)
{
	(void)err;
	switch (o->mode) {
	case MODE_RW:
		log_notice("reading from and writing to stdio");
		use(o, 0, 1);
		break;
	case MODE_READ:
		log_notice("using stdin for reading");
		use(o, 0, -1);
		break;
	case MODE_WRITE:
		log_notice("using stdout for writing");
		use(o, -1, 1);
		break;
	}
	return STEP_DONE;
}

static enum step_result step_std(struct opening *o, struct err *err)
{
	static const char *const name[] = { "stdin", "stdout", "stderr" };
	int fd = o->addr->half->type->net.protocol; /* the row says which */

	(void)err;
	log_notice("using %s for %s", name[fd], mode_word(fd == 0 ? MODE_READ : MODE_WRITE));
	use(o, fd, fd);
	return STEP_DONE;
}

/* The number of a descriptor, or -1 with @err. */
static int read_fd(const struct opening *o, struct err *err)
{
	const char *text = opening_param(o, 0);
	int64_t fd = 0;

	if (num_parse(text, &fd, NULL) != NUM_OK || fd < 0 || fd > INT32_MAX)
		return err_set(err, 0, "error in FD number \"%s\"", text);
	return (int)fd;
}

static enum step_result check_fd(struct opening *o, struct err *err)
{
	return read_fd(o, err) == -1 ? STEP_FAIL : STEP_DONE;
}

static enum step_result step_fd(struct opening *o, struct err *err)
{
	int fd = read_fd(o, err);

	if (fd == -1)
		return STEP_FAIL;
	log_notice("using file descriptor %d for %s", fd, mode_word(o->mode));
	if (!engine_has_inherited(o->addr->engine, fd)) {
		err_set(err, EBADF, "file descriptor %d is not open", fd);
		return STEP_FAIL;
	}
	if (fd > 2)
		fd_cloexec(fd);
	use(o, fd, fd);
	return STEP_DONE;
}

/* A terminal of our own description can be made non-blocking without disturbing anybody. How it is
 * read or written then. */
static enum fd_how own_terminal(int *fd, enum fd_how how, int flags)
{
	int own;

	if (how != FD_HOW_READY || fd_kind(*fd) != FD_TTY)
		return how;
	own = fd_reopen(*fd, flags);
	if (own == -1)
		return how;
	*fd = own;
	return FD_HOW_PLAIN;
}

static void close_stdio(struct endpoint *ep)
{
	bool r = ep->rfd > 2 && ep->caps & EP_OWN_READ, w = ep->wfd > 2 && ep->caps & EP_OWN_WRITE;

	endpoint_restore_tty(ep);
	if (r)
		close(ep->rfd);
	if (w && !(r && ep->wfd == ep->rfd))
		close(ep->wfd);
	ep->rfd = ep->wfd = -1;
}

static const struct endpoint_ops stdio_ops = {
	.read = ep_fd_read,
	.write = ep_fd_write,
	.shut_write = ep_fd_shut_write,
	.close = close_stdio,
	.share = ep_fd_share,
};

static struct endpoint *make(struct opening *o, struct err *err)
{
	bool both = o->addr->half->type->reads && o->addr->half->type->writes;
	int rfd = o->target.fd, wfd = o->fd2 >= 0 ? o->fd2 : o->target.fd;
	struct endpoint *ep = xmalloc(sizeof(*ep));

	(void)err;
	if (both && o->mode == MODE_READ)
		wfd = -1;
	if (both && o->mode == MODE_WRITE)
		rfd = -1;
	endpoint_init(ep, &stdio_ops, o->addr, rfd, wfd);
	endpoint_probe(ep);
	ep->caps |= EP_KEEP_OPEN;
	if (rfd >= 0 && rfd == wfd) {
		ep->rhow = own_terminal(&ep->rfd, ep->rhow, fcntl(rfd, F_GETFL) & O_ACCMODE);
		ep->caps |= ep->rfd != rfd ? EP_OWN_READ | EP_OWN_WRITE : 0;
		ep->wfd = ep->rfd;
		ep->whow = ep->rhow;
	}
	if (rfd >= 0 && rfd != wfd) {
		ep->rhow = own_terminal(&ep->rfd, ep->rhow, O_RDONLY);
		ep->caps |= ep->rfd != rfd ? EP_OWN_READ : 0;
	}
	if (wfd >= 0 && rfd != wfd) {
		ep->whow = own_terminal(&ep->wfd, ep->whow, O_WRONLY);
		ep->caps |= ep->wfd != wfd ? EP_OWN_WRITE : 0;
	}
	return ep;
}

static void forecast_stdio(const struct half *half, enum open_mode mode, struct forecast *f)
{
	(void)half;
	forecast_fds(f, mode == MODE_WRITE ? -1 : 0, mode == MODE_READ ? -1 : 1);
}

static void forecast_std(const struct half *half, enum open_mode mode, struct forecast *f)
{
	(void)mode;
	forecast_fds(f, half->type->net.protocol, half->type->net.protocol);
}

static void forecast_fd(const struct half *half, enum open_mode mode, struct forecast *f)
{
	int64_t fd = -1;

	(void)mode;
	if (num_parse(half->param[0], &fd, NULL) != NUM_OK || fd < 0 || fd > 0x7fffffff ||
	    fcntl((int)fd, F_GETFD) == -1)
		f->unknown = "the descriptor is not open here";
	else
		forecast_fds(f, (int)fd, (int)fd);
}

static const struct step stdio_steps[] = { { .run = step_stdio, .after = PH_FD }, STEP_END };
static const struct step std_steps[] = { { .run = step_std, .after = PH_FD }, STEP_END };
static const struct step fd_steps[] = {
	{ .run = step_fd, .check = check_fd, .after = PH_PASTSOCKET },
	{ .after = PH_FD },
	{ .after = PH_CONNECTED },
	STEP_END,
};

static const struct addr_type types[] = {
	{ .names = "STDIO -",
	  .syntax = "",
	  .help = "standard input for reading and standard output for writing",
	  .groups = G_STDIO,
	  .reads = true,
	  .writes = true,
	  .flags = TYPE_NO_USAGE | TYPE_TRANSPARENT | TYPE_FOREIGN,
	  .steps = stdio_steps,
	  .forecast = forecast_stdio,
	  .make = make },
	{ .names = "STDIN",
	  .syntax = "",
	  .help = "standard input",
	  .groups = G_STDIO,
	  .reads = true,
	  .net = { .protocol = 0 },
	  .flags = TYPE_NO_USAGE | TYPE_TRANSPARENT | TYPE_FOREIGN,
	  .steps = std_steps,
	  .forecast = forecast_std,
	  .make = make },
	{ .names = "STDOUT",
	  .syntax = "",
	  .help = "standard output",
	  .groups = G_STDIO,
	  .writes = true,
	  .net = { .protocol = 1 },
	  .flags = TYPE_NO_USAGE | TYPE_TRANSPARENT | TYPE_FOREIGN,
	  .steps = std_steps,
	  .forecast = forecast_std,
	  .make = make },
	{ .names = "STDERR",
	  .syntax = "",
	  .help = "standard error",
	  .groups = G_STDIO,
	  .writes = true,
	  .net = { .protocol = 2 },
	  .flags = TYPE_NO_USAGE | TYPE_TRANSPARENT | TYPE_FOREIGN,
	  .steps = std_steps,
	  .forecast = forecast_std,
	  .make = make },
	{ .names = "FD",
	  .syntax = ":<fdnum>",
	  .help = "a descriptor that was open already when the program started",
	  .groups = G_STDIO,
	  .reads = true,
	  .writes = true,
	  .min_params = 1,
	  .max_params = 1,
	  .flags = TYPE_NO_USAGE | TYPE_TRANSPARENT | TYPE_FOREIGN,
	  .steps = fd_steps,
	  .forecast = forecast_fd,
	  .make = make },
};

const struct addr_family stdio_family = { types, ARRAY_SIZE(types) };
