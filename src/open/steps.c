/* steps.c - steps that several address types share, see steps.h */
#include "open/steps.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/names.h"
#include "end/relay.h"
#include "sys/port.h"
#include "sys/route.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define FULL_QUEUE_NS (10 * NSEC_PER_MSEC) /* a full queue is tried again this often */

static int ip_family(int version)
{
	return version == 4 ? AF_INET : version == 6 ? AF_INET6 : AF_UNSPEC;
}

int opening_family(const struct opening *o, bool passive)
{
	const struct conf *c = o->addr->conf;

	if (c->sock.family >= 0)
		return c->sock.family;
	if (o->addr->half->type->net.family != AF_UNSPEC)
		return o->addr->half->type->net.family;
	return passive ? ip_family(o->addr->relay->plan->set.listen_ip) : AF_UNSPEC;
}

static int ai_flags(const struct opening *o, int flags, int family)
{
	const struct conf *c = o->addr->conf;

	if (family == AF_UNSPEC)
		flags |= AI_ADDRCONFIG;
	return (flags | c->sock.ai_set) & ~c->sock.ai_clear;
}

static void set_req(struct opening *o, const char *host, const char *service, int family, int flags)
{
	o->req = (struct resolve_req){
		.host = host && *host ? host : NULL,
		.service = service,
		.family = family,
		.socktype = o->socktype,
		.protocol = o->protocol,
		.flags = ai_flags(o, flags, family),
		.netns = o->addr->conf->ident.netns,
		.conf = &o->addr->conf->res,
		.offline = o->addr->relay->plan->set.offline,
	};
}

/* "8000-8010" */
static bool is_port_range(const char *text)
{
	return isdigit((unsigned char)*text) && strchr(text, '-') &&
	       !text[strspn(text, "0123456789-")];
}

/* What stands where a port should be. */
static void hint_service(const char *service, const char *host, struct err *err)
{
	bool swapped = *host && !host[strspn(host, "0123456789")];

	err_hint(err, "\"%s\" is neither the number of a port nor a name of services(5)%s", service,
		 is_port_range(service) ? "; a line serves one port"
		 : swapped              ? "; the host stands first, then the port"
					: "");
}

/* The two records of a name that could not be resolved. */
static enum step_result resolve_failed(struct opening *o, enum resolve_result r, struct err *err)
{
	char text[ERR_TEXT_LEN], why[ERR_TEXT_LEN];
	const char *host = o->req.host ? o->req.host : "";
	int code = err->code;

	if (!code) /* the whole sentence is there */
		return STEP_FAIL;
	snprintf(why, sizeof(why), "%s", err->text);
	resolve_req_text(&o->req, why, text, sizeof(text));
	if (code == EAI_SERVICE) {
		err_set(err, 0, "%s", text);
		hint_service(o->req.service ? o->req.service : "", host, err);
		return STEP_FAIL;
	}
	log_warn("%s", text);
	if (o->addr->half->type->flags & TYPE_CONNECTS)
		err_set(err, 0,
			"_xioopen_ipapp_prepare(node=\"%s\", service=\"%s\", pf=%d, ...): %s", host,
			o->req.service ? o->req.service : "NULL", o->req.family, why);
	else
		err_set(err, 0, "xioresolve(node=\"%s\", pf=%d, ...): %s", host, o->req.family,
			why);
	if (strncmp(host, "//", 2) == 0)
		err_hint(err, "an address is no URL: %s:%s", o->addr->half->keyword, host + 2);
	if (r == RESOLVE_AGAIN) {
		err->status = 255; /* as classic: a temporary failure is only a warning there */
		err->code = EAGAIN; /* worth a retry */
	}
	return STEP_FAIL;
}

static int preference(const struct opening *o)
{
	return ip_family(o->addr->relay->plan->set.resolve_ip);
}

/* Preferred version first, otherwise the resolver's order. */
static void sort_list(struct addr_list *list, int family)
{
	struct addr_list out = { 0 };

	if (family == AF_UNSPEC)
		return;
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < list->n; i++) {
			if ((list->addr[i].any.sa_family == family) == (pass == 0))
				out.addr[out.n++] = list->addr[i];
		}
	}
	*list = out;
}

