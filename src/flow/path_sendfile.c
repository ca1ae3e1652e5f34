/* path_sendfile.c - a regular file into a stream socket
 *
 * sendfile(2) hands the pages of the file to the socket: no copy, and no pipe of ours in between.
 * What it has taken is sent, so nothing is ever in flight here. Where the kernel refuses (a file
 * system without it) the flow goes on by splicing or copying. */
#include "flow/flow.h"
#include "sys/chaos.h"

#include <errno.h>
#include <sys/sendfile.h>

#define SENDFILE_LEN ((size_t)1 << 20) /* bytes per call */

static const char *against(const struct path_ask *ask)
{
	if (ask->plain)
		return "SOCAST_FASTPATH=0 forbids it";
	if (ask->src.kind != FD_FILE)
		return "the source is no regular file";
	if (ask->dst.kind != FD_SOCKET)
		return "the destination is no socket";
	if (!(ask->src.caps & EP_SPLICE_IN) || !(ask->dst.caps & EP_SPLICE_OUT))
		return "the destination is no stream";
	if (!ask->src.bare || !ask->dst.bare)
		return "an end changes the bytes or watches over them itself";
	if (ask->seen)
		return ask->seen;
	return ask->no_sendfile ? "the kernel refused it" : NULL;
}

static enum move_result failed(struct flow *f, size_t len)
{
	switch (errno) {
	case EAGAIN:
		return MOVE_WANT_WRITE;
	case EINTR:
		return MOVE_SOME;
	case EINVAL:
	case ENOSYS:
	case EOVERFLOW:
	case EIO: /* whose it is, the read will tell */
		f->no_sendfile = true;
		return MOVE_SOME;
	default:
		err_set(f->err, errno, "sendfile(%d, %d, NULL, %zu)", f->dst->wfd, f->src->rfd,
			len);
		return flow_write_failed(f);
	}
}

static enum move_result move(struct flow *f)
{
	size_t len = f->src->read_left < SENDFILE_LEN ? (size_t)f->src->read_left : SENDFILE_LEN;
	ssize_t n = -1;

	if (!chaos_again())
		n = sendfile(f->dst->wfd, f->src->rfd, NULL, chaos_len(len));
	if (n == -1)
		return failed(f, len);
	if (n == 0)
		return MOVE_END;
	if (f->src->read_left != UINT64_MAX)
		f->src->read_left -= (uint64_t)n;
	flow_received(f, (uint64_t)n);
	flow_count(f, 1, (uint64_t)n);
	return f->src->read_left ? MOVE_SOME : MOVE_END;
}

static void idle(struct flow *f)
{
	(void)f;
}

static size_t pending(const struct flow *f)
{
	(void)f;
	return 0;
}

const struct path path_sendfile = {
	"sendfile", "handed from the file to the socket inside the kernel, by sendfile(2)",
	against,    move,
	idle,       pending
};
