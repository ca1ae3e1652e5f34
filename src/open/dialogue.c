/* dialogue.c - what is said to a proxy before the bytes of the session may flow, see dialogue.h */
#include "open/dialogue.h"

#include "base/log.h"
#include "base/mem.h"
#include "open/steps.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

struct layer_target dialogue_target(const struct opening *o)
{
	return layer_target(o->addr->half, o->layer);
}

const struct conf *dialogue_conf(const struct opening *o)
{
	return opening_layer(o)->conf;
}

/* The address type has brought the layer along, and says where the server is. */
static bool is_of_type(const struct opening *o)
{
	return !opening_layer(o)->own;
}

static int server_port(struct opening *o, struct err *err)
{
	const struct half *half = o->addr->half;
	unsigned port;

	if (resolve_port(half->type->server.port(half), IPPROTO_TCP, "tcp", &port, err) == -1)
		return -1;
	free(o->service);
	o->service = xasprintf("%u", port);
	return 0;
}

int dialogue_ports(struct opening *o, struct err *err)
{
	unsigned port;

	if (is_of_type(o) && server_port(o, err) == -1)
		return -1;
	if (resolve_port(dialogue_target(o).port, IPPROTO_TCP, "tcp", &port, err) == -1)
		return -1;
	netaddr_any(opening_behind(o), AF_INET, port);
	return 0;
}

enum step_result dialogue_look_up(struct opening *o, struct err *err)
{
	struct netaddr *behind = opening_behind(o);
	unsigned port = netaddr_port(behind);
	enum step_result r = opening_look_up(o, dialogue_target(o).host, AF_INET, behind, err);

	if (r == STEP_DONE)
		netaddr_set_port(behind, port);
	return r;
}

void dialogue_tell(const struct opening *o, const char *what, const char *noun, const char *user)
{
	struct layer_target t = dialogue_target(o);
	bool named = is_of_type(o);

	log_notice("%s to %s:%s via %s%s%s%s%s%s%s%s", what, t.host, t.port, noun, named ? " " : "",
		   named ? opening_param(o, 0) : "", named ? ":" : "", named ? o->service : "",
		   user ? " as user \"" : "", user ? user : "", user ? "\"" : "");
}

void dialogue_begin(struct opening *o, struct dialogue *d, void (*free_fn)(void *impl))
{
	int64_t limit = dialogue_conf(o)->proxy.timeout_ns;

	o->impl = d;
	o->impl_free = free_fn;
	if (o->remote.n > o->remote_i + 1)
		o->remote.n = o->remote_i + 1; /* the server has been reached */
	d->due_ns = limit > 0 ? loop_now(o->addr->engine->loop) + limit : 0;
}

void dialogue_done(struct dialogue *d)
{
	str_done(&d->out);
}

void dialogue_end(struct opening *o, const char *noun)
{
	dialogue_tell(o, "successfully connected", noun, NULL);
	o->impl_free(o->impl);
	o->impl = NULL;
}

enum step_result dialogue_failed(struct err *err, int code)
{
	err->code = code;
	err->status = 1; /* it has its own sentence, see attempt_failed() in open/opening.c */
	return STEP_FAIL;
}

/* Wait for @events, unless the time is over. */
static enum step_result wait_for(struct opening *o, const struct dialogue *d, uint32_t events,
				 struct err *err)
{
	if (d->due_ns && loop_clock(o->addr->engine->loop) >= d->due_ns) {
		err_set(err, 0, "no complete %s within %g seconds (option proxy-timeout)", d->what,
			(double)dialogue_conf(o)->proxy.timeout_ns / NSEC_PER_SEC);
		return dialogue_failed(err, ETIMEDOUT);
	}
	opening_wait_end(o, o->end, events, d->due_ns);
	return STEP_AGAIN;
}

enum step_result dialogue_send(struct opening *o, struct dialogue *d, struct err *err)
{
	while (d->sent < d->out.len) {
		struct iovec iov = { d->out.data + d->sent, d->out.len - d->sent };
		ssize_t n = endpoint_write(o->end, &iov, 1, err);

		if (n == -1 && errno == EAGAIN)
			return wait_for(o, d, EPOLLOUT, err);
		if (n == -1)
			return dialogue_failed(err, err->code);
		d->sent += (size_t)n;
	}
	str_done(&d->out);
	d->sent = 0;
	return STEP_DONE;
}

enum step_result dialogue_recv(struct opening *o, struct dialogue *d, void *buf, size_t len,
			       const char *eof, size_t *n, struct err *err)
{
	ssize_t got = endpoint_read(o->end, buf, len, err);

	if (got > 0) {
		*n = (size_t)got;
		return STEP_DONE;
	}
	if (got == -1 && errno == EAGAIN)
		return wait_for(o, d, EPOLLIN, err);
	if (got == -1)
		return dialogue_failed(err, err->code);
	err_set(err, 0, "%s", eof);
	return dialogue_failed(err, ECONNRESET);
}
