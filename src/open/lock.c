/* lock.c - lock files, see lock.h */
#include "open/lock.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static enum lock_result link_to(const char *temp, const char *name, int fd, struct err *err)
{
	if (dprintf(fd, "%d\n", (int)getpid()) < 0) {
		err_set(err, errno, "write(%d, lock file \"%s\")", fd, temp);
		return LOCK_FAILED;
	}
	fchmod(fd, 0644);
	if (link(temp, name) == 0) {
		log_info("obtained lock \"%s\"", name);
		return LOCK_TAKEN;
	}
	if (errno == EEXIST)
		return LOCK_HELD;
	err_set(err, errno, "link(\"%s\", \"%s\")", temp, name);
	return LOCK_FAILED;
}

enum lock_result lock_take(const char *name, struct err *err)
{
	enum lock_result r;
	struct stat st;
	char *temp;
	int fd;

	if (lstat(name, &st) == 0)
		return LOCK_HELD;
	temp = xasprintf("%s.XXXXXX", name);
	fd = mkstemp(temp);
	if (fd == -1) {
		err_set(err, errno, "mkstemp(\"%s.XXXXXX\")", name);
		free(temp);
		return LOCK_FAILED;
	}
	r = link_to(temp, name, fd, err);
	close(fd);
	unlink(temp);
	free(temp);
	return r;
}
