/* wrap.c - access tables, see wrap.h */
#include "dgram/wrap.h"

#include "base/log.h"
#include "base/mem.h"
#include "sys/module.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODULE "socast_wrap"

/* The table in use: named itself, or in the directory, or the library's default. It is always told
 * to the library, which keeps the pointer of the last address that did. */
static char *table(const char *file, const char *dir, const char *base)
{
	if (file)
		return xstrdup(file);
	return xasprintf("%s/%s", dir ? dir : "/etc", base);
}

/* The root directory in which the tables are read: connections are judged before a late chroot. */
static const char *root_of(const struct conf *c, bool late_root)
{
	const struct ident *id = &c->ident;
	const char *root = "";

	for (size_t i = 0; i < id->n; i++) {
		if (id->act[i].kind == ID_CHROOT && (id->act[i].stage == ID_EARLY || !late_root))
			root = id->act[i].text;
	}
	return root;
}

static bool can_read(const char *root, const char *file)
{
	char *path = xasprintf("%s%s", root, file);
	struct stat st;
	bool ok = access(path, R_OK) == 0 && stat(path, &st) == 0 && S_ISREG(st.st_mode);

	free(path);
	return ok;
}

/* The library takes a table that is not there for an empty one. One that is named is meant. */
static void warn_missing(const char *root, const char *file)
{
	if (file && !can_read(root, file))
		log_warn("the access table \"%s%s\" cannot be read: it counts as empty", root,
			 file);
}

int wrap_prepare(struct conf *c, bool late_root, struct err *err)
{
	const char *root = root_of(c, late_root);

	c->wrap.ask = (wrap_fn *)module_symbol(MODULE, "socast_wrap_permits", err);
	if (!c->wrap.ask)
		return -1;
	c->wrap.table[0] = table(c->wrap.allow, c->wrap.etc, "hosts.allow");
	c->wrap.table[1] = table(c->wrap.deny, c->wrap.etc, "hosts.deny");
	warn_missing(root, c->wrap.allow);
	warn_missing(root, c->wrap.deny);
	if (!can_read(root, c->wrap.table[0]) && !can_read(root, c->wrap.table[1]))
		log_warn("tcpwrap permits everybody: neither \"%s%s\" nor \"%s%s\" can be read",
			 root, c->wrap.table[0], root, c->wrap.table[1]);
	return 0;
}

enum wrap_answer wrap_ask(const struct conf *conf, const struct netaddr *peer,
			  const struct netaddr *local)
{
	const char *daemon = conf->wrap.daemon ? conf->wrap.daemon : log_name();

	if (!conf->wrap.ask)
		return WRAP_REFUSE;
	return conf->wrap.ask(daemon, conf->wrap.table[0], conf->wrap.table[1], &peer->any,
			      local ? &local->any : NULL);
}
