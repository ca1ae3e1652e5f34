/* table_mq.c - options of POSIX message queues, see mq_overview(7) */
#include "base/list.h"
#include "opt/setters.h"
#include "opt/tables.h"

/* clang-format off */
static const struct opt_row rows[] = {
	{ "posixmq-priority mq-prio", V_UINT, G_POSIXMQ, PH_INIT, conf_num, NULL,
	  .arg.field = { offsetof(struct conf, mq.priority), 0 },
	  .help = "priority of messages that are sent, 0 to 32767; higher ones are received first" },
	{ "posixmq-flush mq-flush", V_BOOL, G_POSIXMQ, PH_EARLY, conf_bool, NULL,
	  .arg.field = { offsetof(struct conf, mq.flush), 0 },
	  .help = "throw away the messages that are in the queue" },
	{ "posixmq-maxmsg mq-maxmsg", V_LONG, G_POSIXMQ, PH_OPEN, conf_num, NULL,
	  .arg.field = { offsetof(struct conf, mq.maxmsg), 0 },
	  .help = "how many messages a new queue holds" },
	{ "posixmq-msgsize mq-msgsize", V_LONG, G_POSIXMQ, PH_OPEN, conf_num, NULL,
	  .arg.field = { offsetof(struct conf, mq.msgsize), 0 },
	  .help = "how long a message of a new queue may be" },
};
/* clang-format on */

const struct opt_table table_mq = { rows, ARRAY_SIZE(rows) };
