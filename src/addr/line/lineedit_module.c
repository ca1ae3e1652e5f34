/* lineedit_module.c - the part of readline.c that is linked with libedit
 *
 * Built as a module of its own and loaded only when an address edits lines.
 *
 * libedit reads the keyboard wherever it needs a key: in its main loop, inside an escape sequence,
 * in a search. It has no way to say "not now" there. So it runs on a stack of its own: when it
 * wants a key that has not been typed yet, get_key() switches back to feed(), and the next feed()
 * goes on from there. To end it half-way, get_key() reports end of file, on which all of its loops
 * return. The interface is lineedit.h. */
#include "addr/line/lineedit.h"

#include <histedit.h>
#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

#define STACK_LEN ((size_t)256 << 10) /* and one page that cannot be touched below it */
#define TAB_WIDTH 8

struct lineedit {
	EditLine *el;
	History *history;
	FILE *screen, *messages;
	lineedit_put *put;
	void *arg;
	locale_t locale; /* of the keyboard and the display */
	wchar_t *prompt;
	/* what was typed and is not used yet */
	const char *in;
	size_t in_len;
	mbstate_t in_state;
	/* the stack libedit runs on */
	ucontext_t outside, inside;
	char *stack;
	bool editing; /* it waits for a key there */
	bool ending;
	const char *text; /* of the finished line, or NULL */
	char *copy;
};

const struct lineedit_ops *socast_lineedit(void);

/* ---- the other stack ---- */

/* libedit wants a key: 1 with the key, 0 at the end. */
static int get_key(EditLine *el, wchar_t *key)
{
	struct lineedit *le;

	el_wget(el, EL_CLIENTDATA, &le);
	for (;;) {
		while (le->in_len) {
			const char byte = *le->in++;
			size_t n = mbrtowc(key, &byte, 1, &le->in_state);

			le->in_len--;
			if (n == (size_t)-2)
				continue; /* more bytes of this character follow */
			if (n == (size_t)-1) {
				le->in_state = (mbstate_t){ 0 };
				*key = L'?';
			}
			return 1;
		}
		if (le->ending)
			return 0;
		swapcontext(&le->inside, &le->outside);
	}
}

/* Pointers do not fit the arguments of makecontext(3), their halves do. */
union halves {
	struct lineedit *le;
	unsigned half[2];
};

static void edit_line(unsigned first, unsigned second)
{
	const union halves self = { .half = { first, second } };
	struct lineedit *le = self.le;
	int n = 0;

	le->text = el_gets(le->el, &n);
	if (n <= 0)
		le->text = NULL;
	le->editing = false;
}

static void go_on(struct lineedit *le)
{
	const locale_t before = uselocale(le->locale);

	if (!le->editing) {
		union halves self = { .half = { 0, 0 } };

		self.le = le;
		getcontext(&le->inside);
		le->inside.uc_stack.ss_sp = le->stack;
		le->inside.uc_stack.ss_size = STACK_LEN;
		le->inside.uc_link = &le->outside;
		makecontext(&le->inside, (void (*)(void))edit_line, 2, self.half[0], self.half[1]);
		le->editing = true;
	}
	swapcontext(&le->outside, &le->inside);
	uselocale(before);
}

static enum lineedit_result feed(struct lineedit *le, const char *data, size_t len, size_t *used)
{
	le->in = data;
	le->in_len = len;
	go_on(le);
	*used = len - le->in_len;
	le->in_len = 0;
	if (le->editing)
		return LINEEDIT_MORE;
	return le->text ? LINEEDIT_LINE : LINEEDIT_END;
}

static void abandon(struct lineedit *le)
{
	if (!le->editing)
		return;
	le->ending = true;
	le->in_len = 0;
	go_on(le);
	le->ending = false;
}

/* ---- text ---- */

static const char *keep(struct lineedit *le, const char *text, size_t len)
{
	free(le->copy);
	le->copy = strndup(text, len);
	return le->copy ? le->copy : "";
}

static const char *line(struct lineedit *le)
{
	size_t len = le->text ? strlen(le->text) : 0;

	if (len && le->text[len - 1] == '\n')
		len--;
	return len ? keep(le, le->text, len) : "";
}

static const char *typed(struct lineedit *le)
{
	const locale_t before = uselocale(le->locale);
	const LineInfo *info = el_line(le->el);
	const char *text = keep(le, info->buffer, (size_t)(info->lastchar - info->buffer));

	uselocale(before);
	return text;
}

