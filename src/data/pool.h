/* pool.h - buffers for bytes in flight
 *
 * A flow borrows a buffer while it holds bytes and gives it back when it falls silent, so that ten
 * thousand idle sessions hold none. The pool keeps a few spare ones. */
#ifndef DATA_POOL_H
#define DATA_POOL_H

#include <stdbool.h>
#include <stddef.h>

#define POOL_SPARE 8

/* Bytes of a stream buffer; page aligned. So much is read at once; the room is a little larger, for
 * what layers add to it. */
#define POOL_BUF_LEN ((size_t)128 * 1024)
#define POOL_BUF_ROOM (POOL_BUF_LEN + 4096)

struct pool {
	void *buf[POOL_SPARE];
	size_t nbuf;
	struct batch *batch[POOL_SPARE];
	size_t nbatch;
	struct pool_pipes {
		int fd[POOL_SPARE][2];
		size_t n;
	} pipes[2]; /* of the usual capacity, and wide ones */
	int fd_limit; /* no pipe gets a descriptor above this (0: any): they are for connections */
};

/* Borrow a stream buffer of POOL_BUF_ROOM bytes, or one of @len bytes when that is more. */
void *pool_buf(struct pool *p, size_t len);
void pool_buf_back(struct pool *p, void *buf, size_t len);

/* Borrow an empty pipe for splice, of 64 KiB or, @wide, of PIPE_WIDE bytes where the system allows
 * that; -1 when there are no descriptors to spare. A pipe that still holds bytes must be closed,
 * not given back. */
int pool_pipe(struct pool *p, int fds[2], bool wide);
void pool_pipe_back(struct pool *p, int fds[2], bool wide);

#define PIPE_WIDE (256 << 10) /* bytes of room for flows that carry much */

/* Borrow a batch (packet.h). */
struct batch *pool_batch(struct pool *p);
void pool_batch_back(struct pool *p, struct batch *b);

void pool_done(struct pool *p);

#endif
