/* readline.c - READLINE: lines edited on the terminal behind stdin, with history
 *
 * What is typed goes through a line editor (lineedit.h); finished lines are what a read delivers.
 * What the other side prints goes to the terminal between the editor's displays: the line being
 * edited is taken away, the text printed, the line put back below. The unfinished last line of
 * that text (the tail) stands in front of the edited line as its prompt. While it matches option
 * noecho the editor steps aside and the terminal itself takes one line, without showing it.
 *
 * Nothing blocks: the terminal is read and written through a description of our own, and what it
 * does not take at once waits in a buffer. */
#include "addr/addr.h"
#include "addr/line/lineedit.h"
#include "base/io.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "end/fd_end.h"
#include "end/relay.h"
#include "flow/forecast.h"
#include "sys/fd.h"
#include "sys/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define MODULE "socast_readline"
#define TAIL_MAX 512 /* bytes of the other side's unfinished line that are kept */
#define TYPED_MAX 4096 /* bytes of keyboard input taken at once */

struct readline_ep {
	struct endpoint ep;
	const struct lineedit_ops *ops;
	struct lineedit *editor;
	int tty; /* the terminal: a description of our own, else 0 */
	enum fd_how how; /* to read and write it */
	struct str screen; /* for the terminal, not written yet */
	int screen_fd; /* a second descriptor for waiting, made when needed; -1 */
	struct watch screen_watch;
	struct str typed; /* read from the terminal but not used yet */
	struct str lines; /* finished, not delivered yet */
	size_t delivered; /* bytes of lines */
	bool at_end; /* behind lines comes the end of file */
	bool editing; /* the editor has the display */
	bool hidden; /* the terminal takes a line unseen */
	struct termios shown; /* its settings before that */
	char tail[TAIL_MAX];
	size_t tail_len;
	bool answered; /* a hidden line has been given to this tail */
	bool apart; /* stdout is no terminal: the other side's text goes there */
	regex_t noecho;
	bool has_noecho;
};

static struct readline_ep *self(struct endpoint *ep)
{
	return (struct readline_ep *)ep;
}

/* ---- the screen ---- */

static void drop_front(struct str *s, size_t len)
{
	memmove(s->data, s->data + len, s->len - len);
	s->len -= len;
}

static void put(void *arg, const char *data, size_t len)
{
	struct readline_ep *r = arg;

	str_add(&r->screen, data, len);
}

/* Write what waits for the screen. An error is left for the next read to find. */
static void flush(struct readline_ep *r)
{
	while (r->screen.len) {
		struct iovec iov = { r->screen.data, r->screen.len };
		ssize_t n = fd_writev(r->tty, r->how, &iov, 1);

		if (n == -1 && errno != EAGAIN)
			r->screen.len = 0;
		if (n <= 0)
			break;
		drop_front(&r->screen, (size_t)n);
	}
	/* a descriptor is watched once, and stdin is the endpoint's */
	if (r->screen.len && r->screen_fd == -1)
		r->screen_fd = fcntl(r->tty, F_DUPFD_CLOEXEC, 3);
	if (r->screen_fd >= 0)
		loop_watch(r->ep.addr->engine->loop, &r->screen_watch, r->screen_fd,
			   r->screen.len ? EPOLLOUT : 0);
}

static void on_screen_ready(struct watch *w, uint32_t events)
{
	struct readline_ep *r = container_of(w, struct readline_ep, screen_watch);

	(void)events;
	flush(r);
	if (!r->screen.len && r->ep.want & EPOLLOUT)
		endpoint_ready(&r->ep, EPOLLOUT);
}

/* ---- the prompt ---- */

/* Append the tail as it can stand in front of the line: without control sequences, which would
 * upset the editor's reckoning. */
static void add_visible(struct str *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '\033' && i + 1 < len && text[i + 1] == '[') {
			i += 2;
			while (i < len && !((unsigned char)text[i] >= 0x40 && text[i] <= 0x7e))
				i++;
		} else if (c == '\033') {
			i++;
		} else if (c >= 0x20 && c != 0x7f) {
			str_addc(out, (char)c);
		} else if (c == '\t') {
			str_addc(out, ' ');
		}
	}
}

