/* set_tty.c - setters for terminals
 *
 * Except for the window size nothing is written here: the settings are read at the first option,
 * changed in memory in textual order, and written once when the phase ends (opts_apply). Whose
 * settings are restored at the end is up to the address. */
#include "base/log.h"
#include "opt/setters.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/ioctl.h>

/* The option is about character size, parity or the receiver, which some devices cannot change. */
static bool is_about_frames(const struct opt *o)
{
	const uint32_t mask = o->row->arg.tty.mask;

	return o->row->arg.tty.word == 2 && mask && !(mask & ~(uint32_t)(PARENB | CREAD | CSIZE));
}

/* Settings to change for @o, or NULL: then *rc says whether that is a failure. */
static struct termios *edit(struct target *t, const struct opt *o, int *rc, struct err *err)
{
	*rc = 0;
	if (t->fd == -1 || t->tty == NULL)
		return NULL;
	*rc = tty_load(t->tty, t->fd, err);
	t->tty->others |= !is_about_frames(o);
	return *rc == 0 ? &t->tty->now : NULL;
}

static tcflag_t *word_of(struct termios *tio, unsigned i)
{
	tcflag_t *const word[] = { &tio->c_iflag, &tio->c_oflag, &tio->c_cflag, &tio->c_lflag };

	return word[i & 3];
}

int set_tty_flag(struct target *t, const struct opt *o, struct err *err)
{
	int rc;
	struct termios *tio = edit(t, o, &rc, err);

	if (tio && o->val.n[0])
		*word_of(tio, o->row->arg.tty.word) |= o->row->arg.tty.mask;
	else if (tio)
		*word_of(tio, o->row->arg.tty.word) &= ~o->row->arg.tty.mask;
	return rc;
}

static void set_field(struct termios *tio, const struct opt *o, uint32_t value)
{
	tcflag_t *word = word_of(tio, o->row->arg.tty.word);

	*word = (*word & ~o->row->arg.tty.mask) | value;
}

int set_tty_field(struct target *t, const struct opt *o, struct err *err)
{
	int rc;
	struct termios *tio = edit(t, o, &rc, err);

	if (tio)
		set_field(tio, o, o->row->arg.tty.value);
	return rc;
}

int set_tty_index(struct target *t, const struct opt *o, struct err *err)
{
	const uint32_t mask = o->row->arg.tty.mask;
	const int shift = __builtin_ctz(mask);
	struct termios *tio;
	char name[64];
	int rc;

	if (o->val.n[0] < 0 || o->val.n[0] > (int64_t)(mask >> shift))
		return err_set(err, 0, "option %s: invalid value %" PRId64,
			       opt_name(o->row, 0, name, sizeof(name)), o->val.n[0]);
	tio = edit(t, o, &rc, err);
	if (tio == NULL)
		return rc;
	set_field(tio, o, (uint32_t)o->val.n[0] << shift);
	return 0;
}

int set_tty_cc(struct target *t, const struct opt *o, struct err *err)
{
	int rc;
	struct termios *tio = edit(t, o, &rc, err);

	if (tio)
		tio->c_cc[o->row->arg.tty.value] = (cc_t)o->val.n[0];
	return rc;
}

static int input_speed(struct termios *tio, speed_t code, struct err *err)
{
	if (cfsetispeed(tio, code) == -1)
		return err_set(err, errno, "cfsetispeed(%p, %u)", (void *)tio, code);
	return 0;
}

static int output_speed(struct termios *tio, speed_t code, struct err *err)
{
	if (cfsetospeed(tio, code) == -1)
		return err_set(err, errno, "cfsetospeed(%p, %u)", (void *)tio, code);
	return 0;
}

int set_tty_speed(struct target *t, const struct opt *o, struct err *err)
{
	int rc;
	struct termios *tio = edit(t, o, &rc, err);

	if (tio == NULL)
		return rc;
	return output_speed(tio, o->row->arg.tty.value, err) == -1
		       ? -1
		       : input_speed(tio, o->row->arg.tty.value, err);
}

int set_tty_ispeed(struct target *t, const struct opt *o, struct err *err)
{
	int rc;
	struct termios *tio = edit(t, o, &rc, err);

	return tio ? input_speed(tio, (speed_t)o->val.n[0], err) : rc;
}

int set_tty_ospeed(struct target *t, const struct opt *o, struct err *err)
{
	int rc;
	struct termios *tio = edit(t, o, &rc, err);

	return tio ? output_speed(tio, (speed_t)o->val.n[0], err) : rc;
}

