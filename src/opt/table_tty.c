/* table_tty.c - options of terminals
 *
 * Five shapes: a flag, a fixed value of a field, a field by number, a speed, a control character.
 * All are collected and written to the terminal once, see set_tty.c. */
#include "base/list.h"
#include "opt/setters.h"
#include "opt/tables.h"

#include <termios.h>

/* clang-format off */
#define FLAG(names, word, bit, text) \
	{ names, V_BOOL, G_TERMIOS, PH_FD, NULL, set_tty_flag, .arg.tty = { word, bit, 0 }, \
	  .help = "terminal: " text }
#define FIELD(names, word, mask, val, text) \
	{ names, V_CONST, G_TERMIOS, PH_FD, NULL, set_tty_field, .arg.tty = { word, mask, val }, \
	  .help = "terminal: " text }
#define INDEX(names, word, mask, text) \
	{ names, V_UINT, G_TERMIOS, PH_FD, NULL, set_tty_index, .arg.tty = { word, mask, 0 }, \
	  .help = "terminal: " text }
#define SPEED(names, code, text) \
	{ names, V_CONST, G_TERMIOS, PH_FD, NULL, set_tty_speed, .arg.tty = { 2, CBAUD, code }, \
	  .help = "terminal: " text }
#define CHAR(names, index, text) \
	{ names, V_BYTE, G_TERMIOS, PH_FD, NULL, set_tty_cc, .arg.tty = { 0, 0, index }, \
	  .help = "terminal: " text }

