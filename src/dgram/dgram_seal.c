/* dgram_seal.c - the seal of a datagram socket, see dgram_seal.h */
#include "dgram/dgram_seal.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "dgram/ancillary.h"
#include "end/proc.h"
#include "end/relay.h"
#include "seal/seal_file.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* What all sockets of an address have in common. */
struct seal_address {
	const struct seal_crypto *crypto;
	struct seal_keys keys;
	struct seal_sender sender;
	pid_t pid; /* whose sender it is */
	char *path[3]; /* of the files, to read them again wherever we are then */
};

struct dgram_seal {
	unsigned refs; /* twins on the same queue share it */
	struct seal_address *address;
	struct seal_senders *senders;
	unsigned port; /* own, 0: not yet known */
};

static void address_free(void *data)
{
	struct seal_address *a = data;

	for (int i = 0; i < 3; i++)
		free(a->path[i]);
	explicit_bzero(a, sizeof(*a));
	free(a);
}

/* Option chdir holds only while the address is being opened. */
static char *absolute(const char *name)
{
	char dir[PATH_MAX];

	if (!name || *name == '/' || !getcwd(dir, sizeof(dir)))
		return name ? xstrdup(name) : NULL;
	return xasprintf("%s/%s", dir, name);
}

static void say_keys(const struct seal_keys *k, const char *file)
{
	const uint8_t *id = k->key[0].hash;

	log_notice("sealing with key %02x%02x%02x of \"%s\", opening with %zu", id[0], id[1], id[2],
		   file, k->nkeys);
}

int dgram_seal_load(struct address *addr, struct err *err)
{
	const struct conf *c = addr->conf;
	struct seal_files files = { c->seal.file, c->seal.sign_file, c->seal.trust_file };
	struct seal_address *a;
	seal_crypto_fn *load;

	if (!files.group || addr->share)
		return 0;
	load = (seal_crypto_fn *)addr->half->seal;
	a = xcalloc(1, sizeof(*a));
	a->crypto = load();
	if (!a->crypto)
		err_set(err, 0, "libsodium finds no source of random numbers");
	if (!a->crypto || seal_keys_read(&a->keys, a->crypto, &files, err) == -1) {
		address_free(a);
		return -1;
	}
	say_keys(&a->keys, files.group);
	a->path[0] = absolute(files.group);
	a->path[1] = absolute(files.sign);
	a->path[2] = absolute(files.trust);
	addr->share = a;
	addr->share_free = address_free;
	return 0;
}

struct dgram_seal *dgram_seal_new(struct address *addr)
{
	const struct conf *conf = addr->conf;
	struct seal_address *a = addr->share;
	int64_t age_s = (conf->seal.age_ns + NSEC_PER_SEC - 1) / NSEC_PER_SEC;
	size_t max = conf->seal.senders > 0 ? (size_t)conf->seal.senders : 1;
	struct dgram_seal *seal = xcalloc(1, sizeof(*seal));

	seal->refs = 1;
	seal->address = a;
	seal->senders = seal_senders_new(a->crypto, max, age_s > 0 ? (uint64_t)age_s : 0,
					 (uint64_t)addr->relay->start_seconds);
	return seal;
}

struct dgram_seal *dgram_seal_ref(struct dgram_seal *seal)
{
	if (seal)
		seal->refs++;
	return seal;
}

void dgram_seal_unref(struct dgram_seal *seal)
{
	if (!seal || --seal->refs)
		return;
	seal_senders_free(seal->senders);
	free(seal);
}

static uint64_t now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec;
}

/* @addr (len 0: none) and @port as both sides write them. Linux takes the address of all for its
 * own. */
