/* firewall.c - would a packet filter drop it?
 *
 * The rules are read by the programs that write them, nft and iptables-save, and judged for the
 * packets the address needs: the group's datagrams coming in or going out, and the reports of
 * membership. Where the programs are missing the kernel is asked whether there are any rules. */
#include "base/mem.h"
#include "doctor/checks.h"
#include "doctor/exam.h"
#include "doctor/rules/iptables.h"
#include "doctor/host/kernel.h"
#include "doctor/host/netlink.h"
#include "doctor/rules/nft_module.h"
#include "doctor/rules/rules.h"
#include "end/plan.h"
#include "sys/module.h"

#include <stdlib.h>
#include <string.h>

#define NO_PROGRAM 127 /* exit status of sh */

/* The rules of the host as text, read once. */
struct filters {
	struct str nft;
	struct str tables[2]; /* iptables-save, ip6tables-save */
	struct str legacy[2];
};

/* ---- reading ---- */

/* nft: 0 read, or no rules there. Otherwise nobody can tell. */
static void read_nft(struct exam *x, struct str *out)
{
	int n = nftables_count(), status;

	if (n == 0)
		return;
	status = command_read(out, "nft -j list ruleset");
	if (status == 0)
		return;
	str_done(out);
	exam_advice(
		exam_add(x, FIND_UNKNOWN, xstrdup("the rules of nftables are not known"),
			 n > 0 ? xasprintf("there are %d tables; nft -j list ruleset ended with %d",
					   n, status)
			       : xasprintf("the kernel does not tell; nft -j list ruleset ended "
					   "with %d",
					   status)),
		status == NO_PROGRAM ? "install nft (package nftables)" : "run as root");
}

/* iptables proper has its tables in the kernel only if somebody has made some; what its successor
 * makes are tables of nftables. */
static void read_iptables(struct exam *x, struct str *out, bool v6, bool legacy)
{
	const char *names = v6 ? "/proc/net/ip6_tables_names" : "/proc/net/ip_tables_names";
	const char *program = v6       ? legacy ? "ip6tables-legacy-save" : "ip6tables-save"
			      : legacy ? "iptables-legacy-save"
				       : "iptables-save";
	struct str tables = { 0 };
	bool any = legacy ? file_read(&tables, names) && tables.len : nftables_count() != 0;
	int status = any ? command_read(out, program) : 0;

	str_done(&tables);
	if (!status)
		return;
	str_done(out);
	if (!legacy) /* nft sees the same rules */
		return;
	status = command_read(out, v6 ? "ip6tables-save" : "iptables-save");
	if (status)
		exam_advice(
			exam_add(x, FIND_UNKNOWN,
				 xasprintf("the rules of ip%stables are not known", v6 ? "6" : ""),
				 xasprintf("%s lists tables; %s ended with %d", names, program,
					   status)),
			status == NO_PROGRAM ? "install it (package iptables)" : "run as root");
}

/* ---- judging ---- */

/* The packet in words of the program: nft's " ip daddr 224.1.0.1 udp dport 6666", or iptables'
 * " -d 224.1.0.1 -p udp --dport 6666". */
static void describe(struct str *out, const struct packet *p, bool nft)
{
	const char *proto = p->protocol == IPPROTO_UDP       ? "udp"
			    : p->protocol == IPPROTO_UDPLITE ? "udplite"
							     : NULL;
	const char *any = !p->multicast ? NULL : p->v6 ? "ff00::/8" : "224.0.0.0/4";
	char ip[IP_TEXT_LEN];
	const char *dst = p->dst.len ? ip_text(&p->dst, ip) : any;

	if (dst && nft)
		str_addf(out, " %s daddr %s", p->v6 ? "ip6" : "ip", dst);
	else if (dst)
		str_addf(out, " -d %s", dst);
	if (proto && p->dport)
		str_addf(out, nft ? " %s dport %u" : " -p %s --dport %u", proto, p->dport);
	else if (!proto)
		str_addf(out, nft ? " meta l4proto %d" : " -p %d", p->protocol);
}

/* A rule in front that lets the packet pass. */
static void add_cure(struct finding *f, const struct rules *r, const struct chain *c,
		     const struct packet *p)
{
	bool nft = strcmp(r->program, "nft") == 0;
	struct str what = { 0 };

	str_adds(&what, "");
	describe(&what, p, nft);
	if (nft)
		exam_command(f, "nft insert rule %s %s%s accept", c->table, c->name, what.data);
	else
		exam_command(f, "%s -t %s -I %s%s -j ACCEPT", r->program, c->table, c->name,
			     what.data);
	str_done(&what);
}

/* Returns true if something is wrong. */
static bool judge(struct exam *x, const struct rules *r, const struct packet *p, const char *what)
{
	bool bad = false;

	for (size_t i = 0; i < r->nchains; i++) {
		const struct chain *c = &r->chain[i];
		const struct rule *by;
		bool sure;

		if (!c->begins || rules_judge(r, c, &sure, &by) != RULE_DROP)
			continue;
		add_cure(exam_add(x, sure ? FIND_PROBLEM : FIND_NOTE,
				  xasprintf("a packet filter %s %s %s", sure ? "drops" : "may drop",
					    what, p->ifname),
				  by ? xasprintf("%s: %s", r->program, by->text)
				     : xasprintf("%s: policy of chain %s in table %s", r->program,
						 c->name, c->table)),
			 r, c, p);
		bad = true;
	}
	return bad;
}

static int nft_rules(struct rules *r, const struct str *text, const struct packet *p,
		     struct err *err)
{
	nft_read_fn *read = (nft_read_fn *)module_symbol(NFT_MODULE, NFT_SYMBOL, err);

