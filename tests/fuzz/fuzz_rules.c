/* fuzz_rules.c - a byte of choices, then rules as nft or iptables-save print them */
#include "base/str.h"
#include "doctor/rules/iptables.h"
#include "doctor/rules/nft_module.h"
#include "doctor/rules/rules.h"

#include <arpa/inet.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct packet p = { .ifname = "eth0", .protocol = IPPROTO_UDP, .multicast = true };
	struct rules r = { .program = "nft" };
	struct str text = { 0 };
	const struct rule *by;
	bool sure;

	if (size < 1)
		return 0;
	p.out = data[0] & 1;
	p.v6 = data[0] & 2;
	p.dport = data[0] & 4 ? 6666 : 0;
	if (data[0] & 8)
		netaddr_any(&p.dst, p.v6 ? AF_INET6 : AF_INET, 0);
	str_add(&text, data + 1, size - 1);
	if (data[0] & 16)
		iptables_read(&r, &text, &p);
	else
		nft_read(&r, &text, &p);
	for (size_t i = 0; i < r.nchains; i++)
		rules_judge(&r, &r.chain[i], &sure, &by);
	rules_done(&r);
	str_done(&text);
	return 0;
}
