/* log_syslog.c - records for the system's log, see log_syslog.h
 *
 * The form is that of RFC 3164 without a host, as syslogd and journald expect it of programs of
 * this host. The socket takes whole datagrams; some syslogd want a stream of lines that end with
 * NUL. */
#include "base/log_syslog.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PATH "/dev/log"
#define WAIT_MS 10 /* for room, at most */

static int connect_to(int type)
{
	const struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = PATH };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int code;

	if (fd == -1 || connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	code = errno;
	close(fd);
	errno = code;
	return -1;
}

void log_syslog_open(struct out *out)
{
	if (out->fd != -1)
		return;
	out->fd = connect_to(SOCK_DGRAM);
	if (out->fd == -1 && errno == EPROTOTYPE)
		out->fd = connect_to(SOCK_STREAM);
	out->how = OUT_SOCKET;
}

static bool is_stream(int fd)
{
	int type = SOCK_DGRAM;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

void log_syslog_put(struct out *out, int priority, const char *name, const char *text)
{
	char line[SYSLOG_LINE_MAX], when[32];
	time_t now = time(NULL);
	struct tm tm;
	size_t len;

	localtime_r(&now, &tm);
	strftime(when, sizeof(when), "%b %e %H:%M:%S", &tm);
	snprintf(line, sizeof(line), "<%d>%s %.256s[%d]: %s", priority, when, name, (int)getpid(),
		 text);
	len = strlen(line);
	/* once more by a new socket: the daemon may have been started again */
	for (int i = 0; i < 2; i++) {
		log_syslog_open(out);
		if (out->fd == -1)
			return;
		(void)out_put(out, line, len + is_stream(out->fd), WAIT_MS);
		if (!out->dead)
			return;
		close(out->fd);
		out->fd = -1;
		out->dead = false;
	}
}
