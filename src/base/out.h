/* out.h - an output that holds nobody up
 *
 * For records and dumps: whoever reads them may be slow, or may have stopped for good, and must not
 * stop the program. What cannot be written now waits in a bounded buffer and goes out later, in
 * order and in whole pieces; what finds no room is left out and counted. Regular files take
 * everything. The flags of a descriptor that others share are never changed. */
#ifndef BASE_OUT_H
#define BASE_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum out_how {
	OUT_UNKNOWN, /* not looked at yet */
	OUT_PLAIN, /* a file, or a description of our own that is non-blocking */
	OUT_SOCKET, /* MSG_DONTWAIT */
	OUT_NOWAIT, /* a pipe: RWF_NOWAIT */
	OUT_READY, /* in small pieces, when poll(2) says so */
};

struct out {
	int fd; /* borrowed; -1: none */
	int own; /* another description of the same, or -1 */
	enum out_how how;
	char *buf; /* pieces that wait, each behind its length; owned */
	size_t len; /* bytes in it */
	size_t done; /* bytes of the first piece that are out */
	unsigned long lost; /* pieces left out; reset by whoever has told it */
	bool dead; /* the last write failed for good */
	bool stuck; /* a wait was in vain, and nothing has been taken since */
	pid_t owner; /* whose process the waiting pieces belong to */
};

#define OUT_INIT(FD)                                                                               \
	{                                                                                          \
		.fd = (FD), .own = -1                                                              \
	}

/* Write @len bytes at @data, or have them wait. If there is no room, wait up to @wait_ms for some,
 * unless such a wait was in vain before. False: they are left out and counted. A descriptor that
 * takes nothing any more (EPIPE, ENOSPC) swallows them in silence: there is nowhere left to
 * complain. */
bool out_put(struct out *o, const char *data, size_t len, int wait_ms);

/* Write as much as goes now, and forget the rest; for signal handlers. */
void out_try(struct out *o, const char *data, size_t len);

/* Write what waits, as far as it goes within @wait_ms. True: nothing waits any more. */
bool out_flush(struct out *o, int wait_ms);

/* Forget what waits, and its memory; the descriptor stays. */
void out_done(struct out *o);

#endif
