/* chaos.h - calls that are shorter than they need be, for tests
 *
 * In builds with the option chaos and with SOCAST_CHAOS=SEED in the environment, reads and writes
 * of byte streams, and moves inside the kernel, take a random part of what is asked for, and now
 * and then a write pretends that nothing can be done. What a kernel under load does once in a
 * million calls happens in every second one then. In other builds nothing of this exists
 * (chaos_none.c). */
#ifndef SYS_CHAOS_H
#define SYS_CHAOS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

/* How many bytes of a transfer of @len to attempt: 1 to @len; 0 for 0. */
size_t chaos_len(size_t len);

/* True, with errno EAGAIN, if this call shall fail although it would not block. */
bool chaos_again(void);

/* The vector to use instead of @iov[*niov] on @fd: @iov itself, or a shortened one made in @part.
 * Where borders count (sockets with datagrams) it is always @iov. */
const struct iovec *chaos_iov(int fd, const struct iovec *iov, int *niov, struct iovec *part);

#endif
