/* peers.h - one datagram socket, many sessions: sources of RECVFROM and LISTEN with option fork */
#ifndef OPEN_PEERS_H
#define OPEN_PEERS_H

#include "open/opening.h"

/* A session per datagram, a session per peer. */
struct source *dgram_source_recvfrom(struct opening *o, struct err *err);
struct source *dgram_source_listen(struct opening *o, struct err *err);

#endif
