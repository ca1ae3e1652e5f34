/* ptypair.h - a pseudo terminal pair as an address uses it; shared by PTY and the programs */
#ifndef ADDR_PROGRAM_PTYPAIR_H
#define ADDR_PROGRAM_PTYPAIR_H

#include "open/opening.h"
#include "sys/tty.h"

/* Both sides, close-on-exec; the master is non-blocking. */
struct pty_pair {
	int master, slave; /* -1: not open */
	char name[TTY_NAME_LEN]; /* path of the slave */
};

/* Make a pair. 0, or -1 with @err and nothing open. */
int pty_pair_make(struct pty_pair *out, struct err *err);

/* Tell the world its name ("PTY is /dev/pts/0"): from then on there may be clients. */
void pty_announce(const struct pty_pair *pair);

/* Option link: remove an existing entry of that name, make a symbolic link to the slave @name, and
 * have it removed when the address is closed, unless unlink-close=0. Nothing without the option.
 * 0, or -1 with 'unlink("x"): Is a directory' or 'symlink("/dev/pts/0", "x"): ...'. */
int pty_link(struct opening *o, const char *name, struct err *err);

#endif
