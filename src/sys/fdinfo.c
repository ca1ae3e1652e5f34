/* fdinfo.c - everything the kernel tells about open descriptors, see fdinfo.h
 *
 * The line has a common part from fstat(2) and fcntl(2), a tail by kind, and the state of poll(2).
 * Socket options are rows; a new one is one row. */
#include "sys/fdinfo.h"

#include "base/list.h"
#include "base/log.h"
#include "sys/netaddr.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define VALUE_MAX 256 /* bytes of a socket option; TCP_INFO is the longest */

/* ---- sockets ---- */

struct sock_row {
	const char *label;
	int level, name;
};

static const struct sock_row socket_rows[] = {
	{ "DEBUG", SOL_SOCKET, SO_DEBUG },
	{ "REUSEADDR", SOL_SOCKET, SO_REUSEADDR },
	{ "PROTOCOL", SOL_SOCKET, SO_PROTOCOL },
	{ "TYPE", SOL_SOCKET, SO_TYPE },
	{ "ERROR", SOL_SOCKET, SO_ERROR },
	{ "DONTROUTE", SOL_SOCKET, SO_DONTROUTE },
	{ "BROADCAST", SOL_SOCKET, SO_BROADCAST },
	{ "SNDBUF", SOL_SOCKET, SO_SNDBUF },
	{ "RCVBUF", SOL_SOCKET, SO_RCVBUF },
	{ "KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE },
	{ "OOBINLINE", SOL_SOCKET, SO_OOBINLINE },
	{ "NO_CHECK", SOL_SOCKET, SO_NO_CHECK },
	{ "PRIORITY", SOL_SOCKET, SO_PRIORITY },
	{ "LINGER", SOL_SOCKET, SO_LINGER },
	{ "BSDCOMPAT", SOL_SOCKET, SO_BSDCOMPAT },
	{ "REUSEPORT", SOL_SOCKET, SO_REUSEPORT },
	{ "PASSCRED", SOL_SOCKET, SO_PASSCRED },
	{ "PEERCRED", SOL_SOCKET, SO_PEERCRED },
	{ "RCVLOWAT", SOL_SOCKET, SO_RCVLOWAT },
	{ "SNDLOWAT", SOL_SOCKET, SO_SNDLOWAT },
	{ "RCVTIMEO", SOL_SOCKET, SO_RCVTIMEO },
	{ "SNDTIMEO", SOL_SOCKET, SO_SNDTIMEO },
	{ "SECURITY_AUTHENTICATION", SOL_SOCKET, SO_SECURITY_AUTHENTICATION },
	{ "SECURITY_ENCRYPTION_TRANSPORT", SOL_SOCKET, SO_SECURITY_ENCRYPTION_TRANSPORT },
	{ "SECURITY_ENCRYPTION_NETWORK", SOL_SOCKET, SO_SECURITY_ENCRYPTION_NETWORK },
	{ "BINDTODEVICE", SOL_SOCKET, SO_BINDTODEVICE },
	{ "ATTACH_FILTER", SOL_SOCKET, SO_ATTACH_FILTER },
	{ "DETACH_FILTER", SOL_SOCKET, SO_DETACH_FILTER },
};

static const struct sock_row ip_rows[] = {
	{ "IP_TOS", SOL_IP, IP_TOS },
	{ "IP_TTL", SOL_IP, IP_TTL },
	{ "IP_HDRINCL", SOL_IP, IP_HDRINCL },
	{ "IP_OPTIONS", SOL_IP, IP_OPTIONS },
	{ "IP_ROUTER_ALERT", SOL_IP, IP_ROUTER_ALERT },
	{ "IP_RECVOPTS", SOL_IP, IP_RECVOPTS },
	{ "IP_RETOPTS", SOL_IP, IP_RETOPTS },
	{ "IP_PKTINFO", SOL_IP, IP_PKTINFO },
	{ "IP_PKTOPTIONS", SOL_IP, IP_PKTOPTIONS },
	{ "IP_MTU_DISCOVER", SOL_IP, IP_MTU_DISCOVER },
	{ "IP_RECVERR", SOL_IP, IP_RECVERR },
	{ "IP_RECVTTL", SOL_IP, IP_RECVTTL },
	{ "IP_RECVTOS", SOL_IP, IP_RECVTOS },
	{ "IP_TRANSPARENT", SOL_IP, IP_TRANSPARENT },
	{ "IP_MTU", SOL_IP, IP_MTU },
	{ "IP_FREEBIND", SOL_IP, IP_FREEBIND },
	{ "IP_MULTICAST_TTL", SOL_IP, IP_MULTICAST_TTL },
	{ "IP_MULTICAST_LOOP", SOL_IP, IP_MULTICAST_LOOP },
};

static const struct sock_row ip6_rows[] = {
	{ "IPV6_V6ONLY", SOL_IPV6, IPV6_V6ONLY },
};

static const struct sock_row tcp_rows[] = {
	{ "TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY },
	{ "TCP_MAXSEG", IPPROTO_TCP, TCP_MAXSEG },
	{ "TCP_CORK", IPPROTO_TCP, TCP_CORK },
	{ "TCP_KEEPIDLE", IPPROTO_TCP, TCP_KEEPIDLE },
	{ "TCP_KEEPINTVL", IPPROTO_TCP, TCP_KEEPINTVL },
	{ "TCP_KEEPCNT", IPPROTO_TCP, TCP_KEEPCNT },
	{ "TCP_SYNCNT", IPPROTO_TCP, TCP_SYNCNT },
	{ "TCP_LINGER2", IPPROTO_TCP, TCP_LINGER2 },
	{ "TCP_ACCEPT", IPPROTO_TCP, TCP_DEFER_ACCEPT },
	{ "TCP_WINDOW_CLAMP", IPPROTO_TCP, TCP_WINDOW_CLAMP },
	{ "TCP_INFO", IPPROTO_TCP, TCP_INFO },
	{ "TCP_QUICKACK", IPPROTO_TCP, TCP_QUICKACK },
	{ "TCP_MD5SIG", IPPROTO_TCP, TCP_MD5SIG },
};

/* One option: nothing in front of the tab if it cannot be read. */
static void print_row(FILE *out, int fd, const struct sock_row *row)
{
	union {
		int32_t n[VALUE_MAX / 4];
		char text[VALUE_MAX];
	} v = { .n = { 0 } };
	socklen_t len = sizeof(v) - 1;
	bool device = row->level == SOL_SOCKET && row->name == SO_BINDTODEVICE;

	if (getsockopt(fd, row->level, row->name, &v, &len) == -1) {
		fputc('\t', out);
		return;
	}
	if (len == sizeof(int))
		fprintf(out, "%s=%d\t", row->label, v.n[0]);
	else if (device && len)
		fprintf(out, "%s=\"%s\"\t", row->label, v.text);
	else if (len == 0 && row->level != SOL_SOCKET)
		fprintf(out, "%s=\"\"\t", row->label);
	else if (len <= 16)
		fprintf(out, "%s={%d,%d}\t", row->label, v.n[0], v.n[1]);
	else {
		fprintf(out, "%s={", row->label);
		for (size_t i = 0; i < len / 4; i++)
			fprintf(out, "%s%08x", i ? " " : "", (unsigned)v.n[i]);
		fputs("}\t", out);
	}
}

static void print_rows(FILE *out, int fd, const struct sock_row *row, size_t n)
{
	for (size_t i = 0; i < n; i++)
		print_row(out, fd, &row[i]);
}

static void print_tcp(FILE *out, int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	print_rows(out, fd, tcp_rows, ARRAY_SIZE(tcp_rows));
	memset(&info, 0, sizeof(info));
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0)
		fprintf(out,
			"TCPI_STATE={%u}\tTCPI_OPTIONS={%u}\tTCPI_SND_WSCALE={%u}\t"
			"TCPI_RCV_WSCALE={%u}\t",
			info.tcpi_state, info.tcpi_options, info.tcpi_snd_wscale,
			info.tcpi_rcv_wscale);
}

static void print_socket(FILE *out, int fd, const struct stat *st)
{
	struct netaddr local = { .len = sizeof(local.raw) }, peer = { .len = sizeof(peer.raw) };
	char text[NETADDR_TEXT_LEN];
	int protocol = 0;
	socklen_t len = sizeof(protocol);

	(void)st;
	print_rows(out, fd, socket_rows, ARRAY_SIZE(socket_rows));
	if (getsockname(fd, &local.any, &local.len) == -1) {
		log_warn("getsockname(%d): %m", fd);
		return;
	}
	fprintf(out, "\t%s", netaddr_text(&local, text));
	if (getpeername(fd, &peer.any, &peer.len) == 0) {
		fprintf(out, " <-> %s\t", netaddr_text(&peer, text));
	} else {
		int code = errno;

		fputc('\n', out);
		fflush(out); /* the record comes behind what it is about */
		log_warn("getpeername(%d): %s", fd, strerror(code));
	}
	if (local.any.sa_family != AF_INET && local.any.sa_family != AF_INET6) {
		fputs("**** NO FURTHER ANALYSIS FOR THIS SOCKET TYPE IMPLEMENTED", out);
		return;
	}
	print_rows(out, fd, ip_rows, ARRAY_SIZE(ip_rows));
	if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) == 0 &&
	    protocol == IPPROTO_TCP)
		print_tcp(out, fd);
	if (local.any.sa_family == AF_INET6)
		print_rows(out, fd, ip6_rows, ARRAY_SIZE(ip6_rows));
}