static enum step_result start_resolve(struct opening *o, struct err *err)
{
	switch (resolve_start(&o->req, &o->job, &o->remote, err)) {
	case RESOLVE_OK:
		return STEP_DONE;
	case RESOLVE_WAIT:
		opening_wait(o, o->job.fd, EPOLLIN, 0);
		return STEP_WAIT;
	case RESOLVE_AGAIN:
		return resolve_failed(o, RESOLVE_AGAIN, err);
	default:
		return resolve_failed(o, RESOLVE_FAIL, err);
	}
}

enum step_result step_resolve_target(struct opening *o, struct err *err)
{
	const char *host = opening_param(o, 0);
	const char *service = o->service ? o->service : opening_param(o, 1);
	const char *noun = o->addr->half->type->server.noun;
	int family = opening_family(o, o->addr->half->type->flags & TYPE_PASSIVE);

	o->remote.n = 0;
	set_req(o, host, o->socktype == SOCK_RAW ? NULL : service, family, 0);
	o->req.host = host; /* an empty target host is an error, not the wildcard */
	if (o->addr->half->type->flags & TYPE_CONNECTS)
		log_notice("opening connection to %s%s%s:%s", noun ? noun : "", noun ? " " : "",
			   host, service);
	return start_resolve(o, err);
}

/* Option bind of receivers: a host only. IPv6 literals may come without brackets. */
static int bind_host(const char *bind, char **host, struct err *err)
{
	const char *end = *bind == '[' ? strchr(bind, ']') : NULL;
	const char *colon = strchr(end ? end : bind, ':');

	if (!colon || end)
		*host = xstrdup(bind);
	else if (strchr(colon + 1, ':'))
		*host = xasprintf("[%s]", bind);
	if (colon && !*host)
		return err_set(err, 0, "port specification not allowed in this bind option");
	if (end && colon) {
		free(*host);
		*host = NULL;
		return err_set(err, 0, "port specification not allowed in this bind option");
	}
	return 0;
}

enum step_result step_resolve_local(struct opening *o, struct err *err)
{
	const char *bind = o->addr->conf->sock.bind;
	const char *service = o->service ? o->service : opening_param(o, 0);
	int family = opening_family(o, true);

	if (o->socktype == SOCK_RAW)
		service = NULL;
	free(o->host);
	o->host = NULL;
	if (bind && *bind && bind_host(bind, &o->host, err) == -1)
		return STEP_FAIL;
	o->remote.n = 0;
	set_req(o, o->host, service, family, AI_PASSIVE);
	if (!o->host && !service) { /* raw sockets hear every local address unless bound */
		o->remote.n = 1;
		netaddr_any(&o->remote.addr[0], family == AF_INET6 ? AF_INET6 : AF_INET, 0);
		return STEP_DONE;
	}
	return start_resolve(o, err);
}

enum step_result opening_look_up(struct opening *o, const char *host, int family,
				 struct netaddr *out, struct err *err)
{
	bool asked = o->waiting == STEP_AGAIN && o->job.fd >= 0;
	char why[ERR_TEXT_LEN], text[ERR_TEXT_LEN];
	enum resolve_result r;
	struct addr_list list;

	if (!asked) {
		set_req(o, host, NULL, family, 0);
		o->req.host = host; /* an empty host is an error, not the wildcard */
	}
	r = asked ? resolve_finish(&o->job, &list, err)
		  : resolve_start(&o->req, &o->job, &list, err);
	if (r == RESOLVE_WAIT) {
		opening_wait(o, o->job.fd, EPOLLIN, 0);
		return STEP_AGAIN;
	}
	if (r == RESOLVE_OK) {
		*out = list.addr[0];
		return STEP_DONE;
	}
	if (!err->code) /* the whole sentence is there */
		return STEP_FAIL;
	snprintf(why, sizeof(why), "%s", err->text);
	log_warn("%s", resolve_req_text(&o->req, why, text, sizeof(text)));
	err_set(err, 0, "xioresolve(node=\"%s\", pf=%d, ...): %s", host, family, why);
	if (r == RESOLVE_AGAIN) {
		err->status = 255; /* as in resolve_failed() */
		err->code = EAGAIN;
	}
	return STEP_FAIL;
}

static enum step_result collect(struct opening *o, struct err *err)
{
	enum resolve_result r = RESOLVE_OK;

