/* acceptfd.c - ACCEPT-FD: a socket that somebody else has opened and bound for us
 *
 * That is how a service manager starts a server when its first client comes: descriptor 3 is the
 * listening socket. Connections are accepted from it as LISTEN does; a datagram socket, which has
 * nothing to accept, is served as RECVFROM does. The descriptor is ours then: no program inherits
 * it, and it is closed when nothing more is wanted from it. */
#include "addr/addr.h"
#include "base/list.h"
#include "base/log.h"
#include "base/str.h"
#include "flow/forecast.h"
#include "open/dgram_open.h"
#include "open/listen.h"
#include "open/peers.h"
#include "open/steps.h"
#include "sys/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int get_option(int fd, int name)
{
	int value = 0;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) == 0 ? value : -1;
}

static bool is_datagram(const struct opening *o)
{
	return o->socktype == SOCK_DGRAM || o->socktype == SOCK_RAW;
}

/* Errors carry no code: trying again (option retry) would not mend any of them. */
static int check(struct opening *o, int fd, struct err *err)
{
	const char *keyword = o->addr->half->keyword;

	if (!engine_has_inherited(o->addr->engine, fd))
		return err_set(err, 0, "%s:%d: %s", keyword, fd, strerror(EBADF));
	o->socktype = get_option(fd, SO_TYPE);
	if (o->socktype == -1)
		return err_set(err, 0, "%s:%d: %s", keyword, fd, strerror(errno));
	if (!is_datagram(o) && get_option(fd, SO_ACCEPTCONN) != 1)
		return err_set(err, 0,
			       "%s:%d: the socket is not listening; for a connection use FD:%d",
			       keyword, fd, fd);
	o->protocol = get_option(fd, SO_PROTOCOL);
	o->target.family = get_option(fd, SO_DOMAIN);
	return 0;
}

/* The number of a descriptor, or -1 with @err. */
static int read_fd(const struct opening *o, struct err *err)
{
	const char *text = opening_param(o, 0);
	int64_t n = 0;

	if (num_parse(text, &n, NULL) != NUM_OK || n < 0 || n > INT32_MAX)
		return err_set(err, 0, "error in FD number \"%s\"", text);
	return (int)n;
}

static enum step_result check_take(struct opening *o, struct err *err)
{
	return read_fd(o, err) == -1 ? STEP_FAIL : STEP_DONE;
}

static enum step_result step_take(struct opening *o, struct err *err)
{
	int n = read_fd(o, err);

	if (n == -1 || check(o, n, err) == -1)
		return STEP_FAIL;
	/* a standard descriptor is used by a copy: its number must not become another file's */
	o->target.fd = n > STDERR_FILENO ? n : fcntl(n, F_DUPFD_CLOEXEC, 3);
	if (o->target.fd == -1) {
		err_set(err, errno, "dup(%d)", n);
		return STEP_FAIL;
	}
	fd_cloexec(o->target.fd);
	log_notice("using file descriptor %d accepting a connection for %s", n, mode_word(o->mode));
	return STEP_DONE;
}

static enum step_result step_wait(struct opening *o, struct err *err)
{
	return is_datagram(o) ? step_first_packet(o, err) : step_listening(o, err);
}

/* The first datagram is there already when the steps of a connection begin. */
static enum step_result step_accept_stream(struct opening *o, struct err *err)
{
	return is_datagram(o) ? STEP_DONE : step_accept(o, err);
}

static void forecast(const struct half *half, enum open_mode mode, struct forecast *f)
{
	int64_t fd = -1;
	int type = 0;

	if (num_parse(half->param[0], &fd, NULL) == NUM_OK && fd >= 0 && fd < 0x7fffffff)
		type = get_option((int)fd, SO_TYPE);
	if (type <= 0)
		f->unknown = "the socket is not open here";
	else if (type == SOCK_STREAM)
		forecast_stream(half, mode, f);
	else
		forecast_packets(half, mode, f);
}

static struct endpoint *make(struct opening *o, struct err *err)
{
	if (o->impl) /* the first datagram */
		return dgram_make_recvfrom(o, err);
	o->socktype = 0; /* whatever was accepted */
	return make_connection(o, err);
}

static struct source *source(struct opening *o, struct err *err)
{
	return is_datagram(o) ? dgram_source_recvfrom(o, err) : listen_source(o, err);
}

/* clang-format off */
static const struct step steps[] = {
	{ STEP_PURE(step_max_children) },
	{ .run = step_take, .check = check_take, .after = PH_PASTSOCKET },
	{ .run = step_wait, .flags = STEP_WAITS_FOR_PEER },
	STEP_END,
};

static const struct step conn_steps[] = {
	{ .run = step_accept_stream, .after = PH_FD, .flags = STEP_WAITS_FOR_PEER },
	{ .after = PH_PASTSOCKET },
	{ .after = PH_CONNECTED },
	STEP_END,
};
/* clang-format on */

static const struct addr_type types[] = {
	{ .names = "ACCEPT-FD ACCEPT",
	  .syntax = ":<fdnum>",
	  .help = "server at an inherited socket: waits for a connection; fork serves many",
	  .groups = G_FD | G_SOCKET | G_CHILD | G_RETRY | G_RANGE | G_UNIX | G_IP4 | G_IP6 | G_UDP |
		    G_TCP | G_SCTP | G_DCCP | G_UDPLITE,
	  .reads = true,
	  .writes = true,
	  .min_params = 1,
	  .max_params = 1,
	  .flags = TYPE_ACCEPTS | TYPE_TRANSPARENT,
	  .steps = steps,
	  .conn_steps = conn_steps,
	  .forecast = forecast,
	  .make = make,
	  .source = source },
};

const struct addr_family acceptfd_family = { types, ARRAY_SIZE(types) };
