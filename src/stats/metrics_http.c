/* metrics_http.c - the counters for a scraper, see metrics_http.h
 *
 * A connection reads a head (http_head.c), gets an answer, and is closed when the client has: what
 * it still sends is thrown away, because closing earlier could cost it the answer. */
#include "stats/metrics_http.h"

#include "base/log.h"
#include "base/mem.h"
#include "end/leftovers.h"
#include "end/relay.h"
#include "stats/metrics.h"
#include "sys/port.h"
#include "wire/http_head.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONNS_MAX 16
#define CONN_NS (5 * NSEC_PER_SEC) /* from accept to close */
#define NAP_NS NSEC_PER_SEC /* when there are no descriptors */
#define PIECE 4096 /* bytes taken per turn and connection */
#define IGNORED_MAX (1 << 20) /* bytes thrown away behind an answer */

struct metrics_http {
	struct relay *relay;
	int fd;
	struct watch watch;
	struct timer nap;
	struct list conns; /* oldest first */
	size_t nconns;
	struct leftovers left;
};

struct conn {
	struct metrics_http *http;
	struct list node;
	int fd;
	struct watch watch;
	struct timer timer;
	struct http_head head;
	int status; /* of the answer; 0: the request line is still to come */
	struct str out; /* the answer, once the head is complete */
	size_t sent, ignored; /* bytes */
	struct deferred free;
};

/* ---- where ---- */

static int where_path(struct netaddr *out, const char *text, struct err *err)
{
	size_t len = strlen(text);

	if (len >= sizeof(out->un.sun_path))
		return err_set(err, 0, "option --metrics: the path \"%s\" is longer than %zu bytes",
			       text, sizeof(out->un.sun_path) - 1);
	out->un.sun_family = AF_UNIX;
	memcpy(out->un.sun_path, text, len + 1);
	out->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
	return 0;
}

static bool parse_port(struct netaddr *out, const char *text)
{
	int64_t port;

	if (!*text || text[strspn(text, "0123456789")] ||
	    num_parse_base(text, 10, &port, NULL) != NUM_OK || port > 65535)
		return false;
	netaddr_set_port(out, (unsigned)port);
	return true;
}

/* The host in [@text, @end), without brackets. */
static bool parse_host(struct netaddr *out, int family, const char *text, const char *end)
{
	char host[INET6_ADDRSTRLEN];
	size_t len = (size_t)(end - text);

	if (len >= sizeof(host))
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	netaddr_any(out, family, 0);
	return inet_pton(family, host,
			 family == AF_INET ? (void *)&out->in.sin_addr
					   : (void *)&out->in6.sin6_addr) == 1;
}

int metrics_where(struct netaddr *out, const char *text, struct err *err)
{
	const char *sep = strrchr(text, ':');
	bool good;

	memset(out, 0, sizeof(*out));
	if (strchr(text, '/'))
		return where_path(out, text, err);
	if (!sep) {
		netaddr_any(out, AF_INET, 0);
		out->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		good = parse_port(out, text);
	} else if (*text == '[') {
		good = sep[-1] == ']' && parse_host(out, AF_INET6, text + 1, sep - 1) &&
		       parse_port(out, sep + 1);
	} else {
		good = parse_host(out, AF_INET, text, sep) && parse_port(out, sep + 1);
	}
	if (good)
		return 0;
	return err_set(err, 0,
		       "option --metrics: \"%s\" is no port, no IPv4 address:port, no [IPv6 "
		       "address]:port and no path with a slash",
		       text);
}

/* ---- a connection ---- */

static void free_conn(struct deferred *d)
{
	struct conn *c = container_of(d, struct conn, free);

	str_done(&c->out);
	free(c);
}

static void conn_close(struct conn *c)
{
	struct loop *loop = c->http->relay->engine->loop;

	loop_watch(loop, &c->watch, c->fd, 0);
	loop_timer_stop(loop, &c->timer);
	close(c->fd);
	c->fd = -1;
	list_del(&c->node);
	c->http->nconns--;
}

