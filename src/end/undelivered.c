/* undelivered.c - what an end has been given and its peer has not got, see undelivered.h
 *
 * Theory of operation. Each kind of descriptor has its keeper, a row of the table below. Some know
 * what they hold when the peer has gone. Others throw it away at that moment, and have to be asked
 * behind each write; what they said then is an upper bound: since then some can have been taken.
 *
 *	TCP		what was acknowledged is counted, and the count stays: exact
 *	pipes		FIONREAD, also at the end that is written; it stays until both are closed
 *	UNIX sockets	SIOCOUTQ behind each write: the memory of what is unread, which is more than
 *			the bytes. A peer that closes with something unread leaves ECONNRESET; with
 *			any other end it has gone on reading, or still does, and SIOCOUTQ holds
 *	UNIX datagrams	the same, in datagrams; but nothing tells how their receiver has ended
 *	our pty		FIONREAD of the other side, which can be opened when it has been closed.
 *			Nobody counts what is on the way to there: it is nothing, or a bound
 *	another's pty	nothing is told: a bound
 *	serial lines	TIOCOUTQ behind each write
 *	datagrams of IP	one, if an error says that nobody has taken it
 *	other sockets	SIOCOUTQ behind each write, or nothing
 *
 * Layers make more bytes of what is written, so what the keeper holds of theirs is no less. TCP's
 * count does not tell how much of what is written it stands for. So one mark travels along: it is
 * set behind a write, when the kernel has been given @mark_at bytes; once so many are acknowledged
 * all in front of it is with the peer, and it is set anew, while no layer keeps a part of what is
 * written. What one keeps is lost, and so may be all that was written with it.
 *
 * What TCP has acknowledged a program may still not have read. No kernel tells that to another. */
#include "end/undelivered.h"

#include "end/endpoint.h"
#include "sys/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#define PTY_HOLDS 65536 /* more than a pty keeps in both its buffers */
#define DATAGRAM_COST 512 /* less than a datagram in a queue costs (struct sk_buff and its kin) */

struct keeper {
	const char *not_done;
	void (*note)(struct undelivered *u, size_t n, bool all); /* behind each write, or NULL */
	/* what may be lost; the caller sees to it that it is no more than @written. NULL: unknown
	 */
	uint64_t (*left)(struct undelivered *u, const struct err *err);
	bool exact; /* where no layer stands in between */
};

static uint64_t ask(int fd, unsigned long request)
{
	int n = 0;

	return ioctl(fd, request, &n) == -1 || n < 0 ? 0 : (uint64_t)n;
}

/* ---- TCP ---- */

static uint64_t acked(const struct endpoint *ep)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	(void)getsockopt(ep->wfd, IPPROTO_TCP, TCP_INFO, &info, &len);
	return info.tcpi_bytes_acked;
}

/* What the kernel has been given. If something is acknowledged between the two calls it is too
 * much, and so is the bound then. */
static uint64_t given(const struct endpoint *ep)
{
	uint64_t queued = ask(ep->wfd, SIOCOUTQ);

	return queued + acked(ep);
}

static void move_mark(struct undelivered *u)
{
	if (acked(u->ep) < u->mark_at)
		return;
	u->sure = u->mark;
	if (endpoint_kept(u->ep))
		return;
	u->mark = u->written;
	u->mark_at = given(u->ep);
}

static void note_tcp(struct undelivered *u, size_t n, bool all)
{
	(void)n;
	(void)all;
	if (!endpoint_is_bare(u->ep))
		move_mark(u);
}

static uint64_t left_tcp(struct undelivered *u, const struct err *err)
{
	uint64_t taken = acked(u->ep) - u->base;

	(void)err;
	if (!endpoint_is_bare(u->ep)) {
		move_mark(u);
		return u->written - u->sure;
	}
	return taken < u->written ? u->written - taken : 0; /* our end counts as a byte, too */
}

/* ---- what forgets ---- */

/* SIOCOUTQ, which is TIOCOUTQ for terminals. A device that is gone does not answer. */
static void note_held(struct undelivered *u, size_t n, bool all)
{
	int held = 0;

	(void)all;
	u->held = ioctl(u->fd, SIOCOUTQ, &held) == -1 ? u->held + n : (uint64_t)held;
}

static bool peer_has_gone(int fd)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, 0) == 1 && p.revents & POLLHUP;
}

/* If the peer has gone meanwhile the queue is empty whatever has become of it; and a write that has
 * been cut short by that has taken the error with it. */
static void note_local(struct undelivered *u, size_t n, bool all)
{
	uint64_t before = u->held;

	note_held(u, n, all);
	if (!peer_has_gone(u->fd))
		return;
	u->held = before + n;
	u->cut |= !all;
}

static uint64_t left_held(struct undelivered *u, const struct err *err)
{
	(void)err;
	return u->held;
}

/* A peer that closes with something unread leaves an error, whoever meets it first; a layer may
 * have met it within a write. */
static bool has_left_some(const struct undelivered *u, const struct err *err)
{
	socklen_t len = sizeof(int);
	int code = 0;

	(void)getsockopt(u->fd, SOL_SOCKET, SO_ERROR, &code, &len);
	if (code == ECONNRESET || u->cut || !err)
		return code == ECONNRESET || u->cut;
	return err->code == ECONNRESET || (err->code == EPIPE && !endpoint_is_bare(u->ep));
}

static uint64_t left_local(struct undelivered *u, const struct err *err)
{
	return has_left_some(u, err) ? u->held : ask(u->fd, SIOCOUTQ);
}

/* Counted by what the least of them costs. */
static uint64_t packets(uint64_t held)
{
	return held && held < DATAGRAM_COST ? 1 : held / DATAGRAM_COST;
}

