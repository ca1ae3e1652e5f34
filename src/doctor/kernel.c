/* kernel.c - what the kernel tells: files of /proc and /sys, netlink, and read-only programs
 *
 * Numbers and texts only; what they mean is up to the checks. */
#include "base/mem.h"
#include "doctor/exam.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEXT_MAX ((size_t)4 << 20) /* bytes of a file or of a program's output */
#define ANSWER_MS 2000 /* netlink answers at once, or never */
#define ANSWERS_MAX 10000 /* messages of one answer */

bool file_read(struct str *out, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 1;

	if (fd == -1)
		return false;
	while (n > 0 && out->len < TEXT_MAX) {
		n = read(fd, str_room(out, 65536), 65535);
		if (n > 0)
			out->len += (size_t)n;
	}
	close(fd);
	str_add(out, "", 0);
	return n != -1;
}

int command_read(struct str *out, const char *command)
{
	char *line = xasprintf("PATH=$PATH:/usr/sbin:/sbin; export PATH; %s 2>/dev/null", command);
	FILE *in = popen(line, "re");
	size_t n = 1;
	int status;

	free(line);
	if (!in)
		return -1;
	while (n > 0 && out->len < TEXT_MAX) {
		n = fread(str_room(out, 65536), 1, 65535, in);
		out->len += n;
	}
	str_add(out, "", 0);
	status = pclose(in);
	return status != -1 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

char *next_line(char **text)
{
	char *line = *text, *end;

	if (!line || !*line)
		return NULL;
	end = strchrnul(line, '\n');
	*text = *end ? end + 1 : end;
	*end = '\0';
	return line;
}

long number_read(const char *path, long absent)
{
	struct str text = { 0 };
	long n = absent;

	if (file_read(&text, path) && text.len)
		n = strtol(text.data, NULL, 10);
	str_done(&text);
	return n;
}

long sysctl_read(long absent, const char *fmt, ...)
{
	char path[256] = "/proc/sys/";
	size_t len = strlen(path);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path + len, sizeof(path) - len, fmt, ap);
	va_end(ap);
	return number_read(path, absent);
}

/* Word @i of @line, 0 being the first. */
static const char *word_at(const char *line, size_t i)
{
	while (i--) {
		line += strcspn(line, " ");
		line += strspn(line, " ");
	}
	return line;
}

/* Place of word @name in @line, 0: it is not there. */
static size_t word_index(const char *line, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; *line; i++) {
		if (strncmp(line, name, len) == 0 && strchr(" ", line[len]))
			return i;
		line = word_at(line, 1);
	}
	return 0;
}

long counter_read(const char *path, const char *group, const char *name)
{
	struct str text = { 0 };
	size_t len = strlen(group), at = 0;
	long n = -1;

	if (file_read(&text, path)) {
		char *rest = text.data, *line;

		/* a line of names, then a line of numbers */
		while (n == -1 && (line = next_line(&rest))) {
			if (strncmp(line, group, len) != 0)
				continue;
			if (at)
				n = strtol(word_at(line, at), NULL, 10);
			else
				at = word_index(line, name);
		}
	}
	str_done(&text);
	return n;
}

/* ---- netlink: one question, its answers ---- */

typedef void message_fn(const struct nlmsghdr *h, void *arg);

/* Read answers until the last one; 0, or errno. */
static int receive(int fd, message_fn *fn, void *arg)
{
	uint8_t buf[32768] __attribute__((aligned(8)));
	struct pollfd p = { .fd = fd, .events = POLLIN };

	for (int i = 0; i < ANSWERS_MAX && poll(&p, 1, ANSWER_MS) == 1; i++) {
		ssize_t n = recv(fd, buf, sizeof(buf), 0);
		size_t left = n > 0 ? (size_t)n : 0;

		for (struct nlmsghdr *h = (struct nlmsghdr *)buf; NLMSG_OK(h, left);
		     h = NLMSG_NEXT(h, left)) {
			if (h->nlmsg_type == NLMSG_ERROR)
				return -((const struct nlmsgerr *)NLMSG_DATA(h))->error;
			if (h->nlmsg_type == NLMSG_DONE)
				return 0;
			fn(h, arg);
			if (!(h->nlmsg_flags & NLM_F_MULTI))
				return 0;
		}
	}
	return ETIMEDOUT;
}

