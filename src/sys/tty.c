/* tty.c - terminals, see tty.h
 *
 * The C library reports success when a device took only part of the settings, except for some
 * that it checks itself in some calls; we read back what matters and say so. */
#include "sys/tty.h"

#include "base/log.h"
#include "base/mem.h"

#include <sys/ioctl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int tty_load(struct tty_edit *edit, int fd, struct err *err)
{
	if (edit->loaded)
		return 0;
	if (tcgetattr(fd, &edit->now) == -1)
		return err_set(err, errno, "tcgetattr(%d, %p)", fd, (void *)&edit->now);
	edit->loaded = true;
	return 0;
}

/* A device that cannot do a character size, parity or switch off its receiver keeps what it has.
 * CS5 is 0 and cannot be told from "no size given" (termios-rawer and friends rely on that). */
static bool taken(const struct termios *want, const struct termios *got)
{
	const tcflag_t differ = want->c_cflag ^ got->c_cflag;

	if (differ & (PARENB | CREAD))
		return false;
	return !(want->c_cflag & CSIZE) || !(differ & CSIZE);
}

int tty_store(struct tty_edit *edit, int fd, struct err *err)
{
	struct termios got;
	int code = 0;

	if (!edit->loaded)
		return 0;
	edit->loaded = false;
	/* the C library calls it EINVAL if nothing at all has changed */
	if ((tcsetattr(fd, TCSADRAIN, &edit->now) == -1 && errno != EINVAL) ||
	    tcgetattr(fd, &got) == -1)
		code = errno;
	else if (!taken(&edit->now, &got) && !edit->others)
		code = EINVAL;
	else if (!taken(&edit->now, &got))
		log_notice("the terminal on descriptor %d keeps its character size and parity", fd);
	if (code)
		return err_set(err, code, "tcsetattr(%d, TCSADRAIN, %p)", fd, (void *)&edit->now);
	return 0;
}

void tty_save(struct tty_saved *saved, int fd)
{
	struct termios now;

	saved->fd = -1;
	if (tcgetattr(fd, &now) == -1)
		return;
	saved->fd = fd;
	saved->before = xmemdup(&now, sizeof(now));
}

void tty_restore(struct tty_saved *saved)
{
	if (saved->fd == -1)
		return;
	tcsetattr(saved->fd, TCSANOW, saved->before);
	free(saved->before);
	*saved = (struct tty_saved){ .fd = -1 };
}

/* Close @fd without touching errno. */
static void close_quietly(int fd)
{
	const int code = errno;

	close(fd);
	errno = code;
}

int tty_pair(int *master, int *slave, char name[TTY_NAME_LEN], struct err *err)
{
	const int flags = O_RDWR | O_NOCTTY | O_CLOEXEC;
	int m = posix_openpt(flags | O_NONBLOCK);
	int s;

	if (m == -1)
		return err_set(err, errno, "posix_openpt(0%o)", (unsigned)flags);
	if (grantpt(m) == -1) {
		err_set(err, errno, "grantpt(%d)", m);
	} else if (unlockpt(m) == -1) {
		err_set(err, errno, "unlockpt(%d)", m);
	} else if (ptsname_r(m, name, TTY_NAME_LEN) != 0) {
		err_set(err, errno, "ptsname(%d)", m);
	} else if ((s = open(name, flags)) == -1) {
		err_set(err, errno, "open(\"%s\", 0%o, 0666)", name, (unsigned)flags);
	} else {
		*master = m;
		*slave = s;
		return 0;
	}
	close_quietly(m);
	return -1;
}

#define CELLS_MAX 1000000 /* 500 rows of 2,000 columns */

bool tty_is_huge(int fd)
{
	struct winsize size;

	return ioctl(fd, TIOCGWINSZ, &size) == 0 && (unsigned)size.ws_row * size.ws_col > CELLS_MAX;
}
