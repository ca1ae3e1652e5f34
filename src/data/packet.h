/* packet.h - datagrams in hand
 *
 * A datagram is never just bytes: it has a sender, a destination, and what the kernel says about
 * it. A batch holds up to BATCH_MAX of them with their memory. Small datagrams lie side by side in
 * a compact area (2 KiB each), so that a busy flow touches little memory; what is longer continues
 * in a region of its own, which stays untouched otherwise. */
#ifndef DATA_PACKET_H
#define DATA_PACKET_H

#include "sys/netaddr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define BATCH_MAX 64 /* messages per system call */
#define BATCH_SEGMENTS 128 /* datagrams one merged message may hold (kernel: UDP_MAX_SEGMENTS) */
#define BATCH_PACKETS (BATCH_MAX * BATCH_SEGMENTS) /* packets in hand */
#define BATCH_HEAD 2048 /* bytes of a message in the compact area */
#define BATCH_TAIL 65536 /* bytes of its continuation */
#define BATCH_CTL 512 /* bytes of ancillary data per message */

/* One datagram in a batch. */
struct packet {
	uint8_t *data; /* borrowed from the batch */
	uint32_t len;
	uint16_t msg; /* index of the message it came in: peer and ancillary data */
	bool drop; /* refused: to be skipped */
};

/* What the kernel said about the messages of a batch. */
struct message {
	struct netaddr peer;
	_Alignas(struct cmsghdr) uint8_t ctl[BATCH_CTL];
	size_t ctl_len;
	uint32_t len; /* bytes received, all segments */
	uint32_t segment; /* bytes of each merged datagram but the last; 0: not merged */
	bool truncated; /* MSG_TRUNC: the kernel cut it */
	unsigned passed; /* descriptors that came with it, and have been closed */
};

struct batch {
	struct packet packet[BATCH_PACKETS];
	size_t n; /* packets in hand */
	size_t next; /* first one not yet delivered */
	bool all; /* the queue was empty behind them */
	bool stream; /* its packets are blocks of a stream, whose borders mean nothing */
	struct message msg[BATCH_MAX];
	uint8_t *head, *tail;
	struct mmsghdr hdr[BATCH_MAX];
	struct iovec iov[BATCH_MAX][2];
};

struct batch *batch_new(void);
void batch_free(struct batch *b);

/* Receive what is queued at @fd, at most @max messages (up to BATCH_MAX), without blocking, into an
 * empty batch: b->packet[0..b->n). Merged messages (UDP_GRO) are taken apart again, so that each
 * packet is a datagram. Returns the number of packets (0 is possible only for an empty queue, then
 * errno is EAGAIN and the result -1), or -1 with errno. Descriptors that a UNIX peer passes are
 * closed. @peers: the sender's address is wanted;
 * @ctl: ancillary data is wanted. */
long batch_recv(struct batch *b, int fd, size_t max, bool peers, bool ctl);

/* As batch_recv() from a device of which every read(2) is one packet (tun). */
long batch_read(struct batch *b, int fd, size_t max);

/* Insert @len bytes into packet @i, the only one of its message, at offset @at. False when the
 * packet is shorter than that, or there is no room. */
bool batch_insert(struct batch *b, size_t i, size_t at, const void *data, size_t len);

/* Put one datagram into an empty batch; @data is copied. */
void batch_put(struct batch *b, const void *data, size_t len);

/* Append a packet to a batch of less than BATCH_MAX, the only one of its message, of which nothing
 * is known: the caller may fill in the sender. The bytes stay the caller's, who keeps them until
 * the batch is filled anew; nobody changes them. */
struct message *batch_lend(struct batch *b, const void *data, size_t len);

/* Memory for packet @i (below BATCH_MAX) of a batch that receives nothing, or NULL: @len bytes are
 * more than there are. */
uint8_t *batch_slot(const struct batch *b, size_t i, size_t len);

/* Space for a stream block that is to be cut into datagrams: BATCH_TAIL bytes. */
uint8_t *batch_space(struct batch *b, size_t *cap);

/* Walk the ancillary data of a message; as CMSG_FIRSTHDR and CMSG_NXTHDR, but an item that does not
 * lie within the data ends the walk. */
struct cmsghdr *message_ctl(const struct message *m, struct cmsghdr *prev);

/* Copy the first @len bytes of an item to @out; false when it is shorter: the kernel cuts the last
 * one if there is no room. */
bool message_ctl_get(const struct cmsghdr *c, void *out, size_t len);

#endif
