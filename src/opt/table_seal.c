/* table_seal.c - options of sealed datagrams: all are only remembered, dgram/dgram_seal.c acts */
#include "base/list.h"
#include "opt/setters.h"
#include "opt/tables.h"

/* clang-format off */
static const struct opt_row rows[] = {
	{ "seal", V_FILENAME, G_DGRAM, PH_FD, conf_text, NULL,
	  .arg.field = { offsetof(struct conf, seal.file), 0 }, .flags = OPT_NEW,
	  .help = "encrypt and authenticate each datagram with the group key in this file" },
	{ "seal-age", V_TIMEVAL, G_DGRAM, PH_FD, conf_ns, NULL,
	  .arg.field = { offsetof(struct conf, seal.age_ns), 0 }, .flags = OPT_NEW,
	  .help = "seconds that a sealed datagram may be old (60), 0: any age" },
	{ "seal-senders", V_UINT, G_DGRAM, PH_FD, conf_num, NULL,
	  .arg.field = { offsetof(struct conf, seal.senders), 0 }, .flags = OPT_NEW,
	  .help = "senders of sealed datagrams that are remembered at the same time (4096)" },
	{ "sign-key", V_FILENAME, G_DGRAM, PH_FD, conf_text, NULL,
	  .arg.field = { offsetof(struct conf, seal.sign_file), 0 }, .flags = OPT_NEW,
	  .help = "sign each sealed datagram with the own key in this file" },
	{ "trust", V_FILENAME, G_DGRAM, PH_FD, conf_text, NULL,
	  .arg.field = { offsetof(struct conf, seal.trust_file), 0 }, .flags = OPT_NEW,
	  .help = "take only datagrams signed by a member whose public key is in this file" },
};
/* clang-format on */

const struct opt_table table_seal = { rows, ARRAY_SIZE(rows) };
