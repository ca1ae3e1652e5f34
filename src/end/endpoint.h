/* endpoint.h - a live end of a session
 *
 * An endpoint is a vtable and one or two descriptors. Files, pipes, terminals and stream sockets
 * use the defaults (ep_fd_*); datagram sockets, programs and dual addresses bring their own. One
 * that lives in memory (queue.h) has no descriptor: rfd and wfd are -1, nothing is watched, and all
 * it has to say comes by endpoint_ready(). The session owns its endpoints; an endpoint owns its
 * descriptors unless caps say otherwise. */
#ifndef END_ENDPOINT_H
#define END_ENDPOINT_H

#include "base/err.h"
#include "end/address.h"
#include "end/leftovers.h"
#include "end/linger.h"
#include "ev/loop.h"
#include "opt/opt.h"
#include "sys/fd.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct batch;
struct endpoint;
struct layer;
struct proc;
struct str;

enum ep_caps {
	EP_DGRAM_IN = 1, /* reads deliver datagrams: recv_batch */
	EP_DGRAM_OUT = 2, /* each write is one datagram: send_batch */
	EP_SPLICE_IN = 4, /* rfd may be spliced from */
	EP_SPLICE_OUT = 8, /* wfd may be spliced to */
	EP_NEVER_WRITABLE = 16, /* STALL: nothing can ever be written */
	EP_KEEP_OPEN = 32, /* descriptors belong to others: never closed (STDIO, FD) */
	EP_QUIET_PIPE = 64, /* a program: not reading its input is normal */
	EP_SHARED = 128, /* another session uses the same end: close means plain close */
	EP_HUP_IS_EOF = 256, /* a terminal's EIO means that the other side was closed */
	EP_OWN_READ = 512, /* rfd (wfd) is a description of our own of somebody else's terminal */
	EP_OWN_WRITE = 1024,
	EP_LENT = 4096, /* a source shares it among its sessions and frees it */
	EP_LINGERS = 8192, /* a stream socket that is ours alone: see linger.h */
	EP_NO_READ = 16384, /* the descriptor is open for writing only, */
	EP_NO_WRITE = 32768, /* or for reading only: that direction does not exist */
};

/* What is being told down the stack: to each behind the output of those above it. */
enum telling { TELL_NOTHING, TELL_SHUT, TELL_FINISH, TELL_OVER };

/* What happens to the descriptors at the very end. */
enum ep_final { FINAL_CLOSE, FINAL_SHUTDOWN };

struct endpoint_ops {
	/* As readv(2)/writev(2): bytes, 0 at end of file (read), or -1 with errno; EAGAIN when it
	 * would block. @err is filled for every errno but EAGAIN. */
	ssize_t (*read)(struct endpoint *ep, void *buf, size_t len, struct err *err);
	ssize_t (*write)(struct endpoint *ep, const struct iovec *iov, int niov, struct err *err);
	/* Datagrams: fill the empty batch @b with at most @max; > 0 packets, 0 end of file, -1 as
	 * above. Refused packets are already marked. */
	long (*recv_batch)(struct endpoint *ep, struct batch *b, size_t max, struct err *err);
	/* Send packets from b->next on, advancing it; 0 when all are gone, -1 as above. */
	int (*send_batch)(struct endpoint *ep, struct batch *b, struct err *err);
	/* No more will be written (the other side's end of file). Nothing to do where there is no
	 * such direction. */
	void (*shut_write)(struct endpoint *ep);
	/* Release everything but the memory; called once. */
	void (*close)(struct endpoint *ep);
	/* True if a read finds data or the end in our own memory, which no descriptor tells; or
	 * NULL. */
	bool (*holds)(const struct endpoint *ep);
	/* True, with @err, when it has failed for good: its user is told with EPOLLERR and ends the
	 * session, whatever else that waits for. NULL: reads and writes tell. */
	bool (*broken)(const struct endpoint *ep, struct err *err);
	/* What to watch when @want is wanted; NULL: just that. */
	uint32_t (*wants)(const struct endpoint *ep, uint32_t want);
	/* Add lines about refused and lost data to the statistics, or NULL. */
	void (*report)(struct endpoint *ep);
	/* As endpoint_settle() and endpoint_kept(), of ends that it is made of; NULL: there are
	 * none. */
	int (*settle)(struct endpoint *ep, struct err *err);
	size_t (*kept)(const struct endpoint *ep);
	/* Does what is sent come back here, because we hear the group it is sent to? NULL: no. */
	bool (*hears_itself)(const struct endpoint *ep);
	/* The end with descriptors that stands below this one now, or NULL: there is none for the
	 * time being. NULL: it is itself. */
	const struct endpoint *(*below)(const struct endpoint *ep);
	/* The same end for one more session (descriptors duplicated), or NULL with @err. NULL when
	 * the kind cannot be shared. */
	struct endpoint *(*share)(struct endpoint *ep, struct err *err);
};