/* The text of option prompt, or NULL. */
static const char *fixed_prompt(const struct readline_ep *r)
{
	return r->ep.addr->conf->readline.noprompt ? NULL : r->ep.addr->conf->readline.prompt;
}

static void set_prompt(struct readline_ep *r)
{
	const char *fixed = fixed_prompt(r);
	struct str text = { 0 };

	add_visible(&text, r->tail, r->tail_len);
	if (fixed)
		str_adds(&text, fixed);
	r->ops->prompt(r->editor, text.data ? text.data : "", text.len);
	str_done(&text);
}

/* The other side asks for something that must not be seen. */
static bool asks_for_secret(struct readline_ep *r)
{
	char text[TAIL_MAX + 1];

	if (!r->has_noecho || r->answered || r->ep.addr->conf->readline.prompt ||
	    r->ep.addr->conf->readline.noprompt)
		return false;
	memcpy(text, r->tail, r->tail_len);
	text[r->tail_len] = '\0';
	return regexec(&r->noecho, text, 0, NULL, 0) == 0;
}

/* ---- hidden lines ---- */

/* Let the terminal take a line: erasing works, nothing is shown. */
static void begin_hidden(struct readline_ep *r)
{
	struct termios t;

	if (tcgetattr(r->tty, &r->shown) == -1)
		return;
	t = r->shown;
	t.c_lflag |= ICANON;
	t.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(r->tty, TCSANOW, &t);
	r->hidden = true;
}

static void end_hidden(struct readline_ep *r)
{
	if (r->hidden)
		tcsetattr(r->tty, TCSANOW, &r->shown);
	r->hidden = false;
	r->answered = true;
}

/* Hand typed bytes on up to the end of the line. */
static void use_hidden(struct readline_ep *r)
{
	const char *nl = memchr(r->typed.data, '\n', r->typed.len);
	size_t len = nl ? (size_t)(nl - r->typed.data) + 1 : r->typed.len;

	str_add(&r->lines, r->typed.data, len);
	explicit_bzero(r->typed.data, len);
	drop_front(&r->typed, len);
	if (nl)
		end_hidden(r);
}

/* ---- edited lines ---- */

static void take_line(struct readline_ep *r)
{
	const char *line = r->ops->line(r->editor);

	str_adds(&r->lines, line);
	str_addc(&r->lines, '\n');
	if (*line)
		r->ops->remember(r->editor, line);
	r->tail_len = 0; /* the display is below it now */
}

static bool is_huge(int tty, struct err *err)
{
	if (!tty_is_huge(tty))
		return false;
	err_set(err, 0, "the terminal on stdin says that it is too large for editing lines");
	err_hint(err, "tell it its size: stty rows 24 cols 80");
	return true;
}

/* Feed the editor what was typed (nothing: show it), up to the end of a line. */
static void edit(struct readline_ep *r)
{
	size_t used = 0;
	struct err err;

	/* the library looks at the size with every line */
	if (is_huge(r->tty, &err)) {
		relay_failed(r->ep.addr->relay, &err);
		r->editing = false;
		r->at_end = true;
		return;
	}
	if (!r->editing) {
		set_prompt(r);
		put(r, "\r", 1);
	}
	r->editing = false;
	switch (r->ops->feed(r->editor, r->typed.data, r->typed.len, &used)) {
	case LINEEDIT_MORE:
		r->editing = true;
		break;
	case LINEEDIT_LINE:
		take_line(r);
		break;
	case LINEEDIT_END:
		put(r, "\r\n", 2);
		r->tail_len = 0;
		r->at_end = true;
		break;
	}
	if (used)
		drop_front(&r->typed, used);
}

/* Whoever is to take what is typed takes it. */
static void use_typed(struct readline_ep *r)
{
	do {
		if (!r->hidden && !r->editing && asks_for_secret(r))
			begin_hidden(r);
		if (!r->hidden)
			edit(r);
		else if (r->typed.len)
			use_hidden(r);
	} while (!r->at_end && (r->typed.len || !(r->hidden || r->editing)));
	flush(r);
}

