/* fdinfo.h - what the kernel tells about descriptors and file system entries, one long line each;
 * short ones are fdinfo_brief.h
 *
 * For users who want to know what a program was started with, or what its addresses have become:
 * flag -D, and the program filan. Nothing here blocks or takes data; but as every look at a socket,
 * the long line clears an error that waits there. */
#ifndef SYS_FDINFO_H
#define SYS_FDINFO_H

#include <stdbool.h>
#include <stdio.h>

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

#endif
