/* filan.c - tells what the file descriptors are that a program is started with
 *
 *   socast -u EXEC:'filan -s' -
 *   filan -i 3 3</dev/ttyS0
 *
 * The command line is scanned into struct wish; src/sys/fdinfo*.h do the rest. Descriptors are
 * listed before anything of our own is opened. */
#include "base/err.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "sys/fdinfo.h"
#include "sys/fdinfo_brief.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

#define FD_LIMIT (1 << 20) /* fs.nr_open, unless somebody has changed it */

/* What is asked for. */
struct wish {
	int64_t only; /* -i, or -1 */
	int64_t count; /* -n: descriptors from 0 on */
	int64_t delay_ns; /* -T */
	const char *path; /* -f */
	const char *output; /* -o */
	bool brief, types; /* -s, -S */
	bool raw, follow, stay; /* -r, -L, -W */
	bool help; /* -h */
	bool lost; /* an unknown option: the usage helps */
};

static const char help_text[] =
	"filan - tells what the file descriptors are that a program is started with\n"
	"Usage:\n"
	"filan [options]\n"
	"   options:\n"
	"      -h|-?         print this help, and exit\n"
	"      -d            more log records (up to four times)\n"
	"      -i<fd>        only this descriptor\n"
	"      -n<number>    so many descriptors, beginning with 0 (1024)\n"
	"      -s            type and name or addresses only\n"
	"      -S            the same with types of sockets\n"
	"      -f<path>      a file system entry instead of descriptors\n"
	"      -L            with -f: follow symbolic links\n"
	"      -r            times, devices and control characters as numbers\n"
	"      -T<seconds>   wait before that\n"
	"      -W            stay, and print again whenever the window changes (SIGWINCH)\n"
	"      -o<output>    a file, +<fd> for an open descriptor, or stdin, stdout, stderr\n";

/* ---- the command line ---- */

static int do_number(const char *word, const char *arg, void *field, struct err *err)
{
	int64_t *n = field;
	enum num_result how = num_parse(arg, n, NULL);

	if (how == NUM_MISSING)
		return err_set(err, 0, "not a numerical arg in \"%.2s %s\"", word, arg);
	if (how == NUM_TRAILING)
		return err_set(err, 0, "trailing garbage in \"%.2s %s\"", word, arg);
	if (how == NUM_RANGE || *n < 0 || *n > INT_MAX)
		*n = INT_MAX; /* which cannot be open either */
	return 0;
}

static int do_seconds(const char *word, const char *arg, void *field, struct err *err)
{
	enum num_result how = seconds_parse(arg, field);

	if (how == NUM_MISSING)
		return err_set(err, 0, "not a numerical arg in \"%.2s %s\"", word, arg);
	if (how == NUM_TRAILING)
		return err_set(err, 0, "trailing garbage in \"%.2s %s\"", word, arg);
	return 0;
}

static int do_text(const char *word, const char *arg, void *field, struct err *err)
{
	(void)word;
	(void)err;
	*(const char **)field = arg;
	return 0;
}

static int do_switch(const char *word, const char *arg, void *field, struct err *err)
{
	(void)word;
	(void)arg;
	(void)err;
	*(bool *)field = true;
	return 0;
}

static int do_debug(const char *word, const char *arg, void *field, struct err *err)
{
	(void)word;
	(void)arg;
	(void)field;
	(void)err;
	if (log_threshold > LV_DEBUG)
		log_threshold--;
	return 0;
}

static const struct {
	char letter;
	bool arg; /* glued or the next word; otherwise what is glued is ignored, as classic does */
	size_t offset; /* in struct wish */
	int (*fn)(const char *word, const char *arg, void *field, struct err *err);
} flags[] = {
	{ 'h', false, offsetof(struct wish, help), do_switch },
	{ '?', false, offsetof(struct wish, help), do_switch },
	{ 'd', false, 0, do_debug },
	{ 'i', true, offsetof(struct wish, only), do_number },
	{ 'n', true, offsetof(struct wish, count), do_number },
	{ 's', false, offsetof(struct wish, brief), do_switch },
	{ 'S', false, offsetof(struct wish, types), do_switch },
	{ 'f', true, offsetof(struct wish, path), do_text },
	{ 'L', false, offsetof(struct wish, follow), do_switch },
	{ 'r', false, offsetof(struct wish, raw), do_switch },
	{ 'T', true, offsetof(struct wish, delay_ns), do_seconds },
	{ 'W', false, offsetof(struct wish, stay), do_switch },
	{ 'o', true, offsetof(struct wish, output), do_text },
};

