/* address.h - one address of a relay while it runs
 *
 * What everything below a session points to: endpoints, openings, sources, sockets and programs
 * know by it whose they are, what the options say, where they count, and what their process has. A
 * dual address is two of these, with one number and one tally. */
#ifndef END_ADDRESS_H
#define END_ADDRESS_H

#include "end/engine.h"
#include "end/plan.h"
#include "end/tally.h"
#include "sys/hosts.h"

struct relay;

struct address {
	struct engine *engine;
	struct relay *relay;
	const struct half *half; /* what it is: text, type, options; constant */
	const struct conf *conf; /* the half's */
	unsigned number; /* 1 or 2, in records and labels */
	struct address *dual; /* what is written to, if that is another half; or NULL */
	size_t live; /* sessions that use it, in this process; of a dual address the first has it */
	struct tally *tally; /* borrowed: it lies in shared memory */
	struct log_limit *limit; /* of records that its peers cause; there, too */
	/* what its connections have in common, such as keys that have been read */
	void *share; /* NULL until somebody sets it */
	void (*share_free)(void *share); /* called by address_done() */
	struct layer_share {
		void *data;
		void (*free)(void *data);
	} * layer_share; /* the same for each layer of the half: certificates */
	struct hosts hosts; /* names in values of options */
};

/* The options of what is written to: of a dual address those of its other half. */
static inline const struct conf *address_write_conf(const struct address *a)
{
	return a->dual ? a->dual->conf : a->conf;
}

void address_init(struct address *a, struct relay *relay, struct engine *engine,
		  const struct half *half, unsigned number);
void address_done(struct address *a);

#endif
