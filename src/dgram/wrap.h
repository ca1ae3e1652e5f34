/* wrap.h - access tables of hosts_access(5), by libwrap
 *
 * The library is loaded when the first address wants it: it brings a dozen others along, which
 * would make every start slower. It is reached through a small module of ours, wrap_module.c.
 *
 * The tables are read for every question, so that changes hold at once; and from the root directory
 * of that moment. Nobody can wait for a name server there: names come from /etc/hosts, and a table
 * that needs another one refuses. */
#ifndef DGRAM_WRAP_H
#define DGRAM_WRAP_H

#include "opt/opt.h"
#include "sys/netaddr.h"

/* Load the module and settle which tables @c means, while planning. @late_root: peers are
 * judged before a chroot that is not early. 0, or -1 with a sentence saying
 * where the module was looked for. */
int wrap_prepare(struct conf *c, bool late_root, struct err *err);

/* Ask the tables of @conf about @peer; @local may be NULL. */
enum wrap_answer wrap_ask(const struct conf *conf, const struct netaddr *peer,
			  const struct netaddr *local);

#endif
