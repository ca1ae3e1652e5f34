/* dst_type.c - what a datagram was sent to, see dst_type.h */
#include "data/dst_type.h"

#include "base/list.h"

#include <arpa/inet.h>
#include <stddef.h>

static const struct {
	enum dst_type type;
	const char *word;
} types[] = {
	{ DST_UNICAST, "unicast" },
	{ DST_MULTICAST, "multicast" },
	{ DST_BROADCAST, "broadcast" },
};

const char *dst_type_word(enum dst_type type)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (types[i].type == type)
			return types[i].word;
	}
	return "unknown";
}

enum dst_type dst_type_ip4(const struct in_addr *addr, const struct in_addr *local)
{
	if (IN_MULTICAST(ntohl(addr->s_addr)))
		return DST_MULTICAST;
	if (addr->s_addr == INADDR_BROADCAST)
		return DST_BROADCAST;
	if (local->s_addr == INADDR_ANY)
		return DST_UNICAST;
	return addr->s_addr == local->s_addr ? DST_UNICAST : DST_BROADCAST;
}
