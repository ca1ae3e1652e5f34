/* mq.c - ends of sessions on POSIX message queues, see mq.h */
#include "addr/local/mq.h"

#include "base/log.h"
#include "base/mem.h"
#include "data/packet.h"
#include "end/fd_end.h"
#include "end/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdlib.h>
#include <sys/uio.h>

/* ---- messages ---- */

ssize_t mq_take(int fd, uint8_t *buf, size_t cap, unsigned *prio)
{
	ssize_t n;

	do
		n = mq_receive(fd, (char *)buf, cap, prio);
	while (n == -1 && errno == EINTR);
	if (n >= 0)
		log_info("mq_receive() ->  {prio=%u}", *prio);
	return n;
}

int mq_take_failed(int fd, struct err *err)
{
	int code = errno;

	if (code == EAGAIN)
		return -1;
	err_set(err, code, "mq_receive(mqd=%d)", fd);
	errno = code;
	return -1;
}

/* ---- the endpoint ---- */

static void give_back(struct mq_ep *m)
{
	if (m->buf)
		pool_buf_back(&m->ep.addr->engine->pool, m->buf, m->buf_len);
	m->buf = NULL;
}

/* The batch points into a buffer of our own: a message can be longer than a datagram. */
static long recv_messages(struct endpoint *ep, struct batch *b, size_t max, struct err *err)
{
	struct mq_ep *m = (struct mq_ep *)ep;

	b->n = b->next = 0;
	if (ep->rfd == -1) { /* SEND, though -u was not given: nothing will ever come */
		errno = EAGAIN;
		return -1;
	}
	if (!m->buf) {
		m->buf_len = m->msgsize > POOL_BUF_LEN ? m->msgsize : POOL_BUF_LEN;
		m->buf = pool_buf(&ep->addr->engine->pool, m->buf_len);
	}
	if (max > m->buf_len / m->msgsize)
		max = m->buf_len / m->msgsize;
	for (size_t i = 0; i < max && i < BATCH_MAX; i++) {
		uint8_t *data = m->buf + i * m->msgsize;
		unsigned prio;
		ssize_t len = mq_take(ep->rfd, data, m->msgsize, &prio);

		if (len == -1)
			break;
		batch_lend(b, data, (size_t)len);
	}
	if (b->n)
		return (long)b->n;
	give_back(m);
	return mq_take_failed(ep->rfd, err);
}

static int send_failed(const struct mq_ep *m, const struct packet *p, struct err *err)
{
	int code = errno;

	if (code == EAGAIN) /* the queue is full */
		return -1;
	err_set(err, code, "mq_send(mqd=%d)", m->ep.wfd);
	if (code == EMSGSIZE)
		err_hint(
			err,
			"the message has %u bytes, queue \"%s\" takes %zu at most: give the option "
			"posixmq-msgsize when the queue is made, or cut a byte stream with -b %zu",
			(unsigned)p->len, m->name, m->msgsize, m->msgsize);
	if (code == EBADF)
		err_hint(err,
			 "queue \"%s\" is open for reading only: use -u, or another address "
			 "for the other direction",
			 m->name);
	errno = code;
	return -1;
}

static int send_messages(struct endpoint *ep, struct batch *b, struct err *err)
{
	const struct mq_ep *m = (const struct mq_ep *)ep;
	unsigned prio = (unsigned)ep->addr->conf->mq.priority;

	for (; b->next < b->n; b->next++) {
		struct packet *p = &b->packet[b->next];
		int rc;

		if (p->drop)
			continue;
		do
			rc = mq_send(ep->wfd, (const char *)p->data, p->len, prio);
		while (rc == -1 && errno == EINTR);
		if (rc == -1)
			return send_failed(m, p, err);
	}
	return 0;
}

static void close_queue(struct endpoint *ep)
{
	give_back((struct mq_ep *)ep);
	ep_fd_close(ep);
}

static struct endpoint *share(struct endpoint *ep, struct err *err);

static const struct endpoint_ops mq_ops = {
	.recv_batch = recv_messages,
	.send_batch = send_messages,
	.shut_write = ep_fd_shut_write,
	.close = close_queue,
	.share = share,
};

struct mq_ep *mq_ep_new(struct address *addr, int rfd, int wfd)
{
	struct mq_ep *m = xcalloc(1, sizeof(*m));

	endpoint_init(&m->ep, &mq_ops, addr, rfd, wfd);
	m->ep.caps = EP_DGRAM_IN | EP_DGRAM_OUT;
	return m;
}

static struct endpoint *share(struct endpoint *ep, struct err *err)
{
	const struct mq_ep *m = (const struct mq_ep *)ep;
	int fd = ep->rfd >= 0 ? ep->rfd : ep->wfd, copy;
	struct mq_ep *twin;

	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (copy == -1) {
		err_set(err, errno, "dup(%d)", fd);
		return NULL;
	}
	twin = mq_ep_new(ep->addr, ep->rfd >= 0 ? copy : -1, ep->wfd >= 0 ? copy : -1);
	twin->name = m->name;
	twin->msgsize = m->msgsize;
	twin->ep.caps |= EP_SHARED;
	return &twin->ep;
}

struct endpoint *mq_message_end(struct address *addr, const uint8_t *data, size_t len)
{
	const struct about about = { .datagram = 1 };
	struct iovec iov = { (void *)data, len };
	struct queue_end *q = queue_end_new(addr, EP_DGRAM_IN | EP_DGRAM_OUT, QUEUE_BYTES);
	struct chunk *c = chunk_of_bytes(&iov, 1, &about);

	queue_end_push(q, c, 0, 1);
	queue_end_finish(q);
	chunk_unref(c);
	return &q->ep;
}
