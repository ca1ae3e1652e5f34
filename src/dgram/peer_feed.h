/* peer_feed.h - the datagrams of a peer whose session is in another process
 *
 * The table stays here, so that there is still one place that judges and sorts datagrams: a pair of
 * sockets carries them over. The other process says, now and then, that it has sent something to
 * the peer (dgram_end.c); an empty message is end of file, in both directions. */
#ifndef DGRAM_PEER_FEED_H
#define DGRAM_PEER_FEED_H

#include "dgram/peer_table.h"

/* Connect the endpoint of @p, which is about to go over to another process, with the table. When
 * there are no descriptors for that, only what is in its inbox is delivered. */
void peer_feed_open(struct peer *p);

/* Hand a datagram over, not an empty one; false with errno when the session is too slow. */
bool peer_feed_send(struct peer *p, const void *data, size_t len);

#endif