/* The editor steps aside in favour of a hidden line, which begins with what was typed so far. */
static void step_aside(struct readline_ep *r)
{
	str_adds(&r->lines, r->ops->typed(r->editor));
	r->ops->abandon(r->editor);
	r->editing = false;
	begin_hidden(r);
}

/* ---- reading ---- */

/* Read the keyboard into r->typed: as read(2). */
static ssize_t read_keys(struct readline_ep *r, struct err *err)
{
	ssize_t n = fd_read(r->tty, r->how, str_room(&r->typed, TYPED_MAX), TYPED_MAX);

	if (n > 0)
		r->typed.len += (size_t)n;
	if (n == -1 && errno == EIO) { /* the terminal has gone */
		log_notice("read(%d, %p, %d): %m", r->tty, (void *)r, TYPED_MAX);
		return 0;
	}
	if (n == -1 && errno != EAGAIN) {
		err_set(err, errno, "read(%d, %p, %d)", r->tty, (void *)r, TYPED_MAX);
		errno = err->code;
	}
	return n;
}

static ssize_t deliver(struct readline_ep *r, void *buf, size_t len)
{
	size_t n = r->lines.len - r->delivered;

	n = n < len ? n : len;
	memcpy(buf, r->lines.data + r->delivered, n);
	explicit_bzero(r->lines.data + r->delivered, n);
	r->delivered += n;
	if (r->delivered == r->lines.len)
		r->delivered = r->lines.len = 0;
	return (ssize_t)n;
}

static ssize_t readline_read(struct endpoint *ep, void *buf, size_t len, struct err *err)
{
	struct readline_ep *r = self(ep);

	if ((!r->lines.len || r->hidden) && !r->at_end) {
		ssize_t n;

		if (!r->editing && !r->hidden)
			use_typed(r);
		n = read_keys(r, err);
		if (n == -1 && errno != EAGAIN)
			return -1;
		if (n == 0) {
			end_hidden(r);
			r->at_end = true;
		} else if (n > 0) {
			use_typed(r);
		}
	}
	if (r->lines.len && !r->hidden)
		return deliver(r, buf, len);
	if (r->at_end) {
		r->at_end = false; /* with ignoreeof editing goes on */
		return 0;
	}
	errno = EAGAIN;
	return -1;
}

static bool holds(const struct endpoint *ep)
{
	const struct readline_ep *r = (const struct readline_ep *)ep;

	return (r->lines.len && !r->hidden) || r->at_end;
}

/* ---- writing ---- */

static void put_text(struct readline_ep *r, const char *data, size_t len)
{
	if (!r->apart)
		put(r, data, len);
}

/* Lengthen the unfinished line. Of what does not fit its beginning is forgotten, and shown now
 * where that has not happened. */
static void add_tail(struct readline_ep *r, const char *data, size_t len, bool shown)
{
	size_t over = r->tail_len + len > TAIL_MAX ? r->tail_len + len - TAIL_MAX : 0;
	size_t old = over < r->tail_len ? over : r->tail_len, new = over - old;

	if (!shown) {
		put_text(r, r->tail, old);
		put_text(r, data, new);
	}
	r->tail_len -= old;
	memmove(r->tail, r->tail + old, r->tail_len);
	memcpy(r->tail + r->tail_len, data + new, len - new);
	r->tail_len += len - new;
	r->answered = false;
}

/* Length of the finished lines in @data. */
static size_t finished(const char *data, size_t len)
{
	while (len && data[len - 1] != '\n' && data[len - 1] != '\r')
		len--;
	return len;
}

/* The other side prints while a line is being edited. */
static void print_above(struct readline_ep *r, const char *data, size_t len)
{
	size_t done = finished(data, len);

	r->ops->hide(r->editor);
	if (done) {
		put_text(r, r->tail, r->tail_len);
		put_text(r, data, done);
		r->tail_len = 0;
	}
	add_tail(r, data + done, len - done, false);
	set_prompt(r);
	if (asks_for_secret(r)) {
		put(r, r->tail, r->tail_len);
		step_aside(r);
	} else {
		r->ops->show(r->editor);
	}
}

