/* address.c - one address of a relay while it runs, see address.h
 *
 * States. It is made with its relay and lives as long (address_init(), address_done()); nothing of
 * it is opened here. What changes meanwhile: @live, the number of sessions that use it, kept by
 * sessions; @share, set once by the first opening that needs it (certificates, keys) and read by
 * all later ones; @hosts, filled by the first opening and read behind it.
 *
 * Ownership. Plan and half are the relay's and constant. Tally and limit lie in memory that session
 * processes share (shared.h). @share is owned, and freed with @share_free.
 *
 * What may not happen: an address changes its plan; two openings load @share at a time (the steps
 * that do never wait). */
#include "end/address.h"

#include "base/mem.h"

#include <stdlib.h>

void address_init(struct address *a, struct relay *relay, struct engine *engine,
		  const struct half *half, unsigned number)
{
	*a = (struct address){
		.engine = engine,
		.relay = relay,
		.half = half,
		.conf = &half->conf,
		.number = number,
	};
	if (half->nlayers)
		a->layer_share = xcalloc(half->nlayers, sizeof(*a->layer_share));
}

void address_done(struct address *a)
{
	if (a->share)
		a->share_free(a->share);
	a->share = NULL;
	for (size_t i = 0; a->layer_share && i < a->half->nlayers; i++) {
		if (a->layer_share[i].data)
			a->layer_share[i].free(a->layer_share[i].data);
	}
	free(a->layer_share);
	a->layer_share = NULL;
	hosts_done(&a->hosts);
}
