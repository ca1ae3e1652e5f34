/* port.c - what the kernel knows about local ports, see port.h */
#include "sys/port.h"

#include "base/list.h"
#include "sys/route.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef IPPROTO_UDPLITE
#define IPPROTO_UDPLITE 136
#endif

#define STATE_LISTEN 0x0a /* TCP_LISTEN of the kernel (include/net/tcp_states.h) */
#define FREE_DEFAULT 1024

static const struct {
	int protocol;
	const char *path[2];
} tables[] = {
	{ IPPROTO_TCP, { "/proc/net/tcp", "/proc/net/tcp6" } },
	{ IPPROTO_UDP, { "/proc/net/udp", "/proc/net/udp6" } },
	{ IPPROTO_UDPLITE, { "/proc/net/udplite", "/proc/net/udplite6" } },
};

/* ---- whose socket? ---- */

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

static void name_process(struct port_holder *h)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%ld/comm", h->pid);
	f = fopen(path, "re");
	if (!f)
		return;
	if (fgets(h->name, sizeof(h->name), f))
		h->name[strcspn(h->name, "\n")] = '\0';
	fclose(f);
}

static void find_process(struct port_holder *h)
{
	const struct dirent *e;
	DIR *dir = h->inode ? opendir("/proc") : NULL;

	if (!dir)
		return;
	while (!h->pid && (e = readdir(dir))) {
		if (isdigit((unsigned char)e->d_name[0]) && has_socket(e->d_name, h->inode))
			h->pid = strtol(e->d_name, NULL, 10);
	}
	closedir(dir);
	if (h->pid)
		name_process(h);
}

/* ---- a row of a table ---- */

struct row {
	uint32_t addr[4]; /* as in the socket address */
	size_t words; /* of addr: 1 or 4 */
	unsigned port, state;
	struct port_holder holder;
};

/* "0100007F:1F90": words of four bytes in the order of this machine. */
static bool read_address(struct row *r, const char *text)
{
	size_t digits = strcspn(text, ":");

	if ((digits != 8 && digits != 32) || !text[digits])
		return false;
	r->words = digits / 8;
	for (size_t i = 0; i < r->words; i++) {
		char word[9] = "";

		memcpy(word, text + 8 * i, 8);
		r->addr[i] = (uint32_t)strtoul(word, NULL, 16);
	}
	r->port = (unsigned)strtoul(text + digits + 1, NULL, 16);
	return true;
}

/* "sl local rem st tx:rx tr:when retrnsmt uid timeout inode ref pointer drops" */
static bool read_row(struct row *r, char *line)
{
	char *word[13] = { NULL }, *save = NULL;
	size_t n = 0;

	for (char *w = strtok_r(line, " \n", &save); w && n < ARRAY_SIZE(word);
	     w = strtok_r(NULL, " \n", &save))
		word[n++] = w;
	*r = (struct row){ 0 };
	if (n < 10 || !read_address(r, word[1]))
		return false;
	r->state = (unsigned)strtoul(word[3], NULL, 16);
	r->holder.uid = (uid_t)strtoul(word[7], NULL, 10);
	r->holder.inode = strtoul(word[9], NULL, 10);
	r->holder.drops = n == ARRAY_SIZE(word) ? strtoul(word[12], NULL, 10) : 0;
	return true;
}

static bool is_wildcard(const struct row *r)
{
	uint32_t any = 0;

	for (size_t i = 0; i < r->words; i++)
		any |= r->addr[i];
	return !any;
}

/* Would the two not go together? An IPv4 address may be in one of IPv6 (::ffff:10.0.0.1). */
static bool in_the_way(const struct row *r, const struct netaddr *local)
{
	const uint32_t mapped[3] = { 0, 0, htonl(0xffff) };
	bool v4 = local->any.sa_family == AF_INET;

	if (is_wildcard(r) || netaddr_is_any(local))
		return true;
	if (v4 && r->words == 4)
		return memcmp(r->addr, mapped, sizeof(mapped)) == 0 &&
		       r->addr[3] == local->in.sin_addr.s_addr;
	if (v4)
		return r->addr[0] == local->in.sin_addr.s_addr;
	return r->words == 4 && memcmp(r->addr, &local->in6.sin6_addr, sizeof(r->addr)) == 0;
}

