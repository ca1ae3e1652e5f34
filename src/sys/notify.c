/* notify.c - tell the service manager how we are, see notify.h */
#include "sys/notify.h"

#include "base/str.h"
#include "sys/fd.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int connect_to(const char *name, struct err *err)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t len = strlen(name);
	int fd;

	if ((*name != '/' && *name != '@') || len < 2 || len > sizeof(to.sun_path))
		return err_set(err, 0, "NOTIFY_SOCKET \"%s\" is no path and no abstract name",
			       name);
	memcpy(to.sun_path, name, len);
	if (*name == '@')
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return err_set(err, errno, "NOTIFY_SOCKET: socket");
	if (connect(fd, (struct sockaddr *)&to,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) == -1) {
		err_set(err, errno, "NOTIFY_SOCKET: connect \"%s\"", name);
		fd_close(&fd);
	}
	return fd;
}

/* The manager has started this very process, says systemd since 248; else it may be some helper of
 * a service, which inherits all variables. */
static bool is_service(void)
{
	const char *pid = getenv("SYSTEMD_EXEC_PID");
	int64_t n;

	return pid && num_parse(pid, &n, NULL) == NUM_OK && n == getpid();
}

int notify_open(bool asked, struct err *err)
{
	const char *name = getenv("NOTIFY_SOCKET");
	int fd = -1;

	*err = (struct err){ 0 };
	if (!name || !(asked || is_service()))
		return -1;
	fd = connect_to(name, err);
	unsetenv("NOTIFY_SOCKET");
	return fd;
}

void notify_send(int fd, const char *state)
{
	if (fd != -1)
		(void)!send(fd, state, strlen(state), MSG_NOSIGNAL);
}
