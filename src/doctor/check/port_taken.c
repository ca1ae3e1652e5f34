/* port_taken.c - who else has the port?
 *
 * sys/port.h knows; whether they would share the port is found out by trying. */
#include "doctor/check/port_taken.h"

#include "base/mem.h"
#include "doctor/checks.h"
#include "doctor/exam.h"

#include <sys/stat.h>
#include <unistd.h>

static unsigned long own_inode(int fd)
{
	struct stat st;

	return fd != -1 && fstat(fd, &st) == 0 ? (unsigned long)st.st_ino : 0;
}

size_t exam_holders(const struct exam *x, struct port_holder *out)
{
	if (x->socktype != SOCK_DGRAM)
		return 0;
	return port_holders(out, x->protocol, x->port, NULL, own_inode(x->fd));
}

/* Would the others let a socket in that says reuseaddr? */
static bool is_shared(const struct exam *x)
{
	int one = 1, rc, fd = socket(x->family, x->socktype | SOCK_CLOEXEC, x->protocol);

	if (fd == -1)
		return false;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	rc = bind(fd, &x->local.any, x->local.len);
	close(fd);
	return rc == 0;
}

static char *text_of(const struct port_holder *h, size_t n)
{
	char holder[PORT_HOLDER_TEXT_LEN];
	struct str text = { 0 };

	for (size_t i = 0; i < n; i++)
		str_addf(&text, "%s%s", i ? ", " : "", port_holder_text(&h[i], holder));
	return str_take(&text);
}

static void add_taken(struct exam *x, const struct port_holder *h, size_t n)
{
	struct finding *f;
	bool shared = is_shared(x);

	f = exam_add(x, FIND_PROBLEM, xasprintf("port %u is held by another socket", x->port),
		     n ? text_of(h, n) : xstrdup("bind: Address already in use"));
	if (shared)
		exam_advice(f, "it shares the port: add option reuseaddr");
	else if (n == 1 && h[0].pid)
		exam_command(f, "kill %ld", h[0].pid);
	else
		exam_advice(f, "end the others, or give all of them option reuseaddr");
}

void check_port(struct exam *x)
{
	struct port_holder h[PORT_HOLDERS_MAX];
	size_t n = exam_holders(x, h);

	if (!x->port || x->socktype != SOCK_DGRAM)
		return;
	if (!x->bound)
		add_taken(x, h, n);
	else if (n)
		exam_add(
			x, FIND_NOTE,
			xasprintf("port %u is shared with other sockets: each gets the groups, but "
				  "only one gets unicast",
				  x->port),
			text_of(h, n));
	else
		exam_add(x, FIND_OK, xasprintf("port %u is free", x->port), xstrdup(""));
}
