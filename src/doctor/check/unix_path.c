/* unix_path.c - UNIX sockets, and addresses the doctor knows little about
 *
 * A UNIX socket has no groups, but it can be silent, too: the path is not there, is no socket, or
 * nobody listens any more. */
#include "base/mem.h"
#include "doctor/checks.h"
#include "doctor/exam.h"
#include "doctor/host/kernel.h"
#include "end/plan.h"
#include "open/opening.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Is a socket of this name open? The last column of /proc/net/unix. */
static bool is_open(const char *path)
{
	struct str text = { 0 };
	size_t len = strlen(path);
	bool found = false;

	if (file_read(&text, "/proc/net/unix")) {
		char *rest = text.data, *line;

		while (!found && (line = next_line(&rest))) {
			size_t n = strlen(line);

			found = n > len && strcmp(line + n - len, path) == 0 &&
				line[n - len - 1] == ' ';
		}
	}
	str_done(&text);
	return found;
}

/* The address makes the entry: nothing may be there. */
static void check_own(struct exam *x, const char *path)
{
	struct stat st;
	bool there = lstat(path, &st) == 0, open = there && is_open(path);
	struct finding *f;

	if (!there || x->half->conf.open.unlink) {
		exam_add(x, FIND_OK, xasprintf("the entry %s can be made", path), xstrdup(""));
		return;
	}
	f = exam_add(x, FIND_PROBLEM, xasprintf("%s exists", path),
		     xstrdup(open ? "a program has it open (/proc/net/unix)"
				  : "no program has it open: it was left behind"));
	if (open)
		exam_advice(f, "end the program that uses it (ss -xlp), or take another path");
	else if (!strchr(path, '\''))
		exam_command(f, "rm -- '%s'", path);
}

static void check_peer(struct exam *x, const char *path)
{
	struct stat st;

	if (stat(path, &st) == -1)
		exam_advice(exam_add(x, FIND_PROBLEM, xasprintf("%s cannot be reached", path),
				     xstrdup(strerror(errno))),
			    "start the program that makes it, or mend the path");
	else if (!S_ISSOCK(st.st_mode))
		exam_advice(exam_add(x, FIND_PROBLEM, xasprintf("%s is no socket", path),
				     xasprintf("its mode is 0%o", st.st_mode)),
			    "give the path of a socket");
	else if (!is_open(path))
		exam_advice(exam_add(x, FIND_PROBLEM, xasprintf("nobody listens at %s", path),
				     xstrdup("no socket of that name in /proc/net/unix")),
			    "start the program that listens there");
	else if (access(path, W_OK) == -1)
		exam_advice(exam_add(x, FIND_PROBLEM, xasprintf("%s may not be used", path),
				     xstrdup(strerror(errno))),
			    "give yourself the right to write there (chmod)");
	else
		exam_add(x, FIND_OK, xasprintf("somebody listens at %s", path), xstrdup(""));
}

void check_unix(struct exam *x)
{
	const struct addr_type *t = x->half->type;
	const char *path = x->half->nparams ? x->half->param[0] : "";

	if (t->net.family != AF_UNIX || !(t->groups & G_NAMED)) {
		x->check = "address";
		x->passed_over = true;
		exam_add(x, FIND_NOTE,
			 xasprintf("%s is no datagram address of the network", x->half->keyword),
			 xstrdup("nothing to examine"));
	} else if (t->groups & (G_LISTEN | G_RANGE | G_CHILD) || !t->writes)
		check_own(x, path);
	else
		check_peer(x, path);
}
