/* mq.c - ends of sessions on POSIX message queues, see mq.h */
#include "addr/mq.h"

#include "base/log.h"
#include "base/mem.h"
#include "data/packet.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdlib.h>

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
	if (m->one_shot)
		free(m->buf);
	else if (m->buf)
		pool_buf_back(&m->ep.addr->engine->pool, m->buf, m->buf_len);
	m->buf = NULL;
}

static long deliver_one(struct mq_ep *m, struct batch *b)
{
	if (m->delivered)
		return 0;
	m->delivered = true;
	b->packet[0] = (struct packet){ m->buf, (uint32_t)m->buf_len, 0, false };
	b->msg[0] = (struct message){ .len = (uint32_t)m->buf_len };
	b->n = 1;
	b->next = 0;
	b->all = false; /* the reader must come back for its end of file */
	return 1;
}

/* The batch points into a buffer of our own: a message can be longer than a datagram. */
static long recv_messages(struct endpoint *ep, struct batch *b, size_t max, struct err *err)
{
	struct mq_ep *m = (struct mq_ep *)ep;

	b->n = b->next = 0;
	if (m->one_shot)
		return deliver_one(m, b);
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
	b->all = false; /* the reader comes back, and then the buffer can go */
	for (size_t i = 0; i < max && i < BATCH_MAX; i++) {
		uint8_t *data = m->buf + i * m->msgsize;
		unsigned prio;
		ssize_t len = mq_take(ep->rfd, data, m->msgsize, &prio);

		if (len == -1)
			break;
		b->packet[b->n++] = (struct packet){ data, (uint32_t)len, (uint16_t)i, false };
		b->msg[i] = (struct message){ .len = (uint32_t)len };
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

static bool holds(const struct endpoint *ep)
{
	return ((const struct mq_ep *)ep)->one_shot;
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
	.holds = holds,
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

	if (m->one_shot) {
		err_set(err, 0, "a single message cannot serve several sessions");
		return NULL;
	}
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

struct mq_ep *mq_one_shot_new(struct address *addr, uint8_t *data, size_t len)
{
	struct mq_ep *m = mq_ep_new(addr, -1, -1);

	m->one_shot = true;
	m->buf = data;
	m->buf_len = len;
	return m;
}
