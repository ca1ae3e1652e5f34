/* rules.h - packet filter rules, whoever wrote them
 *
 * nft_module.c and iptables.c read the rules of the host and judge every condition for one packet;
 * what stays is whether a rule fits, and what it does. rules.c walks through them as the kernel
 * would. Many conditions cannot be judged (rates, marks, foreign sets): then a rule may fit. */
#ifndef DOCTOR_RULES_RULES_H
#define DOCTOR_RULES_RULES_H

#include "sys/netaddr.h"

#include <stdbool.h>
#include <stddef.h>

/* The packet that is judged. */
struct packet {
	bool out; /* sent by this host, else received */
	bool v6;
	const char *ifname; /* by which it leaves or comes */
	struct netaddr dst; /* len 0: some group */
	int protocol; /* IPPROTO_* */
	unsigned dport; /* 0: unknown */
	bool broadcast, multicast;
};

enum fit { FIT_NO, FIT_MAYBE, FIT_YES };
enum verdict { RULE_NOTHING, RULE_ACCEPT, RULE_DROP, RULE_JUMP, RULE_GOTO, RULE_RETURN };

struct rule {
	enum fit fit;
	enum verdict verdict;
	char *target; /* chain of jump and goto, or NULL */
	char *text; /* as people find it again */
};

struct chain {
	char *table; /* "inet filter" of nft, "filter" of iptables */
	char *name;
	bool begins; /* the kernel begins here for this packet */
	bool drops; /* its policy */
	struct rule *rule; /* owned */
	size_t nrules;
};

struct rules {
	const char *program; /* "nft", "iptables" or "ip6tables" */
	struct chain *chain; /* owned */
	size_t nchains;
};

struct chain *rules_chain(struct rules *r, const char *table, const char *name);
void rules_add(struct chain *c, enum fit fit, enum verdict verdict, const char *target, char *text);
void rules_done(struct rules *r);

/* What becomes of the packet in a chain where the kernel begins: DROP or ACCEPT; @sure false: it
 * may be otherwise. @by gets the rule, or NULL for the policy. */
enum verdict rules_judge(const struct rules *r, const struct chain *c, bool *sure,
			 const struct rule **by);

/* Judge one condition. @text: what the rule wants, "eth0", "eth*", "224.0.0.0/4", "6666",
 * "6000-7000", "udp". */
enum fit fit_ifname(const char *have, const char *text);
enum fit fit_ip(const struct netaddr *have, const char *text);
enum fit fit_port(unsigned have, const char *text);
enum fit fit_protocol(int have, const char *text);
/* Type of the destination: "MULTICAST", "broadcast", "local", "unicast"; ignoring case. */
enum fit fit_kind(const struct packet *p, const char *text);
static inline enum fit fit_not(enum fit fit)
{
	return (enum fit)(FIT_YES - fit);
}
static inline enum fit fit_and(enum fit a, enum fit b)
{
	return a < b ? a : b;
}

#endif
