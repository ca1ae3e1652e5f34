/* wrap.h - access tables of hosts_access(5), by libwrap
 *
 * The library is loaded when the first address wants it: it brings a dozen others along, which
 * would make every start slower. It is reached through a small module of ours, wrap_module.c. */
#ifndef RELAY_WRAP_H
#define RELAY_WRAP_H

#include "opt/opt.h"
#include "sys/netaddr.h"

#include <stdbool.h>

/* Load the module; 0, or -1 with a sentence saying where it was looked for. */
int wrap_load(struct err *err);

/* Ask the tables named by @conf about @peer. False (refuse) also when the module is not there. */
bool wrap_permits(const struct conf *conf, const struct netaddr *peer, const struct netaddr *local);

/* What the module exports as "socast_wrap_permits". @allow and @deny may be NULL (defaults);
 * @local may be NULL. Returns 1 to permit, 0 to refuse. */
typedef int wrap_fn(const char *daemon, const char *allow, const char *deny,
		    const struct sockaddr *peer, const struct sockaddr *local);

#endif