/* ---- all of them ---- */

struct search {
	struct port_holder *out;
	size_t n;
	unsigned port;
	const struct netaddr *local; /* or NULL */
	unsigned long except;
	bool listens; /* only those that do are kept */
};

static void keep(struct search *s, const struct row *r, bool tcp)
{
	if (tcp && r->state == STATE_LISTEN && !s->listens) {
		s->listens = true;
		s->n = 0;
	}
	if ((s->listens && r->state != STATE_LISTEN) || s->n == PORT_HOLDERS_MAX)
		return;
	s->out[s->n++] = r->holder;
}

static void read_table(struct search *s, const char *path, bool tcp)
{
	FILE *f = fopen(path, "re");
	char line[512];
	struct row r;

	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		if (read_row(&r, line) && r.port == s->port &&
		    !(s->except && r.holder.inode == s->except) &&
		    (!s->local || in_the_way(&r, s->local)))
			keep(s, &r, tcp);
	}
	fclose(f);
}

size_t port_holders(struct port_holder *out, int protocol, unsigned port,
		    const struct netaddr *local, unsigned long except)
{
	struct search s = { .out = out, .port = port, .local = local, .except = except };

	for (size_t i = 0; i < ARRAY_SIZE(tables) && port; i++) {
		if (tables[i].protocol != protocol)
			continue;
		for (size_t k = 0; k < ARRAY_SIZE(tables[i].path); k++)
			read_table(&s, tables[i].path[k], protocol == IPPROTO_TCP);
	}
	for (size_t i = 0; i < s.n; i++)
		find_process(&out[i]);
	return s.n;
}

const char *port_holder_text(const struct port_holder *h, char buf[PORT_HOLDER_TEXT_LEN])
{
	if (h->pid)
		snprintf(buf, PORT_HOLDER_TEXT_LEN, "process %ld (%s)", h->pid, h->name);
	else if (h->inode)
		snprintf(buf, PORT_HOLDER_TEXT_LEN, "a process of user %u that cannot be seen",
			 (unsigned)h->uid);
	else
		snprintf(buf, PORT_HOLDER_TEXT_LEN, "a connection that is over");
	return buf;
}

unsigned port_first_free(void)
{
	FILE *f = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");
	unsigned n = FREE_DEFAULT;
	char line[32];

	if (f && fgets(line, sizeof(line), f))
		n = (unsigned)strtoul(line, NULL, 10);
	if (f)
		fclose(f);
	return n;
}

static void hint_taken(struct err *err, int protocol, const struct netaddr *local)
{
	struct port_holder h[PORT_HOLDERS_MAX];
	char text[PORT_HOLDER_TEXT_LEN];
	unsigned port = netaddr_port(local);
	size_t n = port_holders(h, protocol, port, local, 0);

	if (!n)
		return;
	for (size_t i = 1; i < n && !h[0].inode; i++)
		h[0] = h[i];
	port_holder_text(&h[0], text);
	if (h[0].inode)
		err_hint(err, "port %u is held by %s%s", port, text, n > 1 ? ", and others" : "");
	else
		err_hint(err, "port %u is held by %s; option reuseaddr takes it all the same", port,
			 text);
}

void port_hint(struct err *err, int protocol, const struct netaddr *local)
{
	unsigned port = netaddr_port(local), first;
	char have[ERR_TEXT_LEN / 2];

	if (local->any.sa_family != AF_INET && local->any.sa_family != AF_INET6)
		return;
	if (err->code == EADDRINUSE) {
		hint_taken(err, protocol, local);
	} else if (err->code == EADDRNOTAVAIL && local->any.sa_family == AF_INET) {
		route_interfaces(have, sizeof(have));
		err_hint(err, "bind to an address of this host, or to the port only; there are: %s",
			 have);
	} else if (err->code == EACCES && port) {
		first = port_first_free();
		if (port < first)
			err_hint(err,
				 "ports below %u need the capability CAP_NET_BIND_SERVICE; for "
				 "everybody: sysctl net.ipv4.ip_unprivileged_port_start=%u",
				 first, port);
	}
}