/* The other side prints while nothing is being edited: the tail is on the display as it came. */
static void print(struct readline_ep *r, const char *data, size_t len)
{
	size_t done = finished(data, len);

	put_text(r, data, len);
	if (done)
		r->tail_len = 0;
	add_tail(r, data + done, len - done, true);
}

static ssize_t readline_write(struct endpoint *ep, const struct iovec *iov, int niov,
			      struct err *err)
{
	struct readline_ep *r = self(ep);
	ssize_t taken = 0;

	flush(r);
	if (r->screen.len) {
		errno = EAGAIN;
		return -1;
	}
	if (r->apart) {
		taken = ep_fd_write(ep, iov, niov < 1 ? niov : 1, err);
		if (taken == -1)
			return -1;
	}
	for (int i = 0; i < (r->apart ? 1 : niov); i++) {
		size_t len = r->apart ? (size_t)taken : iov[i].iov_len;

		if (r->editing)
			print_above(r, iov[i].iov_base, len);
		else
			print(r, iov[i].iov_base, len);
		if (!r->apart)
			taken += (ssize_t)len;
	}
	flush(r);
	return taken;
}

/* ---- history ---- */

/* One line each, as other line editors write it. A file that is missing is no error. */
static void load_history(struct readline_ep *r, const char *path)
{
	char *line = NULL;
	size_t cap = 0;
	FILE *f = fopen(path, "re");
	ssize_t n;

	if (!f) {
		log_info("history file \"%s\": %m", path);
		return;
	}
	while ((n = getline(&line, &cap, f)) > 0) {
		if (line[n - 1] == '\n')
			line[n - 1] = '\0';
		if (*line)
			r->ops->remember(r->editor, line);
	}
	free(line);
	fclose(f);
}

static void save_history(struct readline_ep *r, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct str text = { 0 };

	if (fd == -1) {
		log_info("history file \"%s\": %m", path);
		return;
	}
	for (const char *line = r->ops->recall(r->editor, true); line;
	     line = r->ops->recall(r->editor, false)) {
		str_adds(&text, line);
		str_addc(&text, '\n');
	}
	if (text.len)
		io_write_all(fd, text.data, text.len);
	str_done(&text);
	close(fd);
}

/* ---- signals ---- */

static void on_resize(struct loop *loop, int sig, void *arg)
{
	struct readline_ep *r = arg;

	(void)loop, (void)sig;
	if (tty_is_huge(r->tty)) /* what stands there stays as it is */
		return;
	r->ops->resize(r->editor);
	flush(r);
}

/* Stop as if the signal had not been caught, but with the terminal as others expect it. */
static void on_stop(struct loop *loop, int sig, void *arg)
{
	struct readline_ep *r = arg;
	sigset_t set;

	(void)loop;
	r->ops->suspend(r->editor);
	if (r->hidden)
		tcsetattr(r->tty, TCSANOW, &r->shown);
	sigemptyset(&set);
	sigaddset(&set, sig);
	raise(sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL); /* stopped in here */
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static void on_continue(struct loop *loop, int sig, void *arg)
{
	struct readline_ep *r = arg;

	(void)loop, (void)sig;
	r->ops->resume(r->editor);
	if (r->hidden)
		begin_hidden(r);
	flush(r);
}

static int catch_signals(struct readline_ep *r, bool on, struct err *err)
{
	struct loop *loop = r->ep.addr->engine->loop;
	static const struct {
		int sig;
		loop_signal_fn *fn;
	} table[] = { { SIGWINCH, on_resize }, { SIGTSTP, on_stop }, { SIGCONT, on_continue } };

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (loop_signal(loop, table[i].sig, on ? table[i].fn : NULL, r, err) == -1)
			return -1;
	}
	return 0;
}

/* ---- begin and end ---- */

static void release(struct readline_ep *r)
{
	const char *path = r->ep.addr->conf->readline.history;

	/* whatever comes next on the terminal begins a line */
	if (r->editing && (r->tail_len || fixed_prompt(r) || *r->ops->typed(r->editor)))
		put(r, "\r\n", 2);
	if (path)
		save_history(r, path);
	end_hidden(r);
	r->ops->close(r->editor);
	flush(r);
	loop_watch(r->ep.addr->engine->loop, &r->screen_watch, r->screen_fd, 0);
	fd_close(&r->screen_fd);
	if (r->tty > 2)
		fd_close(&r->tty);
	if (r->has_noecho)
		regfree(&r->noecho);
	str_done(&r->screen);
	str_done(&r->typed);
	str_done(&r->lines);
}