/* ---- other kinds ---- */

static void print_pipe(FILE *out, int fd, const struct stat *st)
{
	int size = fcntl(fd, F_GETPIPE_SZ);

	(void)st;
	if (size != -1)
		fprintf(out, "\tF_GETPIPE_SZ=%d", size);
}

/* Control characters as ^X, printable ones as they are, others in hex. */
static void print_control_char(FILE *out, unsigned char c)
{
	if (c < 32)
		fprintf(out, "^%c", c + '@');
	else if (isprint(c))
		fputc(c, out);
	else
		fprintf(out, "x%02X", c);
}

static void print_chr(FILE *out, int fd, const struct stat *st)
{
	struct termios t;
	struct winsize w;
	char name[64];

	(void)st;
	if (tcgetattr(fd, &t) == -1)
		return;
	fprintf(out, "\t%s \tIFLAGS=0x%06x OFLAGS=0x%06x CFLAGS=0x%06x LFLAGS=0x%06x",
		ttyname_r(fd, name, sizeof(name)) == 0 ? name : "NULL", t.c_iflag, t.c_oflag,
		t.c_cflag, t.c_lflag);
	for (size_t i = 0; i < NCCS; i++) {
		fprintf(out, " cc[%zu]=", i);
		print_control_char(out, t.c_cc[i]);
	}
	if (ioctl(fd, TIOCGWINSZ, &w) == 0)
		fprintf(out, " terminal window size: %4ux%u terminal window pixels: %ux%u",
			w.ws_col, w.ws_row, w.ws_xpixel, w.ws_ypixel);
}

