/* resolve.c - names to addresses without blocking the loop, see resolve.h
 *
 * First getaddrinfo(3) is asked with AI_NUMERICHOST, which never leaves this machine; only when the
 * host turns out to be a name, a helper process is forked for the question. The helper writes one
 * struct answer into a pipe and ends. Numeric ports are put in afterwards, so that the resolver
 * need not know the protocol. Waiting, retrying and sorting by IP version belong to the callers. */
#include "sys/resolve.h"

#include "base/str.h"

#include <arpa/nameser.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <resolv.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* <resolv.h> has a macro of the same name as our member. */
#undef nsaddr

#define HOST_MAX 1024 /* bytes of a host name, RFC 1035 allows 255 */
#define PORT_MAX 65535

/* What comes out of the pipe; smaller than PIPE_BUF, so it arrives in one piece. */
struct answer {
	int code; /* EAI_*, or 0 */
	int errnum; /* behind EAI_SYSTEM */
	char text[256]; /* a whole sentence when something else failed, or "" */
	struct addr_list list;
};
_Static_assert(sizeof(struct answer) <= 4096, "an answer must fit into one atomic pipe write");

/* A question with brackets removed and the port read. */
struct question {
	const struct resolve_req *req;
	char host[HOST_MAX];
	bool has_host, literal;
	int family;
	long port; /* or -1: a service name, or none */
};

static bool is_number(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == '\0';
}

/* Fill @q from @req. Returns 0 or an EAI_* code, or -1 with the whole sentence in @err where no
 * such code says it (-1 is EAI_BADFLAGS, which cannot happen here). */
static int prepare(struct question *q, const struct resolve_req *req, struct err *err)
{
	size_t len = req->host ? strlen(req->host) : 0;

	*q = (struct question){ .req = req, .has_host = req->host, .family = req->family };
	q->port = -1;
	if (req->service && !*req->service)
		return err_set(err, 0, "_xiogetaddrinfo(): empty port and service");
	if (req->service && is_number(req->service)) {
		int64_t n;

		if (num_parse_base(req->service, 10, &n, NULL) != NUM_OK || n < 0 || n > PORT_MAX)
			return err_set(err, 0, "port %s is out of range 0..65535", req->service);
		q->port = (long)n;
	}
	if (!q->has_host)
		return 0;
	if (!len || len >= sizeof(q->host))
		return EAI_NONAME;
	memcpy(q->host, req->host, len + 1);
	if (len > 2 && q->host[0] == '[' && q->host[len - 1] == ']') {
		q->literal = true;
		memmove(q->host, q->host + 1, len - 2);
		q->host[len - 2] = '\0';
		if (q->family == AF_UNSPEC)
			q->family = AF_INET6;
	}
	return 0;
}

static bool list_has(const struct addr_list *l, const struct netaddr *a)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->addr[i].len == a->len && memcmp(l->addr[i].raw, a->raw, a->len) == 0)
			return true;
	return false;
}

static void collect(struct addr_list *out, const struct addrinfo *found, long port)
{
	out->n = 0;
	for (const struct addrinfo *ai = found; ai && out->n < RESOLVE_MAX; ai = ai->ai_next) {
		struct netaddr a = { .len = ai->ai_addrlen };

		if (ai->ai_addrlen > sizeof(a.raw))
			continue;
		memcpy(a.raw, ai->ai_addr, ai->ai_addrlen);
		if (port >= 0)
			netaddr_set_port(&a, (unsigned)port);
		if (!list_has(out, &a))
			out->addr[out->n++] = a;
	}
}

/* getaddrinfo() with @extra flags. Returns its code. */
static int ask(const struct question *q, int extra, struct addr_list *out)
{
	const struct resolve_req *req = q->req;
	const char *host = q->has_host ? q->host : NULL, *service = req->service;
	struct addrinfo hints = { .ai_family = q->family, .ai_flags = req->flags | extra };
	struct addrinfo *found = NULL;
	int code;

	/* A literal is itself whatever addresses this machine has. */
	if (hints.ai_flags & AI_NUMERICHOST)
		hints.ai_flags &= ~AI_ADDRCONFIG;
	hints.ai_socktype = req->socktype;
	hints.ai_protocol = req->protocol;
	if (!service || q->port >= 0) {
		/* Without a service name the kind of socket only makes trouble: the C library
		 * refuses protocols and types it has not heard of. */
		hints.ai_socktype = SOCK_STREAM;
		hints.ai_protocol = 0;
		service = host ? NULL : "0";
	}
	code = getaddrinfo(host, service, &hints, &found);
	if ((code == EAI_SOCKTYPE || code == EAI_SERVICE) && service &&
	    req->protocol != IPPROTO_TCP && req->protocol != IPPROTO_UDP) {
		hints.ai_protocol = 0;
		code = getaddrinfo(host, service, &hints, &found);
		if (code == EAI_SOCKTYPE || code == EAI_SERVICE) {
			hints.ai_socktype = 0;
			code = getaddrinfo(host, service, &hints, &found);
		}
	}
	if (code)
		return code;
	collect(out, found, q->port);
	freeaddrinfo(found);
	return out->n ? 0 : EAI_NODATA;
}

