/* ancillary.c - what the kernel tells about a datagram, see ancillary.h
 *
 * One row per kind of message. Sources: ip(7), ipv6(7), socket(7). */
#include "dgram/ancillary.h"

#include "base/list.h"
#include "base/log.h"

#include <time.h> /* before errqueue.h, which needs it */

#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

/* Where the pieces of one message go. */
struct report {
	const uint8_t *data;
	size_t len;
	const char *kind; /* "IP_PKTINFO" */
	const char *var; /* "IP_", "IPV6_" or "": prefix of the variable */
	struct vars *vars; /* or NULL: records */
};

/* One piece: an info record, or the variable PREFIX_NAME. */
static void piece(const struct report *r, const char *label, const char *var, const char *value)
{
	char name[64];

	if (!r->vars) {
		log_info("ancillary message: %s: %s=%s", r->kind, label, value);
		return;
	}
	if (!var)
		return;
	snprintf(name, sizeof(name), "%s%s", r->var, var);
	vars_set(r->vars, name, "%s", value);
}

static const char *if_name(unsigned index, char buf[IF_NAMESIZE])
{
	if (!if_indextoname(index, buf))
		snprintf(buf, IF_NAMESIZE, "%u", index);
	return buf;
}

static void do_timestamp(const struct report *r, const char *name)
{
	struct timeval tv;
	char when[64], text[96];
	struct tm tm;

	if (r->len < sizeof(tv))
		return;
	memcpy(&tv, r->data, sizeof(tv));
	if (!localtime_r(&tv.tv_sec, &tm))
		return;
	strftime(when, sizeof(when), "%a %b %e %H:%M:%S %Y", &tm);
	snprintf(text, sizeof(text), "%s, %06ld usecs", when, (long)tv.tv_usec);
	piece(r, "timestamp", name, text);
}

static void do_pktinfo(const struct report *r, const char *name)
{
	char dev[IF_NAMESIZE], local[INET_ADDRSTRLEN], dst[INET_ADDRSTRLEN];
	struct in_pktinfo info;

	(void)name;
	if (r->len < sizeof(info))
		return;
	memcpy(&info, r->data, sizeof(info));
	if_name((unsigned)info.ipi_ifindex, dev);
	inet_ntop(AF_INET, &info.ipi_spec_dst, local, sizeof(local));
	inet_ntop(AF_INET, &info.ipi_addr, dst, sizeof(dst));
	if (!r->vars)
		log_notice("Ancillary message: interface \"%s\", locaddr=%s, dstaddr=%s", dev,
			   local, dst);
	piece(r, "if", "IF", dev);
	piece(r, "locaddr", "LOCADDR", local);
	piece(r, "dstaddr", "DSTADDR", dst);
	piece(r, "dsttype", "DSTTYPE",
	      dst_type_word(dst_type_ip4(&info.ipi_addr, &info.ipi_spec_dst)));
}

static void do_pktinfo6(const struct report *r, const char *name)
{
	char dev[IF_NAMESIZE], dst[NETADDR_TEXT_LEN];
	struct in6_pktinfo info;

	(void)name;
	if (r->len < sizeof(info))
		return;
	memcpy(&info, r->data, sizeof(info));
	piece(r, "dstaddr", "DSTADDR", netaddr_ip6_text(&info.ipi6_addr, dst));
	piece(r, "if", "IF", if_name(info.ipi6_ifindex, dev));
	piece(r, "dsttype", "DSTTYPE",
	      dst_type_word(IN6_IS_ADDR_MULTICAST(&info.ipi6_addr) ? DST_MULTICAST : DST_UNICAST));
}

static int64_t number(const struct report *r)
{
	int n = 0;

	if (r->len >= sizeof(n))
		memcpy(&n, r->data, sizeof(n));
	else if (r->len)
		n = r->data[0];
	return n;
}

static void lower(char *out, const char *in)
{
	while ((*out++ = (char)(*in >= 'A' && *in <= 'Z' ? *in + 32 : *in)))
		in++;
}

static void do_number(const struct report *r, const char *name)
{
	char label[32], text[32];

	lower(label, name);
	snprintf(text, sizeof(text), "%d", (int)number(r));
	if (!r->vars && r->var[2] == '_') /* IPv4 only, as classic */
		log_notice("Ancillary message: %s=%s", label, text);
	piece(r, label, name, text);
}