static void conn_end(struct conn *c)
{
	conn_close(c);
	loop_defer(c->http->relay->engine->loop, &c->free, free_conn);
}

static const struct {
	int status;
	const char *line; /* status, reason, and more of the head */
	const char *body;
} answers[] = {
	{ 200, "200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8", NULL },
	{ 400, "400 Bad Request\r\nContent-Type: text/plain", "this is no HTTP request\n" },
	{ 404, "404 Not Found\r\nContent-Type: text/plain", "there is only /metrics\n" },
	{ 405, "405 Method Not Allowed\r\nAllow: GET\r\nContent-Type: text/plain",
	  "there is only GET\n" },
	{ 431, "431 Request Header Fields Too Large\r\nContent-Type: text/plain",
	  "the head of the request is too long\n" },
};

static void answer(struct conn *c, int status)
{
	struct str body = { 0 };
	struct metrics m;
	size_t i = 0;

	while (answers[i].status != status)
		i++;
	if (answers[i].body) {
		str_adds(&body, answers[i].body);
	} else {
		metrics_gather(&m, c->http->relay);
		metrics_prometheus(&m, &body);
		metrics_done(&m);
	}
	str_addf(&c->out, "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
		 answers[i].line, body.len);
	str_add(&c->out, body.data, body.len);
	str_done(&body);
	loop_watch(c->http->relay->engine->loop, &c->watch, c->fd, EPOLLOUT);
}

/* What the request line asks for. */
static int judge(const char *line)
{
	static const char path[] = "/metrics";
	struct http_request r;

	if (http_request_parse(&r, line) == -1)
		return 400;
	if (r.target_len != sizeof(path) - 1 || memcmp(r.target, path, r.target_len) != 0)
		return 404;
	return r.method_len == 3 && memcmp(r.method, "GET", 3) == 0 ? 200 : 405;
}

static void take_head(struct conn *c, const char *data, size_t len)
{
	struct err err;
	size_t used;

	for (; len; data += used, len -= used) {
		switch (http_head_feed(&c->head, data, len, &used, &err)) {
		case HTTP_LINE:
			if (!c->status)
				c->status = judge(c->head.line);
			break;
		case HTTP_END:
			answer(c, c->status ? c->status : 400);
			return;
		case HTTP_BAD:
			answer(c, 431);
			return;
		case HTTP_MORE:
			break;
		}
	}
}

static void on_input(struct conn *c)
{
	char buf[PIECE];
	ssize_t n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		conn_end(c);
		return;
	}
	if (!c->out.len) {
		take_head(c, buf, (size_t)n);
		return;
	}
	c->ignored += (size_t)n;
	if (c->ignored > IGNORED_MAX)
		conn_end(c);
}

static void on_room(struct conn *c)
{
	ssize_t n = send(c->fd, c->out.data + c->sent, c->out.len - c->sent,
			 MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == -1) {
		conn_end(c);
		return;
	}
	c->sent += (size_t)n;
	if (c->sent < c->out.len)
		return;
	shutdown(c->fd, SHUT_WR);
	loop_watch(c->http->relay->engine->loop, &c->watch, c->fd, EPOLLIN);
}

static void on_conn(struct watch *w, uint32_t events)
{
	struct conn *c = container_of(w, struct conn, watch);

	(void)events; /* errors are told by the call */
	if (c->out.len > c->sent)
		on_room(c);
	else
		on_input(c);
}

static void on_conn_time(struct timer *t)
{
	conn_end(container_of(t, struct conn, timer));
}

/* ---- the listener ---- */

