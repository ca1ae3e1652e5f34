/* port.h - what the kernel knows about local ports: whose they are, and who may have them
 *
 * Sources: the tables /proc/net/tcp, udp, udplite and their kin for IPv6 (proc(5)), the links of
 * /proc/PID/fd, and ip_unprivileged_port_start of ip-sysctl. All of it is read at once, without
 * waiting; it is for somebody who wants to know why, not for every session. */
#ifndef SYS_PORT_H
#define SYS_PORT_H

#include "base/err.h"
#include "sys/netaddr.h"

#include <stddef.h>
#include <sys/types.h>

/* A socket with the port. */
struct port_holder {
	unsigned long
		inode; /* 0: no process has it any more, as behind a connection that is over */
	long pid; /* 0: unknown */
	uid_t uid; /* who has made it */
	char name[32]; /* of the program, with pid */
	unsigned long drops; /* of UDP: datagrams lost in its queue */
};

#define PORT_HOLDERS_MAX 16

/* Sockets of @protocol (IPPROTO_TCP, UDP, UDPLITE; others have none) that have the local @port and
 * would be in the way of @local, or all of them if that is NULL; without the one whose inode is
 * @except (0: none). Of TCP: those who listen, or if there are none the others. Returns how many
 * were written into @out, at most PORT_HOLDERS_MAX. */
size_t port_holders(struct port_holder *out, int protocol, unsigned port,
		    const struct netaddr *local, unsigned long except);

/* "process 17 (nginx)", "a process of user 33", "a connection that is over". Returns @buf. */
#define PORT_HOLDER_TEXT_LEN 96
const char *port_holder_text(const struct port_holder *h, char buf[PORT_HOLDER_TEXT_LEN]);

/* The first port that everybody may bind to in this network namespace. */
unsigned port_first_free(void);

/* bind(2) of a socket of @protocol to @local has failed as @err tells: set its hint, if there is
 * something to say. */
void port_hint(struct err *err, int protocol, const struct netaddr *local);

#endif