static void note_packets(struct undelivered *u, size_t n, bool all)
{
	note_local(u, n * DATAGRAM_COST, all);
}

static uint64_t left_packets(struct undelivered *u, const struct err *err)
{
	return packets(left_local(u, err));
}

/* Nothing tells that a receiver of datagrams has gone but a write that fails. So what was seen
 * behind the last one may be its empty queue, and what was seen before is not: it took that one. */
static void note_datagrams(struct undelivered *u, size_t n, bool all)
{
	(void)all;
	u->held = u->seen + n * DATAGRAM_COST;
	u->seen = ask(u->fd, SIOCOUTQ);
}

static uint64_t left_datagrams(struct undelivered *u, const struct err *err)
{
	(void)err;
	return packets(u->held);
}

/* ---- what remembers ---- */

static uint64_t left_pipe(struct undelivered *u, const struct err *err)
{
	(void)err;
	return ask(u->fd, FIONREAD);
}

/* FIONREAD counts whole lines only while the terminal makes lines. */
static uint64_t left_our_pty(struct undelivered *u, const struct err *err)
{
	int other = ioctl(u->fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	uint64_t n = 1;
	struct termios t;

	(void)err;
	if (other == -1)
		return PTY_HOLDS;
	if (tcgetattr(other, &t) == 0) {
		t.c_lflag &= ~(tcflag_t)ICANON;
		(void)tcsetattr(other, TCSANOW, &t);
		n = ask(other, FIONREAD);
	}
	close(other);
	return n ? PTY_HOLDS : 0;
}

static uint64_t left_other_pty(struct undelivered *u, const struct err *err)
{
	(void)u;
	(void)err;
	return PTY_HOLDS;
}

/* A network tells of one datagram that nobody wanted, and of none that it has lost. */
static uint64_t left_network(struct undelivered *u, const struct err *err)
{
	(void)u;
	return err && err->code == ECONNREFUSED;
}

/* A device has what it has been given. */
static uint64_t left_nothing(struct undelivered *u, const struct err *err)
{
	(void)u;
	(void)err;
	return 0;
}

static const struct keeper tcp = { "acknowledged", note_tcp, left_tcp, true },
			   local = { "read", note_local, left_local, false },
			   local_packets = { "read", note_packets, left_packets, false },
			   local_datagrams = { "read", note_datagrams, left_datagrams, false },
			   other_socket = { "acknowledged", note_held, left_held, false },
			   pipe_ = { "read", NULL, left_pipe, true },
			   our_pty = { "read", NULL, left_our_pty, false },
			   other_pty = { "read", NULL, left_other_pty, false },
			   line = { "sent", note_held, left_held, false },
			   network = { "received", NULL, left_network, true },
			   nothing = { "read", NULL, left_nothing, true },
			   unknown = { "read", NULL, NULL, false };

static const struct keeper *keeper_of_socket(const struct endpoint *ep)
{
	struct tcp_info info;
	socklen_t len = sizeof(int), info_len = sizeof(info);
	int domain = AF_UNSPEC, type = SOCK_STREAM, n;

	(void)getsockopt(ep->wfd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
	(void)getsockopt(ep->wfd, SOL_SOCKET, SO_TYPE, &type, &len);
	if (domain == AF_UNIX)
		return type == SOCK_STREAM      ? &local
		       : type == SOCK_SEQPACKET ? &local_packets
						: &local_datagrams;
	if (ep->caps & EP_DGRAM_OUT)
		return &network;
	if (getsockopt(ep->wfd, IPPROTO_TCP, TCP_INFO, &info, &info_len) == 0)
		return &tcp;
	return ioctl(ep->wfd, SIOCOUTQ, &n) == 0 ? &other_socket : &unknown;
}

static const struct keeper *keeper_of_terminal(const struct endpoint *ep)
{
	struct stat st;
	unsigned n;

	if (ioctl(ep->wfd, TIOCGPTN, &n) == 0)
		return &our_pty;
	if (fstat(ep->wfd, &st) == 0 && major(st.st_rdev) >= 136 && major(st.st_rdev) <= 143)
		return &other_pty; /* Documentation/admin-guide/devices.txt */
	return &line;
}

static const struct keeper *keeper_of(const struct endpoint *ep)
{
	if (ep->wfd < 0)
		return &nothing;
	switch (fd_kind(ep->wfd)) {
	case FD_SOCKET:
		return keeper_of_socket(ep);
	case FD_TTY:
		return keeper_of_terminal(ep);
	case FD_PIPE:
		return &pipe_;
	default:
		return &nothing;
	}
}

void undelivered_begin(struct undelivered *u, const struct endpoint *ep)
{
	*u = (struct undelivered){ .ep = ep, .fd = ep->wfd, .keeper = keeper_of(ep) };
	if (u->keeper == &tcp)
		u->base = given(ep);
}

void undelivered_note(struct undelivered *u, size_t n, bool all)
{
	u->written += n;
	if (u->keeper->note && u->ep->wfd >= 0)
		u->keeper->note(u, n, all);
	if (!endpoint_kept(u->ep))
		u->handed = u->written;
}

struct undelivered_loss undelivered_judge(struct undelivered *u, const struct err *err)
{
	struct undelivered_loss loss = {
		.not_done = u->keeper->not_done,
		.datagrams = u->ep->caps & EP_DGRAM_OUT,
		.at_most = !u->keeper->exact || !endpoint_is_bare(u->ep),
	};

	if (!u->written || u->ep->wfd < 0) /* it has been told the end */
		return loss;
	loss.unknown = !u->keeper->left;
	loss.n = loss.unknown ? 0 : u->keeper->left(u, err) + (u->written - u->handed);
	if (loss.n > u->written)
		loss.n = u->written;
	return loss;
}
