/* dialogue.c - what is said to a proxy before the bytes of the session may flow, see dialogue.h */
#include "open/dialogue.h"

#include "base/mem.h"
#include "sys/chaos.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

void dialogue_begin(struct opening *o, struct dialogue *d, void (*free_fn)(void *impl))
{
	int64_t limit = o->addr->conf->proxy.timeout_ns;

	o->impl = d;
	o->impl_free = free_fn;
	o->remote.n = o->remote_i + 1; /* the server has been reached */
	d->due_ns = limit > 0 ? loop_now(o->addr->engine->loop) + limit : 0;
}

void dialogue_done(struct dialogue *d)
{
	str_done(&d->out);
}

enum step_result dialogue_failed(struct err *err, int code)
{
	err->code = code;
	err->status = 1; /* it has its own sentence, see failed() in open/opening.c */
	return STEP_FAIL;
}

int dialogue_server_port(struct opening *o, const char *text, struct err *err)
{
	unsigned port;

	if (resolve_port(text, IPPROTO_TCP, "tcp", &port, err) == -1)
		return -1;
	free(o->service);
	o->service = xasprintf("%u", port);
	return 0;
}

int dialogue_target_port(struct opening *o, const char *text, struct err *err)
{
	unsigned port;

	if (resolve_port(text, IPPROTO_TCP, "tcp", &port, err) == -1)
		return -1;
	netaddr_any(&o->behind, AF_INET, port);
	return 0;
}

/* Wait for @events, unless the time is over. */
static enum step_result wait_for(struct opening *o, const struct dialogue *d, uint32_t events,
				 struct err *err)
{
	if (d->due_ns && loop_clock(o->addr->engine->loop) >= d->due_ns) {
		err_set(err, 0, "no complete %s within %g seconds (option proxy-timeout)", d->what,
			(double)o->addr->conf->proxy.timeout_ns / NSEC_PER_SEC);
		return dialogue_failed(err, ETIMEDOUT);
	}
	opening_wait(o, o->target.fd, events, d->due_ns);
	return STEP_AGAIN;
}

enum step_result dialogue_send(struct opening *o, struct dialogue *d, struct err *err)
{
	while (d->sent < d->out.len) {
		ssize_t n = send(o->target.fd, d->out.data + d->sent,
				 chaos_len(d->out.len - d->sent), MSG_NOSIGNAL);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN)
			return wait_for(o, d, EPOLLOUT, err);
		if (n == -1) {
			int code = errno;

			err_set(err, code, "write(%d, %p, %zu)", o->target.fd,
				(void *)(d->out.data + d->sent), d->out.len - d->sent);
			return dialogue_failed(err, code);
		}
		d->sent += (size_t)n;
	}
	str_done(&d->out);
	d->sent = 0;
	return STEP_DONE;
}

enum step_result dialogue_recv(struct opening *o, struct dialogue *d, void *buf, size_t len,
			       int flags, const char *eof, size_t *n, struct err *err)
{
	ssize_t got;
	int code;

	do
		got = recv(o->target.fd, buf, chaos_len(len), flags);
	while (got == -1 && errno == EINTR);
	if (got > 0) {
		*n = (size_t)got;
		return STEP_DONE;
	}
	if (got == -1 && errno == EAGAIN)
		return wait_for(o, d, EPOLLIN, err);
	code = got == -1 ? errno : ECONNRESET;
	if (got == -1)
		err_set(err, code, "read(%d, %p, %zu)", o->target.fd, buf, len);
	else
		err_set(err, 0, "%s", eof);
	return dialogue_failed(err, code);
}
