/* procan_defines.c - constants of the C library and the kernel, see procan.h
 *
 * One row each. The layout differs by group, because scripts cut the columns of classic's lines. */
#include "procan.h"

#include "base/list.h"

#include <fcntl.h>
#include <features.h>
#include <linux/rtnetlink.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <termios.h>

#ifndef O_FSYNC
#define O_FSYNC O_SYNC /* glibc has both names */
#endif

/* How a line is written. */
enum layout {
	WIDE, /* decimal, in a column */
	OPEN_FLAG, /* hexadecimal and octal */
	TERMIOS, /* the same, more digits */
	WIDE_HEX,
	PLAIN, /* decimal, one blank before it */
	HEX,
	HEX2, /* at least two digits */
	RIGHT, /* decimal, the name right-aligned */
	LAYOUTS
};

static const char *const formats[LAYOUTS] = {
	[WIDE] = "#define %-11s %lld\n",
	[OPEN_FLAG] = "#define %-11s 0x%06llx  /* %09llo */\n",
	[TERMIOS] = "#define %-11s 0x%08llx  /* 0%011llo */\n",
	[WIDE_HEX] = "#define %-11s 0x%llx\n",
	[PLAIN] = "#define %s %lld\n",
	[HEX] = "#define %s 0x%llx\n",
	[HEX2] = "#define %s 0x%02llx\n",
	[RIGHT] = "#define %24s %lld\n",
};

struct row {
	enum layout layout;
	const char *name;
	long long value;
};

/* clang-format off */
#define ROW(layout, name) { layout, #name, (long long)(name) }

static const struct row rows[] = {
	ROW(WIDE, FD_SETSIZE), ROW(WIDE, NFDBITS),
	ROW(WIDE, O_RDONLY), ROW(WIDE, O_WRONLY), ROW(WIDE, O_RDWR),
	ROW(OPEN_FLAG, O_CREAT), ROW(OPEN_FLAG, O_EXCL), ROW(OPEN_FLAG, O_NOCTTY),
	ROW(OPEN_FLAG, O_TRUNC), ROW(OPEN_FLAG, O_APPEND), ROW(OPEN_FLAG, O_NONBLOCK),
	ROW(OPEN_FLAG, O_NDELAY), ROW(OPEN_FLAG, O_SYNC), ROW(OPEN_FLAG, O_FSYNC),
	ROW(OPEN_FLAG, O_LARGEFILE), ROW(OPEN_FLAG, O_DIRECTORY), ROW(OPEN_FLAG, O_NOFOLLOW),
	ROW(OPEN_FLAG, O_CLOEXEC), ROW(OPEN_FLAG, O_DIRECT), ROW(OPEN_FLAG, O_NOATIME),
	ROW(OPEN_FLAG, O_PATH), ROW(OPEN_FLAG, O_DSYNC), ROW(OPEN_FLAG, O_TMPFILE),
	ROW(WIDE, SHUT_RD), ROW(WIDE, SHUT_WR), ROW(WIDE, SHUT_RDWR),
	ROW(TERMIOS, CRDLY), ROW(TERMIOS, CR0), ROW(TERMIOS, CR1), ROW(TERMIOS, CR2),
	ROW(TERMIOS, CR3), ROW(TERMIOS, TABDLY), ROW(TERMIOS, TAB0), ROW(TERMIOS, TAB1),
	ROW(TERMIOS, TAB2), ROW(TERMIOS, TAB3), ROW(TERMIOS, CSIZE),
	ROW(WIDE_HEX, TIOCEXCL),
	ROW(PLAIN, FOPEN_MAX),
	ROW(PLAIN, PF_UNSPEC), ROW(PLAIN, PF_UNIX), ROW(PLAIN, PF_INET), ROW(PLAIN, PF_INET6),
	ROW(PLAIN, PF_APPLETALK), ROW(PLAIN, PF_PACKET), ROW(PLAIN, PF_VSOCK),
	ROW(PLAIN, SOCK_STREAM), ROW(PLAIN, SOCK_DGRAM), ROW(PLAIN, SOCK_RAW),
	ROW(PLAIN, SOCK_SEQPACKET), ROW(PLAIN, SOCK_PACKET),
	ROW(PLAIN, IPPROTO_IP), ROW(PLAIN, IPPROTO_TCP), ROW(PLAIN, IPPROTO_UDP),
	ROW(PLAIN, IPPROTO_DCCP), ROW(PLAIN, IPPROTO_SCTP), ROW(PLAIN, IPPROTO_UDPLITE),
	ROW(PLAIN, IPPROTO_RAW),
	ROW(HEX, SOL_SOCKET), ROW(HEX, SOL_PACKET), ROW(HEX, SOL_IP), ROW(HEX, SOL_IPV6),
	ROW(HEX, SOL_TCP), ROW(HEX, SOL_DCCP),
	ROW(PLAIN, SO_PROTOCOL), ROW(PLAIN, SO_REUSEADDR), ROW(PLAIN, TCP_MAXSEG),
	ROW(RIGHT, RTM_NEWLINK), ROW(RIGHT, RTM_DELLINK), ROW(RIGHT, RTM_GETLINK),
	ROW(RIGHT, RTM_SETLINK), ROW(RIGHT, RTM_NEWADDR), ROW(RIGHT, RTM_DELADDR),
	ROW(RIGHT, RTM_GETADDR), ROW(RIGHT, RTM_NEWROUTE), ROW(RIGHT, RTM_DELROUTE),
	ROW(RIGHT, RTM_GETROUTE), ROW(RIGHT, RTM_NEWNEIGH), ROW(RIGHT, RTM_DELNEIGH),
	ROW(RIGHT, RTM_GETNEIGH), ROW(RIGHT, RTM_NEWRULE), ROW(RIGHT, RTM_DELRULE),
	ROW(RIGHT, RTM_GETRULE), ROW(RIGHT, RTM_GETMULTICAST), ROW(RIGHT, RTM_NEWMDB),
	ROW(RIGHT, RTM_DELMDB), ROW(RIGHT, RTM_GETMDB),
	ROW(HEX2, AI_PASSIVE), ROW(HEX2, AI_CANONNAME), ROW(HEX2, AI_NUMERICHOST),
	ROW(HEX2, AI_V4MAPPED), ROW(HEX2, AI_ALL), ROW(HEX2, AI_ADDRCONFIG),
	ROW(HEX2, AI_NUMERICSERV),
	ROW(PLAIN, EAI_BADFLAGS), ROW(PLAIN, EAI_NONAME), ROW(PLAIN, EAI_AGAIN),
	ROW(PLAIN, EAI_FAIL), ROW(PLAIN, EAI_NODATA), ROW(PLAIN, EAI_FAMILY),
	ROW(PLAIN, EAI_SOCKTYPE), ROW(PLAIN, EAI_SERVICE), ROW(PLAIN, EAI_ADDRFAMILY),
	ROW(PLAIN, EAI_MEMORY), ROW(PLAIN, EAI_SYSTEM), ROW(PLAIN, EAI_OVERFLOW),
};
/* clang-format on */

#ifdef __GLIBC__
static const char library[] = "__GLIBC__";
static const int library_version = __GLIBC__;
#else
static const char library[] = "_POSIX_VERSION";
static const int library_version = 200809;
#endif

void procan_print_defines(void)
{
	printf("%-25s = %d\n", library, library_version);
	for (const struct row *r = rows; r < rows + ARRAY_SIZE(rows); r++)
		printf(formats[r->layout], r->name, r->value, r->value);
}