int set_tty_word(struct target *t, const struct opt *o, struct err *err)
{
	struct termios *tio;
	int rc;

	if (o->val.n[0] < 0 || o->val.n[0] > 3)
		return err_set(err, 0,
			       "xiotermios_setflags(fd=%d, word=%" PRId64 ", val=%" PRIx64
			       "): word must be 0..3",
			       t->fd, o->val.n[0], (uint64_t)o->val.n[1]);
	tio = edit(t, o, &rc, err);
	if (tio == NULL)
		return rc;
	*word_of(tio, (unsigned)o->val.n[0]) = (tcflag_t)o->val.n[1];
	return 0;
}

/* Echo stays as it is. */
int set_tty_raw(struct target *t, const struct opt *o, struct err *err)
{
	int rc;
	struct termios *tio = edit(t, o, &rc, err);

	(void)o;
	if (tio == NULL)
		return rc;
	tio->c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | IGNPAR | PARMRK | INPCK | ISTRIP | INLCR |
				    IGNCR | ICRNL | IXON | IXOFF | IXANY | IUCLC | IMAXBEL);
	tio->c_oflag &= ~(tcflag_t)OPOST;
	tio->c_lflag &= ~(tcflag_t)(ISIG | ICANON | XCASE);
	tio->c_cc[VMIN] = 1;
	tio->c_cc[VTIME] = 0;
	return 0;
}

/* This also makes the speed code B0: on a serial line a speed must follow. */
int set_tty_rawer(struct target *t, const struct opt *o, struct err *err)
{
	int rc;
	struct termios *tio = edit(t, o, &rc, err);

	(void)o;
	if (tio == NULL)
		return rc;
	tio->c_iflag = 0;
	tio->c_oflag = 0;
	tio->c_lflag = 0;
	tio->c_cflag = CREAD | CS8;
	tio->c_cc[VMIN] = 1;
	tio->c_cc[VTIME] = 0;
	return 0;
}

int set_tty_cfmakeraw(struct target *t, const struct opt *o, struct err *err)
{
	int rc;
	struct termios *tio = edit(t, o, &rc, err);

	(void)o;
	if (tio == NULL)
		return rc;
	tio->c_iflag &=
		~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
	tio->c_oflag &= ~(tcflag_t)OPOST;
	tio->c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
	tio->c_cflag = (tio->c_cflag & ~(tcflag_t)(CSIZE | PARENB)) | CS8;
	return 0;
}

int set_tty_sane(struct target *t, const struct opt *o, struct err *err)
{
	int rc;
	struct termios *tio = edit(t, o, &rc, err);

	(void)o;
	if (tio == NULL)
		return rc;
	tio->c_iflag &= ~(tcflag_t)(IGNBRK | INLCR | IGNCR | IXOFF | IUCLC | IXANY);
	tio->c_iflag |= BRKINT | ICRNL | IMAXBEL;
	tio->c_oflag &= ~(tcflag_t)(NLDLY | CRDLY | TABDLY | BSDLY | VTDLY | FFDLY);
	tio->c_oflag &= ~(tcflag_t)(OLCUC | OCRNL | ONOCR | ONLRET | OFILL | OFDEL);
	tio->c_oflag |= OPOST | ONLCR;
	tio->c_cflag |= CREAD;
	tio->c_lflag &= ~(tcflag_t)(ECHONL | NOFLSH | XCASE | TOSTOP | ECHOPRT);
	tio->c_lflag |= ISIG | ICANON | IEXTEN | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE;
	return 0;
}

static unsigned short winsize_part(const char *what, int64_t n)
{
	const unsigned short fallback = n < 0 ? 0 : 65535;

	if (n >= 0 && n <= 65535)
		return (unsigned short)n;
	log_warn("xiotermios_tiocswinsz(): %s %" PRId64
		 " is outside range 0..65535, falling back to %u",
		 what, n, fallback);
	return fallback;
}

int set_tty_winsize(struct target *t, const struct opt *o, struct err *err)
{
	const unsigned short col = winsize_part("col", o->val.n[0]);
	const unsigned short row = winsize_part("row", o->val.n[1]);
	struct winsize size;

	if (t->fd == -1)
		return 0;
	if (ioctl(t->fd, TIOCGWINSZ, &size) == -1)
		return err_set(err, errno, "ioctl(%d, 0x%x, %p)", t->fd, TIOCGWINSZ, (void *)&size);
	size.ws_col = col;
	size.ws_row = row;
	if (ioctl(t->fd, TIOCSWINSZ, &size) == -1)
		return err_set(err, errno, "ioctl(%d, 0x%x, %p)", t->fd, TIOCSWINSZ, (void *)&size);
	return 0;
}