/* The flag at argv[*i]; moves *i to its last word. */
static int one_flag(struct wish *w, char *const argv[], int *i, struct err *err)
{
	const char *word = argv[*i], *arg = word + 2;
	size_t k = 0;

	while (k < ARRAY_SIZE(flags) && flags[k].letter != word[1])
		k++;
	if (k == ARRAY_SIZE(flags)) {
		w->lost = true;
		return err_set(err, 0, "unknown option %s", word);
	}
	if (flags[k].arg && !*arg) {
		arg = argv[++*i];
		if (!arg)
			return err_set(err, 0, "option %s requires an argument", word);
	}
	return flags[k].fn(word, arg, (char *)w + flags[k].offset, err);
}

static int scan(struct wish *w, int argc, char *const argv[], struct err *err)
{
	int i = 1;

	*w = (struct wish){ .only = -1, .count = FD_SETSIZE };
	for (; i < argc && argv[i][0] == '-' && !w->help; i++)
		if (argv[i][1] && one_flag(w, argv, &i, err) == -1)
			return -1;
	if (i < argc && !w->help)
		return err_set(err, 0, "%d superfluous arguments", argc - i);
	return 0;
}

/* ---- descriptors ---- */

/* Those that are open now. */
struct open_fds {
	int *fd; /* owned */
	size_t n;
};

static struct open_fds list_open(const struct wish *w)
{
	bool single = w->only >= 0 || w->count < 1;
	int64_t first = w->only >= 0 ? w->only : 0;
	int64_t end = w->count < FD_LIMIT ? w->count : FD_LIMIT;
	struct open_fds list = { 0 };

	if (single)
		end = first + 1;
	for (int64_t fd = first; fd < end; fd++) {
		if (fcntl((int)fd, F_GETFD) == -1)
			continue;
		list.fd = xrealloc(list.fd, (list.n + 1) * sizeof(*list.fd));
		list.fd[list.n++] = (int)fd;
	}
	return list;
}

static void pause_ns(int64_t ns)
{
	struct timespec t = { .tv_sec = ns / NSEC_PER_SEC, .tv_nsec = ns % NSEC_PER_SEC };

	while (ns > 0 && nanosleep(&t, &t) == -1 && errno == EINTR)
		;
}

/* ---- output ---- */

/* A descriptor by word or "+number", or a file. */
static FILE *open_output(const char *name, struct err *err)
{
	static const char *const words[] = { "stdin", "stdout", "stderr" };
	int64_t fd = -1;
	FILE *out;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(name, words[i]) == 0)
			fd = (int64_t)i;
	if (name[0] == '+' && do_number("-o", name + 1, &fd, err) == -1)
		return NULL;
	out = fd == -1 ? fopen(name, "we") : fdopen((int)fd, "w");
	if (!out && fd == -1)
		err_set(err, errno, "can't fopen '%s'", name);
	else if (!out)
		err_set(err, errno, "can't fdopen file descriptor %d", (int)fd);
	return out;
}

static int print_brief(FILE *out, const struct wish *w, const struct open_fds *list,
		       struct err *err)
{
	if (w->path)
		return fdinfo_brief_path(out, w->path, w->follow, err);
	for (size_t i = 0; i < list->n; i++) {
		if (w->only < 0 && w->count > 0)
			fprintf(out, "%5d ", list->fd[i]);
		fdinfo_brief(out, list->fd[i], w->types);
	}
	return 0;
}

static void print_long(struct fdinfo *f, const struct wish *w, const struct open_fds *list)
{
	if (w->path)
		fdinfo_print_path(f, w->path, w->follow);
	for (size_t i = 0; i < list->n && !w->path; i++)
		fdinfo_print(f, list->fd[i]);
}

/* Print, and with -W again at every SIGWINCH. */
static int print(FILE *out, const struct wish *w, const struct open_fds *list, struct err *err)
{
	struct fdinfo f = { .out = out, .raw = w->raw };
	sigset_t winch;
	int sig;

	sigemptyset(&winch);
	sigaddset(&winch, SIGWINCH);
	if (w->stay)
		sigprocmask(SIG_BLOCK, &winch, NULL);
	do {
		if (!w->brief && !w->types)
			print_long(&f, w, list);
		else if (print_brief(out, w, list, err) == -1)
			return -1;
		if (fflush(out) == EOF || ferror(out))
			return err_set(err, errno, "can't write the output");
	} while (w->stay && sigwait(&winch, &sig) == 0);
	return 0;
}

static int analyse(const struct wish *w, struct err *err)
{
	struct open_fds list;
	FILE *out;
	int rc = -1;

	pause_ns(w->delay_ns);
	list = list_open(w);
	out = w->output ? open_output(w->output, err) : stdout;
	if (out)
		rc = print(out, w, &list, err);
	free(list.fd);
	return rc;
}

int main(int argc, char *argv[])
{
	struct err err = { 0 };
	struct wish wish;

	log_set_name("filan");
	if (scan(&wish, argc, argv, &err) == 0) {
		if (wish.help)
			return fputs(help_text, stdout) == EOF;
		if (analyse(&wish, &err) == 0)
			return 0;
	}
	log_err(LV_ERROR, &err);
	if (wish.lost)
		fputs(help_text, stderr);
	return 1;
}
