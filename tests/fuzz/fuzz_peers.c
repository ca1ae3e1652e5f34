/* fuzz_peers.c - any sequence of peers that come, talk and go, and of datagrams that wait for them
 *
 * Beside the table there is a plain array, in the order in which the peers were last heard; after
 * each step the two must agree, and the budget of the inboxes with what is in them. */
#include "dgram/inbox.h"
#include "dgram/peer_table.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PEERS 64
#define BUDGET 20000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	struct loop *loop;
	struct peer_table table;
	struct peer *peer[PEERS]; /* oldest first */
	struct inbox inbox[PEERS]; /* by number of the address */
	size_t waiting[PEERS], n;
	struct inbox_budget budget;
	uint8_t bytes[256 * 40];
} f;

static void need(bool truth)
{
	if (!truth)
		abort();
}

static void address(struct netaddr *a, unsigned number)
{
	netaddr_any(a, AF_INET, 1000 + number % 8);
	a->in.sin_addr.s_addr = htonl(0x7f000001 + number / 8);
}

static size_t place(const struct peer *p)
{
	size_t i = 0;

	while (i < f.n && f.peer[i] != p)
		i++;
	return i;
}

static void take_out(const struct peer *p)
{
	size_t i = place(p);

	need(i < f.n);
	memmove(&f.peer[i], &f.peer[i + 1], (--f.n - i) * sizeof(f.peer[0]));
}

static void leave(unsigned number, struct peer *p)
{
	take_out(p);
	peer_forget(p);
	inbox_done(&f.inbox[number]);
	f.waiting[number] = 0;
}

static void step(unsigned op, unsigned number)
{
	struct netaddr addr, local = { 0 };
	struct peer *p;
	size_t len;

	address(&addr, number);
	p = peer_find(&f.table, &addr, &local);
	need(!p || place(p) < f.n);
	switch (op % 5) {
	case 0: /* a datagram */
		if (!p)
			f.peer[f.n++] = p = peer_add(&f.table, &addr, &local);
		take_out(p);
		peer_touch(p);
		f.peer[f.n++] = p;
		if (inbox_push(&f.inbox[number], f.bytes, op * 40, INBOX_SHARE_EARLY))
			f.waiting[number]++;
		break;
	case 1: /* it is read */
		if (inbox_first(&f.inbox[number], &len))
			f.waiting[number]--;
		inbox_drop(&f.inbox[number]);
		break;
	case 2:
		if (p)
			leave(number, p);
		break;
	case 3: /* the one that is silent longest */
		if ((p = peer_oldest(&f.table)))
			leave((ntohl(p->addr.in.sin_addr.s_addr) - 0x7f000001) * 8 +
				      netaddr_port(&p->addr) - 1000,
			      p);
		break;
	default: /* the end of a turn */
		loop_run(f.loop);
		break;
	}
	need(f.table.n == f.n);
	need(peer_oldest(&f.table) == (f.n ? f.peer[0] : NULL));
	need(inbox_count(&f.inbox[number]) == f.waiting[number]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t used = 0;
	struct err err;

	if (!f.loop) {
		f.loop = loop_new(&err);
		loop_stop(f.loop); /* loop_run() makes the deferred calls, no more */
	}
	peer_table_init(&f.table, f.loop);
	f.budget = (struct inbox_budget){ .max = BUDGET };
	for (int i = 0; i < PEERS; i++)
		f.inbox[i].budget = &f.budget;
	for (size_t i = 0; i + 1 < size; i += 2)
		step(data[i], data[i + 1] % PEERS);
	for (int i = 0; i < PEERS; i++)
		used += f.inbox[i].cap;
	need(used == f.budget.used);
	need(used <= BUDGET + PEERS * (INBOX_FIRST + sizeof(uint32_t)));
	while (f.n)
		step(3, 0);
	for (int i = 0; i < PEERS; i++) {
		inbox_done(&f.inbox[i]);
		f.waiting[i] = 0;
	}
	need(f.budget.used == 0);
	loop_run(f.loop);
	peer_table_done(&f.table);
	return 0;
}
