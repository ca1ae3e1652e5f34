/* dgram_open.h - from an opening to a datagram endpoint: steps and makers that types share */
#ifndef OPEN_DGRAM_OPEN_H
#define OPEN_DGRAM_OPEN_H

#include "dgram/dgram_sock.h"
#include "open/opening.h"

/* The kind of socket that @o has made. */
struct dgram_kind dgram_kind_of(const struct opening *o);

/* The records that say that LISTEN or RECVFROM waits. */
void dgram_say_waiting(const struct dgram_sock *sock, bool listens);

/* Wait for the first datagram that is permitted, keep it in o->impl, set the variables of its
 * sender: LISTEN and RECVFROM. With fork nothing happens here. */
enum step_result step_first_packet(struct opening *o, struct err *err);
/* Say so if the socket cannot hear the groups it is about: one that joins is bound to a unicast
 * address, or one that is bound to a group does not join it. */
enum step_result step_warn_bound(struct opening *o, struct err *err);
/* connect(2) to its sender: LISTEN. With fork nothing happens here. */
enum step_result step_connect_first(struct opening *o, struct err *err);

struct endpoint *dgram_make_connect(struct opening *o, struct err *err);
struct endpoint *dgram_make_sendto(struct opening *o, struct err *err);
struct endpoint *dgram_make_datagram(struct opening *o, struct err *err);
struct endpoint *dgram_make_recv(struct opening *o, struct err *err);
struct endpoint *dgram_make_recvfrom(struct opening *o, struct err *err);
struct endpoint *dgram_make_listen(struct opening *o, struct err *err);
/* As dgram_make_datagram(), but without a port that datagrams must come from. */
struct endpoint *dgram_make_generic(struct opening *o, struct err *err);
/* A connected socket of @type that keeps borders: UNIX datagrams or seqpacket, connected or
 * accepted; and such a socket pair with a program behind it. */
struct endpoint *dgram_make_packets(struct opening *o, int type, struct err *err);
struct endpoint *dgram_make_program(struct opening *o, int type, struct err *err);

#endif