/* Say in @err what @code means. */
static enum resolve_result failed(int code, int errnum, struct err *err)
{
	err_set(err, 0, "%s", code == EAI_SYSTEM ? strerror(errnum) : gai_strerror(code));
	err->code = code;
	return code == EAI_AGAIN ? RESOLVE_AGAIN : RESOLVE_FAIL;
}

static int enter_netns(const char *name, struct answer *answer)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1 || setns(fd, CLONE_NEWNET) == -1) {
		snprintf(answer->text, sizeof(answer->text),
			 "cannot enter network namespace \"%.128s\": %s", name, strerror(errno));
		return -1;
	}
	close(fd);
	return 0;
}

static void apply_conf(const struct resolve_conf *c)
{
	res_init();
	_res.options |= c->set;
	_res.options &= ~c->clear;
	if (c->retrans)
		_res.retrans = c->retrans;
	if (c->retry)
		_res.retry = c->retry;
	if (c->nsaddr.len) {
		_res.nscount = 1;
		_res.nsaddr_list[0] = c->nsaddr.in;
		if (!_res.nsaddr_list[0].sin_port)
			_res.nsaddr_list[0].sin_port = htons(NAMESERVER_PORT);
	}
}

/* Life of the helper. All signals are blocked here, see start_helper(). */
static void __attribute__((noreturn)) helper(const struct question *q, int fd, pid_t parent)
{
	struct answer answer = { 0 };
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	if (!q->req->netns || enter_netns(q->req->netns, &answer) == 0) {
		if (q->req->conf)
			apply_conf(q->req->conf);
		answer.code = ask(q, q->literal ? AI_NUMERICHOST : 0, &answer.list);
		answer.errnum = errno;
	}
	(void)!write(fd, &answer, sizeof(answer));
	_exit(0);
}

static enum resolve_result start_helper(const struct question *q, struct resolve_job *job,
					struct err *err)
{
	sigset_t all, old;
	pid_t self = getpid();
	int fd[2];

	if (pipe2(fd, O_CLOEXEC) == -1)
		return failed(EAI_SYSTEM, errno, err);
	/* The handlers of this process must not run in the helper. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	job->pid = fork();
	if (job->pid == 0) {
		close(fd[0]);
		helper(q, fd[1], self);
	}
	int errnum = errno;
	sigprocmask(SIG_SETMASK, &old, NULL);
	close(fd[1]);
	if (job->pid == -1) {
		close(fd[0]);
		*job = (struct resolve_job){ .fd = -1 };
		return failed(EAI_SYSTEM, errnum, err);
	}
	job->fd = fd[0];
	return RESOLVE_WAIT;
}

/* The host stays unknown; what can be said about the service, the C library says first. */
static enum resolve_result judge_service(struct question *q, struct addr_list *out, struct err *err)
{
	int code = 0;

	if (!resolve_may_be_name(q->host))
		return failed(EAI_NONAME, 0, err);
	q->has_host = false;
	q->family = AF_INET; /* of several the C library would try out which is the best */
	if (q->req->service && q->port < 0)
		code = ask(q, AI_NUMERICHOST, out);
	out->n = 0;
	return code ? failed(code, errno, err) : RESOLVE_WAIT;
}

enum resolve_result resolve_start(const struct resolve_req *req, struct resolve_job *job,
				  struct addr_list *out, struct err *err)
{
	struct question q;
	int code;

