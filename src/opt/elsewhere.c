/* elsewhere.c - names of options that classic has on other systems, or Linux under a number only,
 * and words that other programs have for what ours are called */
#include "base/list.h"
#include "base/names.h"
#include "opt/tables.h"

static const struct elsewhere rows[] = {
	{ "ip-recvdstaddr recvdstaddr", "BSD and macOS", "ip-pktinfo" },
	{ "ip-recvif recvif", "BSD and macOS", "ip-pktinfo" },
	{ "ip-bindany bindany", "FreeBSD", "ip-freebind or ip-transparent" },
	{ "binary text o-binary o-text", "Cygwin", NULL },
	{ "noinherit o-noinherit", "Cygwin", "cloexec" },
	{ "nshare rshare o-nshare o-rshare", "AIX", "flock-ex or f-setlk" },
	{ "rfc1323 tcp-rfc1323", "AIX", "sysctl net.ipv4.tcp_window_scaling" },
	{ "stdurg tcp-stdurg", "AIX", "sysctl net.ipv4.tcp_stdurg" },
	{ "noopt tcp-noopt", "BSD and macOS", NULL },
	{ "nopush tcp-nopush", "BSD and macOS", "tcp-cork" },
	{ "sack-disable tcp-sack-disable", "other Unix systems", "sysctl net.ipv4.tcp_sack" },
	{ "tcp-paws paws", "other Unix systems", "sysctl net.ipv4.tcp_timestamps" },
	{ "so-audit audit so-ckpt ckpt so-chainloop chainloop so-use-ifbufs use-ifbufs",
	  "other Unix systems", NULL },
	{ "so-useloopback useloopback", "BSD and Solaris", NULL },
	{ "i-push i-pop-all", "Solaris", NULL },
	{ "dsusp vdsusp", "BSD and Solaris", NULL },
	{ "b900 b3600 b7200 defecho", "other Unix systems", NULL },
	{ "exta", "other Unix systems", "b19200" },
	{ "extb", "other Unix systems", "b38400" },
	{ "tcp-fastopen fastopen", NULL, "setsockopt-listen=6:23:i5" },
	{ "tcp-user-timeout user-timeout", NULL, "setsockopt-int=6:18:MILLISECONDS" },
	{ "tcp-congestion congestion", NULL, "setsockopt-string=6:13:NAME" },
	{ "so-mark mark", NULL, "setsockopt-socket=1:36:iNUMBER" },
	{ "so-rcvbufforce rcvbufforce", NULL, "setsockopt-socket=1:33:iBYTES" },
	{ "so-incoming-cpu incoming-cpu", NULL, "setsockopt-socket=1:49:iCPU" },
	{ "so-prefer-busy-poll prefer-busy-poll", NULL, "setsockopt-socket=1:69:i1" },
	{ "iutf8", NULL, "termios-setflags=0:0x4000" },
	{ "baud bauds baudrate speed rate", NULL, "b115200 (b and the speed)" },
	{ "8n1", NULL, "cs8,parenb=0,cstopb=0" },
	{ "7e1", NULL, "cs7,parenb,parodd=0,cstopb=0" },
	{ "port", NULL, "proxyport for a proxy, sourceport for the own side" },
	{ "ca cacert ca-file ca-cert", NULL, "cafile" },
	{ "insecure no-verify noverify", NULL, "verify=0" },
	{ "timeout", NULL, "connect-timeout or accept-timeout, or flag -T for inactivity" },
	{ "max-clients maxclients max-connections max-conns", NULL, "max-children" },
	{ "interface-name device dev", NULL, "so-bindtodevice" },
	{ "listen-address address host", NULL, "bind" },
	{ "permissions chmod", NULL, "mode" },
	{ "reconnect", NULL, "forever,fork,max-children=1" },
	{ "cmspar", NULL, "termios-setflags=2:0x40000000" },
};

const struct elsewhere *elsewhere_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (names_have(rows[i].names, name))
			return &rows[i];
	}
	return NULL;
}
