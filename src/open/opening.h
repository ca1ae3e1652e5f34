/* opening.h - opening an address: a list of small steps
 *
 * An opening runs the steps of its address type one after another and applies, behind each, the
 * options of the phase named beside it. A step that must wait says so and is resumed at the next
 * one (or at itself) when its descriptor is ready or its time has come. The runner knows retry,
 * interval, forever, several addresses per name, and what holds only while an address is being
 * opened; it knows nothing of any type. */
#ifndef OPEN_OPENING_H
#define OPEN_OPENING_H

#include "end/endpoint.h"
#include "end/plan.h"
#include "end/vars.h"
#include "ev/loop.h"
#include "sys/resolve.h"

struct dgram_greeting;
struct forecast;
struct groups;
struct opening;
struct source;

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
	TYPE_FORK_FIRST = 1024, /* fork means nothing behind an address that forks already */
};

/* A layer that may stand on the transport of an address: one row. */
struct layer_type {
	const char *names; /* canonical first, as in struct addr_type */
	const char *help; /* one sentence for the manual */
	uint64_t groups; /* options it takes */
	bool needs_datagrams, makes_datagrams; /* below and above it, else a stream */
	bool client_only; /* it has no server side */
	bool leaves; /* it goes when it has shaken hands: what is below is the session's, bare */
	bool has_target; /* it has the other side connect to a target, see layer_target.h */
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
	const char *both_ways; /* of a type for one direction: a kin of it for both, or NULL */
	const char *unavailable; /* why it cannot be used in this build, or NULL */
};

/* Told exactly once: an endpoint, or a source (option fork), or a failure with its sentence; or,
 * with err->over, that there will be none because nobody came in time (option accept-timeout). */
typedef void opening_done_fn(struct opening *o, struct endpoint *ep, struct source *src,
			     struct err *err);

/* Who looks at an opening instead of using it: the doctor. The runner calls these; they must not
 * cancel the opening. All of them are needed. */
struct opening_watcher {
	/* Option @opt has been applied, or is refused with @err: it is passed over then. */
	void (*option)(struct opening *o, const struct opt *opt, const struct err *err);
	/* Is the opening to end in front of @step? */
	bool (*stop_before)(const struct opening *o, const struct step *step);
	/* It ends: its steps are done or it has been stopped (@err NULL), or a step has failed.
	 * What the steps have made is still there. Whatever is taken from @o is to be set to -1 or
	 * NULL; the rest is undone, and then @o is gone. Called once. */
	void (*ended)(struct opening *o, const struct err *err);
};

/* The lists of steps, in their order. */
enum opening_part {
	PART_PROLOGUE,
	PART_BEFORE, /* of each layer */
	PART_STEPS,
	PART_CONNECTION,
	PART_BOTTOM, /* the end is made, if there are layers */
	PART_LAYERS, /* of each layer */
	PART_EPILOGUE,
};

struct opening {
	struct address *addr; /* what is opened; of a dual address one half after the other */
	enum open_mode mode;
	struct list node; /* in relay->openings */
	/* what the steps work on */
	const struct step *step; /* the next one */
	enum opening_part part; /* the list it is in, */
	size_t layer; /* and of which layer */
	struct endpoint *end; /* made already, because layers stand on it; or NULL */
	struct target target; /* target.fd: the descriptor */
	int fd2; /* second descriptor (write side), or -1 */
	struct addr_list remote; /* where to */
	size_t remote_i;
	struct netaddr local; /* bind address; len 0: none */
	int socktype, protocol; /* arguments of socket(2): the type's, or by option or parameter */
	char *service; /* port in decimal (listening types: the own one; types that speak to a
			* server in between: its), where the type has looked it up itself, or NULL
			*/
	struct netaddr *behind; /* for each layer, what the server in between shall connect to: the
				 * port, and the address where this side has to know it */
	char *host; /* copy of the host being looked up, or NULL */
	struct resolve_req req; /* the question */
	struct resolve_job job;
	struct vars vars; /* variables learned here, and those of the other side before it */
	struct undo undo;
	struct groups *more; /* sockets that join what target.fd has no room for, or NULL */
	struct proc *proc; /* program started */
	struct endpoint *other; /* the left endpoint when the right address is opened; borrowed */
	void *impl; /* the type's own state */
	void (*impl_free)(void *impl);
	/* waiting */
	struct watch watch;
	struct timer timer;
	struct ready ready; /* it begins, or its program has ended */
	struct endpoint *waits_for; /* whose user it is meanwhile, or NULL */
	struct deferred deferred;
	enum step_result waiting;
	struct source *from; /* one endpoint is wanted for this source, or NULL */
	bool over; /* @done has been called, or never will be */
	bool of_session; /* of one that has begun: it goes on when listening is over */
	int64_t connect_due_ns; /* end of the time for this connect(2), 0: none */
	int64_t retries_left; /* -1: for ever */
	opening_done_fn *done;
	const struct opening_watcher *watcher; /* or NULL */
	void *arg; /* of whoever has started it */
	/* dual addresses */
	struct endpoint *dual_in; /* the half to read from, already open */
	bool is_dual; /* the half to write to follows */
};

/* Begin to open @addr, from the loop, never before this returns. @done is called once, then the
 * opening is gone. @vars: what is known so far (copied), or NULL. @other: left endpoint, or NULL.
 * Returns the opening, for opening_cancel(). */
struct opening *opening_start(struct address *addr, enum open_mode mode, const struct vars *vars,
			      struct endpoint *other, opening_done_fn *done, void *arg);

