/* fd.c - descriptors, see fd.h */
#include "sys/fd.h"

#include "base/log.h"
#include "sys/chaos.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum fd_kind fd_kind(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return FD_OTHER;
	switch (st.st_mode & S_IFMT) {
	case S_IFREG:
		return FD_FILE;
	case S_IFIFO:
		return FD_PIPE;
	case S_IFSOCK:
		return FD_SOCKET;
	case S_IFCHR:
		return isatty(fd) ? FD_TTY : FD_CHR;
	case S_IFBLK:
		return FD_BLK;
	case S_IFDIR:
		return FD_DIR;
	}
	return FD_OTHER;
}

const char *fd_type_word(const char *path)
{
	struct stat st;

	if (stat(path, &st) == -1)
		return "undef";
	switch (st.st_mode & S_IFMT) {
	case S_IFREG:
		return "regular file";
	case S_IFIFO:
		return "named pipe";
	case S_IFSOCK:
		return "socket";
	case S_IFCHR:
		return "character device";
	case S_IFBLK:
		return "block device";
	case S_IFDIR:
		return "directory";
	}
	return "undef";
}

enum fd_how fd_how(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags == -1 || flags & O_NONBLOCK)
		return FD_HOW_PLAIN;
	switch (fd_kind(fd)) {
	case FD_SOCKET:
		return FD_HOW_SOCKET;
	case FD_PIPE:
		return FD_HOW_NOWAIT;
	case FD_TTY:
	case FD_CHR:
		return FD_HOW_READY;
	default:
		return FD_HOW_PLAIN;
	}
}

/* Something can be done without waiting, as far as the kernel tells. */
static bool ready(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	if (poll(&p, 1, 0) != 0)
		return true;
	errno = EAGAIN;
	return false;
}

/* preadv2(2) or pwritev2(2) at the current position: musl has no function for them. */
static ssize_t without_waiting(long call, int fd, const struct iovec *iov, int niov)
{
	return syscall(call, fd, iov, (unsigned long)niov, -1L, -1L, RWF_NOWAIT);
}

ssize_t fd_readv(int fd, enum fd_how how, const struct iovec *iov, int niov)
{
	struct iovec part;
	struct msghdr msg;
	ssize_t n;

	/* no false EAGAIN here: behind a program that has ended it means end of file */
	iov = chaos_iov(fd, iov, &niov, &part);
	msg = (struct msghdr){ .msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)niov };
	do {
		switch (how) {
		case FD_HOW_SOCKET:
			n = recvmsg(fd, &msg, MSG_DONTWAIT);
			break;
		case FD_HOW_NOWAIT:
			n = without_waiting(SYS_preadv2, fd, iov, niov);
			/* before Linux 6.4 pipes refuse the flag; readable pipes do not block */
			if (n == -1 && errno == EOPNOTSUPP)
				n = readv(fd, iov, niov);
			break;
		case FD_HOW_READY:
			n = ready(fd, POLLIN) ? readv(fd, iov, niov) : -1;
			break;
		default:
			n = readv(fd, iov, niov);
			break;
		}
	} while (n == -1 && errno == EINTR);
	return n;
}

/* At most PIPE_BUF bytes: as much as a writable pipe or terminal takes without blocking. */
static ssize_t write_little(int fd, const struct iovec *iov, int niov)
{
	for (int i = 0; i < niov; i++) {
		if (iov[i].iov_len)
			return write(fd, iov[i].iov_base,
				     iov[i].iov_len < PIPE_BUF ? iov[i].iov_len : PIPE_BUF);
	}
	return 0;
}

ssize_t fd_writev(int fd, enum fd_how how, const struct iovec *iov, int niov)
{
	struct iovec part;
	struct msghdr msg;
	ssize_t n;

	iov = chaos_iov(fd, iov, &niov, &part);
	if (iov == &part && chaos_again())
		return -1;
	msg = (struct msghdr){ .msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)niov };
	do {
		switch (how) {
		case FD_HOW_SOCKET:
			n = sendmsg(fd, &msg, MSG_DONTWAIT);
			break;
		case FD_HOW_NOWAIT:
			n = without_waiting(SYS_pwritev2, fd, iov, niov);
			if (n == -1 && errno == EOPNOTSUPP)
				n = write_little(fd, iov, niov);
			break;
		case FD_HOW_READY:
			n = ready(fd, POLLOUT) ? write_little(fd, iov, niov) : -1;
			break;
		default:
			n = writev(fd, iov, niov);
			break;
		}
	} while (n == -1 && errno == EINTR);
	return n;
}

ssize_t fd_read(int fd, enum fd_how how, void *buf, size_t len)
{
	struct iovec iov = { buf, len };

	return fd_readv(fd, how, &iov, 1);
}

bool fd_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags != -1 && !(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

void fd_block(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags != -1 && flags & O_NONBLOCK)
		fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

void fd_cloexec(int fd)
{
	log_info("setting FD_CLOEXEC on FD %d to 1", fd);
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) == -1)
		log_warn("fcntl(%d, F_SETFD, FD_CLOEXEC): %m", fd);
}

void fd_close(int *fd)
{
	if (*fd < 0)
		return;
	log_info("close(%d)", *fd);
	close(*fd);
	*fd = -1;
}

int fd_reopen(int fd, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void fd_occupy_standard(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		/* the lowest free number is taken, which is this one */
		if (fcntl(fd, F_GETFD) == -1 && errno == EBADF)
			(void)!open("/", O_PATH | O_CLOEXEC);
	}
}

uint64_t fd_raise_limit(void)
{
	struct rlimit r;
	rlim_t soft;

	if (getrlimit(RLIMIT_NOFILE, &r) == -1 || r.rlim_cur == r.rlim_max)
		return 0;
	soft = r.rlim_cur;
	r.rlim_cur = r.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &r) == -1 ? 0 : soft;
}

size_t fd_limit(void)
{
	struct rlimit r;

	return getrlimit(RLIMIT_NOFILE, &r) == -1 ? 1024 : (size_t)r.rlim_cur;
}

int fd_count(void)
{
	struct stat st;

	/* the size of that directory is their number, since Linux 6.2 */
	return stat("/proc/self/fd", &st) == 0 ? (int)st.st_size : 0;
}