static int ask(int protocol, const struct nlmsghdr *question, message_fn *fn, void *arg)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), code;

	if (fd == -1)
		return errno;
	if (send(fd, question, question->nlmsg_len, 0) == -1)
		code = errno;
	else
		code = receive(fd, fn, arg);
	close(fd);
	return code;
}

struct route_question {
	struct nlmsghdr h;
	struct rtmsg rt;
	uint8_t room[128];
};

static void add_attribute(struct route_question *q, unsigned short type, const void *data,
			  size_t len)
{
	size_t at = NLMSG_ALIGN(q->h.nlmsg_len) - NLMSG_LENGTH(sizeof(q->rt));
	struct rtattr a = { .rta_type = type, .rta_len = (unsigned short)RTA_LENGTH(len) };

	memcpy(q->room + at, &a, sizeof(a));
	memcpy(q->room + at + RTA_LENGTH(0), data, len);
	q->h.nlmsg_len = NLMSG_ALIGN(q->h.nlmsg_len) + (uint32_t)RTA_ALIGN(a.rta_len);
}

static void add_ip(struct route_question *q, unsigned short type, const struct netaddr *a)
{
	if (a->any.sa_family == AF_INET6)
		add_attribute(q, type, &a->in6.sin6_addr, 16);
	else
		add_attribute(q, type, &a->in.sin_addr, 4);
}

static void on_route(const struct nlmsghdr *h, void *arg)
{
	const struct rtmsg *rt = NLMSG_DATA(h);
	struct route_answer *r = arg;
	size_t left = h->nlmsg_len - NLMSG_LENGTH(sizeof(*rt));

	r->prefix = rt->rtm_dst_len;
	for (const struct rtattr *a = RTM_RTA(rt); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == RTA_OIF)
			memcpy(&r->index, RTA_DATA(a), sizeof(r->index));
		if (a->rta_type != RTA_GATEWAY)
			continue;
		netaddr_any(&r->gateway, rt->rtm_family, 0);
		if (rt->rtm_family == AF_INET6)
			memcpy(&r->gateway.in6.sin6_addr, RTA_DATA(a), 16);
		else
			memcpy(&r->gateway.in.sin_addr, RTA_DATA(a), 4);
	}
}

static int ask_route(struct route_answer *r, const struct netaddr *to, const struct netaddr *from,
		     int oif, unsigned flags)
{
	struct route_question q = { 0 };
	bool v6 = to->any.sa_family == AF_INET6;

	*r = (struct route_answer){ 0 };
	q.h.nlmsg_len = NLMSG_LENGTH(sizeof(q.rt));
	q.h.nlmsg_type = RTM_GETROUTE;
	q.h.nlmsg_flags = NLM_F_REQUEST;
	q.rt.rtm_family = (unsigned char)to->any.sa_family;
	q.rt.rtm_dst_len = v6 ? 128 : 32;
	q.rt.rtm_flags = flags;
	add_ip(&q, RTA_DST, to);
	if (from && !netaddr_is_any(from)) {
		q.rt.rtm_src_len = q.rt.rtm_dst_len;
		add_ip(&q, RTA_SRC, from);
	}
	if (oif)
		add_attribute(&q, RTA_OIF, &oif, sizeof(oif));
	return ask(NETLINK_ROUTE, &q.h, on_route, r);
}

int route_ask(struct route_answer *r, const struct netaddr *to, const struct netaddr *from, int oif)
{
	struct route_answer match;
	int code = ask_route(r, to, from, oif, 0);

	/* the route itself, not what comes of it: its length tells the default route (Linux 4.13);
	 * groups of IPv4 have no entry to show where an interface alone decides */
	if (code == 0)
		r->prefix =
			ask_route(&match, to, from, oif, RTM_F_FIB_MATCH) == 0 ? match.prefix : 32;
	return code;
}

static void on_table(const struct nlmsghdr *h, void *arg)
{
	(void)h;
	++*(int *)arg;
}

int nftables_count(void)
{
	struct {
		struct nlmsghdr h;
		struct nfgenmsg g;
	} q = { 0 };
	int n = 0;

	q.h.nlmsg_len = sizeof(q);
	q.h.nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE;
	q.h.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	q.g.nfgen_family = AF_UNSPEC;
	return ask(NETLINK_NETFILTER, &q.h, on_table, &n) == 0 ? n : -1;
}
