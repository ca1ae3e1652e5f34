/* plan.h - what the command line means, constant after start
 *
 * The plan owns all parsed text; sessions keep const pointers into it. */
#ifndef END_PLAN_H
#define END_PLAN_H

#include "opt/opt.h"
#include "spec/spec.h"

#include <stdbool.h>
#include <stdint.h>

struct addr_type;
struct layer_type;

/* Direction in which an address half is opened. */
enum open_mode { MODE_RW, MODE_READ, MODE_WRITE };

/* The general command line options. */
struct settings {
	size_t block; /* -b: bytes per datagram made of a stream, per dumped block; default 8192 */
	int64_t linger_ns; /* -t: wait for the other direction after the first EOF */
	int64_t idle_ns; /* -T: inactivity limit, negative: none */
	bool left_to_right, right_to_left; /* -u clears the second, -U the first */
	bool dump_text, dump_hex; /* -v, -x */
	const char *sniff[2]; /* -r (left to right), -R, or NULL */
	bool analyse; /* -D */
	bool statistics; /* --statistics */
	bool progress; /* --progress */
	int64_t stats_ns; /* --stats: interval; 0: none */
	const char *metrics; /* --metrics: where they are served, or NULL */
	bool sloppy; /* -s */
	bool any_group; /* -g */
	bool experimental; /* --experimental */
	bool offline; /* --check, --explain: no name is looked up */
	bool unread; /* --explain: nor a file read or a module loaded */
	int listen_ip, resolve_ip; /* 4, 6, or 0: no preference */
	int64_t drain_ns; /* --drain; 0: end sessions at once */
	unsigned transfer_wait_s, fork_wait_s; /* SOCAT_TRANSFER_WAIT, SOCAT_FORK_WAIT */
	bool notify; /* --notify: tell the service manager, whoever has started us */
	bool classic; /* called "socat": see doc/compatibility.md for what that changes */
	bool plain; /* SOCAST_FASTPATH=0: no splice, no segmentation offload */
	uint64_t nofile; /* soft descriptor limit that programs get back, or 0 */
};

/* A layer above the transport of a half. */
struct half_layer {
	const struct layer_type *type;
	const char *name; /* as written */
	const struct conf *conf; /* what its options say: its own, or, if the type has brought the
				  * layer, the half's */
	const void *module; /* what its type's module exports, or NULL */
	struct conf *own;
	struct opts opts;
	struct spec_opt
		*spec_opt; /* what has been parsed into these; owned, the texts the spec's */
	size_t nspec_opts;
};

/* One half of an address: the whole of it unless it is dual. */
struct half {
	const char *keyword; /* as typed */
	char *const *param;
	size_t nparams;
	const struct addr_type *type; /* of the transport */
	const void *module; /* what the type's module exports, or NULL */
	struct half_layer *layer; /* what stands on it, lowest first; owned */
	size_t nlayers;
	struct spec_opt *spec_opt; /* the transport's options; owned, the texts the spec's */
	size_t nspec_opts;
	const void *seal; /* what the module of sealed datagrams exports, or NULL */
	struct opts opts;
	struct conf conf;
};

/* An address of the line: one half, or two of a dual one, to read from and to write to. */
struct side {
	struct spec spec;
	struct half half[SPEC_HALVES];
	size_t nhalves;
	char *shorthand[SPEC_HALVES]; /* parameter made of a keyword that was a path or a number */
};

struct plan {
	struct settings set;
	struct side *side; /* the addresses in the order of the line; owned */
	size_t nsides;
	bool programs; /* an address starts one: variables are worth collecting */
	bool isolate; /* each session of a forking address gets a process of its own */
	const char *isolate_why; /* for the notice record */
};

/* Mode in which side @i (0: left) is opened under these settings. */
static inline enum open_mode plan_mode(const struct settings *set, int i)
{
	if (set->left_to_right && set->right_to_left)
		return MODE_RW;
	return set->left_to_right == (i == 0) ? MODE_READ : MODE_WRITE;
}

#endif