static void conn_new(struct metrics_http *h, int fd)
{
	struct loop *loop = h->relay->engine->loop;
	struct conn *c;

	if (h->nconns >= CONNS_MAX)
		conn_end(container_of(h->conns.next, struct conn, node));
	c = xcalloc(1, sizeof(*c));
	c->http = h;
	c->fd = fd;
	c->head.bare = true;
	watch_init(&c->watch, on_conn);
	timer_init(&c->timer, on_conn_time);
	list_add_tail(&h->conns, &c->node);
	h->nconns++;
	loop_watch(loop, &c->watch, fd, EPOLLIN);
	loop_timer(loop, &c->timer, loop_now(loop) + CONN_NS);
}

static void on_listener(struct watch *w, uint32_t events)
{
	struct metrics_http *h = container_of(w, struct metrics_http, watch);
	struct loop *loop = h->relay->engine->loop;
	int fd = accept4(h->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd != -1) {
		conn_new(h, fd);
		return;
	}
	if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
		return;
	loop_watch(loop, &h->watch, h->fd, 0);
	loop_timer(loop, &h->nap, loop_now(loop) + NAP_NS);
}

static void on_nap_over(struct timer *t)
{
	struct metrics_http *h = container_of(t, struct metrics_http, nap);

	loop_watch(h->relay->engine->loop, &h->watch, h->fd, EPOLLIN);
}

/* Is the entry at this address a socket that nobody listens at? */
static bool is_stale(const struct netaddr *a)
{
	struct stat st;
	bool refused;
	int fd;

	if (a->any.sa_family != AF_UNIX || lstat(a->un.sun_path, &st) == -1 ||
	    !S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return false;
	refused = connect(fd, &a->any, a->len) == -1 && errno == ECONNREFUSED;
	close(fd);
	return refused;
}

static int bind_and_listen(int fd, const struct netaddr *a)
{
	int one = 1;

	if (a->any.sa_family != AF_UNIX) /* connections of the last run do not matter */
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, &a->any, a->len) == -1 &&
	    (errno != EADDRINUSE || !is_stale(a) || unlink(a->un.sun_path) == -1 ||
	     bind(fd, &a->any, a->len) == -1))
		return -1;
	return listen(fd, SOMAXCONN);
}

static void say_where(int fd)
{
	struct netaddr a = { .len = sizeof(a.raw) };
	char text[NETADDR_TEXT_LEN];

	if (getsockname(fd, &a.any, &a.len) == 0)
		log_notice("serving /metrics on %s", netaddr_text(&a, text));
}

struct metrics_http *metrics_http_new(struct relay *relay, const char *where, struct err *err)
{
	struct metrics_http *h;
	struct netaddr a;
	int fd;

	if (metrics_where(&a, where, err) == -1)
		return NULL;
	fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1 || bind_and_listen(fd, &a) == -1) {
		err_set(err, errno, "option --metrics: cannot listen at %s", where);
		port_hint(err, IPPROTO_TCP, &a);
		if (fd != -1)
			close(fd);
		return NULL;
	}
	h = xcalloc(1, sizeof(*h));
	h->relay = relay;
	h->fd = fd;
	list_init(&h->conns);
	watch_init(&h->watch, on_listener);
	timer_init(&h->nap, on_nap_over);
	if (a.any.sa_family == AF_UNIX)
		leftovers_add_entry(&h->left, a.un.sun_path, S_IFSOCK);
	say_where(fd);
	loop_watch(relay->engine->loop, &h->watch, fd, EPOLLIN);
	return h;
}

void metrics_http_free(struct metrics_http *h)
{
	if (!h)
		return;
	/* nobody holds events any more: the loop is over, or it has forgotten them (fork) */
	list_for_each_safe (node, tmp, &h->conns) {
		struct conn *c = container_of(node, struct conn, node);

		conn_close(c);
		free_conn(&c->free);
	}
	loop_watch(h->relay->engine->loop, &h->watch, h->fd, 0);
	loop_timer_stop(h->relay->engine->loop, &h->nap);
	close(h->fd);
	leftovers_remove(&h->left);
	free(h);
}
