/* pipe.c - PIPE (unnamed: an echo; named: a FIFO) and SOCKETPAIR (an echo that keeps borders) */
#include "addr/addr.h"
#include "addr/local/open.h"
#include "base/list.h"
#include "base/log.h"
#include "dgram/dgram.h"
#include "dgram/dgram_end.h"
#include "end/dual.h"
#include "end/fd_end.h"
#include "flow/forecast.h"
#include "sys/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static enum step_result step_unnamed(struct opening *o, struct err *err)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC | O_NONBLOCK) == -1) {
		err_set(err, errno, "pipe()");
		return STEP_FAIL;
	}
	log_info("pipe({%d,%d}) -> 0", fd[0], fd[1]);
	log_notice("writing to and reading from unnamed pipe");
	o->target.fd = fd[0];
	o->fd2 = fd[1];
	return STEP_DONE;
}

/* Options user and group: now, because opening may wait long for the other end. */
static int own(const char *path, const struct conf *c, struct err *err)
{
	if (c->open.user < 0 && c->open.group < 0)
		return 0;
	if (lchown(path, (uid_t)c->open.user, (gid_t)c->open.group) == 0)
		return 0;
	return err_set(err, errno, "chown(\"%s\", %d, %d)", path, (int)c->open.user,
		       (int)c->open.group);
}

static enum step_result step_named(struct opening *o, struct err *err)
{
	const struct conf *c = o->addr->conf;
	mode_t perm = c->open.perm >= 0 ? (mode_t)c->open.perm : 0666;
	const char *path = o->target.path;
	struct stat st;

	if (o->waiting != STEP_AGAIN && unlink_first(o, err) == -1)
		return STEP_FAIL;
	if (stat(path, &st) == 0) {
		if (o->waiting != STEP_AGAIN)
			log_notice("opening %s \"%s\" for %s", fd_type_word(path), path,
				   mode_word(o->mode));
	} else {
		if (mkfifo(path, perm) == -1) {
			err_set(err, errno, "mkfifo(%s, %u)", path, (unsigned)perm);
			return STEP_FAIL;
		}
		log_notice("created named pipe \"%s\" for %s", path, mode_word(o->mode));
		if (c->open.unlink_close != 0) /* what we made goes with us */
			leftovers_add_entry(&o->undo.left, path, S_IFIFO);
		if (own(path, c, err) == -1)
			return STEP_FAIL;
	}
	return open_path(o, 0, err);
}

static enum step_result step_pipe(struct opening *o, struct err *err)
{
	return o->addr->half->nparams ? step_named(o, err) : step_unnamed(o, err);
}

static enum step_result step_pipe_opened(struct opening *o, struct err *err)
{
	return o->addr->half->nparams ? step_opened(o, err) : STEP_DONE;
}

/* Blocks larger than the pipe would need several turns; classic blocks there. */
static struct endpoint *make_pipe(struct opening *o, struct err *err)
{
	bool unnamed = o->fd2 >= 0;
	struct endpoint *ep;

	(void)err;
	if (!unnamed && fd_kind(o->target.fd) == FD_PIPE)
		fd_nonblock(o->target.fd);
	ep = endpoint_fd_new(o->addr, o->target.fd, unnamed ? o->fd2 : o->target.fd);
	if (unnamed)
		ep->half_close = SHUT_CLOSE;
	return ep;
}

static enum step_result step_socketpair(struct opening *o, struct err *err)
{
	const struct conf *c = o->addr->conf;
	int family = c->sock.family >= 0 ? c->sock.family : AF_UNIX;
	int type = c->sock.type >= 0 ? (int)c->sock.type : SOCK_DGRAM;
	int protocol = c->sock.protocol >= 0 ? (int)c->sock.protocol : 0;
	int fd[2];

	if (socketpair(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol, fd) == -1) {
		err_set(err, errno, "socketpair(%d, %d, %d)", family, type, protocol);
		return STEP_FAIL;
	}
	log_info("socketpair(%d, %d, %d, {%d,%d}) -> 0", family, type, protocol, fd[0], fd[1]);
	log_notice("writing to and reading from unnamed socketpair");
	o->target.fd = fd[0];
	o->target.family = family;
	o->fd2 = fd[1];
	return STEP_DONE;
}

/* A pair of datagram sockets is an endpoint that reads at one end and writes at the other. */
static struct endpoint *make_socketpair(struct opening *o, struct err *err)
{
	struct dgram_kind kind = { AF_UNIX, SOCK_DGRAM, 0 };
	const struct conf *c = o->addr->conf;
	struct dgram_sock *in, *out;
	struct dgram_ep *rd, *wr;
	struct endpoint *ep;

	if (c->sock.type >= 0 && c->sock.type != SOCK_DGRAM && c->sock.type != SOCK_SEQPACKET) {
		ep = endpoint_fd_new(o->addr, o->target.fd, o->fd2);
		ep->half_close = SHUT_CLOSE;
		return ep;
	}
	in = dgram_sock_new(o->addr, o->target.fd, kind, 0, err);
	if (!in)
		return NULL;
	out = dgram_sock_new(o->addr, o->fd2, kind, 0, err);
	if (!out) {
		in->fd = -1;
		dgram_sock_unref(in);
		return NULL;
	}
	rd = dgram_ep_new(in, NULL);
	wr = dgram_ep_new(out, NULL);
	dgram_sock_unref(in);
	dgram_sock_unref(out);
	rd->accept = wr->accept = ACCEPT_ANY;
	return dual_new(&rd->ep, &wr->ep);
}

/* A named one is made where there is none. */
static void forecast_pipe(const struct half *half, enum open_mode mode, struct forecast *f)
{
	if (!half->nparams || !forecast_file_type(half, half->param[0]))
		forecast_kind(f, FD_PIPE);
	else
		forecast_entry(half, mode, f);
}

static void forecast_socketpair(const struct half *half, enum open_mode mode, struct forecast *f)
{
	if (half->conf.sock.type >= 0)
		forecast_socket(half, mode, f);
	else
		forecast_packets(half, mode, f);
}

static const struct step pipe_steps[] = {
	{ .after = PH_PREOPEN },
	{ .run = step_pipe },
	{ .run = step_pipe_opened, .after = PH_PASTOPEN },
	{ .after = PH_FD },
	STEP_END,
};

static const struct step socketpair_steps[] = {
	{ .run = step_socketpair, .after = PH_PASTSOCKET },
	{ .after = PH_FD },
	{ .after = PH_PREBIND },
	{ .after = PH_CONNECTED },
	STEP_END,
};

static const struct addr_type types[] = {
	{ .names = "PIPE ECHO FIFO",
	  .syntax = "[:<filename>]",
	  .help = "an unnamed pipe that returns what is written, or a named one, made if missing",
	  .groups = G_FD | G_FIFO | G_NAMED | G_OPEN,
	  .reads = true,
	  .writes = true,
	  .max_params = 1,
	  .flags = TYPE_ENTRY | TYPE_TRANSPARENT,
	  .steps = pipe_steps,
	  .forecast = forecast_pipe,
	  .make = make_pipe },
	{ .names = "SOCKETPAIR",
	  .syntax = "",
	  .help = "a socket pair that returns each packet written to it",
	  .groups = G_FD | G_SOCKET,
	  .reads = true,
	  .writes = true,
	  .flags = TYPE_TRANSPARENT,
	  .steps = socketpair_steps,
	  .forecast = forecast_socketpair,
	  .make = make_socketpair },
};

const struct addr_family pipe_family = { types, ARRAY_SIZE(types) };