/* What has to be put right when an end is closed; most have nothing. */
struct undo {
	struct tty_saved tty[2];
	struct leftovers left;
};

/* What a user of endpoints (a session) wants to be told, and can be asked by what is below. */
struct endpoint_user {
	/* @events: EPOLLIN, EPOLLOUT, and EPOLLERR, EPOLLHUP with what the kernel said */
	void (*event)(struct endpoint *ep, uint32_t events);
	/* End it: @ep shall serve somebody else, or nobody. @why is logged at debug level. */
	void (*end)(struct endpoint *ep, const char *why);
	/* Does it move data by now? Before that little should be kept for it. */
	bool (*has_begun)(const struct endpoint *ep);
};

/* Bytes read too far by what has left the stack: they are of whoever reads there next, and read
 * first. Each layer can have some, and so can the transport. */
struct unread {
	size_t off, len;
	uint8_t data[];
};

struct endpoint {
	const struct endpoint_ops
		*ops; /* the transport's; others call endpoint_read() and its kin */
	struct layer *top; /* of the stack on it, or NULL */
	struct unread *unread; /* of the transport, or NULL */
	struct address *addr; /* it was opened from */
	struct watch rwatch, wwatch; /* wwatch only when wfd differs from rfd */
	uint16_t want; /* EPOLLIN, EPOLLOUT somebody waits for */
	uint16_t masked; /* of these, what is not watched for the time being */
	uint16_t is_ready; /* and of these, what endpoint_ready() has said */
	uint16_t lives; /* how often what is below has been lost (option reopen): what was written
			 * in part is not continued */
	bool changed; /* it can be moved in another way now, see endpoint_is_bare() */
	bool over; /* nobody is called for it any more; it may still say its farewell */
	bool drained_is_eof; /* the program behind it has ended: nothing more will come */
	enum telling telling : 8; /* to those from @untold down, the transport being last */
	enum fd_how rhow : 8, whow : 8;
	enum fd_kind rkind : 8, wkind : 8; /* FD_OTHER where nobody has looked */
	enum shut_how half_close : 8; /* what shut_write does */
	enum ep_final final : 8;
	unsigned caps; /* enum ep_caps */
	struct layer *untold;
	struct ready ready;
	const struct endpoint_user *user; /* who uses it, or NULL: nobody yet, or any more */
	void *owner; /* the user's */
	int rfd, wfd; /* -1: not open in this direction, or in memory */
	uint64_t read_left; /* readbytes: bytes still allowed, UINT64_MAX: no limit */
	struct parting parting; /* how it is closed */
	struct undo *undo; /* owned, or NULL */
	struct proc *proc; /* program behind it, or NULL */
	union {
		struct timer look; /* see endpoint_look_again() */
		struct deferred free; /* when it is over */
	};
	int64_t eio_since_ns; /* 0: none seen */
};

/* ---- for users: whatever stands in between ---- */