static void do_hex(const struct report *r, const char *name)
{
	char label[32], text[2 * BATCH_CTL + 2] = "x";

	lower(label, name);
	for (size_t i = 0; i < r->len && i < BATCH_CTL; i++)
		snprintf(text + 1 + 2 * i, 3, "%02x", r->data[i]);
	piece(r, label, name, text);
}

/* The traffic class as one 32-bit number in network order. */
static void do_tclass(const struct report *r, const char *name)
{
	char text[16];

	(void)name;
	snprintf(text, sizeof(text), "x%08x", (unsigned)number(r));
	piece(r, "tclass", "TCLASS", text);
}

static void do_recverr(const struct report *r, const char *name)
{
	static const char *const label[] = { "errno", "origin", "type", "code", "info", "data" };
	struct sock_extended_err ee;
	char text[32], upper[32];

	(void)name;
	if (r->len < sizeof(ee))
		return;
	memcpy(&ee, r->data, sizeof(ee));
	for (size_t i = 0; i < ARRAY_SIZE(label); i++) {
		unsigned value[] = { ee.ee_errno, ee.ee_origin, ee.ee_type,
				     ee.ee_code,  ee.ee_info,   ee.ee_data };

		snprintf(text, sizeof(text), "%u", value[i]);
		snprintf(upper, sizeof(upper), "RECVERR_%s", label[i]);
		for (char *p = upper; *p; p++)
			*p = (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
		piece(r, label[i], upper, text);
	}
}

/* Whose process has sent it: told by the kernel, not by the sender. */
static void do_credentials(const struct report *r, const char *name)
{
	struct ucred cred;
	char text[32];

	(void)name;
	if (r->len < sizeof(cred))
		return;
	memcpy(&cred, r->data, sizeof(cred));
	snprintf(text, sizeof(text), "%d", (int)cred.pid);
	piece(r, "pid", "PEERPID", text);
	snprintf(text, sizeof(text), "%u", (unsigned)cred.uid);
	piece(r, "uid", "PEERUID", text);
	snprintf(text, sizeof(text), "%u", (unsigned)cred.gid);
	piece(r, "gid", "PEERGID", text);
}

static const struct {
	int level, type;
	const char *kind, *var, *name;
	void (*fn)(const struct report *r, const char *name);
} kinds[] = {
	{ SOL_SOCKET, SCM_TIMESTAMP, "SCM_TIMESTAMP", "", "TIMESTAMP", do_timestamp },
	{ SOL_SOCKET, SCM_CREDENTIALS, "SCM_CREDENTIALS", "", "", do_credentials },
	{ SOL_IP, IP_PKTINFO, "IP_PKTINFO", "IP_", "", do_pktinfo },
	{ SOL_IP, IP_TTL, "IP_TTL", "IP_", "TTL", do_number },
	{ SOL_IP, IP_TOS, "IP_TOS", "IP_", "TOS", do_number },
	{ SOL_IP, IP_RECVOPTS, "IP_OPTIONS", "IP_", "OPTIONS", do_hex },
	{ SOL_IP, IP_RETOPTS, "IP_OPTIONS", "IP_", "OPTIONS", do_hex },
	{ SOL_IP, IP_RECVERR, "IP_RECVERR", "IP_", "", do_recverr },
	{ SOL_IPV6, IPV6_PKTINFO, "IPV6_PKTINFO", "IPV6_", "", do_pktinfo6 },
	{ SOL_IPV6, IPV6_HOPLIMIT, "IPV6_HOPLIMIT", "IPV6_", "HOPLIMIT", do_number },
	{ SOL_IPV6, IPV6_TCLASS, "IPV6_TCLASS", "IPV6_", "TCLASS", do_tclass },
	{ SOL_IPV6, IPV6_RTHDR, "IPV6_RTHDR", "IPV6_", "RTHDR", do_hex },
	{ SOL_IPV6, IPV6_DSTOPTS, "IPV6_DSTOPTS", "IPV6_", "DSTOPTS", do_hex },
	{ SOL_IPV6, IPV6_HOPOPTS, "IPV6_HOPOPTS", "IPV6_", "HOPOPTS", do_hex },
};

static bool is_pktinfo(const struct cmsghdr *c)
{
	return (c->cmsg_level == SOL_IP && c->cmsg_type == IP_PKTINFO) ||
	       (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_PKTINFO);
}

/* Messages that we asked for on our own behalf are nobody else's business. */
static bool is_ours(const struct cmsghdr *c)
{
	return (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) ||
	       c->cmsg_level == IPPROTO_UDP || c->cmsg_level == SOL_PACKET;
}

void ancillary_report(const struct message *m, bool pktinfo, struct vars *vars)
{
	for (struct cmsghdr *c = message_ctl(m, NULL); c; c = message_ctl(m, c)) {
		struct report r = { .data = CMSG_DATA(c),
				    .len = c->cmsg_len - CMSG_LEN(0),
				    .vars = vars };

		if (is_ours(c) || (is_pktinfo(c) && !pktinfo))
			continue;
		if (!vars)
			log_info("ancillary message in xiodopacketinfo(): len=%zu, level=%d, "
				 "type=%d",
				 (size_t)c->cmsg_len, c->cmsg_level, c->cmsg_type);
		for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
			if (kinds[i].level != c->cmsg_level || kinds[i].type != c->cmsg_type)
				continue;
			r.kind = kinds[i].kind;
			r.var = kinds[i].var;
			kinds[i].fn(&r, kinds[i].name);
			break;
		}
	}
}

