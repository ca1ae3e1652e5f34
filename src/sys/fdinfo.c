/* fdinfo.c - everything the kernel tells about open descriptors and entries, see fdinfo.h
 *
 * The line has a common part from stat(2) and fcntl(2), a tail by kind, and the state of poll(2).
 */
#include "sys/fdinfo.h"

#include "base/list.h"
#include "base/log.h"
#include "sys/fdinfo_socket.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

/* What a line is about. */
struct subject {
	int fd; /* -1: an entry that cannot be opened */
	const char *path; /* NULL: a descriptor */
	struct stat st;
};

/* ---- tails ---- */

static void print_pipe(const struct fdinfo *f, const struct subject *s)
{
	int size = fcntl(s->fd, F_GETPIPE_SZ);

	if (size != -1)
		fprintf(f->out, "\tF_GETPIPE_SZ=%d", size);
}

/* Control characters as ^X, printable ones as they are, others in hex. */
static void print_control_char(const struct fdinfo *f, unsigned char c)
{
	if (f->raw)
		fprintf(f->out, "%d", c);
	else if (c < 32)
		fprintf(f->out, "^%c", c + '@');
	else if (isprint(c))
		fputc(c, f->out);
	else
		fprintf(f->out, "x%02X", c);
}

static void print_chr(const struct fdinfo *f, const struct subject *s)
{
	struct termios t;
	struct winsize w;
	char name[64];

	if (tcgetattr(s->fd, &t) == -1)
		return;
	fprintf(f->out, "\t%s \tIFLAGS=0x%06x OFLAGS=0x%06x CFLAGS=0x%06x LFLAGS=0x%06x",
		ttyname_r(s->fd, name, sizeof(name)) == 0 ? name : "NULL", t.c_iflag, t.c_oflag,
		t.c_cflag, t.c_lflag);
	for (size_t i = 0; i < NCCS; i++) {
		fprintf(f->out, " cc[%zu]=", i);
		print_control_char(f, t.c_cc[i]);
	}
	if (ioctl(s->fd, TIOCGWINSZ, &w) == 0)
		fprintf(f->out, " terminal window size: %4ux%u terminal window pixels: %ux%u",
			w.ws_col, w.ws_row, w.ws_xpixel, w.ws_ypixel);
}

static void print_link(const struct fdinfo *f, const struct subject *s)
{
	char target[PATH_MAX];
	ssize_t n = s->path ? readlink(s->path, target, sizeof(target)) : -1;

	if (n != -1)
		fprintf(f->out, "LINKTARGET=%.*s", (int)n, target);
}

static void print_socket(const struct fdinfo *f, const struct subject *s)
{
	if (s->fd != -1)
		fdinfo_print_socket(f->out, s->fd);
}

struct kind {
	mode_t type; /* S_IFMT bits */
	const char *word;
	void (*print)(const struct fdinfo *f, const struct subject *s); /* the tail, or NULL */
	bool unopened; /* opening an entry of this kind fails, or tells of something else */
};

static const struct kind kinds[] = {
	{ S_IFIFO, "pipe", print_pipe, false },
	{ S_IFCHR, "chrdev", print_chr, false },
	{ S_IFDIR, "dir", NULL, false },
	{ S_IFBLK, "blkdev", NULL, false },
	{ S_IFREG, "file", NULL, false },
	{ S_IFLNK, "symlink", print_link, true },
	{ S_IFSOCK, "socket", print_socket, true },
	{ 0, "undef", NULL, true },
};

static const struct kind *kind_of(const struct stat *st)
{
	const struct kind *k = kinds;

	while (k->type && k->type != (st->st_mode & S_IFMT))
		k++;
	return k;
}

/* ---- the line ---- */

static void print_header(struct fdinfo *f)
{
	const char *wide = f->raw ? "" : "\t\t"; /* dates take three columns, numbers one */

	if (!f->begun)
		fprintf(f->out,
			"  FD  "
			"type\tdevice\tinode\tmode\tlinks\tuid\tgid\trdev\tsize\tblksize\tblocks\t"
			"atime\t\t%smtime\t\t%sctime\t\t%scloexec\tflags\tsigown\tsigio\n",
			wide, wide, wide);
	f->begun = true;
}

static void print_device(const struct fdinfo *f, dev_t dev)
{
	if (f->raw)
		fprintf(f->out, "%ju\t", (uintmax_t)dev);
	else
		fprintf(f->out, "%u,%u\t", (unsigned)dev >> 8, (unsigned)dev & 255);
}