static const struct opt_row rows[] = {
	/* c_iflag */
	FLAG("brkint", 0, BRKINT, "a break raises SIGINT"),
	FLAG("icrnl", 0, ICRNL, "input: CR becomes LF"),
	FLAG("ignbrk", 0, IGNBRK, "ignore breaks"),
	FLAG("igncr", 0, IGNCR, "input: drop CR"),
	FLAG("ignpar", 0, IGNPAR, "ignore bytes with wrong parity"),
	FLAG("imaxbel", 0, IMAXBEL, "beep when the input queue is full"),
	FLAG("inlcr", 0, INLCR, "input: LF becomes CR"),
	FLAG("inpck", 0, INPCK, "check parity of input"),
	FLAG("istrip", 0, ISTRIP, "input: drop the eighth bit"),
	FLAG("iuclc", 0, IUCLC, "input: upper case becomes lower case"),
	FLAG("ixany", 0, IXANY, "any byte resumes stopped output"),
	FLAG("ixoff tandem", 0, IXOFF, "stop and resume the output of the other end"),
	FLAG("ixon", 0, IXON, "output can be stopped and resumed"),
	FLAG("parmrk", 0, PARMRK, "mark bytes with wrong parity"),
	/* c_oflag */
	FLAG("ocrnl", 1, OCRNL, "output: CR becomes LF"),
	FLAG("ofdel", 1, OFDEL, "fill with DEL instead of NUL"),
	FLAG("ofill", 1, OFILL, "delay by filling"),
	FLAG("olcuc", 1, OLCUC, "output: lower case becomes upper case"),
	FLAG("onlcr", 1, ONLCR, "output: LF becomes CR LF"),
	FLAG("onlret", 1, ONLRET, "LF also does what CR does"),
	FLAG("onocr", 1, ONOCR, "no CR at column 0"),
	FLAG("opost", 1, OPOST, "process output"),
	FLAG("bsdly", 1, BSDLY, "backspace delay"),
	FLAG("ffdly", 1, FFDLY, "form feed delay"),
	FLAG("nldly", 1, NLDLY, "line feed delay"),
	FLAG("vtdly", 1, VTDLY, "vertical tab delay"),
	/* c_cflag */
	FLAG("clocal", 2, CLOCAL, "no modem control lines"),
	FLAG("cread", 2, CREAD, "receive at all"),
	FLAG("crtscts", 2, CRTSCTS, "hardware flow control"),
	FLAG("cstopb", 2, CSTOPB, "two stop bits"),
	FLAG("hupcl hup", 2, HUPCL, "hang up when closed"),
	FLAG("parenb", 2, PARENB, "parity on"),
	FLAG("parodd", 2, PARODD, "odd parity"),
	/* c_lflag */
	FLAG("echo", 3, ECHO, "echo input"),
	FLAG("echoctl ctlecho", 3, ECHOCTL, "echo control characters as ^X"),
	FLAG("echoe crterase", 3, ECHOE, "erasing wipes the character"),
	FLAG("echok", 3, ECHOK, "killing ends the line"),
	FLAG("echoke crtkill", 3, ECHOKE, "killing wipes the line"),
	FLAG("echonl", 3, ECHONL, "echo LF even if nothing else"),
	FLAG("echoprt prterase", 3, ECHOPRT, "echo erased characters"),
	FLAG("flusho", 3, FLUSHO, "output is discarded"),
	FLAG("icanon", 3, ICANON, "input by lines"),
	FLAG("iexten", 3, IEXTEN, "extended input processing"),
	FLAG("isig", 3, ISIG, "characters that raise signals"),
	FLAG("noflsh", 3, NOFLSH, "signals do not flush the queues"),
	FLAG("pendin", 3, PENDIN, "show pending input again"),
	FLAG("tostop", 3, TOSTOP, "output from the background stops the program"),
	FLAG("xcase", 3, XCASE, "upper case by backslashes"),

	/* fields */
	FIELD("cs5", 2, CSIZE, CS5, "5 bits per character"),
	FIELD("cs6", 2, CSIZE, CS6, "6 bits per character"),
	FIELD("cs7", 2, CSIZE, CS7, "7 bits per character"),
	FIELD("cs8", 2, CSIZE, CS8, "8 bits per character"),
	FIELD("nl0", 1, NLDLY, NL0, "line feed delay 0"),
	FIELD("nl1", 1, NLDLY, NL1, "line feed delay 1"),
	FIELD("cr0", 1, CRDLY, CR0, "carriage return delay 0"),
	FIELD("cr1", 1, CRDLY, CR1, "carriage return delay 1"),
	FIELD("cr2", 1, CRDLY, CR2, "carriage return delay 2"),
	FIELD("cr3", 1, CRDLY, CR3, "carriage return delay 3"),
	FIELD("tab0", 1, TABDLY, TAB0, "tab delay 0"),
	FIELD("tab1", 1, TABDLY, TAB1, "tab delay 1"),
	FIELD("tab2", 1, TABDLY, TAB2, "tab delay 2"),
	FIELD("tab3", 1, TABDLY, TAB3, "tab delay 3"),
	FIELD("bs0", 1, BSDLY, BS0, "backspace delay 0"),
	FIELD("bs1", 1, BSDLY, BS1, "backspace delay 1"),
	FIELD("vt0", 1, VTDLY, VT0, "vertical tab delay 0"),
	FIELD("vt1", 1, VTDLY, VT1, "vertical tab delay 1"),
	FIELD("ff0", 1, FFDLY, FF0, "form feed delay 0"),
	FIELD("ff1", 1, FFDLY, FF1, "form feed delay 1"),
	FIELD("xtabs", 1, TABDLY, XTABS, "tabs become blanks, same as tab3"),
	INDEX("csize", 2, CSIZE, "bits per character, 0 to 3 for 5 to 8"),
	INDEX("crdly", 1, CRDLY, "carriage return delay, 0 to 3"),
	INDEX("tabdly", 1, TABDLY, "tab delay, 0 to 3"),

	/* speeds */
	SPEED("b0", B0, "hang up"),
	SPEED("b50", B50, "50 baud"),
	SPEED("b75", B75, "75 baud"),
	SPEED("b110", B110, "110 baud"),
	SPEED("b134", B134, "134 baud"),
	SPEED("b150", B150, "150 baud"),
	SPEED("b200", B200, "200 baud"),
	SPEED("b300", B300, "300 baud"),
	SPEED("b600", B600, "600 baud"),
	SPEED("b1200", B1200, "1200 baud"),
	SPEED("b1800", B1800, "1800 baud"),
	SPEED("b2400", B2400, "2400 baud"),
	SPEED("b4800", B4800, "4800 baud"),
	SPEED("b9600", B9600, "9600 baud"),
	SPEED("b19200", B19200, "19200 baud"),
	SPEED("b38400", B38400, "38400 baud"),
	SPEED("b57600", B57600, "57600 baud"),
	SPEED("b115200", B115200, "115200 baud"),
	SPEED("b230400", B230400, "230400 baud"),
	SPEED("b460800", B460800, "460800 baud"),
	SPEED("b500000", B500000, "500000 baud"),
	SPEED("b576000", B576000, "576000 baud"),
	SPEED("b921600", B921600, "921600 baud"),
	SPEED("b1000000", B1000000, "1000000 baud"),
	SPEED("b1152000", B1152000, "1152000 baud"),
	SPEED("b1500000", B1500000, "1500000 baud"),
	SPEED("b2000000", B2000000, "2000000 baud"),
	SPEED("b2500000", B2500000, "2500000 baud"),
	SPEED("b3000000", B3000000, "3000000 baud"),
	SPEED("b3500000", B3500000, "3500000 baud"),
	SPEED("b4000000", B4000000, "4000000 baud"),

	/* control characters */
	CHAR("vintr intr", VINTR, "character that raises SIGINT"),
	CHAR("vquit quit", VQUIT, "character that raises SIGQUIT"),
	CHAR("verase erase", VERASE, "character that erases a character"),
	CHAR("vkill kill", VKILL, "character that erases the line"),
	CHAR("veof eof", VEOF, "character that ends the input"),
	CHAR("veol eol", VEOL, "character that ends the line too"),
	CHAR("veol2 eol2", VEOL2, "character that ends the line too"),
	CHAR("vstart start", VSTART, "character that resumes output"),
	CHAR("vstop stop", VSTOP, "character that stops output"),
	CHAR("vsusp susp", VSUSP, "character that raises SIGTSTP"),
	CHAR("vreprint reprint rprnt", VREPRINT, "character that shows the line again"),
	CHAR("vdiscard discard", VDISCARD, "character that discards output"),
	CHAR("vwerase werase", VWERASE, "character that erases a word"),
	CHAR("vlnext lnext", VLNEXT, "character that takes away the meaning of the next one"),
	CHAR("vswtc swtc swtch", VSWTC, "character that switches the shell layer"),
	CHAR("vmin min", VMIN, "bytes a read waits for, without icanon"),
	CHAR("vtime time", VTIME, "tenths of a second a read waits, without icanon"),

	{ "raw", V_CONST, G_TERMIOS, PH_FD, NULL, set_tty_raw,
	  .help = "terminal: raw mode, echo stays as it is" },
	{ "termios-rawer rawer", V_CONST, G_TERMIOS, PH_FD, NULL, set_tty_rawer,
	  .help = "terminal: all processing off, echo too" },
	{ "termios-cfmakeraw cfmakeraw", V_CONST, G_TERMIOS, PH_FD, NULL, set_tty_cfmakeraw,
	  .help = "terminal: raw mode of cfmakeraw(3), no echo" },
	{ "sane", V_CONST, G_TERMIOS, PH_FD, NULL, set_tty_sane,
	  .help = "terminal: usual settings for working at it" },
	{ "ispeed", V_UINT, G_TERMIOS, PH_FD, NULL, set_tty_ispeed,
	  .help = "terminal: input speed as code of the system" },
	{ "ospeed", V_UINT, G_TERMIOS, PH_FD, NULL, set_tty_ospeed,
	  .help = "terminal: output speed as code of the system" },
	{ "termios-setflags setflags", V_INT_ULONG, G_TERMIOS, PH_FD, NULL, set_tty_word,
	  .help = "terminal: word:bits of 0 input, 1 output, 2 control, 3 local flags" },
	{ "tiocswinsz winsz", V_INT_INT, G_TERMIOS, PH_FD, NULL, set_tty_winsize,
	  .help = "terminal: window size as columns:rows" },
};
/* clang-format on */

const struct opt_table table_tty = { rows, ARRAY_SIZE(rows) };
