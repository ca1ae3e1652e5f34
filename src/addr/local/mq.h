/* mq.h - ends of sessions on POSIX message queues
 *
 * An end that reads messages as they come, or one that has a single message to give (RECEIVE), in
 * memory. How queues are opened is the business of posixmq.c. */
#ifndef ADDR_LOCAL_MQ_H
#define ADDR_LOCAL_MQ_H

#include "end/endpoint.h"

struct mq_ep {
	struct endpoint ep;
	const char *name; /* of the queue; the plan's */
	size_t msgsize; /* longest message */
	uint8_t *buf; /* messages in hand, borrowed from the pool */
	size_t buf_len;
};

/* An end on an open, non-blocking queue; descriptors it does not have are -1. It takes them. The
 * caller sets name and msgsize. */
struct mq_ep *mq_ep_new(struct address *addr, int rfd, int wfd);

/* An end with one message of @len bytes to give, which are copied, and then end of file. Nothing
 * can be written to it. */
struct endpoint *mq_message_end(struct address *addr, const uint8_t *data, size_t len);

/* Receive one message into @buf of @cap bytes, the queue's message size. As mq_receive(3), again
 * after a signal. */
ssize_t mq_take(int fd, uint8_t *buf, size_t cap, unsigned *prio);

/* What a failed mq_take() (errno) means: always -1, with errno and, but for EAGAIN, @err. */
int mq_take_failed(int fd, struct err *err);

#endif