static void print_time(const struct fdinfo *f, time_t t)
{
	struct tm tm;
	char text[64];

	if (f->raw) {
		fprintf(f->out, "%jd\t", (intmax_t)t);
		return;
	}
	strftime(text, sizeof(text), "%a %b %e %H:%M:%S %Y", localtime_r(&t, &tm));
	fprintf(f->out, "%s\t", text);
}

static void print_stat(const struct fdinfo *f, const struct stat *st)
{
	print_device(f, st->st_dev);
	fprintf(f->out, "%ju\t0%03o\t%ju\t%u\t%u\t%u,%u\t%jd\t%jd\t%jd\t", (uintmax_t)st->st_ino,
		st->st_mode, (uintmax_t)st->st_nlink, st->st_uid, st->st_gid,
		(unsigned)st->st_rdev >> 8, (unsigned)st->st_rdev & 255, (intmax_t)st->st_size,
		(intmax_t)st->st_blksize, (intmax_t)st->st_blocks);
	print_time(f, st->st_atime);
	print_time(f, st->st_mtime);
	print_time(f, st->st_ctime);
}

static void print_fcntl(const struct fdinfo *f, int fd)
{
	fprintf(f->out, "%d\tx%06x\t%d\t%d", fcntl(fd, F_GETFD) & FD_CLOEXEC,
		(unsigned)fcntl(fd, F_GETFL), fcntl(fd, F_GETOWN), fcntl(fd, F_GETSIG));
}

static void print_poll(FILE *out, const struct subject *s)
{
	static const struct {
		short bit;
		const char *word;
	} bits[] = { { POLLIN, "IN" },
		     { POLLPRI, "PRI" },
		     { POLLOUT, "OUT" },
		     { POLLERR, "ERR" },
		     { POLLNVAL, "NVAL" } };
	struct pollfd p = { .fd = s->fd, .events = POLLIN | POLLPRI | POLLOUT };
	const char *comma = "";
	char byte;
	int n;

	if (poll(&p, 1, 0) == -1)
		return;
	fputs("\tpoll: ", out);
	for (size_t i = 0; i < ARRAY_SIZE(bits); i++) {
		if (!(p.revents & bits[i].bit))
			continue;
		fprintf(out, "%s%s", comma, bits[i].word);
		comma = ",";
		if (bits[i].bit == POLLIN && ioctl(s->fd, FIONREAD, &n) == 0)
			fprintf(out, "(FIONREAD=%d)", n);
	}
	if (S_ISSOCK(s->st.st_mode) && p.revents & POLLIN) {
		ssize_t got = recv(s->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

		if (got >= 0)
			fprintf(out, "; recvmsg=%zd, ", got);
	}
}

static void print_line(struct fdinfo *f, const struct subject *s)
{
	const struct kind *k = kind_of(&s->st);

	print_header(f);
	fprintf(f->out, "%4d: %s\t", s->fd, k->word);
	print_stat(f, &s->st);
	if (s->path)
		fputs("\t\t\t", f->out); /* flags would be those of our own descriptor */
	else
		print_fcntl(f, s->fd);
	if (k->print)
		k->print(f, s);
	if (!s->path)
		print_poll(f->out, s);
	fputc('\n', f->out);
	fflush(f->out);
}

void fdinfo_print(struct fdinfo *f, int fd)
{
	struct subject s = { .fd = fd };

	if (fd >= 0 && fstat(fd, &s.st) == 0)
		print_line(f, &s);
}

/* Read access without side effects as far as the kernel can promise that. */
#define OPEN_FLAGS (O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

void fdinfo_print_path(struct fdinfo *f, const char *path, bool follow)
{
	struct subject s = { .fd = -1, .path = path };

	if (fstatat(AT_FDCWD, path, &s.st, follow ? 0 : AT_SYMLINK_NOFOLLOW) == -1) {
		log_warn("stat(\"%s\"): %m", path);
		memset(&s.st, 0, sizeof(s.st));
	}
	if (!kind_of(&s.st)->unopened) {
		s.fd = open(path, OPEN_FLAGS | (follow ? 0 : O_NOFOLLOW));
		if (s.fd == -1)
			log_warn("open(\"%s\"): %m", path);
	}
	print_line(f, &s);
	if (s.fd != -1)
		close(s.fd);
}
