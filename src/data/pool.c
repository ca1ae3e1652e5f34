/* pool.c - buffers for bytes in flight, see pool.h */
#include "data/pool.h"

#include "base/mem.h"
#include "data/packet.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static void *aligned(size_t len)
{
	void *p;

	/* O_DIRECT files need page-aligned memory */
	if (posix_memalign(&p, 4096, len) != 0)
		return xmalloc(len); /* ends the process with a sentence */
	return p;
}

void *pool_buf(struct pool *p, size_t len)
{
	if (len > POOL_BUF_ROOM)
		return aligned(len);
	return p->nbuf ? p->buf[--p->nbuf] : aligned(POOL_BUF_ROOM);
}

void pool_buf_back(struct pool *p, void *buf, size_t len)
{
	if (len <= POOL_BUF_ROOM && p->nbuf < POOL_SPARE)
		p->buf[p->nbuf++] = buf;
	else
		free(buf);
}

int pool_pipe(struct pool *p, int fds[2], bool wide)
{
	struct pool_pipes *pipes = &p->pipes[wide];

	if (pipes->n) {
		pipes->n--;
		fds[0] = pipes->fd[pipes->n][0];
		fds[1] = pipes->fd[pipes->n][1];
		return 0;
	}
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) == -1)
		return -1;
	if (p->fd_limit && fds[1] > p->fd_limit) {
		close(fds[0]);
		close(fds[1]);
		return -1;
	}
	if (wide) /* refused to users who have many already: then it is an ordinary one */
		(void)fcntl(fds[0], F_SETPIPE_SZ, PIPE_WIDE);
	return 0;
}

void pool_pipe_back(struct pool *p, int fds[2], bool wide)
{
	struct pool_pipes *pipes = &p->pipes[wide];

	if (pipes->n < POOL_SPARE) {
		pipes->fd[pipes->n][0] = fds[0];
		pipes->fd[pipes->n][1] = fds[1];
		pipes->n++;
	} else {
		close(fds[0]);
		close(fds[1]);
	}
	fds[0] = fds[1] = -1;
}

struct batch *pool_batch(struct pool *p)
{
	struct batch *b = p->nbatch ? p->batch[--p->nbatch] : batch_new();

	b->n = b->next = 0;
	return b;
}

void pool_batch_back(struct pool *p, struct batch *b)
{
	if (p->nbatch < POOL_SPARE)
		p->batch[p->nbatch++] = b;
	else
		batch_free(b);
}

void pool_done(struct pool *p)
{
	while (p->nbuf)
		free(p->buf[--p->nbuf]);
	while (p->nbatch)
		batch_free(p->batch[--p->nbatch]);
	for (int wide = 0; wide < 2; wide++) {
		struct pool_pipes *pipes = &p->pipes[wide];

		while (pipes->n) {
			pipes->n--;
			close(pipes->fd[pipes->n][0]);
			close(pipes->fd[pipes->n][1]);
		}
	}
}
