/* addr.h - the address types: row arrays and look-up */
#ifndef ADDR_ADDR_H
#define ADDR_ADDR_H

#include "open/opening.h"

#include <stddef.h>

struct addr_family {
	const struct addr_type *type;
	size_t n;
};

/* One array per family; each file ends with its rows. */
extern const struct addr_family stdio_family;
extern const struct addr_family file_family;
extern const struct addr_family pipe_family;
extern const struct addr_family text_family;
extern const struct addr_family exec_family;
extern const struct addr_family udp_family;
extern const struct addr_family mcast_family;
extern const struct addr_family rawip_family;
extern const struct addr_family tcp_family;
extern const struct addr_family tls_family;
extern const struct addr_family dtls_family;
extern const struct addr_family tun_family;
extern const struct addr_family interface_family;
extern const struct addr_family posixmq_family;
extern const struct addr_family pty_family;
extern const struct addr_family readline_family;
extern const struct addr_family unix_family;
extern const struct addr_family socket_family;
extern const struct addr_family vsock_family;
extern const struct addr_family acceptfd_family;
extern const struct addr_family socks_family;
extern const struct addr_family proxy_family;

/* The type with this name or alias, ignoring case; NULL if there is none. */
const struct addr_type *addr_find(const char *name);

/* The layer whose name the @len bytes at @word are, ignoring case; NULL if there is none. Layer
 * number @i; NULL behind the last one. */
const struct layer_type *layer_find(const char *word, size_t len);
const struct layer_type *layer_number(size_t i);

/* Why @type, with the layer it brings, cannot be used in this build, or NULL. */
const char *addr_missing(const struct addr_type *type);

/* Call @fn for every type; stops and returns early when it returns non-zero. */
int addr_each(int (*fn)(const struct addr_type *type, void *arg), void *arg);

/* A type name near to @name, for "did you mean"; copied into @buf, NULL if nothing is near. */
const char *addr_suggest(const char *name, char *buf, size_t cap);

#endif
