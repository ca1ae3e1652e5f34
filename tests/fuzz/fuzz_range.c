/* fuzz_range.c - 24 bytes of peer address, then the text of a range */
#include "base/str.h"
#include "dgram/admit.h"
#include "sys/netaddr.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text, buf[NETADDR_TEXT_LEN];
	struct netaddr a = { 0 };
	struct range r;
	struct err err;

	if (size < 24)
		return 0;
	memcpy(a.raw, data, 24);
	a.len = sizeof(a.in6);
	a.any.sa_family = data[0] & 1 ? AF_INET : AF_INET6;
	text = strndup((const char *)data + 24, size - 24);
	for (int i = 0; i < 2; i++)
		if (range_parse(&r, text, i ? AF_INET : AF_INET6, NULL, NULL, &err) == 0)
			range_match(&r, &a);
	if (admit_data_range(&r, text, &err) == 0)
		range_match(&r, &a);
	a.any.sa_family = data[1];
	netaddr_text(&a, buf);
	free(text);
	return 0;
}
