/* address.c - one address of a relay while it runs, see address.h */
#include "end/address.h"

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
}

void address_done(struct address *a)
{
	if (a->share)
		a->share_free(a->share);
	a->share = NULL;
	hosts_done(&a->hosts);
}