	if (o->job.fd >= 0)
		r = resolve_finish(&o->job, &o->remote, err);
	if (r != RESOLVE_OK)
		return resolve_failed(o, r, err);
	sort_list(&o->remote, preference(o));
	return STEP_DONE;
}

enum step_result step_resolved(struct opening *o, struct err *err)
{
	if (collect(o, err) == STEP_FAIL)
		return STEP_FAIL;
	if (!(o->step->flags & STEP_NEXT_ADDRESS) && o->remote.n > 1) {
		log_info("xioresolve(node=\"%s\", service=NULL, ...): More than one address found",
			 opening_param(o, 0));
		o->remote.n = 1;
	}
	return STEP_DONE;
}

enum step_result step_resolved_local(struct opening *o, struct err *err)
{
	if (collect(o, err) == STEP_FAIL)
		return STEP_FAIL;
	/* without a preference the wildcard of IPv6 is taken, which hears IPv4 as well */
	if (o->req.family == AF_UNSPEC)
		sort_list(&o->remote, AF_INET6);
	o->local = o->remote.addr[0];
	o->remote.n = 0;
	return STEP_DONE;
}

/* Where "host:port", "[v6]:port", ":port", "host" is cut; the colon or the end. */
static const char *port_colon(const char *bind)
{
	const char *end = *bind == '[' ? strchr(bind, ']') : NULL;

	return strchrnul(end ? end : bind, ':');
}

/* The family the socket will have: the target's, or the fixed one. */
static int socket_family(const struct opening *o)
{
	if (o->remote.n)
		return o->remote.addr[o->remote_i].any.sa_family;
	if (o->local.len)
		return o->local.any.sa_family;
	/* offline a target may have no address yet */
	return opening_family(o, !o->addr->relay->plan->set.offline ||
					 o->addr->half->type->flags & TYPE_PASSIVE);
}

/* Option bind in words for getaddrinfo(3): o->host and the service. */
static int ask_for_bind(struct opening *o, int family, struct err *err)
{
	const char *bind = o->addr->conf->sock.bind, *colon = port_colon(bind);

	if (!*bind)
		return err_set(err, 0,
			       "option \"bind\": a host, \":port\" or \"host:port\" is "
			       "required");
	free(o->host);
	o->host = xstrndup(bind, (size_t)(colon - bind));
	set_req(o, o->host, *colon ? colon + 1 : NULL, family, AI_PASSIVE);
	return 0;
}

static enum step_result bind_unresolved(const struct opening *o, int family, struct err *err)
{
	const char *bind = o->addr->conf->sock.bind;
	char name[64];

	if (err->code == EAI_ADDRFAMILY && o->addr->half->type->flags & TYPE_CONNECTS) {
		log_warn("%s: No bind address with matching address family (%d) of %s available",
			 names_get(o->addr->half->type->names, 0, name, sizeof(name)), family,
			 opening_param(o, 0));
		err_set(err, ENOPROTOOPT, "bind option \"%s\"", bind);
	} else if (err->code) {
		err_set(err, 0, "error resolving bind option \"%s\" with af=%d", bind, family);
	}
	return STEP_FAIL;
}

/* Datagram types compare the sender's port instead (dgram/dgram.c). */
static bool binds_sourceport(const struct opening *o)
{
	return o->addr->conf->sock.sourceport >= 0 && !(o->addr->half->type->groups & G_RANGE);
}

enum step_result step_resolve_bind(struct opening *o, struct err *err)
{
	bool asked = o->waiting == STEP_AGAIN && o->job.fd >= 0;
	enum resolve_result r = RESOLVE_OK;
	int family = socket_family(o);
	struct addr_list list;

	o->local = (struct netaddr){ 0 };
	if (!o->addr->conf->sock.bind) {
		if (binds_sourceport(o))
			netaddr_any(&o->local, family, (unsigned)o->addr->conf->sock.sourceport);
		return STEP_DONE;
	}
	if (!asked && ask_for_bind(o, family, err) == -1)
		return STEP_FAIL;
	if (asked)
		r = resolve_finish(&o->job, &list, err);
	else if (!*o->host && !o->req.service)
		netaddr_any(&list.addr[0], family, 0);
	else
		r = resolve_start(&o->req, &o->job, &list, err);
	if (r == RESOLVE_WAIT) {
		opening_wait(o, o->job.fd, EPOLLIN, 0);
		return STEP_AGAIN;
	}
	if (r != RESOLVE_OK)
		return bind_unresolved(o, family, err);
	o->local = list.addr[0];
	if (binds_sourceport(o))
		netaddr_set_port(&o->local, (unsigned)o->addr->conf->sock.sourceport);
	return STEP_DONE;
}

