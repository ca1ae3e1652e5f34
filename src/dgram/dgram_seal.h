/* dgram_seal.h - the seal of a datagram socket (option seal)
 *
 * What is sent is sealed just before the system call, each datagram by itself, whether the kernel
 * is to cut it or not; what is received is opened when it is judged. Everything in between sees
 * plain datagrams. Keys and the sending side belong to the address and are shared by all its
 * sockets; who has been heard belongs to the socket. */
#ifndef DGRAM_DGRAM_SEAL_H
#define DGRAM_DGRAM_SEAL_H

#include "data/packet.h"
#include "seal/seal.h"
#include "sys/netaddr.h"

struct address;
struct dgram_seal;
struct relay;

/* Load the module and read the key files of @addr, if it has option seal and that has not happened:
 * early in its opening, before user, root and directory change. 0, or -1 with @err. */
int dgram_seal_load(struct address *addr, struct err *err);

/* The seal of one more socket of a loaded address. */
struct dgram_seal *dgram_seal_new(struct address *addr);
struct dgram_seal *dgram_seal_ref(struct dgram_seal *seal); /* NULL is fine, here and below */
void dgram_seal_unref(struct dgram_seal *seal);

/* The socket that is sealed. */
struct seal_socket {
	int fd;
	int protocol; /* of a raw socket, which has no port; else -1 */
	bool answers; /* what it sends answers what it has received */
};

/* Open @p of message @m in place. */
enum seal_result dgram_seal_open(struct dgram_seal *seal, const struct seal_socket *sock,
				 const struct message *m, struct packet *p);

/* Fill @out with sealed copies of the next packets of @in, at most BATCH_MAX, in the same places
 * from in->next on; refused ones stay refused. 0, or -1 with EMSGSIZE and @err when the next one is
 * too long. */
int dgram_seal_batch(struct dgram_seal *seal, const struct seal_socket *sock, struct batch *out,
		     const struct batch *in, const struct netaddr *to, struct err *err);

/* Some address of the plan seals. */
bool dgram_seal_used(const struct relay *relay);

/* SIGHUP: read all key files again, here and in the processes of sessions. Files that cannot be
 * read are warned about, and what they said before stays. */
void dgram_seal_reread(struct relay *relay);

#endif