bool ancillary_destination(const struct message *m, struct netaddr *dst, unsigned *ifindex)
{
	for (struct cmsghdr *c = message_ctl(m, NULL); c; c = message_ctl(m, c)) {
		struct in_pktinfo info;
		struct in6_pktinfo info6;

		if (c->cmsg_level == SOL_IP && c->cmsg_type == IP_PKTINFO &&
		    message_ctl_get(c, &info, sizeof(info))) {
			netaddr_any(dst, AF_INET, 0);
			dst->in.sin_addr = info.ipi_addr;
			if (ifindex)
				*ifindex = (unsigned)info.ipi_ifindex;
			return true;
		}
		if (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_PKTINFO &&
		    message_ctl_get(c, &info6, sizeof(info6))) {
			netaddr_any(dst, AF_INET6, 0);
			dst->in6.sin6_addr = info6.ipi6_addr;
			if (ifindex)
				*ifindex = info6.ipi6_ifindex;
			return true;
		}
	}
	return false;
}

bool ancillary_destination_type(const struct message *m, struct netaddr *dst, enum dst_type *type)
{
	for (struct cmsghdr *c = message_ctl(m, NULL); c; c = message_ctl(m, c)) {
		struct in_pktinfo info;

		if (c->cmsg_level != SOL_IP || c->cmsg_type != IP_PKTINFO ||
		    !message_ctl_get(c, &info, sizeof(info)))
			continue;
		netaddr_any(dst, AF_INET, 0);
		dst->in.sin_addr = info.ipi_addr;
		*type = dst_type_ip4(&info.ipi_addr, &info.ipi_spec_dst);
		return true;
	}
	if (!ancillary_destination(m, dst, NULL))
		return false;
	*type = netaddr_is_multicast(dst) ? DST_MULTICAST : DST_UNICAST;
	return true;
}

bool ancillary_drops(const struct message *m, uint32_t *total)
{
	for (struct cmsghdr *c = message_ctl(m, NULL); c; c = message_ctl(m, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL &&
		    message_ctl_get(c, total, sizeof(*total)))
			return true;
	}
	return false;
}

/* packet(7) */
static bool auxdata(const struct message *m, struct tpacket_auxdata *aux)
{
	for (struct cmsghdr *c = message_ctl(m, NULL); c; c = message_ctl(m, c)) {
		if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA &&
		    message_ctl_get(c, aux, sizeof(*aux)))
			return true;
	}
	return false;
}

bool ancillary_vlan(const struct message *m, uint8_t tag[4])
{
	struct tpacket_auxdata aux;
	uint16_t tpid;

	if (!auxdata(m, &aux) || !(aux.tp_status & TP_STATUS_VLAN_VALID))
		return false;
	tpid = aux.tp_status & TP_STATUS_VLAN_TPID_VALID ? aux.tp_vlan_tpid : ETH_P_8021Q;
	tag[0] = (uint8_t)(tpid >> 8);
	tag[1] = (uint8_t)tpid;
	tag[2] = (uint8_t)(aux.tp_vlan_tci >> 8);
	tag[3] = (uint8_t)aux.tp_vlan_tci;
	return true;
}

bool ancillary_checksum_due(const struct message *m)
{
	struct tpacket_auxdata aux;

	return auxdata(m, &aux) && aux.tp_status & TP_STATUS_CSUMNOTREADY;
}
