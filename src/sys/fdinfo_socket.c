/* fdinfo_socket.c - options and addresses of sockets, the tail of their line, see fdinfo.h
 *
 * Options are rows; a new one is one row. */
#include "sys/fdinfo_socket.h"

#include "base/list.h"
#include "base/log.h"
#include "sys/netaddr.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>

#define VALUE_MAX 256 /* bytes of a socket option; TCP_INFO is the longest */

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

void fdinfo_print_socket(FILE *out, int fd)
{
	struct netaddr local = { .len = sizeof(local.raw) }, peer = { .len = sizeof(peer.raw) };
	char text[NETADDR_TEXT_LEN];
	int protocol = 0;
	socklen_t len = sizeof(protocol);

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
