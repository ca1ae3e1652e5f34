/* iptables.c - rules as iptables-save prints them, see rules.h
 *
 *   *filter
 *   :INPUT DROP [0:0]
 *   -A INPUT -i eth0 -p udp -m udp --dport 6666 -j DROP */
#include "doctor/rules/iptables.h"

#include "base/list.h"
#include "base/mem.h"
#include "doctor/host/kernel.h"
#include "doctor/rules/rules.h"

#include <string.h>

#define WORDS_MAX 64

static enum fit want_in(const struct packet *p, const char *text)
{
	return p->out ? FIT_NO : fit_ifname(p->ifname, text);
}

static enum fit want_out(const struct packet *p, const char *text)
{
	return p->out ? fit_ifname(p->ifname, text) : FIT_NO;
}

static enum fit want_destination(const struct packet *p, const char *text)
{
	return fit_ip(&p->dst, text);
}

static enum fit want_protocol(const struct packet *p, const char *text)
{
	return fit_protocol(p->protocol, text);
}

static enum fit want_port(const struct packet *p, const char *text)
{
	return fit_port(p->dport, text);
}

/* A list of port numbers. */
static enum fit want_ports(const struct packet *p, const char *text)
{
	enum fit fit = FIT_NO;

	for (; *text; text += strcspn(text, ","), text += *text == ',') {
		enum fit one = fit_port(p->dport, text);

		fit = one > fit ? one : fit;
	}
	return fit;
}

/* The first packet of anything is new. */
static enum fit want_state(const struct packet *p, const char *text)
{
	(void)p;
	return strstr(text, "NEW") ? FIT_YES : FIT_NO;
}

static enum fit want_anything(const struct packet *p, const char *text)
{
	(void)p;
	(void)text;
	return FIT_YES;
}

/* Words that take one more; all others are not understood. */
static const struct {
	const char *word;
	enum fit (*judge)(const struct packet *p, const char *text);
} conditions[] = {
	{ "-i", want_in },
	{ "-o", want_out },
	{ "-d", want_destination },
	{ "-p", want_protocol },
	{ "--dport", want_port },
	{ "--dports", want_ports },
	{ "--pkt-type", fit_kind },
	{ "--dst-type", fit_kind },
	{ "--ctstate", want_state },
	{ "--state", want_state },
	{ "-m", want_anything },
	{ "--comment", want_anything },
	{ "--reject-with", want_anything },
};

static const struct {
	const char *word;
	enum verdict verdict;
} targets[] = {
	{ "ACCEPT", RULE_ACCEPT },
	{ "DROP", RULE_DROP },
	{ "REJECT", RULE_DROP },
	{ "RETURN", RULE_RETURN },
};

static size_t split(char *line, char *word[WORDS_MAX])
{
	char *save = NULL;
	size_t n = 0;

	for (char *w = strtok_r(line, " ", &save); w && n < WORDS_MAX;
	     w = strtok_r(NULL, " ", &save))
		word[n++] = w;
	return n;
}

static enum fit judge(const struct packet *p, const char *word, const char *value)
{
	for (size_t i = 0; i < ARRAY_SIZE(conditions); i++) {
		if (strcmp(conditions[i].word, word) == 0)
			return conditions[i].judge(p, value);
	}
	return FIT_MAYBE;
}

static enum verdict verdict_of(const char *word, bool jump)
{
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		if (strcmp(targets[i].word, word) == 0)
			return targets[i].verdict;
	}
	return jump ? RULE_JUMP : RULE_GOTO; /* a chain, or something that only looks (LOG) */
}

/* "-A CHAIN conditions -j TARGET" */
static void read_rule(struct rules *r, const char *table, char *line, const struct packet *p)
{
	char *text = xstrdup(line), *word[WORDS_MAX];
	size_t n = split(line, word);
	enum verdict verdict = RULE_NOTHING;
	const char *target = NULL;
	enum fit fit = FIT_YES;
	bool negated = false;

	for (size_t i = 2; i + 1 < n; i++) {
		if (strcmp(word[i], "!") == 0) {
			negated = true;
			continue;
		}
		if (strcmp(word[i], "-j") == 0 || strcmp(word[i], "-g") == 0) {
			target = word[i + 1];
			verdict = verdict_of(target, word[i][1] == 'j');
			break; /* what follows belongs to the target */
		}
		if (word[i][0] == '-') {
			enum fit one = judge(p, word[i], word[i + 1]);

			fit = fit_and(fit, negated ? fit_not(one) : one);
			negated = false;
			i++;
		}
	}
	rules_add(rules_chain(r, table, n > 1 ? word[1] : ""), fit, verdict, target, text);
}

static bool begins(const char *chain, bool out)
{
	if (out)
		return strcmp(chain, "OUTPUT") == 0 || strcmp(chain, "POSTROUTING") == 0;
	return strcmp(chain, "INPUT") == 0 || strcmp(chain, "PREROUTING") == 0;
}

int iptables_read(struct rules *r, struct str *text, const struct packet *p)
{
	char *rest = text->data, *line, *word[WORDS_MAX];
	const char *table = "";
	struct chain *c;

	while ((line = next_line(&rest))) {
		if (line[0] == '*') {
			table = line + 1;
		} else if (line[0] == ':' && split(line, word) >= 2) {
			c = rules_chain(r, table, word[0] + 1);
			c->begins = begins(c->name, p->out);
			c->drops = strcmp(word[1], "DROP") == 0;
		} else if (strncmp(line, "-A ", 3) == 0) {
			read_rule(r, table, line, p);
		}
	}
	return 0;
}
