/* table_mcast.c - options of MCAST
 *
 * All are recorded; the address carries them out for its version of IP. */
#include "base/list.h"
#include "opt/setters.h"
#include "opt/tables.h"

#define M(member) .arg.field = { offsetof(struct conf, mcast.member), 0 }, .flags = OPT_NEW
#define IFNAME(member)                                                                             \
	.arg.field = { offsetof(struct conf, mcast.member), 0 }, .flags = OPT_NEW | OPT_IFNAME

/* clang-format off */
static const struct opt_row rows[] = {
	{ "join-if", V_STRING, G_MULTICAST, PH_PASTSOCKET, conf_text, NULL, IFNAME(join_if),
	  .help = "interfaces to hear the group on, where they differ from option if" },
	{ "mcast-if", V_STRING, G_MULTICAST, PH_PASTSOCKET, conf_text, NULL, IFNAME(send_if),
	  .help = "interface to send by, where it differs from option if" },
	{ "if-wait", V_TIMEVAL, G_MULTICAST, PH_PASTSOCKET, conf_ns, NULL, M(wait_ns),
	  .help = "seconds to wait for interfaces that are not there at the start" },
	{ "hops", V_BYTE, G_MULTICAST, PH_PASTSOCKET, conf_num, NULL, M(hops),
	  .help = "routers that packets may pass, plus one; 1: this link only" },
	{ "loop", V_BOOL, G_MULTICAST, PH_PASTSOCKET, conf_num, NULL, M(loop),
	  .help = "0: members on this host do not get what is sent here" },
};
/* clang-format on */

const struct opt_table table_mcast = { rows, ARRAY_SIZE(rows) };
