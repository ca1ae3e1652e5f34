/* table_tcp.c - options of the stream transports TCP and DCCP
 *
 * (SCTP has none of its own.) Those of a listener are set on its socket and again on each accepted
 * one. */
#include "base/list.h"
#include "opt/setters.h"
#include "opt/tables.h"

#include <linux/dccp.h>
#include <netinet/tcp.h>

#ifndef SOL_DCCP
#define SOL_DCCP 269
#endif

/* clang-format off */
#define TCP(names, phase, name, text) \
	{ names, V_INT, G_TCP, phase, NULL, set_sockopt, .arg.so = { SOL_TCP, name }, .help = text }

static const struct opt_row rows[] = {
	TCP("tcp-cork cork", PH_PASTSOCKET, TCP_CORK, "send full segments only"),
	TCP("tcp-defer-accept defer-accept", PH_PASTSOCKET, TCP_DEFER_ACCEPT,
	    "accept a connection when its first data are there; seconds to wait for them"),
	TCP("tcp-info info", PH_PASTSOCKET, TCP_INFO,
	    "state of the connection; the kernel refuses to set it"),
	TCP("tcp-keepcnt keepcnt", PH_PASTSOCKET, TCP_KEEPCNT,
	    "unanswered probes until the connection counts as dead"),
	TCP("tcp-keepidle keepidle", PH_PASTSOCKET, TCP_KEEPIDLE,
	    "idle seconds before the first probe (option keepalive)"),
	TCP("tcp-keepintvl keepintvl", PH_PASTSOCKET, TCP_KEEPINTVL, "seconds between probes"),
	TCP("tcp-linger2 linger2", PH_PASTSOCKET, TCP_LINGER2,
	    "seconds that a half-closed connection nobody owns is kept"),
	TCP("tcp-maxseg maxseg mss", PH_PASTSOCKET, TCP_MAXSEG,
	    "largest segment, before connecting or listening"),
	TCP("tcp-maxseg-late maxseg-late mss-late", PH_CONNECTED, TCP_MAXSEG,
	    "largest segment, once connected or accepted"),
	TCP("tcp-md5sig", PH_PASTSOCKET, TCP_MD5SIG,
	    "signatures; need a key structure, so an integer is refused"),
	TCP("tcp-nodelay nodelay", PH_PASTSOCKET, TCP_NODELAY, "send small segments at once"),
	TCP("tcp-quickack quickack", PH_PASTSOCKET, TCP_QUICKACK, "acknowledge at once"),
	TCP("tcp-syncnt syncnt", PH_PASTSOCKET, TCP_SYNCNT,
	    "repetitions of the packet that opens a connection"),
	TCP("tcp-window-clamp window-clamp", PH_PASTSOCKET, TCP_WINDOW_CLAMP,
	    "largest window to offer the peer"),

	{ "dccp-set-ccid ccid", V_BYTE, G_DCCP, PH_PASTSOCKET, NULL, set_sockopt,
	  .arg.so = { SOL_DCCP, DCCP_SOCKOPT_CCID }, .help = "congestion control of DCCP by number" },
};
/* clang-format on */

const struct opt_table table_tcp = { rows, ARRAY_SIZE(rows) };
