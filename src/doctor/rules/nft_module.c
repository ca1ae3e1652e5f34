/* nft_module.c - rules as "nft -j list ruleset" prints them, see rules.h
 *
 * Built as a module of its own with jansson, and loaded only where the doctor finds such rules.
 * The format is described in libnftables-json(5): an array of tables, chains and rules; a rule has
 * an array of statements, of which "match" is a condition and the verdicts are what it does. */
#include "doctor/rules/nft_module.h"

#include "base/list.h"
#include "base/mem.h"
#include "doctor/rules/rules.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Text of the string that is member @name of @j, or "". */
static const char *json_text(const json_t *j, const char *name)
{
	const char *text = json_string_value(json_object_get(j, name));

	return text ? text : "";
}

/* The value of one side of a match that is no set, as text for the fit_ functions; false: it is
 * something else. */
static bool value_text(const json_t *v, char *buf, size_t cap)
{
	const json_t *prefix = json_object_get(v, "prefix"), *range = json_object_get(v, "range");
	const json_t *len = json_object_get(prefix, "len");
	char low[64], high[64];

	if (json_is_string(v))
		snprintf(buf, cap, "%s", json_string_value(v));
	else if (json_is_integer(v))
		snprintf(buf, cap, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
	else if (prefix && len)
		snprintf(buf, cap, "%s/%" JSON_INTEGER_FORMAT, json_text(prefix, "addr"),
			 json_integer_value(len));
	else if (json_array_size(range) > 1 &&
		 value_text(json_array_get(range, 0), low, sizeof(low)) &&
		 value_text(json_array_get(range, 1), high, sizeof(high)))
		snprintf(buf, cap, "%s-%s", low, high);
	else
		return false;
	return buf[0] != '@'; /* a named set */
}

typedef enum fit judge_fn(const struct packet *p, const char *text);

static enum fit judge_iif(const struct packet *p, const char *text)
{
	return p->out ? FIT_NO : fit_ifname(p->ifname, text);
}

static enum fit judge_oif(const struct packet *p, const char *text)
{
	return p->out ? fit_ifname(p->ifname, text) : FIT_NO;
}

static enum fit judge_protocol(const struct packet *p, const char *text)
{
	return fit_protocol(p->protocol, text);
}

static enum fit judge_family(const struct packet *p, const char *text)
{
	bool v6 = strcmp(text, "ipv6") == 0 || strcmp(text, "ip6") == 0;

	return v6 == p->v6 ? FIT_YES : FIT_NO;
}

static enum fit judge_packet_type(const struct packet *p, const char *text)
{
	return p->out ? FIT_MAYBE : fit_kind(p, text);
}

static enum fit judge_daddr(const struct packet *p, const char *text)
{
	return strchr(text, '-') ? FIT_MAYBE : fit_ip(&p->dst, text);
}

static enum fit judge_dport(const struct packet *p, const char *text)
{
	return fit_port(p->dport, text);
}

/* The first packet of anything is new. */
static enum fit judge_state(const struct packet *p, const char *text)
{
	(void)p;
	return strcmp(text, "new") == 0 ? FIT_YES : FIT_NO;
}

/* What can be judged: the kind of expression, its object and its field. */
static const struct {
	const char *kind, *object, *field;
	judge_fn *fn;
} fields[] = {
	{ "meta", NULL, "iifname", judge_iif },
	{ "meta", NULL, "iif", judge_iif },
	{ "meta", NULL, "oifname", judge_oif },
	{ "meta", NULL, "oif", judge_oif },
	{ "meta", NULL, "l4proto", judge_protocol },
	{ "meta", NULL, "nfproto", judge_family },
	{ "meta", NULL, "protocol", judge_family },
	{ "meta", NULL, "pkttype", judge_packet_type },
	{ "ct", NULL, "state", judge_state },
	{ "fib", NULL, "type", fit_kind },
	{ "payload", "ip", "daddr", judge_daddr },
	{ "payload", "ip6", "daddr", judge_daddr },
	{ "payload", "ip", "protocol", judge_protocol },
	{ "payload", "ip6", "nexthdr", judge_protocol },
	{ "payload", "udp", "dport", judge_dport },
	{ "payload", "udplite", "dport", judge_dport },
	{ "payload", "th", "dport", judge_dport },
};

/* A condition about a header that the packet does not have. */
static bool has_header(const struct packet *p, const char *header)
{
	if (strcmp(header, "ip") == 0 || strcmp(header, "ip6") == 0)
		return p->v6 == (header[2] != '\0');
	return strcmp(header, "th") == 0 || fit_protocol(p->protocol, header) != FIT_NO;
}

static judge_fn *judge_of(const json_t *left)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const json_t *e = json_object_get(left, fields[i].kind);
		const char *field = json_text(e, "key");

		if (!*field)
			field = json_text(e, "field");
		if (!*field)
			field = json_text(e, "result");
		if (e && strcmp(field, fields[i].field) == 0 &&
		    (!fields[i].object || strcmp(json_text(e, "protocol"), fields[i].object) == 0))
			return fields[i].fn;
	}
	return NULL;
}

/* Does what the packet has at @left equal @right, a value or a set of them? */
static enum fit compare(const struct packet *p, const json_t *left, const json_t *right)
{
	const json_t *payload = json_object_get(left, "payload"),
		     *set = json_object_get(right, "set");
	const json_t *list = set ? set : right;
	judge_fn *judge = judge_of(left);
	enum fit fit = FIT_NO;
	char text[160];

	if (payload && *json_text(payload, "protocol") &&
	    !has_header(p, json_text(payload, "protocol")))
		return FIT_NO;
	if (!judge || !right)
		return FIT_MAYBE;
	if (!json_is_array(list))
		return value_text(right, text, sizeof(text)) ? judge(p, text) : FIT_MAYBE;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *v = json_array_get(list, i);
		enum fit one = value_text(v, text, sizeof(text)) ? judge(p, text) : FIT_MAYBE;

