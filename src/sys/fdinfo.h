/* fdinfo.h - everything the kernel tells about open descriptors, one line each
 *
 * For users who want to know what a program was started with or what its addresses have become
 * (flag -D). */
#ifndef SYS_FDINFO_H
#define SYS_FDINFO_H

#include <stddef.h>
#include <stdio.h>

/* Print a header line and one line for each open descriptor of @fds (@n of them); those that are
 * not open are left out, and without any there is no header either. Columns: type, device, inode,
 * mode, links, owner, group, rdev, size, blksize, blocks, times, close-on-exec, flags, owner and
 * number of the I/O signal; then what belongs to the kind: capacity of pipes, settings of
 * terminals, options and addresses of sockets; then what poll(2) says. Never blocks and takes no
 * data, but as every look at a socket it clears an error that waits there. */
void fdinfo_print(FILE *out, const int *fds, size_t n);

#endif
