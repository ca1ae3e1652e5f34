/* fdinfo.h - what the kernel tells about descriptors and file system entries, one line each
 *
 * For users who want to know what a program was started with, or what its addresses have become:
 * flag -D, and the program filan. Nothing here blocks or takes data; but as every look at a socket,
 * the long line clears an error that waits there. */
#ifndef SYS_FDINFO_H
#define SYS_FDINFO_H

#include "base/err.h"

#include <stdbool.h>
#include <stdio.h>

/* ---- the long lines, fdinfo.c ---- */

/* A table being printed. Set @out, and @raw if wanted; the rest is zero. */
struct fdinfo {
	FILE *out; /* borrowed; flushed after each line */
	bool raw; /* times as seconds, devices as one number, control characters in decimal */
	bool begun; /* the header line has been written */
};

/* Print the line of descriptor @fd, before the first one the header; nothing if @fd is not open.
 * Columns: type, device, inode, mode, links, owner, group, rdev, size, blksize, blocks, times,
 * close-on-exec, flags, owner and number of the I/O signal; then what belongs to the kind: capacity
 * of pipes, settings of terminals, options and addresses of sockets; then what poll(2) says. */
void fdinfo_print(struct fdinfo *f, int fd);

/* The same about the entry @path, or, if @follow, what a symbolic link there leads to. It is opened
 * for what only a descriptor can tell; where that is not possible, the number in front is -1, and
 * something missing is of the type "undef". Both are warnings in the log. */
void fdinfo_print_path(struct fdinfo *f, const char *path, bool follow);

/* The end of the line of socket @fd: options, addresses; fdinfo_socket.c. */
void fdinfo_print_socket(FILE *out, int fd);

/* ---- the short lines, fdinfo_brief.c ---- */

/* Print type and name or addresses of the open descriptor @fd: "file /var/log/x", "tcp 127.0.0.1:80
 * 127.0.0.1:4711", with @types "tcp 127.0.0.1:80-127.0.0.1:4711 (stream) ". */
void fdinfo_brief(FILE *out, int fd, bool types);

/* Type and name of the entry @path; a symbolic link is one itself unless @follow. Returns 0, or -1
 * with @err ('stat("x"): No such file or directory'). */
int fdinfo_brief_path(FILE *out, const char *path, bool follow, struct err *err);

#endif
