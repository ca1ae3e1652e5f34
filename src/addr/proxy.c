/* proxy.c - connections by way of an HTTP proxy: PROXY
 *
 * A connection to the proxy (open/steps.c), then a request with the method CONNECT; when the head
 * of a good answer has been read (http_head.c knows how it looks) the stream is the target's. The
 * head is looked at before it is taken out of the socket, because data may stand right behind it.
 */
#include "addr/addr.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "flow/forecast.h"
#include "open/dial.h"
#include "open/dialogue.h"
#include "open/listen.h"
#include "wire/http_head.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define CLOSED "proxy_connect: connection closed by proxy"
#define PROXY_PORT "8080"

struct proxy {
	struct dialogue d;
	struct http_head head;
	int status; /* of the status line, 0 while it has not come */
};

static void proxy_free(void *impl)
{
	struct proxy *p = impl;

	dialogue_done(&p->d);
	free(p);
}

/* What stands in the request must not end its line. */
static int check_text(const char *what, const char *text, struct err *err)
{
	for (const char *c = text; *c; c++) {
		if ((unsigned char)*c <= ' ' || *c == 127)
			return err_set(err, 0, "%s contains a blank or a control character", what);
	}
	return *text ? 0 : err_set(err, 0, "%s is empty", what);
}

static const char *auth_of(const struct conf *c)
{
	return c->proxy.auth ? c->proxy.auth : c->proxy.auth_read;
}

static int check(const struct opening *o, struct err *err)
{
	const struct conf *c = o->addr->conf;

	if (c->proxy.auth && c->proxy.auth_read)
		return err_set(err, 0,
			       "Only one of options proxy-authorization and "
			       "proxy-authorization-file allowed");
	if (check_text("the name of the target", opening_param(o, 1), err) == -1)
		return -1;
	return check_text("option http-version", c->proxy.http_version, err);
}

static enum step_result step_begin(struct opening *o, struct err *err)
{
	const char *port = o->addr->conf->proxy.port ? o->addr->conf->proxy.port : PROXY_PORT;

	if (check(o, err) == -1 || dialogue_server_port(o, port, err) == -1 ||
	    dialogue_target_port(o, opening_param(o, 2), err) == -1)
		return STEP_FAIL;
	log_notice("opening connection to %s:%s via proxy %s:%s", opening_param(o, 1),
		   opening_param(o, 2), opening_param(o, 0), o->service);
	return STEP_DONE;
}

/* Option proxy-resolve. A name that is not known here may be known there. */
static enum step_result step_resolve_here(struct opening *o, struct err *err)
{
	enum step_result r;

	if (!o->addr->conf->proxy.resolve)
		return STEP_DONE;
	r = opening_resolve(o, opening_param(o, 1), AF_INET, err);
	if (r == STEP_FAIL) {
		log_warn("%s; the proxy is given the name", err->text);
		r = STEP_DONE;
	}
	return r;
}

static void put_request(struct opening *o, struct proxy *p)
{
	const struct conf *c = o->addr->conf;
	const char *host = opening_param(o, 1), *auth = auth_of(c);
	struct str *out = &p->d.out;
	char ip[INET_ADDRSTRLEN];

	p->d.what = "answer from proxy";
	/* still the wildcard if it was not looked up */
	if (!netaddr_is_any(&o->behind))
		host = inet_ntop(AF_INET, &o->behind.in.sin_addr, ip, sizeof(ip));
	str_addf(out, "CONNECT %s:%u HTTP/%s\r\n", host, netaddr_port(&o->behind),
		 c->proxy.http_version);
	log_info("sending \"%.*s\\r\\n\"", (int)(out->len - 2), out->data);
	if (strcmp(c->proxy.http_version, "1.0") != 0) /* RFC 9112, 3.2 */
		str_addf(out, "Host: %s:%u\r\n", host, netaddr_port(&o->behind));
	if (auth) {
		str_adds(out, "Proxy-authorization: Basic ");
		http_base64(out, auth, strlen(auth));
		str_adds(out, "\r\n");
		log_info("sending \"Proxy-authorization: Basic ***\\r\\n\"");
	}
	str_adds(out, "\r\n");
	log_info("sending \"\\r\\n\"");
}

static enum step_result step_request(struct opening *o, struct err *err)
{
	struct proxy *p = o->impl;

