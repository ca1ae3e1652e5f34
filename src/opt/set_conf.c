/* set_conf.c - setters that record a wish in struct conf
 *
 * The generic ones store the value into the member whose offset the row carries; the C type of the
 * member is part of the setter's name and a unit test compares both. A repeated option overwrites:
 * the last one wins. Strings stay where they are, in the spec. */
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "opt/setters.h"
#include "sys/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define DNS_PORT 53
#define AUTH_MAX 1024 /* bytes of user:password */

/* Store @len bytes into the member that the row names. */
static int store(struct target *t, const struct opt *o, const void *data, size_t len)
{
	memcpy((char *)t->conf + o->row->arg.field.offset, data, len);
	return 0;
}

int conf_bool(struct target *t, const struct opt *o, struct err *err)
{
	const bool on = o->val.n[0] != 0;

	(void)err;
	return store(t, o, &on, sizeof(on));
}

int conf_num(struct target *t, const struct opt *o, struct err *err)
{
	(void)err;
	return store(t, o, &o->val.n[0], sizeof(o->val.n[0]));
}

int conf_size(struct target *t, const struct opt *o, struct err *err)
{
	const int64_t n = o->val.n[0] < 0 ? INT64_MAX : o->val.n[0];

	(void)err;
	return store(t, o, &n, sizeof(n));
}

int conf_int(struct target *t, const struct opt *o, struct err *err)
{
	const int n = (int)o->val.n[0];

	(void)err;
	return store(t, o, &n, sizeof(n));
}

int conf_ns(struct target *t, const struct opt *o, struct err *err)
{
	(void)err;
	return store(t, o, &o->val.ns, sizeof(o->val.ns));
}

int conf_ns_or_second(struct target *t, const struct opt *o, struct err *err)
{
	const int64_t ns = o->val.null ? NSEC_PER_SEC : o->val.ns;

	if (ns <= 0)
		return err_set(err, 0, "option reopen: a pause is longer than 0 seconds");
	return store(t, o, &ns, sizeof(ns));
}

int conf_text(struct target *t, const struct opt *o, struct err *err)
{
	(void)err;
	return store(t, o, &o->val.str, sizeof(o->val.str));
}

int conf_regex(struct target *t, const struct opt *o, struct err *err)
{
	regex_t re;
	char why[128];
	int code = regcomp(&re, o->val.str, REG_EXTENDED | REG_NOSUB);

	if (code) {
		regerror(code, &re, why, sizeof(why));
		return err_set(err, 0,
			       "regcomp(%p, \"%s\", REG_EXTENDED|REG_NOSUB): Invalid regular "
			       "expression: %s",
			       (void *)&re, o->val.str, why);
	}
	regfree(&re);
	return conf_text(t, o, err);
}

int conf_text_null(struct target *t, const struct opt *o, struct err *err)
{
	const char *text = o->val.str ? o->val.str : "";

	(void)err;
	return store(t, o, &text, sizeof(text));
}

int conf_const(struct target *t, const struct opt *o, struct err *err)
{
	const int n = (int)o->row->arg.field.value;

	(void)err;
	return store(t, o, &n, sizeof(n));
}

int conf_wrap(struct target *t, const struct opt *o, struct err *err)
{
	t->conf->wrap.on = true;
	return conf_text(t, o, err);
}

/* Move @bits between two words: wanted, and not wanted. */
#define WISH(yes, no, bits, on)                                                                    \
	do {                                                                                       \
		if (on) {                                                                          \
			(yes) |= (bits);                                                           \
			(no) &= ~(bits);                                                           \
		} else {                                                                           \
			(no) |= (bits);                                                            \
			(yes) &= ~(bits);                                                          \
		}                                                                                  \
	} while (0)

int conf_open_flag(struct target *t, const struct opt *o, struct err *err)
{
	const int flag = (int)o->row->arg.n.a;

	(void)err;
	WISH(t->conf->open.set, t->conf->open.clear, flag, o->val.n[0]);
	return 0;
}

int conf_iff(struct target *t, const struct opt *o, struct err *err)
{
	const int flag = (int)o->row->arg.n.a;

	(void)err;
	WISH(t->conf->netif.set, t->conf->netif.clear, flag, o->val.n[0]);
	return 0;
}

/* "rdonly=0" takes back an earlier "rdonly" and otherwise means nothing. */
int conf_open_access(struct target *t, const struct opt *o, struct err *err)
{
	const int access = (int)o->row->arg.n.a;

	(void)err;
	if (o->val.n[0])
		t->conf->open.access = access;
	else if (t->conf->open.access == access)
		t->conf->open.access = -1;
	return 0;
}

int conf_any_port(struct target *t, const struct opt *o, struct err *err)
{
	(void)err;
	t->conf->sock.any_port = o->val.n[0] != 0;
	return 0;
}

int conf_answers(struct target *t, const struct opt *o, struct err *err)
{
	bool any = strcasecmp(o->val.str, "any") == 0;

	if (!any && strcasecmp(o->val.str, "port") != 0)
		return err_set(err, 0, "option answers: unknown word \"%s\"; use any or port",
			       o->val.str);
	t->conf->sock.any_port = any;
	t->conf->sock.answers = true;
	return 0;
}

int conf_role(struct target *t, const struct opt *o, struct err *err)
{
	bool server = strcasecmp(o->val.str, "server") == 0;

	if (!server && strcasecmp(o->val.str, "client") != 0)
		return err_set(err, 0, "option role: unknown word \"%s\"; use client or server",
			       o->val.str);
	t->conf->role = server ? ROLE_SERVER : ROLE_CLIENT;
	return 0;
}