static void readline_close(struct endpoint *ep)
{
	struct err err;

	catch_signals(self(ep), false, &err);
	release(self(ep));
	ep_fd_close(ep);
}

static const struct endpoint_ops readline_ops = {
	.read = readline_read,
	.write = readline_write,
	.shut_write = ep_fd_shut_write,
	.close = readline_close,
	.holds = holds,
};

static enum step_result step_terminal(struct opening *o, struct err *err)
{
	struct termios t;

	log_notice("using readline on stdin for reading and stdio for writing");
	if (tcgetattr(0, &t) == -1) {
		err_set(err, errno, "tcgetattr(0, %p)", (void *)&t);
		return STEP_FAIL;
	}
	if (is_huge(0, err))
		return STEP_FAIL;
	o->target.fd = 0;
	tty_save(&o->undo.tty[0], 0);
	return STEP_DONE;
}

/* Reading and writing go through a description of our own; without one, with care. */
static void take_terminal(struct readline_ep *r)
{
	r->tty = fd_reopen(0, O_RDWR);
	r->how = FD_HOW_PLAIN;
	if (r->tty == -1) {
		r->tty = 0;
		r->how = FD_HOW_READY;
	}
}

/* Lines are made and shown here. */
static void forecast(const struct half *half, enum open_mode mode, struct forecast *f)
{
	(void)half;
	(void)mode;
	f->in = f->out = (struct path_end){ 0, FD_OTHER, false };
}

static struct endpoint *make(struct opening *o, struct err *err)
{
	lineedit_fn *load = (lineedit_fn *)o->addr->half->module;
	struct readline_ep *r = xcalloc(1, sizeof(*r));
	const struct conf *c = o->addr->conf;
	bool apart = !isatty(1);

	endpoint_init(&r->ep, &readline_ops, o->addr, o->mode == MODE_WRITE ? -1 : 0,
		      o->mode == MODE_READ ? -1 : (int)apart);
	r->ep.whow = apart ? fd_how(1) : FD_HOW_PLAIN;
	r->ep.caps |= EP_KEEP_OPEN;
	r->apart = apart;
	r->screen_fd = -1;
	watch_init(&r->screen_watch, on_screen_ready);
	take_terminal(r);
	r->ops = load();
	r->editor = r->ops ? r->ops->open(r->tty, put, r) : NULL;
	if (!r->editor) {
		err_set(err, 0, "the terminal on stdin cannot be used for editing lines");
		if (r->tty > 2)
			fd_close(&r->tty);
		free(r);
		return NULL;
	}
	if (c->readline.noecho) /* was checked when it was parsed */
		r->has_noecho =
			regcomp(&r->noecho, c->readline.noecho, REG_EXTENDED | REG_NOSUB) == 0;
	if (c->readline.history)
		load_history(r, c->readline.history);
	if (catch_signals(r, true, err) == -1) {
		release(r);
		free(r);
		return NULL;
	}
	return &r->ep;
}

static const struct step steps[] = { { .run = step_terminal, .after = PH_FD }, STEP_END };

static const struct addr_type types[] = {
	{ .names = "READLINE",
	  .syntax = "",
	  .help = "lines edited on the terminal, with history",
	  .groups = G_FD | G_READLINE | G_TERMIOS,
	  .reads = true,
	  .writes = true,
	  .flags = TYPE_FOREIGN,
	  .steps = steps,
	  .forecast = forecast,
	  .make = make,
	  .module = MODULE,
	  .symbol = "socast_lineedit",
	  .needs_process = "READLINE has the terminal to itself",
	  .unavailable = HAVE_LIBEDIT
				 ? NULL
				 : "this program was built without libedit, which edits lines" },
};

const struct addr_family readline_family = { types, ARRAY_SIZE(types) };
