/* tty.h - terminals: settings with restore, pseudo terminal pairs, window size */
#ifndef SYS_TTY_H
#define SYS_TTY_H

#include "base/err.h"

#include <stdbool.h>
#include <termios.h>

/* Settings of one terminal being changed: read at the first option, changed in memory, written
 * once (TCSADRAIN). Zero-initialise. */
struct tty_edit {
	bool loaded;
	bool others; /* more is changed than character size, parity and the receiver */
	struct termios now;
};

/* Read the settings of @fd into @edit unless that has happened. Fails:
 * "tcgetattr(6, 0x...): Inappropriate ioctl for device". */
int tty_load(struct tty_edit *edit, int fd, struct err *err);

/* Write them if they were loaded, and verify that the device took them: if nothing else was asked
 * of it than what it cannot do, that is a failure ("tcsetattr(7, TCSADRAIN, 0x...): Invalid
 * argument"); forgets them either way. */
int tty_store(struct tty_edit *edit, int fd, struct err *err);

/* What a terminal was before we touched it; kept until the address is closed. */
struct tty_saved {
	int fd; /* -1: nothing to restore */
	struct termios *before; /* owned; only there when there is something to restore */
};

/* Remember the settings of @fd if it is a terminal. */
void tty_save(struct tty_saved *saved, int fd);

/* Put them back (TCSANOW) and forget; harmless when nothing was saved. */
void tty_restore(struct tty_saved *saved);

/* The terminal @fd says that it has more cells than any window: whoever keeps a picture of it would
 * need hundreds of megabytes. Its size is the word of whoever is at the other end. */
bool tty_is_huge(int fd);

#define TTY_NAME_LEN 64

/* Make a pseudo terminal pair, close-on-exec, the master non-blocking, without acquiring a
 * controlling terminal. @name gets the slave's path. */
int tty_pair(int *master, int *slave, char name[TTY_NAME_LEN], struct err *err);

#endif
