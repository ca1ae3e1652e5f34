/* ptypair.c - a pseudo terminal pair as an address uses it, see ptypair.h */
#include "addr/program/ptypair.h"

#include "base/log.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

int pty_pair_make(struct pty_pair *out, struct err *err)
{
	if (tty_pair(&out->master, &out->slave, out->name, err) == -1) {
		out->master = out->slave = -1;
		return -1;
	}
	log_info("openpty({%d}, {%d}, {\"%s\"},,) -> 0", out->master, out->slave, out->name);
	return 0;
}

void pty_announce(const struct pty_pair *pair)
{
	log_notice("PTY is %s", pair->name);
}

int pty_link(struct opening *o, const char *name, struct err *err)
{
	const char *link = o->addr->conf->pty.link;
	struct stat st;

	if (!link)
		return 0;
	/* a link may be what an earlier run has left; anything else is somebody's */
	if (lstat(link, &st) == 0 && !S_ISLNK(st.st_mode) && !S_ISDIR(st.st_mode))
		return err_set(err, 0, "option link: \"%s\" is no symbolic link", link);
	if (unlink(link) == -1) {
		if (errno != ENOENT)
			return err_set(err, errno, "unlink(\"%s\")", link);
		log_info("unlink(\"%s\"): %m", link);
	}
	if (symlink(name, link) == -1)
		return err_set(err, errno, "symlink(\"%s\", \"%s\")", name, link);
	if (o->addr->conf->open.unlink_close != 0)
		leftovers_add_link(&o->undo.left, link, name);
	return 0;
}