	return read ? read(r, text, p) : -1;
}

static bool judge_text(struct exam *x, const struct str *text, const char *program,
		       const struct packet *p, const char *what)
{
	struct rules r = { .program = program };
	struct str copy = { 0 };
	struct err err = { 0 };
	bool bad = false;

	if (!text->len)
		return false;
	str_add(&copy, text->data, text->len);
	if ((strcmp(program, "nft") == 0 ? nft_rules(&r, &copy, p, &err)
					 : iptables_read(&r, &copy, p)) == 0)
		bad = judge(x, &r, p, what);
	else
		exam_add(x, FIND_UNKNOWN, xstrdup("the output of nft is not understood"),
			 xstrdup(err.text));
	str_done(&copy);
	rules_done(&r);
	return bad;
}

static bool judge_all(struct exam *x, const struct filters *f, const struct packet *p,
		      const char *what)
{
	const char *program = p->v6 ? "ip6tables" : "iptables";
	bool bad;

	/* rules of iptables are better told in its own words: nft sees them, too */
	bad = judge_text(x, &f->tables[p->v6], program, p, what);
	bad |= judge_text(x, &f->legacy[p->v6], program, p, what);
	return bad || judge_text(x, &f->nft, "nft", p, what);
}

/* ---- the packets of an address ---- */

static struct packet packet_to(const struct exam *x, const struct netaddr *to,
			       const struct exam_link *l, bool out)
{
	return (struct packet){
		.out = out,
		.v6 = to->any.sa_family == AF_INET6,
		.ifname = l->name,
		.dst = *to,
		.protocol = x->protocol ? x->protocol : IPPROTO_UDP,
		.dport = netaddr_port(to) ? netaddr_port(to) : x->port,
		.multicast = netaddr_is_multicast(to),
		.broadcast = exam_is_broadcast(x, to),
	};
}

/* The report by which membership is told (RFC 3376 section 4.2.14); MLD is let through everywhere
 * where IPv6 works at all. */
static struct packet report(const struct exam_link *l)
{
	struct packet p = {
		.out = true, .ifname = l->name, .protocol = IPPROTO_IGMP, .multicast = true
	};

	netaddr_any(&p.dst, AF_INET, 0);
	p.dst.in.sin_addr.s_addr = htonl(0xe0000016); /* 224.0.0.22 */
	return p;
}

/* It joins nothing and hears what comes to its port, broadcasts for example. */
static bool check_receiver(struct exam *x, const struct filters *f)
{
	bool bad = false;

	for (size_t i = 0; i < x->nlinks; i++) {
		const struct exam_link *l = &x->link[i];
		struct packet p = { .v6 = x->family == AF_INET6,
				    .ifname = l->name,
				    .protocol = x->protocol ? x->protocol : IPPROTO_UDP,
				    .dport = x->port,
				    .broadcast = x->family == AF_INET };

		if (l->flags & IFF_UP && !(l->flags & IFF_LOOPBACK))
			bad |= judge_all(x, f, &p, "what comes to the port by");
	}
	return bad;
}

static bool check_address(struct exam *x, const struct filters *f)
{
	const struct exam_link *out = link_by_index(x, x->out_index);
	struct packet p;
	bool bad = false;

	if (out && x->target.len) {
		p = packet_to(x, &x->target, out, true);
		bad |= judge_all(x, f, &p, "what is sent to the address by");
	}
	for (size_t i = 0; i < x->ngroups; i++) {
		const struct exam_link *l = link_by_index(x, x->group[i].ifindex);

		if (!l)
			continue;
		p = packet_to(x, &x->group[i].group, l, false);
		p.dport = x->port;
		bad |= judge_all(x, f, &p, "the group's datagrams that come by");
		p = report(l);
		if (x->family == AF_INET)
			bad |= judge_all(x, f, &p, "reports of membership (IGMP) sent by");
	}
	if (!x->ngroups && x->port && !x->target.len)
		bad |= check_receiver(x, f);
	if (exam_is_broadcast(x, &x->target) && out && x->port) {
		p = packet_to(x, &x->target, out, false);
		bad |= judge_all(x, f, &p, "broadcasts that come by");
	}
	return bad;
}

static bool check_host(struct exam *x, const struct filters *f)
{
	bool bad = false;

	for (size_t i = 0; i < x->nlinks; i++) {
		const struct exam_link *l = &x->link[i];
		struct packet p = { .ifname = l->name, .protocol = IPPROTO_UDP, .multicast = true };

		if (!(l->flags & IFF_UP) || l->flags & IFF_LOOPBACK)
			continue;
		bad |= judge_all(x, f, &p, "groups that come by");
		p.out = true;
		bad |= judge_all(x, f, &p, "groups sent by");
	}
	return bad;
}

void check_firewall(struct exam *x)
{
	struct filters f = { 0 };
	size_t before = x->out->n;
	bool bad;

	read_nft(x, &f.nft);
	for (int v6 = 0; v6 < 2; v6++) {
		read_iptables(x, &f.tables[v6], v6, false);
		read_iptables(x, &f.legacy[v6], v6, true);
	}
	bad = x->half ? check_address(x, &f) : check_host(x, &f);
	if (!bad && x->out->n == before)
		exam_add(x, FIND_OK, xstrdup("no packet filter is in the way"),
			 f.nft.len || f.legacy[0].len ? xstrdup("nft, iptables: no rule drops it")
						      : xstrdup("there are no rules"));
	str_done(&f.nft);
	for (int v6 = 0; v6 < 2; v6++) {
		str_done(&f.tables[v6]);
		str_done(&f.legacy[v6]);
	}
}
