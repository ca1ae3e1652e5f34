/* table_if.c - options of network interfaces: TUN and INTERFACE
 *
 * All are recorded; the address asks the kernel for them when it has its interface, the flags in
 * one call. See netdevice(7). */
#include "base/list.h"
#include "opt/setters.h"
#include "opt/tables.h"

#include <net/if.h>

/* clang-format off */
#define FLAG(NAMES, BIT, HELP) \
	{ NAMES, V_BOOL, G_INTERFACE, PH_OFFSET, conf_iff, NULL, .arg.n.a = BIT, \
	  .needs = "CAP_NET_ADMIN", .help = HELP }

static const struct opt_row rows[] = {
	FLAG("iff-up up", IFF_UP, "switch the interface on"),
	FLAG("iff-broadcast", IFF_BROADCAST, "interface flag: it has a broadcast address"),
	FLAG("iff-debug", IFF_DEBUG, "interface flag: the driver reports more"),
	FLAG("iff-loopback loopback", IFF_LOOPBACK, "interface flag: it is a loopback interface"),
	FLAG("iff-pointopoint pointopoint", IFF_POINTOPOINT, "interface flag: it has one peer"),
	FLAG("iff-notrailers notrailers", IFF_NOTRAILERS, "interface flag: no trailers"),
	FLAG("iff-running running", IFF_RUNNING, "interface flag: its resources are there"),
	FLAG("iff-noarp noarp", IFF_NOARP, "no address resolution on the interface"),
	FLAG("iff-promisc promisc", IFF_PROMISC, "receive frames for others too"),
	FLAG("iff-allmulti allmulti", IFF_ALLMULTI, "receive the frames of all groups"),
	FLAG("iff-master master", IFF_MASTER, "interface flag: master of a bundle"),
	FLAG("iff-slave slave", IFF_SLAVE, "interface flag: slave of a bundle"),
	FLAG("iff-multicast multicast", IFF_MULTICAST, "the interface takes part in multicast"),
	FLAG("iff-portsel portsel", IFF_PORTSEL, "interface flag: its medium can be chosen"),
	FLAG("iff-automedia automedia", IFF_AUTOMEDIA, "interface flag: it chooses its medium"),
	{ "interface-mtu if-mtu", V_UINT, G_INTERFACE, PH_LATE, conf_num, NULL,
	  .arg.field = { offsetof(struct conf, netif.mtu), 0 },
	  .needs = "CAP_NET_ADMIN",
	  .help = "largest packet of the interface in bytes" },
	{ "retrieve-vlan", V_CONST, G_INTERFACE, PH_LATE, conf_bool, NULL,
	  .arg.field = { offsetof(struct conf, netif.retrieve_vlan), 0 },
	  .help = "put VLAN tags back into received frames" },
	{ "tun-device", V_FILENAME, G_INTERFACE, PH_OPEN, conf_text, NULL,
	  .arg.field = { offsetof(struct conf, netif.tun_device), 0 },
	  .help = "device that makes interfaces, instead of /dev/net/tun" },
	{ "tun-name", V_STRING, G_INTERFACE, PH_FD, conf_text, NULL,
	  .arg.field = { offsetof(struct conf, netif.tun_name), 0 },
	  .help = "name of the new interface, instead of tun0 or tap0 and so on" },
	{ "tun-type", V_STRING, G_INTERFACE, PH_FD, conf_text, NULL,
	  .arg.field = { offsetof(struct conf, netif.tun_type), 0 },
	  .help = "tun: IP packets (default), tap: Ethernet frames" },
	{ "iff-no-pi tun-no-pi no-pi", V_BOOL, G_INTERFACE, PH_FD, conf_bool, NULL,
	  .arg.field = { offsetof(struct conf, netif.no_pi), 0 },
	  .help = "bare packets, without four bytes of information in front" },
};
/* clang-format on */

const struct opt_table table_if = { rows, ARRAY_SIZE(rows) };
