/* rules.c - packet filter rules: conditions and the walk through chains, see rules.h */
#include "doctor/rules/rules.h"

#include "base/list.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DEPTH_MAX 16 /* chains that call chains; the kernel refuses more (NFT_JUMP_STACK_SIZE) */
#define VISITS_MAX 100000 /* rules looked at for one packet */

struct chain *rules_chain(struct rules *r, const char *table, const char *name)
{
	for (size_t i = 0; i < r->nchains; i++) {
		if (strcmp(r->chain[i].table, table) == 0 && strcmp(r->chain[i].name, name) == 0)
			return &r->chain[i];
	}
	r->chain = xrealloc(r->chain, (r->nchains + 1) * sizeof(*r->chain));
	r->chain[r->nchains] = (struct chain){ .table = xstrdup(table), .name = xstrdup(name) };
	return &r->chain[r->nchains++];
}

void rules_add(struct chain *c, enum fit fit, enum verdict verdict, const char *target, char *text)
{
	c->rule = xrealloc(c->rule, (c->nrules + 1) * sizeof(*c->rule));
	c->rule[c->nrules++] = (struct rule){ .fit = fit,
					      .verdict = verdict,
					      .target = target ? xstrdup(target) : NULL,
					      .text = text };
}

void rules_done(struct rules *r)
{
	for (size_t i = 0; i < r->nchains; i++) {
		struct chain *c = &r->chain[i];

		for (size_t k = 0; k < c->nrules; k++) {
			free(c->rule[k].target);
			free(c->rule[k].text);
		}
		free(c->rule);
		free(c->table);
		free(c->name);
	}
	free(r->chain);
	*r = (struct rules){ 0 };
}

/* ---- the walk ---- */

struct walk {
	const struct rules *rules;
	bool sure; /* no rule that may fit has been passed by */
	const struct rule *by, *maybe; /* what has dropped it, or may have */
	int depth, visits;
};

static const struct chain *chain_find(const struct rules *r, const char *table, const char *name)
{
	for (size_t i = 0; name && i < r->nchains; i++) {
		if (strcmp(r->chain[i].table, table) == 0 && strcmp(r->chain[i].name, name) == 0)
			return &r->chain[i];
	}
	return NULL;
}

static enum verdict walk_chain(struct walk *w, const struct chain *c);

/* What a rule that calls another chain comes to. */
static enum verdict walk_call(struct walk *w, const struct chain *c, const struct rule *rule)
{
	const struct chain *to = chain_find(w->rules, c->table, rule->target);
	enum verdict v = RULE_NOTHING;

	if (to && w->depth < DEPTH_MAX) {
		w->depth++;
		v = walk_chain(w, to);
		w->depth--;
	}
	return v == RULE_NOTHING && rule->verdict == RULE_GOTO ? RULE_RETURN : v;
}

/* ACCEPT, DROP, or NOTHING at its end. */
static enum verdict walk_chain(struct walk *w, const struct chain *c)
{
	for (size_t i = 0; i < c->nrules && w->visits++ < VISITS_MAX; i++) {
		const struct rule *rule = &c->rule[i];
		enum verdict v = rule->verdict;

		if (rule->fit == FIT_NO || v == RULE_NOTHING)
			continue;
		if (v == RULE_JUMP || v == RULE_GOTO)
			v = walk_call(w, c, rule);
		if (v == RULE_NOTHING)
			continue;
		if (rule->fit == FIT_MAYBE) {
			if (v == RULE_DROP && !w->maybe)
				w->maybe = rule;
			w->sure = false;
			continue;
		}
		if (v == RULE_DROP && !w->by)
			w->by = rule;
		return v == RULE_RETURN ? RULE_NOTHING : v;
	}
	return RULE_NOTHING;
}

enum verdict rules_judge(const struct rules *r, const struct chain *c, bool *sure,
			 const struct rule **by)
{
	struct walk w = { .rules = r, .sure = true };
	enum verdict v = walk_chain(&w, c);

	if (v == RULE_NOTHING)
		v = c->drops ? RULE_DROP : RULE_ACCEPT;
	*sure = w.sure;
	*by = v == RULE_DROP ? w.by : NULL;
	if (v == RULE_ACCEPT && w.maybe) { /* unless the one that may fit does */
		*by = w.maybe;
		return RULE_DROP;
	}
	return v;
}

/* ---- conditions ---- */

enum fit fit_ifname(const char *have, const char *text)
{
	size_t len = strlen(text);

	/* iptables writes "eth+", nft "eth*" */
	if (len && strchr("+*", text[len - 1]))
		return strncmp(have, text, len - 1) == 0 ? FIT_YES : FIT_NO;
	return strcmp(have, text) == 0 ? FIT_YES : FIT_NO;
}

enum fit fit_ip(const struct netaddr *have, const char *text)
{
	bool v6 = strchr(text, ':') != NULL;
	const char *slash = strchr(text, '/');
	uint8_t want[16];
	const uint8_t *ip;
	char host[64];
	long bits = slash ? strtol(slash + 1, NULL, 10) : v6 ? 128 : 32;

	if (!have->len)
		return FIT_MAYBE;
	if (v6 != (have->any.sa_family == AF_INET6))
		return FIT_NO;
	snprintf(host, sizeof(host), "%.*s", slash ? (int)(slash - text) : 63, text);
	if (inet_pton(v6 ? AF_INET6 : AF_INET, host, want) != 1 || (slash && strchr(slash, '.')))
		return FIT_MAYBE;
	ip = v6 ? have->in6.sin6_addr.s6_addr : (const uint8_t *)&have->in.sin_addr;
	for (long i = 0; i < bits && i < (v6 ? 128 : 32); i++) {
		if ((ip[i / 8] ^ want[i / 8]) & (0x80 >> i % 8))
			return FIT_NO;
	}
	return FIT_YES;
}

enum fit fit_port(unsigned have, const char *text)
{
	char *end;
	unsigned long low = strtoul(text, &end, 10), high = low;

	if (!have || end == text)
		return FIT_MAYBE;
	if (*end == '-' || *end == ':')
		high = strtoul(end + 1, NULL, 10);
	return have >= low && have <= high ? FIT_YES : FIT_NO;
}

enum fit fit_protocol(int have, const char *text)
{
	static const struct {
		const char *name;
		int number;
	} known[] = {
		{ "udp", IPPROTO_UDP },          { "udplite", IPPROTO_UDPLITE },
		{ "tcp", IPPROTO_TCP },          { "icmp", IPPROTO_ICMP },
		{ "igmp", IPPROTO_IGMP },        { "icmpv6", IPPROTO_ICMPV6 },
		{ "ipv6-icmp", IPPROTO_ICMPV6 }, { "sctp", IPPROTO_SCTP },
	};
	char *end;
	long n = strtol(text, &end, 10);

	if (strcmp(text, "all") == 0)
		return FIT_YES;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (strcmp(text, known[i].name) == 0)
			return known[i].number == have ? FIT_YES : FIT_NO;
	}
	if (end == text)
		return FIT_MAYBE;
	return n == have ? FIT_YES : FIT_NO;
}

enum fit fit_kind(const struct packet *p, const char *text)
{
	if (strcasecmp(text, "multicast") == 0)
		return p->multicast ? FIT_YES : FIT_NO;
	if (strcasecmp(text, "broadcast") == 0)
		return p->broadcast ? FIT_YES : FIT_NO;
	if (p->multicast || p->broadcast)
		return FIT_NO;
	return FIT_MAYBE;
}
