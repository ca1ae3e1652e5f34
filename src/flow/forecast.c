/* forecast.c - what an end will be like, told without opening it; see forecast.h */
#include "flow/forecast.h"

#include "base/mem.h"
#include "end/fd_end.h"
#include "open/opening.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>

void forecast_packets(const struct half *half, enum open_mode mode, struct forecast *f)
{
	(void)half;
	(void)mode;
	f->in = f->out = (struct path_end){ EP_DGRAM_IN | EP_DGRAM_OUT, FD_OTHER, false };
}

void forecast_kind(struct forecast *f, enum fd_kind kind)
{
	unsigned caps = endpoint_kind_splices(kind) ? EP_SPLICE_IN | EP_SPLICE_OUT : 0;

	f->in = f->out = (struct path_end){ caps, kind, true };
}

void forecast_stream(const struct half *half, enum open_mode mode, struct forecast *f)
{
	(void)half;
	(void)mode;
	forecast_kind(f, FD_SOCKET);
}

void forecast_socket(const struct half *half, enum open_mode mode, struct forecast *f)
{
	int type = half->conf.sock.type >= 0 ? (int)half->conf.sock.type : half->type->net.type;

	if (!type)
		f->unknown = "only the connection shows whether it is a stream or datagrams";
	else if (type == SOCK_DGRAM || type == SOCK_SEQPACKET)
		forecast_packets(half, mode, f);
	else
		forecast_stream(half, mode, f);
}

void forecast_fds(struct forecast *f, int rfd, int wfd)
{
	if (rfd >= 0)
		f->in = (struct path_end){ endpoint_fd_caps(rfd, -1), fd_kind(rfd), true };
	if (wfd >= 0)
		f->out = (struct path_end){ endpoint_fd_caps(-1, wfd), fd_kind(wfd), true };
}

unsigned forecast_file_type(const struct half *half, const char *path)
{
	const char *cwd = half->conf.ident.cwd;
	char *whole = cwd && *path != '/' ? xasprintf("%s/%s", cwd, path) : xstrdup(path);
	struct stat st;
	unsigned type = stat(whole, &st) == -1 ? 0 : st.st_mode & S_IFMT;

	free(whole);
	return type;
}

void forecast_entry(const struct half *half, enum open_mode mode, struct forecast *f)
{
	(void)mode;
	switch (forecast_file_type(half, half->param[0])) {
	case S_IFREG:
		forecast_kind(f, FD_FILE);
		break;
	case S_IFIFO:
		forecast_kind(f, FD_PIPE);
		break;
	case S_IFBLK:
		forecast_kind(f, FD_BLK);
		break;
	case 0:
		forecast_kind(f, FD_FILE);
		if (!(half->conf.open.set & O_CREAT))
			f->unknown = "the entry is not there yet";
		break;
	default:
		forecast_kind(f, FD_CHR);
		break;
	}
	if (half->conf.open.access == O_WRONLY)
		f->in.caps |= EP_NO_READ;
	if (half->conf.open.access == O_RDONLY)
		f->out.caps |= EP_NO_WRITE;
	if (half->conf.open.set & O_APPEND) /* splice refuses it */
		f->out.caps &= ~(unsigned)EP_SPLICE_OUT;
}

void forecast_half(const struct half *half, enum open_mode mode, struct forecast *f)
{
	half->type->forecast(half, mode, f);
	if (!(half->type->flags & TYPE_FOREIGN)) {
		f->in.caps |= half->type->reads ? 0 : EP_NO_READ;
		f->out.caps |= half->type->writes ? 0 : EP_NO_WRITE;
	}
	for (size_t i = 0; i < half->nlayers; i++) {
		if (half->layer[i].type->forecast)
			half->layer[i].type->forecast(f);
	}
	if (half->conf.retry.reopen_ns) /* an end in memory stands between */
		f->in.bare = f->out.bare = false;
}

void forecast_side(const struct side *side, enum open_mode mode, struct forecast *f)
{
	struct forecast in = { 0 }, out = { 0 };

	*f = (struct forecast){ 0 };
	if (side->nhalves < 2) {
		forecast_half(&side->half[0], mode, f);
		return;
	}
	forecast_half(&side->half[0], MODE_READ, &in);
	forecast_half(&side->half[1], MODE_WRITE, &out);
	f->in = in.in;
	f->out = out.out;
	if (mode == MODE_RW) /* dual_new() */
		f->in.bare = f->out.bare = false;
	f->unknown = mode != MODE_WRITE && in.unknown ? in.unknown : out.unknown;
}