	*job = (struct resolve_job){ .fd = -1 };
	out->n = 0;
	code = prepare(&q, req, err);
	if (code == -1)
		return RESOLVE_FAIL;
	if (code)
		return failed(code, 0, err);
	/* The scope of a literal is an interface of the namespace. */
	if (q.has_host && req->netns && strchr(q.host, '%') && !req->offline)
		return start_helper(&q, job, err);
	code = ask(&q, q.has_host ? AI_NUMERICHOST : 0, out);
	if (code == EAI_NONAME && q.has_host && !q.literal && !(req->flags & AI_NUMERICHOST))
		return req->offline ? judge_service(&q, out, err) : start_helper(&q, job, err);
	return code ? failed(code, errno, err) : RESOLVE_OK;
}

/* Close the pipe and reap the helper. ECHILD: somebody else has, or SIGCHLD is ignored. */
static void end_job(struct resolve_job *job)
{
	close(job->fd);
	while (waitpid(job->pid, NULL, 0) == -1 && errno == EINTR)
		;
	*job = (struct resolve_job){ .fd = -1 };
}

enum resolve_result resolve_finish(struct resolve_job *job, struct addr_list *out, struct err *err)
{
	struct answer answer = { 0 };
	size_t have = 0;

	while (have < sizeof(answer)) {
		ssize_t n = read(job->fd, (char *)&answer + have, sizeof(answer) - have);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		have += (size_t)n;
	}
	end_job(job);
	out->n = 0;
	if (have < sizeof(answer)) /* it was killed */
		return failed(EAI_FAIL, 0, err);
	if (answer.text[0]) {
		err_set(err, 0, "%s", answer.text);
		return RESOLVE_FAIL;
	}
	if (answer.code)
		return failed(answer.code, answer.errnum, err);
	*out = answer.list;
	return RESOLVE_OK;
}

void resolve_cancel(struct resolve_job *job)
{
	if (job->pid <= 0)
		return;
	kill(job->pid, SIGKILL);
	end_job(job);
}

enum resolve_result resolve_now(const struct resolve_req *req, struct addr_list *out,
				struct err *err)
{
	struct resolve_job job;
	enum resolve_result rc = resolve_start(req, &job, out, err);

	return rc == RESOLVE_WAIT ? resolve_finish(&job, out, err) : rc;
}

int resolve_port(const char *text, int protocol, const char *transport, unsigned *port,
		 struct err *err)
{
	const struct servent *service;
	const char *end;
	int64_t n;

	if (isdigit((unsigned char)*text)) {
		if (num_parse(text, &n, &end) == NUM_TRAILING)
			return err_set(err, 0, "parseport(\"%s\", %d): extra trailing data \"%s\"",
				       text, protocol, end);
		if (n < 0 || n > PORT_MAX)
			return err_set(err, 0, "port %s is out of range 0..65535", text);
		*port = (unsigned)n;
		return 0;
	}
	service = getservbyname(text, transport);
	if (!service)
		return err_set(err, 0, "cannot resolve service \"%s/%d\"", text, protocol);
	*port = ntohs((uint16_t)service->s_port);
	return 0;
}

int resolve_host(const char *host, int family, struct netaddr *out, struct err *err)
{
	const struct resolve_req req = { .host = host, .family = family };
	struct addr_list list;
	struct err why;
	int code;

	if (resolve_now(&req, &list, &why) == RESOLVE_OK) {
		*out = list.addr[0];
		return 0;
	}
	code = why.code;
	err_set(err, 0, "xioresolve(node=\"%s\", pf=%d, ...): %s", host, family, why.text);
	err->code = code;
	return -1;
}

bool resolve_may_be_name(const char *text)
{
	return *text && !strpbrk(text, ":/[] ") && text[strspn(text, "0123456789.")];
}

bool resolve_number(const char *host, int family, struct netaddr *out)
{
	const struct resolve_req req = { .host = host, .family = family, .flags = AI_NUMERICHOST };
	struct resolve_job job;
	struct addr_list list;
	struct err err;

	if (resolve_start(&req, &job, &list, &err) != RESOLVE_OK)
		return false;
	*out = list.addr[0];
	return true;
}

const char *resolve_req_text(const struct resolve_req *req, const char *text, char *buf, size_t cap)
{
	snprintf(buf, cap, "getaddrinfo(\"%s\", \"%s\", {0x%02x,%d,%d,%d}, {}): %s",
		 req->host ? req->host : "NULL", req->service ? req->service : "NULL",
		 (unsigned)req->flags, req->family, req->socktype, req->protocol, text);
	return buf;
}