/* Transports that are kernel modules, and rarely there. */
static const struct {
	int protocol;
	const char *name;
} rare[] = { { IPPROTO_SCTP, "SCTP" }, { IPPROTO_DCCP, "DCCP" } };

static void explain_missing(struct err *err, int protocol)
{
	if (err->code != EPROTONOSUPPORT && err->code != ESOCKTNOSUPPORT)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(rare); i++) {
		if (rare[i].protocol == protocol)
			err_hint(err,
				 "this kernel has no %s: its module is not loaded or was not "
				 "built",
				 rare[i].name);
	}
}

enum step_result step_socket(struct opening *o, struct err *err)
{
	int family = socket_family(o);

	if (o->addr->half->type->flags & TYPE_CONNECTS) {
		char text[NETADDR_TEXT_LEN];

		log_notice("opening connection to %s",
			   netaddr_text(&o->remote.addr[o->remote_i], text));
	}
	o->target.fd = socket(family, o->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, o->protocol);
	if (o->target.fd == -1) {
		err_set(err, errno, "socket(%d, %d, %d)", family, o->socktype, o->protocol);
		explain_missing(err, o->protocol);
		return STEP_FAIL;
	}
	engine_fd_used(o->addr->engine, o->target.fd);
	o->target.family = family;
	log_info("socket(%d, %d, %d) -> %d", family, o->socktype, o->protocol, o->target.fd);
	return STEP_DONE;
}

static int bind_to(struct opening *o, const struct netaddr *a, struct err *err)
{
	char text[NETADDR_TEXT_LEN];

	log_debug("bind(%d, {%s}, %u)", o->target.fd, netaddr_text(a, text), (unsigned)a->len);
	if (bind(o->target.fd, &a->any, a->len) == 0)
		return 0;
	return err_set(err, errno, "bind(%d, {%s}, %u)", o->target.fd, netaddr_text(a, text),
		       (unsigned)a->len);
}

/* Option lowport of clients: from a random port of 640..1023 downwards, once around. */
static int bind_low(struct opening *o, struct err *err)
{
	const unsigned low = 640, n = 1024 - 640;
	struct netaddr a = o->local;
	unsigned first = (unsigned)random() % n;

	if (!a.len)
		netaddr_any(&a, socket_family(o), 0);
	for (unsigned i = 0; i < n; i++) {
		netaddr_set_port(&a, low + (first + n - i) % n);
		if (bind_to(o, &a, err) == 0) {
			o->local = a;
			return 0;
		}
		if (err->code != EADDRINUSE)
			return -1;
	}
	log_warn("no low port available");
	return -1;
}

/* Not for each session of an address that forks. */
static bool happens_once(const struct opening *o)
{
	const struct address *left = relay_address(o->addr->relay, 1);

	return !o->from && (o->addr->number == 1 || !left->conf->listen.fork);
}

enum step_result step_bind(struct opening *o, struct err *err)
{
	if (!o->local.len || bind_to(o, &o->local, err) == 0)
		return STEP_DONE;
	/* it takes a look at all processes: not for each attempt */
	if (happens_once(o) && !o->retries_left)
		port_hint(err, o->protocol, &o->local);
	return STEP_FAIL;
}

enum step_result step_bind_client(struct opening *o, struct err *err)
{
	const struct conf *c = o->addr->conf;
	bool low = c->sock.lowport &&
		   (c->sock.sourceport < 0 || o->addr->half->type->groups & G_RANGE) &&
		   !netaddr_port(&o->local);

	if (low)
		return bind_low(o, err) == -1 ? STEP_FAIL : STEP_DONE;
	return step_bind(o, err);
}

/* A connection to this very host is often there when connect(2) returns, though it says
 * EINPROGRESS: looking at once saves a turn of the loop. */
