/* layer.h - what stands above the transport of an end: TLS, frames, WebSocket
 *
 * An end (struct endpoint) is a transport with a stack of layers on it, which may be empty. Whoever
 * uses the end calls endpoint_read() and its kin, which ask the top layer; a layer asks what is
 * below it by layer_read() and its kin; only the transport has descriptors. So a layer can stand on
 * any other, and knows neither.
 *
 * Waiting. What the user wants is asked of the top first: poll() says what has to be asked of what
 * is below for that, with the layer's own output; what the lowest layer says is what the transport
 * waits for. Whatever it hears of then, the layers send what they have kept, lowest first, and the
 * user is told all it wants: who knows which layer has become able to do what? A write that has
 * been taken and not gone is still in hand: before its user gives more, or says that this was all,
 * it asks endpoint_settle().
 *
 * Output of its own. A layer that has taken bytes and not handed all of them down, or that has a
 * farewell to say, sends it in flush(), which is called for every event, before the end is shut,
 * and when it is closed: then until nothing is left, or its time is over (linger.h). What is below
 * a layer hears that nothing more comes (shut_write(), finish()) when the layer has nothing left.
 *
 * States of a layer, for the end: shaking hands (an opening drives it, see open/), carrying
 * (between the opening's end and finish()), finished (only flush() and free() come). It must not be
 * called back from within what it calls below. */
#ifndef END_LAYER_H
#define END_LAYER_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct batch;
struct endpoint;
struct layer;
struct unread;

struct layer_ops {
	const char *name; /* "TLS", for records */
	/* Bytes, or datagrams, as in struct endpoint_ops; those that it does not make may be NULL.
	 */
	ssize_t (*read)(struct layer *l, void *buf, size_t len, struct err *err);
	ssize_t (*write)(struct layer *l, const struct iovec *iov, int niov, struct err *err);
	long (*recv)(struct layer *l, struct batch *b, size_t max, struct err *err);
	int (*send)(struct layer *l, struct batch *b, struct err *err);
	/* What to wait for below (EPOLLIN, EPOLLOUT) when @want is waited for above; NULL: the
	 * same. */
	uint32_t (*poll)(const struct layer *l, uint32_t want);
	/* A read finds something in the layer's own memory; NULL: never. */
	bool (*holds)(const struct layer *l);
	/* Nothing more will be written from above: queue what is said about that. True when what is
	 * below is to be told, too, behind it; NULL: nothing is said here. */
	bool (*shut_write)(struct layer *l);
	/* The end is over: queue the farewell, unless it is said; NULL: there is none. */
	void (*finish)(struct layer *l);
	/* Send what is queued: true when nothing is left, or never can be sent. It must not need to
	 * read for that: of an end that is over only room is waited for. NULL: it keeps nothing. */
	bool (*flush)(struct layer *l);
	/* Bytes that were written from above and are not handed down, all of them to be sent by
	 * flush(); NULL: it keeps none of those. */
	size_t (*kept)(const struct layer *l);
	/* Can nothing that is queued ever be sent? Then @err says why. NULL: who writes is told. */
	bool (*broken)(const struct layer *l, struct err *err);
	/* Has the other side taken us for good? As endpoint_verdict(); NULL: yes. */
	int (*verdict)(struct layer *l, struct err *err);
	/* Free the memory; nothing is sent. */
	void (*free)(struct layer *l);
};

/* At the beginning of a larger structure. */
struct layer {
	const struct layer_ops *ops;
	struct endpoint *end; /* whose layer it is */
	struct layer *below; /* or NULL: the transport is */
	struct unread *unread; /* what has left the stack above it has read too far, or NULL */
};

/* Put @l, made of @ops, on top of @ep, which owns it from now on. */
void layer_push(struct endpoint *ep, struct layer *l, const struct layer_ops *ops);

/* What is below @l: as endpoint_read() and its kin. */
ssize_t layer_read(struct layer *l, void *buf, size_t len, struct err *err);
ssize_t layer_write(struct layer *l, const struct iovec *iov, int niov, struct err *err);
long layer_recv(struct layer *l, struct batch *b, size_t max, struct err *err);
int layer_send(struct layer *l, struct batch *b, struct err *err);

/* poll() would answer otherwise now. */
void layer_repoll(struct layer *l);

#endif