struct kind {
	mode_t type; /* S_IFMT bits */
	const char *word;
	void (*print)(FILE *out, int fd, const struct stat *st); /* the tail, or NULL */
};

static const struct kind kinds[] = {
	{ S_IFIFO, "pipe", print_pipe },
	{ S_IFCHR, "chrdev", print_chr },
	{ S_IFDIR, "dir", NULL },
	{ S_IFBLK, "blkdev", NULL },
	{ S_IFREG, "file", NULL },
	{ S_IFLNK, "symlink", NULL },
	{ S_IFSOCK, "socket", print_socket },
	{ 0, "undef", NULL },
};

static const struct kind *kind_of(const struct stat *st)
{
	const struct kind *k = kinds;

	while (k->type && k->type != (st->st_mode & S_IFMT))
		k++;
	return k;
}

/* ---- the line ---- */

static void print_time(FILE *out, time_t t)
{
	struct tm tm;
	char text[64];

	strftime(text, sizeof(text), "%a %b %e %H:%M:%S %Y", localtime_r(&t, &tm));
	fprintf(out, "%s\t", text);
}

static void print_poll(FILE *out, int fd, const struct stat *st)
{
	static const struct {
		short bit;
		const char *word;
	} bits[] = { { POLLIN, "IN" },
		     { POLLPRI, "PRI" },
		     { POLLOUT, "OUT" },
		     { POLLERR, "ERR" },
		     { POLLNVAL, "NVAL" } };
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLPRI | POLLOUT };
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
		if (bits[i].bit == POLLIN && ioctl(fd, FIONREAD, &n) == 0)
			fprintf(out, "(FIONREAD=%d)", n);
	}
	if (S_ISSOCK(st->st_mode) && p.revents & POLLIN) {
		ssize_t got = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

		if (got >= 0)
			fprintf(out, "; recvmsg=%zd, ", got);
	}
}

static void print_fd(FILE *out, int fd, const struct stat *st)
{
	const struct kind *k = kind_of(st);
	int owner = fcntl(fd, F_GETOWN), flags = fcntl(fd, F_GETFD);

	fprintf(out, "%4d: %s\t%u,%u\t%ju\t0%o\t%ju\t%u\t%u\t%u,%u\t%jd\t%jd\t%jd\t", fd, k->word,
		(unsigned)st->st_dev >> 8, (unsigned)st->st_dev & 255, (uintmax_t)st->st_ino,
		st->st_mode, (uintmax_t)st->st_nlink, st->st_uid, st->st_gid,
		(unsigned)st->st_rdev >> 8, (unsigned)st->st_rdev & 255, (intmax_t)st->st_size,
		(intmax_t)st->st_blksize, (intmax_t)st->st_blocks);
	print_time(out, st->st_atime);
	print_time(out, st->st_mtime);
	print_time(out, st->st_ctime);
	fprintf(out, "%d\tx%06x\t%d\t%d", flags & FD_CLOEXEC, (unsigned)fcntl(fd, F_GETFL), owner,
		fcntl(fd, F_GETSIG));
	if (k->print)
		k->print(out, fd, st);
	print_poll(out, fd, st);
	fputc('\n', out);
}

void fdinfo_print(FILE *out, const int *fds, size_t n)
{
	bool header = false;
	struct stat st;

	for (size_t i = 0; i < n; i++) {
		if (fds[i] < 0 || fstat(fds[i], &st) == -1)
			continue;
		if (!header)
			fputs("  FD  "
			      "type\tdevice\tinode\tmode\tlinks\tuid\tgid\trdev\tsize\tblksize\t"
			      "blocks\tatime\t\t\t\tmtime\t\t\t\tctime\t\t\t\tcloexec\tflags\tsigow"
			      "n\t"
			      "sigio\n",
			      out);
		header = true;
		print_fd(out, fds[i], &st);
	}
	fflush(out);
}
