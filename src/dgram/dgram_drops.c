/* dgram_drops.c - datagrams that the kernel has dropped
 *
 * A socket has one counter in the kernel, whoever has a descriptor of it. It comes with datagrams
 * (SO_RXQ_OVFL), as it was when they were queued, and can be asked for (SO_MEMINFO), which tells of
 * losses behind which nothing comes. Here its news are counted once: not by every session that
 * shares the socket, and not by session processes that have inherited it. */
#include "dgram/dgram_drops.h"

#include "base/list.h"
#include "base/log.h"

#include <linux/sock_diag.h>

#ifndef SO_MEMINFO
#define SO_MEMINFO 55 /* Linux 4.12 */
#endif

void dgram_drops_are(struct dgram_sock *sock, uint32_t total)
{
	uint32_t lost = sock->seen ? tally_advance(sock->seen, total) : 0;
	unsigned hidden;

	if (!lost)
		return;
	tally_add(&sock->addr->tally->kernel_drops, lost);
	sock->count.kernel_drops += lost;
	if (log_limit_pass(sock->addr->limit, 2, loop_now(sock->addr->engine->loop), &hidden))
		log_warn(
			"%llu datagrams were lost in the receive queue of socket %d: it overflows; "
			"consider option rcvbuf and sysctl net.core.rmem_max",
			(unsigned long long)sock->count.kernel_drops, sock->fd);
}

void dgram_ask_for_drops(struct dgram_sock *sock)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(info);

	if (sock->seen && getsockopt(sock->fd, SOL_SOCKET, SO_MEMINFO, info, &len) == 0)
		dgram_drops_are(sock, info[SK_MEMINFO_DROPS]);
}

void dgram_count_drops(struct engine *engine)
{
	list_for_each (node, &engine->socks)
		dgram_ask_for_drops(container_of(node, struct dgram_sock, node));
}

static void forget_drops(struct forget *f)
{
	container_of(f, struct dgram_sock, forget)->seen = NULL;
}

void dgram_sock_enlist(struct dgram_sock *sock)
{
	struct engine *e = sock->addr->engine;

	list_init(&sock->node);
	list_add_tail(&e->socks, &sock->node);
	engine_on_fork(e, &sock->forget, forget_drops);
}

void dgram_sock_delist(struct dgram_sock *sock)
{
	list_del(&sock->node);
	list_del(&sock->forget.node);
}

void dgram_share_drops(struct dgram_sock *sock)
{
	if (sock->seen != &sock->drops_seen)
		return;
	sock->seen = &sock->addr->tally->drops_seen;
	tally_set(sock->seen, sock->drops_seen);
}
