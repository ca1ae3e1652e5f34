/* unix.h - connecting to whatever listens behind a path: the steps of UNIX-CLIENT
 *
 * GOPEN uses them as well, behind a step of its own that calls unix_connect_to() when it has found
 * a socket; otherwise they do nothing. */
#ifndef ADDR_LOCAL_UNIX_H
#define ADDR_LOCAL_UNIX_H

#include "open/opening.h"

/* The peer is called @name: a path, or an abstract name where the type has no entries. */
int unix_connect_to(struct opening *o, const char *name, struct err *err);

/* The name of our own socket (options bind, bind-tempname), if it gets one. */
enum step_result step_unix_name(struct opening *o, struct err *err);
/* A socket of the first kind; of the next when the one before has the wrong type. */
enum step_result step_unix_socket(struct opening *o, struct err *err);
enum step_result step_unix_bind(struct opening *o, struct err *err);
enum step_result step_unix_connect(struct opening *o, struct err *err);

struct endpoint *make_unix_client(struct opening *o, struct err *err);

#endif