	if (!p) {
		p = xcalloc(1, sizeof(*p));
		dialogue_begin(o, &p->d, proxy_free);
		p->head.bare = o->addr->conf->proxy.ignorecr;
		put_request(o, p);
	}
	return dialogue_send(o, &p->d, err);
}

static enum step_result judge_status(struct opening *o, struct proxy *p, struct err *err)
{
	const char *reason;

	log_info("proxy_connect: received answer \"%s\\r\\n\"", p->head.line);
	p->status = http_status(p->head.line, &reason);
	if (p->status == -1) {
		err_set(err, 0, "proxy: invalid answer \"%.200s\"", p->head.line);
		return dialogue_failed(err, EPROTO);
	}
	if (p->status >= 200 && p->status <= 299)
		return STEP_AGAIN;
	if (*reason)
		err_set(err, 0, "CONNECT %s:%s: %.200s", opening_param(o, 1), opening_param(o, 2),
			reason);
	else
		err_set(err, 0, "CONNECT %s:%s: status %d", opening_param(o, 1),
			opening_param(o, 2), p->status);
	return dialogue_failed(err, ECONNREFUSED);
}

/* One line of the head, out of @len bytes that were only looked at. STEP_AGAIN: go on. */
static enum step_result take_line(struct opening *o, struct proxy *p, char *data, size_t len,
				  struct err *err)
{
	size_t used;
	enum http_event event = http_head_feed(&p->head, data, len, &used, err);

	/* they are there: this neither waits nor gives less */
	if (recv(o->target.fd, data, used, MSG_DONTWAIT) != (ssize_t)used) {
		err_set(err, 0, CLOSED);
		return dialogue_failed(err, ECONNRESET);
	}
	switch (event) {
	case HTTP_LINE:
		if (!p->status)
			return judge_status(o, p, err);
		log_info("proxy_connect: received header \"%s\\r\\n\"", p->head.line);
		return STEP_AGAIN;
	case HTTP_END:
		if (p->status)
			return STEP_DONE;
		err_set(err, 0, "proxy: invalid answer \"\"");
		return dialogue_failed(err, EPROTO);
	case HTTP_MORE:
		return STEP_AGAIN;
	default:
		return dialogue_failed(err, EPROTO);
	}
}

/* The loop ends: the head is bounded. */
static enum step_result step_answer(struct opening *o, struct err *err)
{
	struct proxy *p = o->impl;
	char data[HTTP_LINE_MAX];
	enum step_result r;
	size_t len;

	for (;;) {
		r = dialogue_recv(o, &p->d, data, sizeof(data), MSG_PEEK, CLOSED, &len, err);
		if (r != STEP_DONE)
			return r;
		r = take_line(o, p, data, len, err);
		if (r != STEP_AGAIN)
			return r;
	}
}

static struct endpoint *make_connected(struct opening *o, struct err *err)
{
	log_notice("successfully connected to %s:%s via proxy %s:%s", opening_param(o, 1),
		   opening_param(o, 2), opening_param(o, 0), o->service);
	proxy_free(o->impl);
	o->impl = NULL;
	return make_stream(o, err);
}

/* clang-format off */
static const struct step steps[] = {
	{ STEP_PURE(step_begin) }, { STEP_PURE(step_resolve_here) }, CONNECT_STEPS,
	{ .run = step_request }, { .run = step_answer },
	STEP_END,
};

static const struct addr_type types[] = {
	{ .names = "PROXY PROXY-CONNECT", .syntax = ":<proxy-server>:<host>:<port>",
	  .help = "connection by way of an HTTP proxy (method CONNECT)",
	  .groups = G_FD | G_SOCKET | G_CHILD | G_RETRY | G_IP4 | G_IP6 | G_TCP | G_HTTP,
	  .reads = true, .writes = true, .min_params = 3, .max_params = 3,
	  .net = { AF_UNSPEC, SOCK_STREAM, IPPROTO_TCP },
	  .flags = TYPE_CONNECTS | TYPE_TRANSPARENT,
	  .server = { "proxy", ":...,proxyport=", "" },
	  .steps = steps, .forecast = forecast_stream, .make = make_connected, .source = dial_source },
};
/* clang-format on */

const struct addr_family proxy_family = { types, ARRAY_SIZE(types) };
