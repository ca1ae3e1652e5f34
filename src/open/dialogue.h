/* dialogue.h - what is said to a proxy before the bytes of the session may flow
 *
 * A layer of SOCKS or PROXY sends a request to the server at the other side of what is below it,
 * and reads the answer, in the loop and within a time limit (option proxy-timeout). Then it leaves:
 * nothing of it stays on the end, and what it has read too far is given back by endpoint_unread(),
 * so that the kernel can move the bytes of the session.
 *
 * States. Ahead of the transport's steps: ports are read, names looked up; opening_behind() keeps
 * what has been found. On the end: dialogue_begin(), then dialogue_send() and dialogue_recv() in
 * turn, and dialogue_end(). The opening owns the layer's state, as o->impl. */
#ifndef OPEN_DIALOGUE_H
#define OPEN_DIALOGUE_H

#include "open/layer_target.h"
#include "open/opening.h"

/* First member of what a layer keeps in o->impl; zero-initialise. */
struct dialogue {
	struct str out; /* what is to be sent */
	size_t sent; /* bytes of it that are */
	int64_t due_ns; /* when the answer must be there; 0: no limit */
	const char *what; /* the answer that is due, in words for errors */
};

/* ---- ahead of the transport's steps ---- */

/* Target and options of the layer whose steps run. */
struct layer_target dialogue_target(const struct opening *o);
const struct conf *dialogue_conf(const struct opening *o);

/* Read the port of the target into opening_behind(), and that of the server into o->service where
 * the address type has brought the layer along. 0, or -1 with @err. */
int dialogue_ports(struct opening *o, struct err *err);

/* Look the target up as an IPv4 address, into opening_behind(); as opening_look_up(). */
enum step_result dialogue_look_up(struct opening *o, struct err *err);

/* Log 'opening connection to h:443 via socks5 server proxy:1080 as user "joe"': @what, and the
 * server as @noun. @user may be NULL. In a stack the server has records of its own. */
void dialogue_tell(const struct opening *o, const char *what, const char *noun, const char *user);

/* ---- on the end ---- */

/* Make @d the state of @o and begin its time. Failures no longer lead to the server's next address
 * from now on: it has been reached. @free_fn as impl_free. */
void dialogue_begin(struct opening *o, struct dialogue *d, void (*free_fn)(void *impl));

/* Free what @d holds, not @d itself. */
void dialogue_done(struct dialogue *d);

/* The target is connected: log that, as dialogue_tell(), and free the layer's state. */
void dialogue_end(struct opening *o, const char *noun);

/* Send d->out. STEP_DONE: all of it is on its way, and d->out is empty again. STEP_AGAIN: call
 * again when resumed. */
enum step_result dialogue_send(struct opening *o, struct dialogue *d, struct err *err);

/* Read up to @len bytes. STEP_DONE: *@n is at least 1. STEP_AGAIN: there is nothing yet, call again
 * when resumed. Fails with the sentence @eof at the end of file, and with others when the time is
 * over and on errors. */
enum step_result dialogue_recv(struct opening *o, struct dialogue *d, void *buf, size_t len,
			       const char *eof, size_t *n, struct err *err);

/* The sentence is complete: it goes into the log as it is. @code is what retry judges by: 0 if it
 * is of no use. Returns STEP_FAIL. */
enum step_result dialogue_failed(struct err *err, int code);

#endif