/* As in struct endpoint_ops. */
ssize_t endpoint_read(struct endpoint *ep, void *buf, size_t len, struct err *err);
ssize_t endpoint_write(struct endpoint *ep, const struct iovec *iov, int niov, struct err *err);
long endpoint_recv(struct endpoint *ep, struct batch *b, size_t max, struct err *err);
int endpoint_send(struct endpoint *ep, struct batch *b, struct err *err);
void endpoint_shut_write(struct endpoint *ep);
/* The session is over, and @ep stays for a while: the layers say farewell, then the transport is
 * told that nothing more will be written. */
void endpoint_finish(struct endpoint *ep);
bool endpoint_holds(const struct endpoint *ep);
/* Of what was written, send what layers have kept. 0: nothing is left. -1 with errno EAGAIN: some
 * is; whoever waits for room is told. -1 with another errno and @err: it can never be sent. */
int endpoint_settle(struct endpoint *ep, struct err *err);
/* How many bytes that is. */
size_t endpoint_kept(const struct endpoint *ep);
/* Of an end to which all is written, and that nobody reads: has its other side taken us for good?
 * 0: yes, or nobody will tell. -1 with errno EAGAIN: it may still refuse us, and perhaps says so;
 * ask again when something has come. -1 with another errno and @err: it has. What it says is
 * dropped. */
int endpoint_verdict(struct endpoint *ep, struct err *err);
void endpoint_report(struct endpoint *ep);

/* What has the descriptors: @ep, or what is below it now, or NULL. */
static inline const struct endpoint *endpoint_now(const struct endpoint *ep)
{
	return ep->ops->below ? ep->ops->below(ep) : ep;
}

/* Nothing stands between its user and the transport: the kernel may move its bytes. When that
 * becomes true in the middle of a session, @ep->changed is set. What is written does not mind bytes
 * that have been read too far. */
static inline bool endpoint_is_bare(const struct endpoint *ep)
{
	return !ep->top && !ep->unread;
}

/* Somebody who leaves the top of the stack has read @n bytes (at most UNREAD_MAX, with those that
 * are there already) too far: they are read next. */
#define UNREAD_MAX 65536
void endpoint_unread(struct endpoint *ep, const void *data, size_t n);

/* The same end for one more session, whatever its kind, or NULL with @err. Bytes read too far go to
 * the new one, as they would if they still lay in the socket and it were the first to read. */
struct endpoint *endpoint_share(struct endpoint *ep, struct err *err);

/* Set up the common part of an endpoint that the caller has allocated (it may be embedded at the
 * beginning of a larger structure; endpoint_free() frees it as a whole). */
void endpoint_init(struct endpoint *ep, const struct endpoint_ops *ops, struct address *addr,
		   int rfd, int wfd);

/* @ep is a socket of ours that somebody has written to: it ends by linger_close(). */
bool endpoint_lingers(const struct endpoint *ep);

/* It can be read or written (@bits: EPOLLIN, EPOLLOUT) though no descriptor says so: its user is
 * told from the loop, in this turn or the next (loop_ready()). Never from within the caller. */
void endpoint_ready(struct endpoint *ep, uint32_t bits);

/* Its user looks again in @ns, though no descriptor will tell: a terminal that says EIO, an
 * interface that is down. */
void endpoint_look_again(struct endpoint *ep, int64_t ns);

/* Change what is waited for: bits of EPOLLIN and EPOLLOUT to switch on and off. */
void endpoint_want(struct endpoint *ep, uint32_t on, uint32_t off);

/* Do not watch for these events although somebody wants them: an end that hangs up for the time
 * being would report it without a pause. Replaces what was masked before; 0: watch everything. */
void endpoint_mask(struct endpoint *ep, uint32_t masked);

/* Have @ep put right what opening it has changed; takes the contents of @undo. */
void endpoint_undo_later(struct endpoint *ep, const struct undo *undo);
/* Put its terminals back now. */
void endpoint_restore_tty(struct endpoint *ep);

/* Close what is still open and free the memory at the end of the loop's turn. NULL is fine. */
void endpoint_free(struct endpoint *ep);

/* As endpoint_free() where another process goes on with this end: descriptors are closed, and
 * nothing is written, shut down, signalled, put back or counted. NULL is fine. */
void endpoint_abandon(struct endpoint *ep);

#endif
