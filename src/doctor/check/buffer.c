/* buffer.c - is the receive queue large enough, and were datagrams lost in it? */
#include "base/mem.h"
#include "doctor/checks.h"
#include "doctor/exam.h"
#include "doctor/host/kernel.h"
#include "doctor/check/port_taken.h"
#include "end/plan.h"

#include <stdlib.h>
#include <string.h>

#define WANTED (4 << 20) /* bytes: what datagram addresses ask for (dgram/dgram.c) */
#define LITTLE (64 << 10) /* bytes: less holds no burst */

/* Bytes the socket will have; the kernel doubles what is asked for, and tells the double. */
static long queue_of(const struct exam *x)
{
	long max = sysctl_read(0, "net/core/rmem_max");
	socklen_t len = sizeof(int);
	int have = 0;

	if (x->fd == -1 || getsockopt(x->fd, SOL_SOCKET, SO_RCVBUF, &have, &len) == -1)
		return -1;
	if (x->half->conf.sock.rcvbuf_given)
		return have / 2;
	return max && max < WANTED ? max : WANTED;
}

static void add_cure(const struct exam *x, struct finding *f)
{
	long max = sysctl_read(0, "net/core/rmem_max");

	if (x->half && x->half->conf.sock.rcvbuf_given)
		exam_advice(f, "leave option rcvbuf out, or raise it: rcvbuf=%d", WANTED);
	else if (max && max < WANTED)
		exam_command(f, "sysctl -w net.core.rmem_max=%d", WANTED);
	else
		exam_advice(f, "read faster, or raise option rcvbuf and net.core.rmem_max");
}

/* Sockets at our port that have lost something. */
static bool check_drops(struct exam *x)
{
	struct port_holder h[PORT_HOLDERS_MAX];
	char holder[PORT_HOLDER_TEXT_LEN];
	size_t n = exam_holders(x, h);
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		if (!h[i].drops)
			continue;
		add_cure(x, exam_add(x, FIND_PROBLEM,
				     xasprintf("datagrams were lost in a full queue at port %u",
					       x->port),
				     xasprintf("%lu drops of %s", h[i].drops,
					       port_holder_text(&h[i], holder))));
		any = true;
	}
	return any;
}

static void check_host(struct exam *x)
{
	long lost = counter_read("/proc/net/snmp", "Udp:", "RcvbufErrors");

	if (lost > 0)
		add_cure(x, exam_add(x, FIND_NOTE,
				     xstrdup("datagrams were lost in full queues since the start"),
				     xasprintf("RcvbufErrors is %ld in /proc/net/snmp", lost)));
	else
		exam_add(x, FIND_OK, xstrdup("no datagram was lost in a full queue"), xstrdup(""));
}

void check_buffer(struct exam *x)
{
	long bytes;

	if (!x->half) {
		check_host(x);
		return;
	}
	bytes = queue_of(x);
	if (bytes < 0 || check_drops(x))
		return;
	if (bytes >= WANTED)
		exam_add(x, FIND_OK, xasprintf("the receive queue has %ld bytes", bytes),
			 xstrdup(""));
	else
		add_cure(x, exam_add(x, FIND_NOTE,
				     xasprintf("the receive queue has %ld bytes%s", bytes,
					       bytes < LITTLE ? ", too little for a burst" : ""),
				     x->half->conf.sock.rcvbuf_given
					     ? xstrdup("option rcvbuf")
					     : xstrdup("limited by net.core.rmem_max")));
}
