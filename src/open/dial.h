/* dial.h - connecting again and again (option fork on a connecting address)
 *
 * Each connection becomes a session; the next one is made when the interval is over and fewer than
 * max-children sessions are alive. */
#ifndef OPEN_DIAL_H
#define OPEN_DIAL_H

#include "open/opening.h"

/* The source of a connecting type; o has made the first connection. */
struct source *dial_source(struct opening *o, struct err *err);

#endif
