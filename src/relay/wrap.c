/* wrap.c - access tables, see wrap.h */
#include "relay/wrap.h"

#include "base/log.h"
#include "base/mem.h"
#include "sys/module.h"

#include <stdlib.h>

#define MODULE "socast_wrap"

int wrap_load(struct err *err)
{
	return module_symbol(MODULE, "socast_wrap_permits", err) ? 0 : -1;
}

/* The table in use: named itself, or in the directory, or the library's default. */
static char *table(const char *file, const char *dir, const char *base)
{
	if (file)
		return xstrdup(file);
	return dir ? xasprintf("%s/%s", dir, base) : NULL;
}

bool wrap_permits(const struct conf *conf, const struct netaddr *peer, const struct netaddr *local)
{
	const char *daemon = conf->wrap.daemon ? conf->wrap.daemon : log_name();
	char *allow = table(conf->wrap.allow, conf->wrap.etc, "hosts.allow");
	char *deny = table(conf->wrap.deny, conf->wrap.etc, "hosts.deny");
	struct err err;
	wrap_fn *ask = (wrap_fn *)module_symbol(MODULE, "socast_wrap_permits", &err);
	bool ok = ask && ask(daemon, allow, deny, &peer->any, local ? &local->any : NULL);

	free(allow);
	free(deny);
	return ok;
}
