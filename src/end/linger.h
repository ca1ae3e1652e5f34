/* linger.h - the end of a connected stream socket: what was written arrives, or it is told
 *
 * close(2) on a socket with unread bytes makes the kernel throw away what is still on its way to
 * the peer (RFC 1122 section 4.2.2.13: it sends a reset). So a socket that was written to is not
 * closed at once. It leaves its session, which is over, and stays with the relay for a short and
 * limited time. */
#ifndef END_LINGER_H
#define END_LINGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct address;
struct engine;
struct relay;

/* What stands above the descriptor and may still have bytes to send. */
struct linger_layer {
	/* Sends on; true when nothing is left, or when it cannot be sent. */
	bool (*flush)(void *arg);
	void (*free)(void *arg);
	/* Bytes of the session that are still to be sent; NULL: there are none. */
	size_t (*kept)(void *arg);
	void *arg; /* owned; freed once nothing is left */
	bool closes; /* free() closes the descriptor, too: it is no stream socket of ours alone */
};

/* What the session knows of the end of one of its endpoints. */
struct parting {
	bool written_to; /* it was the destination of a flow */
	bool read_from; /* it was the source of one: what it says at the end is missed by nobody */
	bool ended; /* it has delivered its end of file: the peer has said everything */
	bool expected; /* something of its layers may still come, though it has ended for them */
	bool counted, all_taken; /* when its layers began their farewell: had the peer all else? */
	bool only_farewells; /* its layers keep nothing else any more, and will not */
	bool told; /* its failure has been told already */
	int64_t grace_ns; /* how long the peer may still talk when it has everything */
};

/* Close the stream socket @fd, made for @addr, now or as soon as it can be done without loss. Takes
 * it. @layer: what is above the socket, or NULL; its contents are taken. Failures are logged; they
 * make the exit status 1 where a session's do. */
void linger_close(struct address *addr, int fd, const struct parting *parting,
		  const struct linger_layer *layer);

/* Bytes on the stream socket @fd that its peer has not acknowledged, or, on a UNIX socket, many
 * that it has not read; 0 if there are none, or nobody can tell. One system call, or two. */
int linger_unacknowledged(int fd);

/* Close all of @relay that linger, at once. */
void lingers_end(struct relay *relay);

#endif
