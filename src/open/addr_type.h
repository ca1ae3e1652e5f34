/* addr_type.h - the rows: what a type of address is, a layer, and a step of opening them
 *
 * A family (addr/) is a table of these; what runs them is opening.h, what looks them up addr.h. */
#ifndef OPEN_ADDR_TYPE_H
#define OPEN_ADDR_TYPE_H

#include "end/plan.h"

struct address;
struct dgram_greeting;
struct endpoint;
struct forecast;
struct opening;
struct source;
struct str;

enum step_result {
	STEP_DONE,
	STEP_WAIT, /* resume at the next step when o->watch or o->timer fires */
	STEP_AGAIN, /* resume at this step then */
	STEP_FAIL,
};

enum step_flag {
	STEP_NEXT_ADDRESS = 1, /* finds addresses (o->remote): what fails behind it is tried with
				* the next one */
	STEP_WAITS_FOR_PEER = 2, /* for one that may never come, or does something with it */
	STEP_CLAIMS = 4, /* takes what others may wait for, or changes the process: for those only
			  * who will have a session */
};

struct step {
	enum step_result (*run)(struct opening *o, struct err *err); /* may be NULL */
	enum phase after; /* options applied when the step is done; PH_NONE: none */
	unsigned flags; /* enum step_flag */
	/* what --check does in its place: judge what is written, and what lies there to be read; it
	 * changes nothing and waits for nobody. STEP_WAIT or STEP_AGAIN: it would have to. NULL:
	 * nothing can be said before it is tried */
	enum step_result (*check)(struct opening *o, struct err *err);
};

/* clang-format off */
/* A step that does no more than that anyway. */
#define STEP_PURE(FN) .run = (FN), .check = (FN)
#define STEP_END { .run = NULL }
/* clang-format on */

enum type_flag {
	TYPE_CONNECTS = 1, /* tries address after address; words failures as connecting types do */
	TYPE_PROGRAM = 2, /* late process options belong to the child */
	TYPE_NO_USAGE = 4, /* parameter errors have no usage part (STDIO, FD) */
	TYPE_PASSIVE = 8, /* resolves its own side: fixed IP version */
	TYPE_ENTRY = 16, /* the first parameter is the path of a file-system entry */
	TYPE_TRANSPARENT = 32, /* data is not transformed: nofork may follow it */
	TYPE_FOREIGN = 64, /* its descriptors belong to others: never closed (STDIO, FD) */
	TYPE_BINDS = 128, /* the entry is made by bind(2), its owner and mode set by a step */
	TYPE_DATA = 256, /* addresses are written as data, and so is option range */
	TYPE_QUEUE = 512, /* the first parameter is the name of a POSIX message queue */
	TYPE_ACCEPTS = 2048, /* others connect to it: layers on it play the server */
	TYPE_ONE_SHOT = 4096, /* its sessions are one datagram and the answers to it: no layers */
	TYPE_MANY = 8192, /* its datagrams are for many at once: no layers */
	TYPE_FORK_FIRST = 1024, /* fork means nothing behind an address that forks already */
};

/* A layer that may stand on the transport of an address: one row. */
struct layer_type {
	const char *names; /* canonical first, as in struct addr_type */
	const char *help; /* one sentence for the manual */
	const char *example; /* a line with it, or NULL */
	uint64_t groups; /* options it takes */
	/* what it does as client, and as server: NULL if it has no server side. A sentence of which
	 * "it" is the subject; {peer} and {target} stand for those of layer_target.h */
	const char *does, *serves;
	bool needs_datagrams, makes_datagrams; /* below and above it, else a stream */
	bool one_way; /* it says nothing by itself: what is below may have one direction */
	bool leaves; /* it goes when it has shaken hands: what is below is the session's, bare */
	bool has_target; /* it has the other side connect to a target, see layer_target.h; */
	bool awaits; /* or wait there for somebody: what stands above it plays the server */
	bool client_begins; /* as server it has nothing to do before the first word of the client */
	bool encrypts; /* what is said above it can be read at the other side only */
	const char *farewell; /* what it says when one direction ends, or NULL: nothing */
	/* append sentences about whom layer @i of @half verifies as whom; true: it verifies
	 * somebody. NULL: it never does */
	bool (*whom)(const struct half *half, size_t i, struct str *out);
	/* append what it tells the other side by itself and nobody encrypts: "the name a (SNI)";
	 * NULL: nothing */
	void (*tells)(const struct half *half, size_t i, struct str *out);
	/* what its options lack, found while planning; or NULL */
	int (*check)(const struct half_layer *layer, struct err *err);
	/* what is done ahead of the transport's steps in every attempt, or NULL */
	const struct step *before;
	/* on o->end, the lowest layer first: it shakes hands. A layer that stays puts itself on the
	 * end (layer_push()), one that leaves goes without a trace. */
	const struct step *steps;
	/* above a table of peers: does this first datagram begin a session? NULL: every one does */
	bool (*greets)(struct address *addr, const struct dgram_greeting *g);
	/* what the end is with it, made of what it is without; NULL: the same */
	void (*forecast)(struct forecast *f);
	const char *module, *symbol; /* module it needs, loaded while planning, or NULL */
	const char *unavailable; /* why it cannot be used in this build, or NULL */
};

/* An address type: one row. */
struct addr_type {
	const char *names; /* canonical first, then aliases, separated by one blank */
	const char *syntax; /* ":<host>:<port>" */
	const char *help; /* one sentence for the manual */
	uint64_t groups; /* options it takes, besides GROUPS_EVERYWHERE */
	bool reads, writes; /* directions it supports */
	size_t min_params, max_params;
	struct {
		int family, type, protocol;
	} net;
	unsigned flags; /* enum type_flag */
	/* connecting types that speak to a server in between: what records call it, and what stands
	 * around its service where errors name the address ("SOCKS5:host", before, service,
	 * behind), and what that is, as typed; else NULLs. Their layer sets o->service. */
	struct {
		const char *noun, *before, *behind;
		const char *(*port)(const struct half *half);
	} server;
	const struct step *steps;
	/* listeners: what is done for each connection, beginning with step_accept; else NULL */
	const struct step *conn_steps;
	/* build the endpoint when all steps are done; takes o->fd, o->fd2 */
	struct endpoint *(*make)(struct opening *o, struct err *err);
	/* with option fork: build what yields one endpoint after another, or NULL if it cannot */
	struct source *(*source)(struct opening *o, struct err *err);
	/* what make() builds, told without opening anything (forecast.h) */
	void (*forecast)(const struct half *half, enum open_mode mode, struct forecast *f);
	unsigned local_port; /* this parameter, counted from 1, is a port to bind to; 0: none is */
	const char *needs; /* privilege: a capability, then perhaps when ("CAP_NET_RAW"), or NULL */
	const char *needs_process; /* why each session must have a process of its own, or NULL */
	const char *module, *symbol; /* module it needs, loaded while planning, or NULL */
	const struct layer_type *layer; /* what always stands on it, or NULL */
	const char *stack; /* if one does: the stack that the type is short for, "TLS+TCP:<host>" */
	const char *both_ways; /* of a type for one direction: a kin of it for both, or NULL */
	const char *unavailable; /* why it cannot be used in this build, or NULL */
};

#endif