static wchar_t *prompt_text(EditLine *el)
{
	struct lineedit *le;

	el_wget(el, EL_CLIENTDATA, &le);
	return le->prompt ? le->prompt : (wchar_t *)L"";
}

static void prompt(struct lineedit *le, const char *text, size_t len)
{
	const locale_t before = uselocale(le->locale);
	mbstate_t state = { 0 };
	wchar_t *out = calloc(len + 1, sizeof(*out));
	size_t n = 0, used;

	for (size_t i = 0; out && i < len; i += used) {
		used = mbrtowc(&out[n], text + i, len - i, &state);
		if (used == 0 || used > len) { /* NUL, or not of this character set */
			state = (mbstate_t){ 0 };
			used = 1;
			out[n] = L'?';
		}
		n++;
	}
	free(le->prompt);
	le->prompt = out;
	uselocale(before);
}

/* ---- the display ---- */

static ssize_t on_screen(void *cookie, const char *data, size_t len)
{
	struct lineedit *le = cookie;

	le->put(le->arg, data, len);
	return (ssize_t)len;
}

static ssize_t on_message(void *cookie, const char *data, size_t len)
{
	(void)cookie, (void)data; /* "using dumb terminal settings" and the like */
	return (ssize_t)len;
}

/* Columns libedit uses to show @c at column @at. */
static int width_of(wchar_t c, int at)
{
	if (c == L'\t')
		return TAB_WIDTH - at % TAB_WIDTH;
	if (c < 0x20 || c == 0x7f)
		return 2; /* ^X */
	if (iswprint((wint_t)c))
		return wcwidth(c);
	return c > 0xffff ? 8 : 7; /* \U+1234 */
}

struct place {
	int row, column, columns;
};

static void advance(struct place *p, const wchar_t *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		int width = width_of(text[i], p->column);

		if (p->column + width > p->columns) {
			p->row++;
			p->column = 0;
		}
		p->column += width;
		if (p->column >= p->columns) {
			p->row++;
			p->column = 0;
		}
	}
}

/* What the terminal understands as "up" (a line) or "cd" (clear to the end of the display), without
 * the pauses ("$<50>") that terminals of old needed. */
static void put_capability(struct lineedit *le, const char *name, const char *otherwise)
{
	char *text = NULL;
	const char *pause;

	if (el_get(le->el, EL_GETTC, name, &text) == -1 || !text || !*text)
		text = (char *)otherwise;
	while ((pause = strstr(text, "$<")) != NULL) {
		const char *end = strchr(pause, '>');

		le->put(le->arg, text, (size_t)(pause - text));
		text = (char *)(end ? end + 1 : pause + strlen(pause));
	}
	le->put(le->arg, text, strlen(text));
}

static void hide(struct lineedit *le)
{
	const locale_t before = uselocale(le->locale);
	const LineInfoW *info = el_wline(le->el);
	struct place cursor = { .columns = 0 };

	if (el_get(le->el, EL_GETTC, "co", &cursor.columns) == -1 || cursor.columns < 2)
		cursor.columns = 80;
	if (le->prompt)
		advance(&cursor, le->prompt, wcslen(le->prompt));
	advance(&cursor, info->buffer, (size_t)(info->cursor - info->buffer));
	le->put(le->arg, "\r", 1);
	for (; cursor.row > 0; cursor.row--)
		put_capability(le, "up", "");
	put_capability(le, "cd", "\n");
	uselocale(before);
}

static void show(struct lineedit *le)
{
	const locale_t before = uselocale(le->locale);

	el_set(le->el, EL_REFRESH);
	fflush(le->screen);
	uselocale(before);
}

static void suspend(struct lineedit *le)
{
	if (le->editing)
		el_set(le->el, EL_PREP_TERM, 0);
}

static void resume(struct lineedit *le)
{
	if (!le->editing)
		return;
	el_set(le->el, EL_PREP_TERM, 0);
	el_set(le->el, EL_PREP_TERM, 1);
	le->put(le->arg, "\r", 1);
	show(le);
}

static void resize(struct lineedit *le)
{
	const locale_t before = uselocale(le->locale);

	if (le->editing)
		hide(le);
	el_resize(le->el);
	if (le->editing)
		show(le);
	uselocale(before);
}

