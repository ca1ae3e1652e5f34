/* fdinfo_brief.c - type and name of descriptors and entries in a few words, see fdinfo.h
 *
 * Names of files come from /proc/self/fd, those of sockets from the kernel's addresses. */
#include "sys/fdinfo_brief.h"

#include "base/list.h"
#include "sys/netaddr.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_LEN 32 /* names of protocols and socket types */

/* ---- sockets ---- */

/* What the kernel tells about one. An unset @peer is of the family of @local: all zero. */
struct sock {
	int type, protocol;
	bool listening;
	struct netaddr local, peer;
};

static int get_int(int fd, int name)
{
	int value = 0;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) == 0 ? value : 0;
}

static struct sock sock_of(int fd)
{
	struct sock s = {
		.type = get_int(fd, SO_TYPE),
		.protocol = get_int(fd, SO_PROTOCOL),
		.listening = get_int(fd, SO_ACCEPTCONN),
		.local.len = sizeof(s.local.raw),
		.peer.len = sizeof(s.peer.raw),
	};

	if (getsockname(fd, &s.local.any, &s.local.len) == -1)
		s.local = (struct netaddr){ 0 };
	if (getpeername(fd, &s.peer.any, &s.peer.len) == -1)
		s.peer = (struct netaddr){ .any.sa_family = s.local.any.sa_family };
	return s;
}

static const char *type_word(int type, char buf[NAME_LEN])
{
	static const char *const words[] = {
		[SOCK_STREAM] = "stream",       [SOCK_DGRAM] = "dgram", [SOCK_RAW] = "raw",
		[SOCK_SEQPACKET] = "seqpacket", [SOCK_RDM] = "rdm",     [SOCK_PACKET] = "packet",
	};

	if (type > 0 && (size_t)type < ARRAY_SIZE(words) && words[type])
		return words[type];
	snprintf(buf, NAME_LEN, "socktype%d", type);
	return buf;
}

/* The protocols database knows more, but is not everywhere. @suffix is for names only. */
static const char *protocol_word(int protocol, const char *suffix, char buf[NAME_LEN])
{
	static const struct {
		int number;
		const char *word;
	} words[] = { { IPPROTO_TCP, "tcp" },
		      { IPPROTO_UDP, "udp" },
		      { IPPROTO_DCCP, "dccp" },
		      { IPPROTO_SCTP, "sctp" },
		      { IPPROTO_UDPLITE, "udplite" } };
	const struct protoent *known = getprotobynumber(protocol);
	const char *word = known ? known->p_name : NULL;

	for (size_t i = 0; i < ARRAY_SIZE(words) && !word; i++)
		if (words[i].number == protocol)
			word = words[i].word;
	if (word)
		snprintf(buf, NAME_LEN, "%s%s", word, suffix);
	else
		snprintf(buf, NAME_LEN, "proto%d", protocol);
	return buf;
}

static void brief_unix(FILE *out, const struct sock *s, bool types)
{
	char local[NETADDR_TEXT_LEN], peer[NETADDR_TEXT_LEN], type[NAME_LEN];

	netaddr_host_text(&s->local, local);
	netaddr_host_text(&s->peer, peer);
	if (types)
		fprintf(out, "unix %s-%s %s %s", local, peer, type_word(s->type, type),
			s->listening ? "(listening)" : "");
	else
		fprintf(out, "unix%s%s %s", s->type == SOCK_DGRAM ? "datagram" : "",
			s->listening ? "(listening)" : "", local);
}

static void brief_ip(FILE *out, const struct sock *s, bool types)
{
	char local[NETADDR_TEXT_LEN], peer[NETADDR_TEXT_LEN], type[NAME_LEN], protocol[NAME_LEN];
	const char *six = s->local.any.sa_family == AF_INET6 ? "6" : "";
	unsigned lport = netaddr_port(&s->local), pport = netaddr_port(&s->peer);

	netaddr_host_text(&s->local, local);
	netaddr_host_text(&s->peer, peer);
	protocol_word(s->protocol, six, protocol);
	if (types)
		fprintf(out, "%s %s:%u-%s:%u (%s) %s", protocol, local, lport, peer, pport,
			type_word(s->type, type), s->listening ? "(listening)" : "");
	else if (s->type == SOCK_RAW)
		fprintf(out, "ip%s %s:%u", six, local, lport);
	else
		fprintf(out, "%s%s %s:%u %s:%u", protocol, s->listening ? "(listening)" : "", local,
			lport, peer, pport);
}

static void brief_other(FILE *out, const struct sock *s, bool types)
{
	(void)types;
	fprintf(out, "socket(family/domain=%d)", s->local.any.sa_family);
}

static void brief_socket(FILE *out, int fd, bool types)
{
	static const struct {
		int family;
		void (*print)(FILE *out, const struct sock *s, bool types);
	} families[] = { { AF_UNIX, brief_unix }, { AF_INET, brief_ip }, { AF_INET6, brief_ip } };
	const struct sock s = sock_of(fd);

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		if (families[i].family == s.local.any.sa_family) {
			families[i].print(out, &s, types);
			return;
		}
	}
	brief_other(out, &s, types);
}

/* ---- everything else ---- */

static const char *word_of(mode_t mode)
{
	static const struct {
		mode_t type;
		const char *word;
	} words[] = { { S_IFIFO, "pipe" },   { S_IFCHR, "chrdev" }, { S_IFDIR, "dir" },
		      { S_IFBLK, "blkdev" }, { S_IFREG, "file" },   { S_IFLNK, "link" },
		      { S_IFSOCK, "socket" } };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (words[i].type == (mode & S_IFMT))
			return words[i].word;
	return "undef";
}

/* The path @fd was opened by, or the kernel's name of the object; nothing for a pipe without. */
static void print_name(FILE *out, int fd, mode_t mode)
{
	char link[64], name[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, name, sizeof(name));
	if (n > 0 && (name[0] == '/' || !S_ISFIFO(mode)))
		fprintf(out, "%.*s", (int)n, name);
}

void fdinfo_brief(FILE *out, int fd, bool types)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return;
	if (S_ISSOCK(st.st_mode) && !(fcntl(fd, F_GETFL) & O_PATH)) {
		brief_socket(out, fd, types);
	} else {
		fprintf(out, "%s ",
			S_ISCHR(st.st_mode) && isatty(fd) ? "tty" : word_of(st.st_mode));
		print_name(out, fd, st.st_mode);
	}
	fputc('\n', out);
	fflush(out);
}

int fdinfo_brief_path(FILE *out, const char *path, bool follow, struct err *err)
{
	struct stat st;

	if (fstatat(AT_FDCWD, path, &st, follow ? 0 : AT_SYMLINK_NOFOLLOW) == -1)
		return err_set(err, errno, "stat(\"%s\")", path);
	fprintf(out, "%s %s\n", word_of(st.st_mode), path);
	fflush(out);
	return 0;
}
