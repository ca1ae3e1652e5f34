/* addr.h - the address types: row arrays and look-up */
#ifndef ADDR_ADDR_H
#define ADDR_ADDR_H

#include "relay/opening.h"

#include <stddef.h>

struct addr_family {
	const struct addr_type *type;
	size_t n;
};

/* One array per family; each file ends with its rows. */
extern const struct addr_family stdio_family, file_family, pipe_family, text_family, exec_family,
	tcp_family, udp_family, rawip_family, socks_family, proxy_family;

/* The type with this name or alias, ignoring case; NULL if there is none. */
const struct addr_type *addr_find(const char *name);

/* Call @fn for every type; stops and returns early when it returns non-zero. */
int addr_each(int (*fn)(const struct addr_type *type, void *arg), void *arg);

/* A type name near to @name, for "did you mean"; copied into @buf, NULL if nothing is near. */
const char *addr_suggest(const char *name, char *buf, size_t cap);

#endif