/* ---- history ---- */

static void remember(struct lineedit *le, const char *text)
{
	const locale_t before = uselocale(le->locale);
	HistEvent event;

	history(le->history, &event, H_ENTER, text);
	uselocale(before);
}

static const char *recall(struct lineedit *le, bool first)
{
	HistEvent event;

	/* the library counts from the newest */
	return history(le->history, &event, first ? H_LAST : H_PREV) == -1 ? NULL : event.str;
}

/* ---- begin and end ---- */

/* The user's character set; UTF-8 where none is chosen, because bytes beyond 127 are no characters
 * in the plain one. */
static locale_t user_locale(void)
{
	locale_t own = newlocale(LC_CTYPE_MASK, "", (locale_t)0);

	if (own && strcmp(nl_langinfo_l(CODESET, own), "ANSI_X3.4-1968") != 0)
		return own;
	if (own)
		freelocale(own);
	return newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

static char *new_stack(void)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *low = mmap(NULL, page + STACK_LEN, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

	if (low == MAP_FAILED)
		return NULL;
	mprotect(low, page, PROT_NONE);
	return low + page;
}

static void close_editor(struct lineedit *le)
{
	if (le->el) {
		abandon(le);
		el_end(le->el);
	}
	if (le->history)
		history_end(le->history);
	if (le->screen)
		fclose(le->screen);
	if (le->messages)
		fclose(le->messages);
	if (le->stack) {
		const size_t page = (size_t)sysconf(_SC_PAGESIZE);

		munmap(le->stack - page, page + STACK_LEN);
	}
	if (le->locale)
		freelocale(le->locale);
	free(le->prompt);
	free(le->copy);
	free(le);
}

/* Keys that libedit knows but has not bound, as other line editors have them. */
static void bind_keys(EditLine *el)
{
	static const char *const keys[][2] = {
		{ "^R", "em-inc-search-prev" }, { "\\e[3~", "ed-delete-next-char" },
		{ "\\e[1~", "ed-move-to-beg" }, { "\\e[4~", "ed-move-to-end" },
		{ "\\e[H", "ed-move-to-beg" },  { "\\e[F", "ed-move-to-end" },
		{ "\\eOH", "ed-move-to-beg" },  { "\\eOF", "ed-move-to-end" },
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		el_set(el, EL_BIND, keys[i][0], keys[i][1], NULL);
}

static struct lineedit *open_editor(int fd, lineedit_put *put, void *arg)
{
	static const cookie_io_functions_t to_screen = { .write = on_screen };
	static const cookie_io_functions_t to_nobody = { .write = on_message };
	struct lineedit *le = calloc(1, sizeof(*le));
	locale_t before;
	HistEvent event;

	if (!le)
		return NULL;
	le->put = put;
	le->arg = arg;
	le->locale = user_locale();
	before = uselocale(le->locale);
	le->stack = new_stack();
	le->screen = fopencookie(le, "w", to_screen);
	le->messages = fopencookie(le, "w", to_nobody);
	le->history = history_init();
	if (le->stack && le->screen && le->messages && le->history)
		le->el = el_init_fd("socast", stdin, le->screen, le->messages, fd, fd, fd);
	if (le->el) {
		history(le->history, &event, H_SETSIZE, INT_MAX);
		el_set(le->el, EL_CLIENTDATA, le);
		el_wset(le->el, EL_GETCFN, get_key);
		el_wset(le->el, EL_PROMPT, prompt_text);
		el_set(le->el, EL_SIGNAL, 0);
		el_set(le->el, EL_HIST, history, le->history);
		el_set(le->el, EL_EDITOR, "emacs");
		bind_keys(le->el);
		el_source(le->el, NULL); /* ~/.editrc */
	}
	uselocale(before);
	if (le->el)
		return le;
	close_editor(le);
	return NULL;
}

const struct lineedit_ops *socast_lineedit(void)
{
	static const struct lineedit_ops ops = {
		.open = open_editor,
		.close = close_editor,
		.prompt = prompt,
		.feed = feed,
		.line = line,
		.typed = typed,
		.hide = hide,
		.show = show,
		.abandon = abandon,
		.remember = remember,
		.recall = recall,
		.suspend = suspend,
		.resume = resume,
		.resize = resize,
	};

	return &ops;
}
