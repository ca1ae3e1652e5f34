/* fd.h - descriptors: what they are, and reading and writing them without ever blocking
 *
 * Descriptors we made are non-blocking. Inherited ones (stdin, stdout, FD:n) belong to others as
 * well: changing their flags would change them for the shell behind us. They are read and written
 * with per-call flags where the kernel has them, and with care where it has not. */
#ifndef SYS_FD_H
#define SYS_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

enum fd_kind { FD_FILE, FD_PIPE, FD_SOCKET, FD_TTY, FD_CHR, FD_BLK, FD_DIR, FD_OTHER };

/* What @fd is; FD_OTHER also when it is not open. */
enum fd_kind fd_kind(int fd);

/* The word of the notice records for a file type: "regular file", "named pipe", "directory",
 * "undef" for a path that does not exist. */
const char *fd_type_word(const char *path);

/* How to read or write a descriptor without blocking. */
enum fd_how {
	FD_HOW_PLAIN, /* it is non-blocking, or never blocks (regular files) */
	FD_HOW_SOCKET, /* MSG_DONTWAIT */
	FD_HOW_NOWAIT, /* RWF_NOWAIT: pipes of others */
	FD_HOW_READY, /* only when poll(2) says so, in small pieces */
};

/* The way that fits @fd, whose flags must stay as they are. */
enum fd_how fd_how(int fd);

/* As readv(2) and writev(2) with -1/EAGAIN instead of blocking. */
ssize_t fd_readv(int fd, enum fd_how how, const struct iovec *iov, int niov);
ssize_t fd_writev(int fd, enum fd_how how, const struct iovec *iov, int niov);
ssize_t fd_read(int fd, enum fd_how how, void *buf, size_t len);

/* Set and clear flags; errors cannot happen on an open descriptor and are ignored. True if the
 * descriptor was blocking before. */
bool fd_nonblock(int fd);
void fd_block(int fd);
void fd_cloexec(int fd);

/* Close and forget; harmless on -1. Logged at info level as "close(5)". */
void fd_close(int *fd);

/* A second description of the terminal behind @fd that is ours alone and non-blocking, or -1 when
 * it cannot be had (no permission); @flags is the access mode. */
int fd_reopen(int fd, int flags);

/* Have nothing of ours become stdin, stdout or stderr when we were started without them: they are
 * occupied by something that can neither be read nor written (EBADF, as if closed) and that is gone
 * in programs we start. */
void fd_occupy_standard(void);

/* Raise the limit of open descriptors to the hard limit; returns the former soft limit so that
 * programs can be started with what they expect, 0 if nothing changed. */
uint64_t fd_raise_limit(void);

/* How many descriptors this process may have. */
size_t fd_limit(void);

/* How many descriptors are open, or 0: the kernel does not say. */
int fd_count(void);

#endif
