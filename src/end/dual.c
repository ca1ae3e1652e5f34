/* dual.c - an end made of two: what is read from, what is written to; see dual.h */
#include "end/dual.h"

#include "base/mem.h"
#include "end/endpoint.h"

#include <errno.h>

/* A dual address: reads go to one endpoint, writes to another. */
struct dual {
	struct endpoint ep;
	struct endpoint *in, *out;
};

static ssize_t dual_read(struct endpoint *ep, void *buf, size_t len, struct err *err)
{
	struct endpoint *in = ((struct dual *)ep)->in;

	in->drained_is_eof |= ep->drained_is_eof;
	return endpoint_read(in, buf, len, err);
}

static ssize_t dual_write(struct endpoint *ep, const struct iovec *iov, int niov, struct err *err)
{
	struct endpoint *out = ((struct dual *)ep)->out;

	return endpoint_write(out, iov, niov, err);
}

static long dual_recv(struct endpoint *ep, struct batch *b, size_t max, struct err *err)
{
	struct endpoint *in = ((struct dual *)ep)->in;

	return endpoint_recv(in, b, max, err);
}

static int dual_send(struct endpoint *ep, struct batch *b, struct err *err)
{
	struct endpoint *out = ((struct dual *)ep)->out;
	int rc = endpoint_send(out, b, err), code = errno;

	if (ep->wfd != out->wfd) { /* it waits for room by another descriptor now */
		endpoint_want(ep, 0, EPOLLOUT);
		ep->wfd = out->wfd;
	}
	errno = code;
	return rc;
}

static void dual_shut(struct endpoint *ep)
{
	struct endpoint *out = ((struct dual *)ep)->out;

	endpoint_want(ep, 0, EPOLLOUT);
	endpoint_shut_write(out);
	ep->wfd = out->wfd;
}

static void dual_close(struct endpoint *ep)
{
	struct dual *d = (struct dual *)ep;

	/* each half was used in one direction */
	d->in->parting = d->out->parting = ep->parting;
	d->in->parting.written_to = d->out->parting.read_from = d->out->parting.ended = false;
	if (ep->addr->engine->forgetting) {
		endpoint_abandon(d->in);
		endpoint_abandon(d->out);
		return;
	}
	endpoint_free(d->in);
	endpoint_free(d->out);
}

static bool dual_holds(const struct endpoint *ep)
{
	const struct endpoint *in = ((const struct dual *)ep)->in;

	return endpoint_holds(in);
}

static int dual_settle(struct endpoint *ep, struct err *err)
{
	return endpoint_settle(((struct dual *)ep)->out, err);
}

static size_t dual_kept(const struct endpoint *ep)
{
	return endpoint_kept(((const struct dual *)ep)->out);
}

static void dual_report(struct endpoint *ep)
{
	struct dual *d = (struct dual *)ep;

	endpoint_report(d->in);
	endpoint_report(d->out);
}

static struct endpoint *dual_share(struct endpoint *ep, struct err *err)
{
	struct dual *d = (struct dual *)ep;
	struct endpoint *in = endpoint_share(d->in, err), *out;

	if (!in)
		return NULL;
	out = endpoint_share(d->out, err);
	if (!out) {
		endpoint_free(in);
		return NULL;
	}
	ep = dual_new(in, out);
	ep->caps |= EP_SHARED;
	return ep;
}

static const struct endpoint_ops dual_ops = {
	.read = dual_read,
	.write = dual_write,
	.recv_batch = dual_recv,
	.send_batch = dual_send,
	.shut_write = dual_shut,
	.close = dual_close,
	.holds = dual_holds,
	.settle = dual_settle,
	.kept = dual_kept,
	.report = dual_report,
	.share = dual_share,
};

struct endpoint *dual_new(struct endpoint *in, struct endpoint *out)
{
	struct dual *d = xcalloc(1, sizeof(*d));
	unsigned in_caps = EP_DGRAM_IN | EP_SPLICE_IN | EP_HUP_IS_EOF | EP_NO_READ;
	unsigned out_caps = EP_DGRAM_OUT | EP_SPLICE_OUT | EP_NEVER_WRITABLE | EP_NO_WRITE;

	endpoint_init(&d->ep, &dual_ops, in->addr, in->rfd, out->wfd);
	d->in = in;
	d->out = out;
	d->ep.rhow = in->rhow;
	d->ep.whow = out->whow;
	d->ep.rkind = in->rkind;
	d->ep.wkind = out->wkind;
	d->ep.caps = (in->caps & in_caps) | (out->caps & out_caps) |
		     ((in->caps | out->caps) & EP_QUIET_PIPE);
	d->ep.read_left = in->read_left;
	/* the session watches one program per end: the one that is read from first */
	d->ep.proc = in->proc ? in->proc : out->proc;
	*(in->proc ? &in->proc : &out->proc) = NULL;
	return &d->ep;
}