int conf_pf(struct target *t, const struct opt *o, struct err *err)
{
	static const struct {
		const char *name;
		int family;
	} known[] = {
		{ "inet", AF_INET },  { "inet4", AF_INET },  { "ip4", AF_INET },
		{ "ipv4", AF_INET },  { "inet6", AF_INET6 }, { "ip6", AF_INET6 },
		{ "ipv6", AF_INET6 },
	};
	int64_t n = -1;

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strcasecmp(o->val.str, known[i].name) == 0)
			n = known[i].family;
	if (n == -1 && (num_parse(o->val.str, &n, NULL) != NUM_OK || n < 0 || n > INT32_MAX))
		return err_set(err, 0, "unknown protocol family \"%s\"", o->val.str);
	t->conf->sock.pf = o->val.str;
	t->conf->sock.family = (int)n;
	return 0;
}

int conf_ai_flag(struct target *t, const struct opt *o, struct err *err)
{
	const int flag = (int)o->row->arg.n.a;

	(void)err;
	WISH(t->conf->sock.ai_set, t->conf->sock.ai_clear, flag, o->val.n[0]);
	return 0;
}

int conf_res_flag(struct target *t, const struct opt *o, struct err *err)
{
	const unsigned long bit = (unsigned long)o->row->arg.n.a;

	(void)err;
	WISH(t->conf->res.set, t->conf->res.clear, bit, o->val.n[0]);
	return 0;
}

int conf_res_nsaddr(struct target *t, const struct opt *o, struct err *err)
{
	(void)err;
	t->conf->res.nsaddr = o->val.addr;
	if (o->val.addr.len && netaddr_port(&o->val.addr) == 0)
		netaddr_set_port(&t->conf->res.nsaddr, DNS_PORT);
	return 0;
}

int conf_reuseaddr(struct target *t, const struct opt *o, struct err *err)
{
	(void)o;
	(void)err;
	t->conf->sock.reuseaddr_given = true;
	return 0;
}

int conf_rcvbuf(struct target *t, const struct opt *o, struct err *err)
{
	(void)o;
	(void)err;
	t->conf->sock.rcvbuf_given = true;
	return 0;
}

int conf_pipesz(struct target *t, const struct opt *o, struct err *err)
{
	(void)o;
	(void)err;
	t->conf->flow.pipesz_given = true;
	return 0;
}

int conf_joins(struct target *t, const struct opt *o, struct err *err)
{
	(void)o;
	(void)err;
	t->conf->sock.joins = true;
	return 0;
}

int conf_pktinfo(struct target *t, const struct opt *o, struct err *err)
{
	(void)o;
	(void)err;
	t->conf->sock.pktinfo_given = true;
	return 0;
}

int conf_dst(struct target *t, const struct opt *o, struct err *err)
{
	(void)err;
	t->conf->sock.dst = o->val.str;
	t->conf->sock.pktinfo_given = true;
	return 0;
}

int conf_peercred(struct target *t, const struct opt *o, struct err *err)
{
	(void)t;
	(void)o;
	return err_set(err, 0,
		       "option \"so-peercred\" cannot be set: the kernel fills in the "
		       "credentials of the peer and they are read-only");
}

/* An IPv6 address keeps its brackets, as in parameters. */
int conf_proxy_to(struct target *t, const struct opt *o, struct err *err)
{
	const char *text = o->val.str, *end = *text == '[' ? strchr(text, ']') : NULL;
	const char *colon = strchr(end ? end : text, ':');
	struct netaddr number;
	unsigned port;
	char *host;

	if (!colon || colon == text || !colon[1] || (end && colon != end + 1) ||
	    strchr(colon + 1, ':')) {
		err_set(err, 0, "option to: \"%s\" is not HOST:PORT", text);
		return end || !colon || !strchr(colon + 1, ':')
			       ? -1
			       : err_hint(err, "IPv6 addresses stand in brackets");
	}
	if (resolve_port(colon + 1, IPPROTO_TCP, "tcp", &port, err) == -1)
		return -1;
	host = xstrndup(text, (size_t)(colon - text));
	if (!resolve_number(host, AF_UNSPEC, &number) && !resolve_may_be_name(host)) {
		err_set(err, 0, "option to: \"%s\" is not HOST:PORT", text);
		err_hint(err, "\"%s\" is neither the name nor the address of a host", host);
		free(host);
		return -1;
	}
	free(t->conf->proxy.to_host);
	t->conf->proxy.to_host = host;
	t->conf->proxy.to_port = colon + 1;
	return 0;
}

/* Its end of line is no part of the password. Asked of the descriptor: the name may change. */
static char *read_auth(int fd, const char *path, struct err *err)
{
	char text[AUTH_MAX + 1];
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, text + len, sizeof(text) - len)) > 0)
		len += (size_t)n;
	if (n == -1) {
		err_set(err, errno, "read(\"%s\")", path);
		return NULL;
	}
	while (len && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		len--;
	if (len > AUTH_MAX - 1 || memchr(text, '\0', len) || memchr(text, '\n', len)) {
		err_set(err, 0, "\"%s\" does not hold one line user:password of less than %d bytes",
			path, AUTH_MAX);
		return NULL;
	}
	return xstrndup(text, len);
}

int conf_proxy_auth_file(struct target *t, const struct opt *o, struct err *err)
{
	const char *path = o->val.str;
	struct stat st;
	char *text;
	int fd;

	if (o->unread)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return err_set(err, errno, "open(\"%s\", O_RDONLY)", path);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_mode & S_IROTH)
		log_warn("file \"%s\" with the password for the proxy can be read by everybody; "
			 "try: chmod o-r",
			 path);
	text = read_auth(fd, path, err);
	close(fd);
	if (!text)
		return -1;
	free(t->conf->proxy.auth_read);
	t->conf->proxy.auth_read = text;
	return 0;
}
