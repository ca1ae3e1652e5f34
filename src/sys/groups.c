/* groups.c - memberships beyond what one socket may have, see groups.h */
#include "sys/groups.h"

#include "base/log.h"
#include "base/mem.h"
#include "sys/fd.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>

struct groups {
	unsigned refs;
	size_t n;
	int *fd;
};

static bool is_full(int code)
{
	return code == ENOBUFS || code == ENOMEM; /* IPv4, IPv6 */
}

/* One more helper, in *@more: its descriptor, or -1 with errno. */
static int add_helper(int level, struct groups **more)
{
	int fd = socket(level == SOL_IPV6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct groups *g = *more;

	if (fd == -1)
		return -1;
	if (!g) {
		g = *more = xcalloc(1, sizeof(*g));
		g->refs = 1;
	}
	g->fd = xrealloc(g->fd, (g->n + 1) * sizeof(*g->fd));
	g->fd[g->n++] = fd;
	log_info("a socket may join no more groups: socket %d joins for it", fd);
	return fd;
}

int groups_join(int fd, int level, int name, const void *req, socklen_t len, struct groups **more)
{
	if (setsockopt(fd, level, name, req, len) == 0)
		return 0;
	if (!more || !is_full(errno))
		return -1;
	if (*more && setsockopt((*more)->fd[(*more)->n - 1], level, name, req, len) == 0)
		return 0;
	if (!is_full(errno))
		return -1;
	fd = add_helper(level, more);
	return fd == -1 ? -1 : setsockopt(fd, level, name, req, len);
}

int groups_leave(int fd, int level, int name, const void *req, socklen_t len,
		 const struct groups *more)
{
	int rc = setsockopt(fd, level, name, req, len);

	for (size_t i = 0; rc == -1 && more && i < more->n; i++)
		rc = setsockopt(more->fd[i], level, name, req, len);
	return rc;
}

bool groups_heard(int fd, int family, const struct groups *more)
{
	socklen_t len = sizeof(int);
	int all = 1;

	if (more && family == AF_INET6)
		(void)getsockopt(fd, SOL_IPV6, IPV6_MULTICAST_ALL, &all, &len);
	else if (more)
		(void)getsockopt(fd, SOL_IP, IP_MULTICAST_ALL, &all, &len);
	return all != 0;
}

struct groups *groups_ref(struct groups *more)
{
	if (more)
		more->refs++;
	return more;
}

void groups_unref(struct groups *more)
{
	if (!more || --more->refs)
		return;
	for (size_t i = 0; i < more->n; i++)
		fd_close(&more->fd[i]);
	free(more->fd);
	free(more);
}