static bool connected_at_once(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	return poll(&p, 1, 0) > 0 && p.revents == POLLOUT;
}

/* The queue of a UNIX listener is full. No event tells when there is room: try again, as long as
 * connect-timeout allows; a blocking connect(2) would wait for ever. */
static enum step_result wait_for_queue(struct opening *o, struct err *err)
{
	int64_t now = loop_now(o->addr->engine->loop), due = now + FULL_QUEUE_NS;
	char text[NETADDR_TEXT_LEN];

	if (o->connect_due_ns && now >= o->connect_due_ns) {
		err_set(err, ETIMEDOUT, "connecting to %s",
			netaddr_text(&o->remote.addr[o->remote_i], text));
		return STEP_FAIL;
	}
	if (o->connect_due_ns && due > o->connect_due_ns)
		due = o->connect_due_ns;
	opening_wait(o, -1, 0, due);
	return STEP_AGAIN;
}

enum step_result step_connect(struct opening *o, struct err *err)
{
	const struct netaddr *to = &o->remote.addr[o->remote_i];
	int64_t limit = o->addr->conf->sock.connect_timeout_ns;
	char text[NETADDR_TEXT_LEN];

	if (o->waiting != STEP_AGAIN)
		o->connect_due_ns = limit > 0 ? loop_now(o->addr->engine->loop) + limit : 0;
	if (connect(o->target.fd, &to->any, to->len) == 0)
		return STEP_DONE;
	if (errno == EAGAIN && to->any.sa_family == AF_UNIX)
		return wait_for_queue(o, err);
	if (errno != EINPROGRESS) {
		err_set(err, errno, "connect(%d, %s, %u)", o->target.fd, netaddr_text(to, text),
			(unsigned)to->len);
		route_hint(err, to);
		return STEP_FAIL;
	}
	if (connected_at_once(o->target.fd))
		return STEP_DONE;
	opening_wait(o, o->target.fd, EPOLLOUT, o->connect_due_ns);
	return STEP_WAIT;
}

/* What became of a connection that had to be waited for. */
static int connection_outcome(const struct opening *o, struct err *err)
{
	const struct netaddr *to = &o->remote.addr[o->remote_i];
	struct netaddr peer = { .len = sizeof(peer.raw) };
	char text[NETADDR_TEXT_LEN];
	socklen_t len = sizeof(int);
	int code = 0;

	getsockopt(o->target.fd, SOL_SOCKET, SO_ERROR, &code, &len);
	if (code)
		return err_set(err, code, "connect(%d, %s, %u)", o->target.fd,
			       netaddr_text(to, text), (unsigned)to->len);
	if (getpeername(o->target.fd, &peer.any, &peer.len) == -1)
		return err_set(err, ETIMEDOUT, "connecting to %s", netaddr_text(to, text));
	return 0;
}

enum step_result step_connected(struct opening *o, struct err *err)
{
	struct netaddr local = { .len = sizeof(local.raw) };
	char text[NETADDR_TEXT_LEN];

	if (o->waiting == STEP_WAIT && connection_outcome(o, err) == -1)
		return STEP_FAIL;
	if (log_threshold <= LV_NOTICE) {
		getsockname(o->target.fd, &local.any, &local.len);
		log_notice("successfully connected from local address %s",
			   netaddr_text(&local, text));
	}
	return STEP_DONE;
}

/* clang-format off */
const struct step connect_steps[] = {
	CONNECT_STEPS,
	STEP_END,
};
/* clang-format on */

enum step_result step_reuseaddr(struct opening *o, struct err *err)
{
	int one = 1;

	if (o->addr->conf->sock.reuseaddr_given)
		return STEP_DONE;
	if (setsockopt(o->target.fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == -1) {
		err_set(err, errno, "setsockopt(%d, %d, %d, {1}, 4)", o->target.fd, SOL_SOCKET,
			SO_REUSEADDR);
		return STEP_FAIL;
	}
	return STEP_DONE;
}

enum step_result step_max_children(struct opening *o, struct err *err)
{
	const struct conf *c = o->addr->conf;

	if (c->listen.max_children > 0 && !c->listen.fork) {
		err_set(err, 0, "option max-children not allowed without option fork");
		return STEP_FAIL;
	}
	return STEP_DONE;
}
