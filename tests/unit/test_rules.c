/* test_rules.c - JSON, and packet filter rules judged for one packet */
#include "doctor/rules/iptables.h"
#include "doctor/rules/nft_module.h"
#include "doctor/rules/rules.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct packet group_packet(bool out)
{
	struct packet p = { .out = out,
			    .ifname = "eth0",
			    .protocol = IPPROTO_UDP,
			    .dport = 6666,
			    .multicast = true };

	netaddr_any(&p.dst, AF_INET, 0);
	p.dst.in.sin_addr.s_addr = htonl(0xe0010001);
	return p;
}

/* ---- conditions ---- */

static void conditions(void **state)
{
	struct packet p = group_packet(false);
	struct netaddr unknown = { 0 };

	(void)state;
	assert_int_equal(fit_ifname("eth0", "eth0"), FIT_YES);
	assert_int_equal(fit_ifname("eth0", "eth*"), FIT_YES);
	assert_int_equal(fit_ifname("eth0", "eth+"), FIT_YES);
	assert_int_equal(fit_ifname("eth0", "eth"), FIT_NO);
	assert_int_equal(fit_ip(&p.dst, "224.0.0.0/4"), FIT_YES);
	assert_int_equal(fit_ip(&p.dst, "224.1.0.1"), FIT_YES);
	assert_int_equal(fit_ip(&p.dst, "224.1.0.0/31"), FIT_YES);
	assert_int_equal(fit_ip(&p.dst, "224.1.0.2/31"), FIT_NO);
	assert_int_equal(fit_ip(&p.dst, "0.0.0.0/0"), FIT_YES);
	assert_int_equal(fit_ip(&p.dst, "224.0.0.0/240.0.0.0"), FIT_MAYBE);
	assert_int_equal(fit_ip(&p.dst, "ff00::/8"), FIT_NO);
	assert_int_equal(fit_ip(&unknown, "224.0.0.0/4"), FIT_MAYBE);
	assert_int_equal(fit_port(6666, "6666"), FIT_YES);
	assert_int_equal(fit_port(6666, "6000-7000"), FIT_YES);
	assert_int_equal(fit_port(6666, "6000:6665"), FIT_NO);
	assert_int_equal(fit_port(6666, "mdns"), FIT_MAYBE);
	assert_int_equal(fit_port(0, "6666"), FIT_MAYBE);
	assert_int_equal(fit_protocol(IPPROTO_UDP, "17"), FIT_YES);
	assert_int_equal(fit_protocol(IPPROTO_UDP, "tcp"), FIT_NO);
	assert_int_equal(fit_kind(&p, "MULTICAST"), FIT_YES);
	assert_int_equal(fit_kind(&p, "broadcast"), FIT_NO);
	assert_int_equal(fit_not(FIT_MAYBE), FIT_MAYBE);
}

/* ---- whole tables ---- */

/* "drop", "may drop" or "accept" of all chains where the kernel begins. */
static const char *outcome(const struct rules *r)
{
	const char *worst = "accept";

	for (size_t i = 0; i < r->nchains; i++) {
		const struct rule *by;
		bool sure;

		if (!r->chain[i].begins || rules_judge(r, &r->chain[i], &sure, &by) != RULE_DROP)
			continue;
		if (sure)
			return "drop";
		worst = "may drop";
	}
	return worst;
}

static void judge_iptables(const char *rules, const char *want)
{
	struct packet p = group_packet(false);
	struct rules r = { .program = "iptables" };
	struct str text = { 0 };

	str_addf(&text,
		 "*filter\n:INPUT ACCEPT [0:0]\n:OUTPUT DROP [0:0]\n:mine - [0:0]\n%sCOMMIT\n",
		 rules);
	assert_int_equal(iptables_read(&r, &text, &p), 0);
	assert_string_equal(outcome(&r), want);
	rules_done(&r);
	str_done(&text);
}