static void make_dest(struct seal_dest *out, const struct netaddr *addr, unsigned port)
{
	struct in6_addr a = { 0 };

	if (addr->len && addr->any.sa_family == AF_INET) {
		bool any = addr->in.sin_addr.s_addr == INADDR_ANY;
		in_addr_t a4 = any ? htonl(INADDR_LOOPBACK) : addr->in.sin_addr.s_addr;

		memcpy(a.s6_addr + 10, "\xff\xff", 2);
		memcpy(a.s6_addr + 12, &a4, sizeof(a4));
	} else if (addr->len && addr->any.sa_family == AF_INET6) {
		bool any = IN6_IS_ADDR_UNSPECIFIED(&addr->in6.sin6_addr);

		a = any ? in6addr_loopback : addr->in6.sin6_addr;
	} else {
		port = 0;
	}
	memcpy(out->byte, a.s6_addr, 16);
	out->byte[16] = (uint8_t)(port >> 8);
	out->byte[17] = (uint8_t)port;
}

/* The port of this socket; raw ones have a protocol instead. */
static unsigned own_port(struct dgram_seal *seal, const struct seal_socket *sock)
{
	struct netaddr local = { .len = sizeof(local.raw) };

	if (sock->protocol >= 0)
		return (unsigned)sock->protocol;
	if (!seal->port && getsockname(sock->fd, &local.any, &local.len) == 0)
		seal->port = netaddr_port(&local);
	return seal->port;
}

enum seal_result dgram_seal_open(struct dgram_seal *seal, const struct seal_socket *sock,
				 const struct message *m, struct packet *p)
{
	struct seal_address *a = seal->address;
	struct netaddr addr = { 0 };
	struct seal_dest dest;
	size_t len = p->len;
	enum seal_result r;

	ancillary_destination(m, &addr, NULL);
	make_dest(&dest, &addr, own_port(seal, sock));
	r = seal_open(a->crypto, &a->keys, seal->senders, &p->data, &len, &dest, !sock->answers,
		      now_s());
	p->len = (uint32_t)len;
	return r;
}

int dgram_seal_batch(struct dgram_seal *seal, const struct seal_socket *sock, struct batch *out,
		     const struct batch *in, const struct netaddr *to, struct err *err)
{
	struct seal_address *a = seal->address;
	struct seal_dest dest;
	uint64_t now = now_s();

	/* a session process: two must never count on with the same id */
	if (a->pid != getpid()) {
		a->pid = getpid();
		a->sender.ready = false;
	}
	make_dest(&dest, to, sock->protocol >= 0 ? (unsigned)sock->protocol : netaddr_port(to));
	out->n = out->next = 0;
	for (size_t i = in->next; i < in->n && out->n < BATCH_MAX; i++) {
		const struct packet *p = &in->packet[i];
		struct packet *q = &out->packet[out->n];
		uint8_t *to_bytes = batch_slot(out, out->n, p->len + SEAL_OVERHEAD_MAX);

		if (!to_bytes && !out->n) {
			err_set(err, EMSGSIZE, "a datagram of %u bytes cannot be sealed", p->len);
			errno = EMSGSIZE;
			return -1;
		}
		if (!to_bytes)
			break;
		*q = (struct packet){ .data = to_bytes, .msg = p->msg, .drop = p->drop };
		out->n++;
		if (!p->drop)
			q->len = (uint32_t)seal_close(a->crypto, &a->keys, &a->sender, to_bytes,
						      p->data, p->len, &dest, sock->answers, now);
	}
	return 0;
}

bool dgram_seal_used(const struct relay *relay)
{
	for (size_t i = 0; i < relay->naddr; i++) {
		if (relay->addr[i].conf->seal.file)
			return true;
	}
	return false;
}

static void reread(struct seal_address *a)
{
	struct seal_files files = { a->path[0], a->path[1], a->path[2] };
	struct err err;

	if (seal_keys_read(&a->keys, a->crypto, &files, &err) == -1) {
		log_err(LV_WARN, &err);
		log_warn("the keys read before stay in use");
		return;
	}
	say_keys(&a->keys, files.group);
}

void dgram_seal_reread(struct relay *relay)
{
	for (size_t i = 0; i < relay->naddr; i++) {
		if (relay->addr[i].conf->seal.file && relay->addr[i].share)
			reread(relay->addr[i].share);
	}
	list_for_each (node, &relay->engine->procs) {
		struct proc *p = container_of(node, struct proc, node);

		if (p->kind == PROC_SESSION && p->addr->relay == relay && !p->done)
			kill(p->child.pid, SIGHUP);
	}
}
