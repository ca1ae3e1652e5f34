/* dialogue.h - what is said to a proxy before the bytes of the session may flow
 *
 * Behind the steps that connect, a proxy's type runs steps that send a request and read the answer,
 * in the loop and within a time limit (option proxy-timeout). They take not a byte more out of the
 * socket than belongs to the answer: what follows is the session's, and the connection is left
 * behind as a plain stream, so that the kernel can move its bytes. */
#ifndef OPEN_DIALOGUE_H
#define OPEN_DIALOGUE_H

#include "open/opening.h"

/* First member of what a type keeps in o->impl; zero-initialise. */
struct dialogue {
	struct str out; /* what is to be sent */
	size_t sent; /* bytes of it that are */
	int64_t due_ns; /* when the answer must be there; 0: no limit */
	const char *what; /* the answer that is due, in words for errors */
};

/* Make @d the state of @o and begin its time. Failures no longer lead to the server's next address
 * from now on: it has been reached. @free_fn as impl_free. */
void dialogue_begin(struct opening *o, struct dialogue *d, void (*free_fn)(void *impl));

/* Free what @d holds, not @d itself. */
void dialogue_done(struct dialogue *d);

/* Look the port of the server up, @text as written by the user, into o->service. */
int dialogue_server_port(struct opening *o, const char *text, struct err *err);

/* Parse the target's port into o->behind. */
int dialogue_target_port(struct opening *o, const char *text, struct err *err);

/* Send d->out. STEP_DONE: all of it is on its way, and d->out is empty again. STEP_AGAIN: call
 * again when resumed. */
enum step_result dialogue_send(struct opening *o, struct dialogue *d, struct err *err);

/* Read up to @len bytes (with @flags of recv(2)). STEP_DONE: *@n is at least 1. STEP_AGAIN: there
 * is nothing yet, call again when resumed. Fails with the sentence @eof at the end of file, and
 * with others when the time is over and on errors. */
enum step_result dialogue_recv(struct opening *o, struct dialogue *d, void *buf, size_t len,
			       int flags, const char *eof, size_t *n, struct err *err);

/* The sentence is complete: it goes into the log as it is. @code is what retry judges by: 0 if it
 * is of no use. Returns STEP_FAIL. */
enum step_result dialogue_failed(struct err *err, int code);

#endif
