/* listen.h - sockets that connections come to
 *
 * A listener belongs to the opening until the first permitted connection is there (without fork),
 * or becomes a source that accepts for ever (with fork). Every connection is judged (range, source
 * port, tables) when it is accepted; a refused one is shut down and closed. */
#ifndef OPEN_LISTEN_H
#define OPEN_LISTEN_H

#include "open/opening.h"

/* listen(2) on o->target.fd, which moves into o->impl: target.fd is free for the connection. The
 * length of the queue is option backlog, else what the system allows. */
enum step_result step_listen(struct opening *o, struct err *err);
/* Do the options suit whoever listens? What --check does in place of both. */
enum step_result step_check_listening(struct opening *o, struct err *err);

/* As step_listen() for an inherited socket that listens already. Others may have it too: it blocks
 * again, if it did, when it is closed here. */
enum step_result step_listening(struct opening *o, struct err *err);

/* First of a type's conn_steps: wait for a permitted connection, then close the listening socket.
 * Nothing happens when a source has accepted already. */
enum step_result step_accept(struct opening *o, struct err *err);

/* The source of a listening type with option fork. */
struct source *listen_source(struct opening *o, struct err *err);

/* The endpoint of a stream socket, connected or accepted: half-close by shutdown(2). */
struct endpoint *make_stream(struct opening *o, struct err *err);

/* The same for a connected socket of any kind: one that keeps packet borders becomes a datagram
 * endpoint. */
struct endpoint *make_connection(struct opening *o, struct err *err);

/* The usual conn_steps: step_accept, then the options of the accepted socket. */
extern const struct step accepted_steps[];

#endif
