/* undelivered.h - what an end has been given and its peer has not got, as far as the kernel tells
 *
 * For an end that may be lost while a session goes on (option reopen). Whoever writes to it notes
 * each write; when the end is lost, and before it is closed, this says how much of that may be lost
 * with it. */
#ifndef END_UNDELIVERED_H
#define END_UNDELIVERED_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct endpoint;
struct keeper;

/* Bytes, or datagrams where the end is made of them. */
struct undelivered {
	const struct endpoint *ep; /* borrowed */
	int fd; /* what is written to; an end of datagrams may wait by another */
	const struct keeper *keeper; /* what has the bytes on their way */
	uint64_t written;
	uint64_t handed; /* of these, the first ones that no layer keeps a part of */
	uint64_t held; /* what the keeper said behind the last write, where it forgets at a loss */
	uint64_t seen; /* datagrams: what it says now, if there still is a receiver */
	bool cut; /* a write was cut short when the peer had gone */
	uint64_t base; /* TCP: where what is written begins, as the kernel counts */
	uint64_t sure; /* so many of the first ones the peer's kernel has */
	uint64_t mark, mark_at; /* it will have @mark when the kernel counts @mark_at */
};

/* What may be lost. */
struct undelivered_loss {
	uint64_t n; /* bytes or datagrams; 0 and not @unknown: nothing */
	const char *not_done; /* "acknowledged", "read", "sent": what had not been done with them */
	bool datagrams;
	bool at_most; /* @n is an upper bound */
	bool unknown; /* something has been written, and the kernel tells nothing */
};

/* Nothing has been written to @ep so far, but what its opening said. */
void undelivered_begin(struct undelivered *u, const struct endpoint *ep);

/* @n bytes, or datagrams, more have just been written; @all: that was all there was to be written.
 * Two system calls. */
void undelivered_note(struct undelivered *u, size_t n, bool all);

/* @u->ep is lost, with @err or at its end (NULL), and still open: what may be lost with it? */
struct undelivered_loss undelivered_judge(struct undelivered *u, const struct err *err);

#endif
