/* pool.h - buffers for bytes in flight
 *
 * A flow borrows a buffer while it holds bytes and gives it back when it falls silent, so that ten
 * thousand idle sessions hold none. The pool keeps a few spare ones. */
#ifndef RELAY_POOL_H
#define RELAY_POOL_H

#include <stddef.h>

#define POOL_SPARE 8

/* Bytes of a stream buffer; page aligned. */
#define POOL_BUF_LEN ((size_t)128 * 1024)

struct pool {
	void *buf[POOL_SPARE];
	size_t nbuf;
	struct batch *batch[POOL_SPARE];
	size_t nbatch;
	int pipe[POOL_SPARE][2];
	size_t npipe;
};

/* Borrow a stream buffer of POOL_BUF_LEN bytes, or one of @len bytes when that is more. */
void *pool_buf(struct pool *p, size_t len);
void pool_buf_back(struct pool *p, void *buf, size_t len);

/* Borrow an empty pipe for splice; -1 when there are no descriptors left. A pipe that still holds
 * bytes must be closed, not given back. */
int pool_pipe(struct pool *p, int fds[2]);
void pool_pipe_back(struct pool *p, int fds[2]);

/* Borrow a batch (packet.h). */
struct batch *pool_batch(struct pool *p);
void pool_batch_back(struct pool *p, struct batch *b);

void pool_done(struct pool *p);

#endif
