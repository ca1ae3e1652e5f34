/* fuzz_ancillary.c - control data of a datagram, as no kernel would write it */
#include "dgram/ancillary.h"

#include "base/log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Records are formatted, and thrown away. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct err err;

	(void)argc;
	(void)argv;
	log_threshold = LV_DEBUG;
	return log_set_sink(SINK_FILE, "/dev/null", &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct message *m = calloc(1, sizeof(*m));
	struct vars vars = { 0 };
	struct netaddr dst;
	unsigned ifindex;
	uint32_t drops;
	uint8_t tag[4];

	if (size > 1) {
		m->peer.len = sizeof(m->peer.in6);
		m->peer.any.sa_family = data[0] & 1 ? AF_INET : AF_INET6;
		m->ctl_len = size - 1 < BATCH_CTL ? size - 1 : BATCH_CTL;
		memcpy(m->ctl, data + 1, m->ctl_len);
		ancillary_report(m, data[0] & 2, data[0] & 4 ? &vars : NULL);
		if (ancillary_destination(m, &dst, data[0] & 8 ? &ifindex : NULL) &&
		    dst.any.sa_family != AF_INET && dst.any.sa_family != AF_INET6)
			abort();
		ancillary_drops(m, &drops);
		ancillary_vlan(m, tag);
		ancillary_checksum_due(m);
	}
	vars_done(&vars);
	free(m);
	return 0;
}
