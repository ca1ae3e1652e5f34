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
#include "open/addr_type.h"
#include "open/handshakes.h"
#include "sys/resolve.h"

struct groups;
struct opening;
struct source;

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
	struct netaddr peer; /* who has been accepted; len 0: nobody, or unknown */
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
	struct handshake handshake; /* of its layers */
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
 * (0: no limit but that of the layer whose steps run). Meanwhile it is the user of @ep: who ends
 * that ends the opening. */
void opening_wait_end(struct opening *o, struct endpoint *ep, uint32_t events, int64_t due_ns);

/* Put the peer that has been accepted in front of the sentence, if there is one (called socat it is
 * not). */
void opening_name_peer(const struct opening *o, struct err *err);

/* "reading", "writing", "reading and writing" */
const char *mode_word(enum open_mode mode);

/* Parameter @i of the address, "" when absent. */
const char *opening_param(const struct opening *o, size_t i);

/* ---- steps of every type, before and behind its own (prologue.c) ---- */

extern const struct step opening_prologue[], opening_epilogue[];

#endif
