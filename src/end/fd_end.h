/* fd_end.h - ends that are plain descriptors: files, pipes, terminals, stream sockets
 *
 * Their operations are the defaults that others take over, as a whole or one by one. Terminals say
 * in their own way that the other side is gone; that is here, too. */
#ifndef END_FD_END_H
#define END_FD_END_H

#include "end/endpoint.h"

/* Defaults for plain descriptors. */
extern const struct endpoint_ops ep_fd_ops;
ssize_t ep_fd_read(struct endpoint *ep, void *buf, size_t len, struct err *err);
/* What a failed read (errno) means for this end: 0 end of file, -1 with errno and @err. */
ssize_t ep_fd_read_failed(struct endpoint *ep, const void *buf, size_t len, struct err *err);
ssize_t ep_fd_write(struct endpoint *ep, const struct iovec *iov, int niov, struct err *err);
void ep_fd_shut_write(struct endpoint *ep);
void ep_fd_close(struct endpoint *ep);
struct endpoint *ep_fd_share(struct endpoint *ep, struct err *err);
/* For users of ep_fd_read and ep_fd_write: find out how the descriptors are read and written
 * without blocking, and whether they can be spliced. */
void endpoint_probe(struct endpoint *ep);

/* EP_SPLICE_IN and EP_SPLICE_OUT, as far as @rfd and @wfd (-1: none) can be spliced; EP_NO_READ and
 * EP_NO_WRITE as they were opened. */
unsigned endpoint_fd_caps(int rfd, int wfd);

/* Whether what is of this kind can be spliced at all; sockets only if they are streams. */
bool endpoint_kind_splices(enum fd_kind kind);

/* A plain descriptor endpoint. */
struct endpoint *endpoint_fd_new(struct address *addr, int rfd, int wfd);

/* A connected stream socket that we have made: non-blocking, half-closed by shutdown(2). Costs no
 * system call. */
struct endpoint *endpoint_socket_new(struct address *addr, int fd);

#endif
