/* port.c - who else has the port?
 *
 * /proc/net/udp and its kin list the sockets of the namespace with their inode; the links of
 * /proc/PID/fd tell whose they are. Whether they would share the port is found out by trying. */
#include "base/list.h"
#include "base/mem.h"
#include "doctor/exam.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef IPPROTO_UDPLITE
#define IPPROTO_UDPLITE 136
#endif

/* Does process @pid have a descriptor of this socket? */
static bool has_socket(const char *pid, unsigned long inode)
{
	char path[64], want[64], link[64];
	const struct dirent *e;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%.16s/fd", pid);
	snprintf(want, sizeof(want), "socket:[%lu]", inode);
	dir = opendir(path);
	if (!dir)
		return false;
	while (!found && (e = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), e->d_name, link, sizeof(link) - 1);

		link[n > 0 ? n : 0] = '\0';
		found = strcmp(link, want) == 0;
	}
	closedir(dir);
	return found;
}

static void find_process(struct holder *h)
{
	const struct dirent *e;
	struct str name = { 0 };
	char path[64];
	DIR *dir = opendir("/proc");

	while (dir && !h->pid && (e = readdir(dir))) {
		if (isdigit((unsigned char)e->d_name[0]) && has_socket(e->d_name, h->inode))
			h->pid = strtol(e->d_name, NULL, 10);
	}
	if (dir)
		closedir(dir);
	snprintf(path, sizeof(path), "/proc/%ld/comm", h->pid);
	if (h->pid && file_read(&name, path))
		snprintf(h->name, sizeof(h->name), "%.*s", (int)strcspn(name.data, "\n"),
			 name.data);
	str_done(&name);
}

/* "sl local rem st queues tr:when retrnsmt uid timeout inode ref pointer drops" */
static bool holds(char *line, unsigned port, struct holder *h)
{
	char *word[16], *save = NULL;
	size_t n = 0;

	for (char *w = strtok_r(line, " ", &save); w && n < ARRAY_SIZE(word);
	     w = strtok_r(NULL, " ", &save))
		word[n++] = w;
	if (n < 13 || !strchr(word[1], ':') || strtoul(strchr(word[1], ':') + 1, NULL, 16) != port)
		return false;
	*h = (struct holder){ .inode = strtoul(word[9], NULL, 10),
			      .drops = strtoul(word[12], NULL, 10) };
	return true;
}

static unsigned long own_inode(int fd)
{
	struct stat st;

	return fd != -1 && fstat(fd, &st) == 0 ? (unsigned long)st.st_ino : 0;
}

size_t port_holders(const struct exam *x, struct holder *out)
{
	static const char *const table[][2] = { { "/proc/net/udp", "/proc/net/udp6" },
						{ "/proc/net/udplite", "/proc/net/udplite6" } };
	unsigned long own = own_inode(x->fd);
	size_t n = 0;

	if (!x->port || x->socktype != SOCK_DGRAM)
		return 0;
	for (int i = 0; i < 2; i++) {
		struct str text = { 0 };
		char *rest, *line;

		file_read(&text, table[x->protocol == IPPROTO_UDPLITE][i]);
		rest = text.data;
		while (n < HOLDERS_MAX && (line = next_line(&rest))) {
			if (holds(line, x->port, &out[n]) && out[n].inode != own)
				find_process(&out[n++]);
		}
		str_done(&text);
	}
	return n;
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

static char *text_of(const struct holder *h, size_t n)
{
	struct str text = { 0 };

	for (size_t i = 0; i < n; i++) {
		str_adds(&text, i ? ", " : "");
		if (h[i].pid)
			str_addf(&text, "process %ld (%s)", h[i].pid, h[i].name);
		else
			str_addf(&text, "a process that may not be seen, socket inode %lu",
				 h[i].inode);
	}
	return str_take(&text);
}

static void add_taken(struct exam *x, const struct holder *h, size_t n)
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
	struct holder h[HOLDERS_MAX];
	size_t n = port_holders(x, h);

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
