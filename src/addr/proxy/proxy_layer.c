/* proxy_layer.c - PROXY as a layer: on any stream to an HTTP proxy
 *
 * A request with the method CONNECT, driven by open/dialogue.c; when the head of a good answer has
 * been read (wire/http_head.c knows how it looks) the layer goes, and the stream is the target's.
 * Where the head ends is known only when it has been read: what came with it is given back. */
#include "addr/proxy/proxy_layers.h"
#include "base/log.h"
#include "base/mem.h"
#include "open/dialogue.h"
#include "wire/http_head.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CLOSED "proxy_connect: connection closed by proxy"
#define SERVER "proxy"

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
	const struct conf *c = dialogue_conf(o);

	if (c->proxy.auth && c->proxy.auth_read)
		return err_set(err, 0,
			       "Only one of options proxy-authorization and "
			       "proxy-authorization-file allowed");
	if (check_text("the name of the target", dialogue_target(o).host, err) == -1)
		return -1;
	return check_text("option http-version", c->proxy.http_version, err);
}

static enum step_result step_begin(struct opening *o, struct err *err)
{
	if (check(o, err) == -1 || dialogue_ports(o, err) == -1)
		return STEP_FAIL;
	dialogue_tell(o, "opening connection", SERVER, NULL);
	return STEP_DONE;
}

/* Option proxy-resolve. A name that is not known here may be known there. */
static enum step_result step_resolve_here(struct opening *o, struct err *err)
{
	enum step_result r;

	if (!dialogue_conf(o)->proxy.resolve)
		return STEP_DONE;
	r = dialogue_look_up(o, err);
	if (r == STEP_FAIL) {
		log_warn("%s; the proxy is given the name", err->text);
		r = STEP_DONE;
	}
	return r;
}

static void put_request(struct opening *o, struct proxy *p)
{
	const struct conf *c = dialogue_conf(o);
	const struct netaddr *behind = opening_behind(o);
	const char *host = dialogue_target(o).host, *auth = auth_of(c);
	struct str *out = &p->d.out;
	char ip[INET_ADDRSTRLEN];

	p->d.what = "answer from proxy";
	/* still the wildcard if it was not looked up */
	if (!netaddr_is_any(behind))
		host = inet_ntop(AF_INET, &behind->in.sin_addr, ip, sizeof(ip));
	str_addf(out, "CONNECT %s:%u HTTP/%s\r\n", host, netaddr_port(behind),
		 c->proxy.http_version);
	log_info("sending \"%.*s\\r\\n\"", (int)(out->len - 2), out->data);
	if (strcmp(c->proxy.http_version, "1.0") != 0) /* RFC 9112, 3.2 */
		str_addf(out, "Host: %s:%u\r\n", host, netaddr_port(behind));
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
		p->head.bare = dialogue_conf(o)->proxy.ignorecr;
		put_request(o, p);
	}
	return dialogue_send(o, &p->d, err);
}

static enum step_result judge_status(struct opening *o, struct proxy *p, struct err *err)
{
	struct layer_target t = dialogue_target(o);
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
		err_set(err, 0, "CONNECT %s:%s: %.200s", t.host, t.port, reason);
	else
		err_set(err, 0, "CONNECT %s:%s: status %d", t.host, t.port, p->status);
	return dialogue_failed(err, ECONNREFUSED);
}

/* What a line means, or a piece of one. STEP_AGAIN: go on. */
static enum step_result judge(struct opening *o, struct proxy *p, enum http_event event,
			      struct err *err)
{
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

/* What has been read may be more than the head: the rest is the session's. STEP_AGAIN: go on. */
static enum step_result take(struct opening *o, struct proxy *p, const char *data, size_t len,
			     struct err *err)
{
	enum step_result r = STEP_AGAIN;

	while (r == STEP_AGAIN && len) {
		size_t used;
		enum http_event event = http_head_feed(&p->head, data, len, &used, err);

		data += used;
		len -= used;
		r = judge(o, p, event, err);
	}
	if (r == STEP_DONE)
		endpoint_unread(o->end, data, len);
	return r;
}

/* The loop ends: the head is bounded. */
static enum step_result step_answer(struct opening *o, struct err *err)
{
	struct proxy *p = o->impl;
	char data[HTTP_LINE_MAX];
	enum step_result r;
	size_t len;

	do {
		r = dialogue_recv(o, &p->d, data, sizeof(data), CLOSED, &len, err);
		if (r != STEP_DONE)
			return r;
		r = take(o, p, data, len, err);
	} while (r == STEP_AGAIN);
	if (r == STEP_DONE)
		dialogue_end(o, SERVER);
	return r;
}

static void tells(const struct half *half, size_t i, struct str *out)
{
	struct layer_target t = layer_target(half, i);

	str_addf(out, "the target %s:%s%s", t.host, t.port,
		 auth_of(half->layer[i].conf) ? ", user and password" : "");
}

/* clang-format off */
static const struct step before[] = {
	{ STEP_PURE(step_begin) }, { STEP_PURE(step_resolve_here) },
	STEP_END,
};
static const struct step steps[] = { { .run = step_request }, { .run = step_answer }, STEP_END };
/* clang-format on */

const struct layer_type proxy_layer = {
	.names = "PROXY PROXY-CONNECT",
	.help = "has an HTTP proxy connect to a target (method CONNECT)",
	.example = "socast - 'TLS+PROXY(to=example.org:443)+TCP:proxy.example.org:3128'",
	.does = "has the HTTP proxy {peer} connect to {target} (method CONNECT)",
	.tells = tells,
	.groups = G_HTTP,
	.leaves = true,
	.has_target = true,
	.check = layer_target_check,
	.before = before,
	.steps = steps,
};