		fit = one > fit ? one : fit;
	}
	return fit;
}

static enum fit match(const struct packet *p, const json_t *m)
{
	const json_t *left = json_object_get(m, "left"), *right = json_object_get(m, "right");
	const char *op = json_text(m, "op");

	if (!left || !right || strpbrk(op, "<>&|^"))
		return FIT_MAYBE;
	if (strcmp(op, "!=") == 0) {
		const json_t *payload = json_object_get(left, "payload");

		/* no such header: the rule does not fit either way */
		if (payload && *json_text(payload, "protocol") &&
		    !has_header(p, json_text(payload, "protocol")))
			return FIT_NO;
		return fit_not(compare(p, left, right));
	}
	return compare(p, left, right);
}

static enum verdict verdict_of(const json_t *statement, const char **target)
{
	static const struct {
		const char *name;
		enum verdict verdict;
	} known[] = {
		{ "accept", RULE_ACCEPT }, { "drop", RULE_DROP }, { "reject", RULE_DROP },
		{ "jump", RULE_JUMP },     { "goto", RULE_GOTO }, { "return", RULE_RETURN },
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		const json_t *v = json_object_get(statement, known[i].name);

		if (!v)
			continue;
		*target = json_text(v, "target");
		return known[i].verdict;
	}
	return RULE_NOTHING;
}

static char *rule_name(const json_t *rule)
{
	return xasprintf("table %s %s, chain %s, rule handle %" JSON_INTEGER_FORMAT,
			 json_text(rule, "family"), json_text(rule, "table"),
			 json_text(rule, "chain"),
			 json_integer_value(json_object_get(rule, "handle")));
}

/* "key vmap { value : verdict, ... }": a rule for each pair. */
static void read_vmap(struct chain *c, const json_t *rule, const json_t *vmap, enum fit before,
		      const struct packet *p)
{
	const json_t *set = json_object_get(json_object_get(vmap, "data"), "set");

	if (!set) { /* a named map: anything may happen */
		rules_add(c, fit_and(before, FIT_MAYBE), RULE_DROP, NULL, rule_name(rule));
		return;
	}
	for (size_t i = 0; i < json_array_size(set); i++) {
		const json_t *pair = json_array_get(set, i), *key = json_object_get(vmap, "key");
		const char *target = NULL;
		enum verdict v;

		if (json_array_size(pair) < 2)
			continue;
		v = verdict_of(json_array_get(pair, 1), &target);
		rules_add(c, fit_and(before, compare(p, key, json_array_get(pair, 0))), v, target,
			  rule_name(rule));
	}
}

/* Statements that only do something beside. */
static bool is_harmless(const json_t *statement)
{
	static const char *const name[] = { "counter", "log", "comment" };

	for (size_t i = 0; i < ARRAY_SIZE(name); i++) {
		if (json_object_get(statement, name[i]))
			return true;
	}
	return false;
}

static void read_rule(struct chain *c, const json_t *rule, const struct packet *p)
{
	const json_t *expr = json_object_get(rule, "expr");
	enum verdict verdict = RULE_NOTHING;
	const char *target = NULL;
	enum fit fit = FIT_YES;

	for (size_t i = 0; i < json_array_size(expr); i++) {
		const json_t *s = json_array_get(expr, i);
		const json_t *m = json_object_get(s, "match"), *vmap = json_object_get(s, "vmap");

		if (vmap) {
			read_vmap(c, rule, vmap, fit, p);
			return;
		}
		verdict = verdict_of(s, &target);
		if (m)
			fit = fit_and(fit, match(p, m));
		else if (verdict == RULE_NOTHING && !is_harmless(s))
			fit = fit_and(fit, FIT_MAYBE);
	}
	rules_add(c, fit, verdict, target, rule_name(rule));
}

/* Does the kernel begin at this chain for the packet? */
static bool begins(const json_t *chain, const struct packet *p)
{
	const char *family = json_text(chain, "family"), *hook = json_text(chain, "hook");
	const char *dev = json_text(chain, "dev");

	if (strcmp(family, "netdev") == 0)
		return strcmp(hook, p->out ? "egress" : "ingress") == 0 &&
		       strcmp(dev, p->ifname) == 0;
	if (strcmp(family, "inet") != 0 && strcmp(family, p->v6 ? "ip6" : "ip") != 0)
		return false;
	if (p->out)
		return strcmp(hook, "output") == 0 || strcmp(hook, "postrouting") == 0;
	return strcmp(hook, "input") == 0 || strcmp(hook, "prerouting") == 0;
}

static struct chain *chain_of(struct rules *r, const json_t *j, const char *name)
{
	char *table = xasprintf("%s %s", json_text(j, "family"), json_text(j, "table"));
	struct chain *c = rules_chain(r, table, json_text(j, name));

	free(table);
	return c;
}

int nft_read(struct rules *r, const struct str *text, const struct packet *p)
{
	json_t *all = json_loadb(text->data ? text->data : "", text->len, 0, NULL);
	const json_t *list = json_object_get(all, "nftables");
	int rc = list ? 0 : -1;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *j = json_array_get(list, i);
		const json_t *chain = json_object_get(j, "chain"),
			     *rule = json_object_get(j, "rule");

		if (chain) {
			struct chain *c = chain_of(r, chain, "name");

			c->begins = begins(chain, p);
			c->drops = strcmp(json_text(chain, "policy"), "drop") == 0;
		}
		if (rule)
			read_rule(chain_of(r, rule, "chain"), rule, p);
	}
	json_decref(all);
	return rc;
}