static void iptables(void **state)
{
	(void)state;
	judge_iptables("", "accept");
	judge_iptables("-A INPUT -j DROP\n", "drop");
	judge_iptables("-A INPUT -p tcp -j DROP\n", "accept");
	judge_iptables("-A INPUT ! -p tcp -j REJECT --reject-with icmp-port-unreachable\n", "drop");
	judge_iptables("-A INPUT ! -i lo -j DROP\n", "drop");
	judge_iptables("-A INPUT -s 10.0.0.0/8 -j DROP\n", "may drop");
	judge_iptables("-A INPUT -s 10.0.0.0/8 -j ACCEPT\n-A INPUT -j DROP\n", "may drop");
	judge_iptables("-A INPUT -d 224.0.0.0/4 -j ACCEPT\n-A INPUT -j DROP\n", "accept");
	judge_iptables("-A INPUT -j mine\n-A INPUT -j DROP\n-A mine -d 224.0.0.0/4 -j ACCEPT\n",
		       "accept");
	judge_iptables("-A INPUT -j mine\n-A INPUT -j DROP\n-A mine -d 224.0.0.0/4 -j RETURN\n",
		       "drop");
	judge_iptables("-A INPUT -g mine\n-A INPUT -j DROP\n", "accept");
	judge_iptables(
		"-A INPUT -j LOG\n-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j DROP\n",
		"accept");
	judge_iptables("-A INPUT -j mine\n-A mine -j mine\n", "accept"); /* no endless walk */
	judge_iptables("-A\n-A INPUT\n-A INPUT -j\n:\n*\n", "accept");
}

static void judge_nft(const char *statements, const char *want)
{
	struct packet p = group_packet(false);
	struct rules r = { .program = "nft" };
	struct str text = { 0 };

	str_addf(&text,
		 "{\"nftables\":[{\"chain\":{\"family\":\"inet\",\"table\":\"t\",\"name\":\"in\","
		 "\"type\":\"filter\",\"hook\":\"input\",\"prio\":0,\"policy\":\"accept\"}},"
		 "{\"rule\":{\"family\":\"inet\",\"table\":\"t\",\"chain\":\"in\",\"handle\":2,"
		 "\"expr\":[%s]}}]}",
		 statements);
	assert_int_equal(nft_read(&r, &text, &p), 0);
	assert_string_equal(outcome(&r), want);
	rules_done(&r);
	str_done(&text);
}

#define MATCH(op, left, right)                                                                     \
	"{\"match\":{\"op\":\"" op "\",\"left\":{" left "},\"right\":" right "}}"
#define PAYLOAD(proto, field) "\"payload\":{\"protocol\":\"" proto "\",\"field\":\"" field "\"}"
#define DROP ",{\"drop\":null}"

static void nft(void **state)
{
	(void)state;
	judge_nft("{\"drop\":null}", "drop");
	judge_nft("{\"counter\":{}}" DROP, "drop");
	judge_nft("{\"limit\":{}}" DROP, "may drop");
	judge_nft("{\"xt\":null}" DROP, "may drop");
	judge_nft(MATCH("==", PAYLOAD("udp", "dport"), "6666") DROP, "drop");
	judge_nft(MATCH("!=", PAYLOAD("udp", "dport"), "6666") DROP, "accept");
	judge_nft(MATCH("!=", PAYLOAD("tcp", "dport"), "22") DROP, "accept"); /* no TCP at all */
	judge_nft(MATCH("==", PAYLOAD("udp", "dport"), "{\"set\":[53,{\"range\":[6000,7000]}]}")
			  DROP,
		  "drop");
	judge_nft(MATCH("==", PAYLOAD("udp", "dport"), "\"@ports\"") DROP, "may drop");
	judge_nft(MATCH("==", PAYLOAD("ip", "daddr"),
			"{\"prefix\":{\"addr\":\"224.0.0.0\",\"len\":4}}") DROP,
		  "drop");
	judge_nft(MATCH("==", PAYLOAD("ip6", "daddr"), "\"ff02::1\"") DROP, "accept");
	judge_nft(MATCH("<", PAYLOAD("udp", "dport"), "7000") DROP, "may drop");
	judge_nft(MATCH("in", "\"ct\":{\"key\":\"state\"}", "[\"established\",\"related\"]") DROP,
		  "accept");
	judge_nft("{\"vmap\":{\"key\":{" PAYLOAD(
			  "udp", "dport") "},\"data\":{\"set\":"
					  "[[53,{\"accept\":null}],[6666,{\"drop\":null}]]}}}",
		  "drop");
	judge_nft("{\"vmap\":{\"key\":{" PAYLOAD("udp", "dport") "},\"data\":\"@map\"}}",
		  "may drop");
	judge_nft("{\"jump\":{\"target\":\"nowhere\"}}", "accept");
}

static void nft_refuses(void **state)
{
	struct packet p = group_packet(false);
	struct rules r = { .program = "nft" };
	struct str text = { 0 };

	(void)state;
	assert_int_equal(nft_read(&r, &text, &p), -1);
	str_adds(&text, "{\"other\":[]}");
	assert_int_equal(nft_read(&r, &text, &p), -1);
	str_done(&text);
	rules_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conditions),
		cmocka_unit_test(iptables),
		cmocka_unit_test(nft),
		cmocka_unit_test(nft_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