/* As opening_start() for one more endpoint of @src: a new connection
 * (dial.c), or, where @fd is not -1, the steps of a connection that has been accepted (listen.c),
 * or where @end is not NULL, only the layers on it (peers.c). Takes @fd and @end. @done gets @src
 * as argument and must call source_opened(). */
struct opening *opening_start_single(struct source *src, enum open_mode mode, int fd,
				     struct endpoint *end, const struct vars *vars,
				     opening_done_fn *done);

/* Begin to open @half, an address or one half of a dual one, for @watcher, from the loop. Nothing
 * is made of it, nothing is tried twice, and steps that claim something are passed over. A name in
 * an option's value that is not found is told when the option is applied, which is refused then.
 * @arg becomes o->arg. Returns the opening, for opening_cancel(): @watcher is not called any more.
 */
struct opening *opening_start_watched(struct address *half, enum open_mode mode,
				      const struct opening_watcher *watcher, void *arg);

/* Judge @addr without opening it: call the check of each step in place of the step, then @judge,
 * once for each half that would be opened, inside its ambient state. Needs no loop. 0, or -1 with
 * the error that opening it would end with. */
typedef int opening_judge_fn(struct opening *o, struct err *err);
int opening_check(struct address *addr, enum open_mode mode, opening_judge_fn *judge,
		  struct err *err);

/* The layer whose steps run, and what its address keeps for it. */
const struct half_layer *opening_layer(const struct opening *o);
struct layer_share *opening_layer_share(const struct opening *o);

/* What the layer whose steps run has a server in between connect to. */
struct netaddr *opening_behind(struct opening *o);

/* The end that the steps have made, with its layers: for succeeding openings, and sources that
 * dial. NULL with @err. */
struct endpoint *opening_take_end(struct opening *o, struct err *err);

/* It will yield endpoint after endpoint: the outcome is a source. */
bool opening_forks(const struct opening *o);

/* What it waits for has come, and no descriptor tells: it is resumed from the loop. */
void opening_ready(struct opening *o);

/* Give up; @done is not called. */
void opening_cancel(struct opening *o);

/* In a forked process: close the descriptors of an opening that goes on in the parent. */
void opening_forget(struct opening *o);

/* Wait for @events on @fd or until @due_ns (either may be absent: fd -1, due_ns 0). */
void opening_wait(struct opening *o, int fd, uint32_t events, int64_t due_ns);

/* Wait until the end @ep, upon which it builds, can be read or written (@events), or until @due_ns
 * (0: no limit). Meanwhile it is the user of @ep: who ends that ends the opening. */
void opening_wait_end(struct opening *o, struct endpoint *ep, uint32_t events, int64_t due_ns);

/* "reading", "writing", "reading and writing" */
const char *mode_word(enum open_mode mode);

/* Parameter @i of the address, "" when absent. */
const char *opening_param(const struct opening *o, size_t i);

/* ---- steps of every type, before and behind its own (prologue.c) ---- */

extern const struct step opening_prologue[], opening_epilogue[];

/* ---- shared steps (steps.c) ---- */

/* Look the target up: parameter 0 (host), and o->service or parameter 1 (service). Passive types:
 * fixed IP version. */
enum step_result step_resolve_target(struct opening *o, struct err *err);
/* Look the local address up: bind host, parameter 0 is the service. */
enum step_result step_resolve_local(struct opening *o, struct err *err);
/* Collect the answer: o->remote, or o->local. */
enum step_result step_resolved(struct opening *o, struct err *err);
enum step_result step_resolved_local(struct opening *o, struct err *err);
/* Look up option bind of clients ("host", ":port", "host:port"), sourceport. */
enum step_result step_resolve_bind(struct opening *o, struct err *err);
/* socket(2) for the current target or local address. */
enum step_result step_socket(struct opening *o, struct err *err);
/* bind(2) to o->local if there is one; of clients also by option lowport. */
enum step_result step_bind(struct opening *o, struct err *err);
enum step_result step_bind_client(struct opening *o, struct err *err);
/* connect(2), and its outcome. */
enum step_result step_connect(struct opening *o, struct err *err);
enum step_result step_connected(struct opening *o, struct err *err);
/* All of it: look the target up, try its addresses one after another; also for types that have more
 * to do before or behind it. */
/* clang-format off */
#define CONNECT_STEPS \
	{ STEP_PURE(step_resolve_target) }, \
	{ STEP_PURE(step_resolved), .flags = STEP_NEXT_ADDRESS }, \
	{ STEP_PURE(step_resolve_bind) }, \
	{ .run = step_socket, .after = PH_PASTSOCKET }, \
	{ .after = PH_FD }, \
	{ .after = PH_PREBIND }, \
	{ .run = step_bind_client }, \
	{ .run = step_connect }, \
	{ .run = step_connected, .after = PH_CONNECTED }
/* clang-format on */
extern const struct step connect_steps[];
/* SO_REUSEADDR, unless an option has decided about it. */
enum step_result step_reuseaddr(struct opening *o, struct err *err);
/* Option max-children makes sense with fork only. */
enum step_result step_max_children(struct opening *o, struct err *err);

/* Not a step, for steps that need one more address: look @host up in @family; the address goes into
 * @out, without port. STEP_AGAIN: call it again when the step is resumed. Fails with
 * 'xioresolve(node="x", pf=2, ...): Name or service not known' behind a warning with the question,
 * temporary failures with code EAGAIN. */
enum step_result opening_look_up(struct opening *o, const char *host, int family,
				 struct netaddr *out, struct err *err);

/* AF_* fixed for this opening, or AF_UNSPEC, by type, option pf and settings. */
int opening_family(const struct opening *o, bool passive);

#endif
