/* posixmq.c - POSIX message queues: READ, RECEIVE, SEND, WRITE, BIDIRECTIONAL
 *
 * A message is a datagram: one read, one write. On Linux a queue is a descriptor that epoll takes.
 * READ gives messages for ever; RECEIVE gives one, then end of file, and with fork a session for
 * each message, which stay in the queue while max-children are active. A full queue makes us wait.
 * Messages are read whole, however long the queue allows them to be. See mq_overview(7). */
#include "addr/addr.h"
#include "addr/local/mq.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "end/relay.h"
#include "flow/forecast.h"
#include "open/dial.h"
#include "open/source.h"
#include "sys/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define PRIORITY_MAX 32767 /* kernel: MQ_PRIO_MAX - 1 */
#define PER_TURN 64 /* messages that become sessions in one turn of the loop */

/* ---- opening ---- */

/* What the steps learn. */
struct mq_opening {
	size_t msgsize;
	uint8_t *first; /* RECEIVE: the message, with its length */
	size_t first_len;
};

static void opening_free(void *impl)
{
	struct mq_opening *q = impl;

	free(q->first);
	free(q);
}

/* A limit or default of the system, /proc/sys/fs/mqueue/@name; -1 when it cannot be read. */
static long system_value(const char *name)
{
	char path[64], text[32] = "";
	int64_t n = -1;
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/fs/mqueue/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return -1;
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	return len > 0 && num_parse(text, &n, NULL) != NUM_MISSING ? (long)n : -1;
}

/* Attributes for a new queue; the one that is not given is the system's default. NULL: neither. */
static const struct mq_attr *new_attributes(const struct conf *c, struct mq_attr *a)
{
	if (c->mq.maxmsg == -1 && c->mq.msgsize == -1)
		return NULL;
	*a = (struct mq_attr){
		.mq_maxmsg = c->mq.maxmsg != -1 ? (long)c->mq.maxmsg : system_value("msg_default"),
		.mq_msgsize =
			c->mq.msgsize != -1 ? (long)c->mq.msgsize : system_value("msgsize_default"),
	};
	return a;
}

static void open_hint(const struct opening *o, const struct mq_attr *a, struct err *err)
{
	const char *name = o->target.queue;

	if (err->code == EINVAL && *name != '/')
		err_hint(err, "names of message queues begin with a slash");
	else if (err->code == EINVAL && a)
		err_hint(err,
			 "a queue of %ld messages of %ld bytes is refused: the system allows %ld "
			 "messages (sysctl fs.mqueue.msg_max) of %ld bytes "
			 "(fs.mqueue.msgsize_max)",
			 a->mq_maxmsg, a->mq_msgsize, system_value("msg_max"),
			 system_value("msgsize_max"));
	else if (err->code == EMFILE)
		err_hint(err, "all queues of this user together would be too large (ulimit -q)");
	else if (err->code == ENOSPC)
		err_hint(err, "there are as many queues as the system allows (sysctl "
			      "fs.mqueue.queues_max)");
	else if (err->code == EACCES && strchr(name + 1, '/'))
		err_hint(err, "names of message queues have no second slash");
}

static int open_failed(const struct opening *o, int flags, const struct mq_attr *a, mode_t perm,
		       struct err *err)
{
	char attr[96] = "NULL";
	int code = errno;

	if (a)
		snprintf(attr, sizeof(attr), "{flags=%ld, maxmsg=%ld, msgsize=%ld, curmsgs=%ld}",
			 a->mq_flags, a->mq_maxmsg, a->mq_msgsize, a->mq_curmsgs);
	err_set(err, code, "%s: mq_open(\"%s\", 0%o, 0%03o, %s)", o->addr->half->keyword,
		o->target.queue, (unsigned)(flags | O_CLOEXEC), (unsigned)perm, attr);
	open_hint(o, a, err);
	return -1;
}

/* Throw away what is in the queue now; what comes meanwhile stays. */
static int flush(const struct opening *o, struct err *err)
{
	const char *name = o->target.queue;
	int fd = mq_open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	size_t bytes = 0, n = 0;
	struct mq_attr a;
	unsigned prio;
	uint8_t *buf;

	if (fd == -1)
		return errno == ENOENT ? 0 : open_failed(o, O_RDONLY, NULL, 0, err);
	mq_getattr(fd, &a);
	buf = xmalloc((size_t)a.mq_msgsize);
	for (long i = 0; i < a.mq_curmsgs; i++) {
		ssize_t len = mq_take(fd, buf, (size_t)a.mq_msgsize, &prio);

		if (len == -1)
			break;
		bytes += (size_t)len;
		n++;
	}
	free(buf);
	mq_close(fd);
	log_info("flushed %zu bytes in %zu packets from queue \"%s\"", bytes, n, name);
	return 0;
}

/* What the written options demand, as far as it can be told before the queue is open. */
static int check(const struct opening *o, struct err *err)
{
	const struct conf *c = o->addr->conf;

	if (strcasecmp(o->addr->half->keyword, "POSIXMQ") == 0 && o->mode == MODE_RW)
		return err_set(err, 0,
			       "Keyword \"%s\" in bidirectional mode might unwanted flush the "
			       "queue; use \"POSIXMQ-BIDIRECTIONAL\" to confirm usage",
			       o->addr->half->keyword);
	if (c->mq.priority > PRIORITY_MAX)
		return err_set(err, 0, "posixmq-priority %lld is too high: priorities are 0 to %d",
			       (long long)c->mq.priority, PRIORITY_MAX);
	if (c->listen.max_children > 0 && !c->listen.fork)
		return err_set(err, 0, "option max-children not allowed without option fork");
	return 0;
}

static enum step_result check_queue(struct opening *o, struct err *err)
{
	return check(o, err) == -1 ? STEP_FAIL : STEP_DONE;
}

static int access_mode(const struct opening *o)
{
	static const int by_mode[] = { O_RDWR, O_RDONLY, O_WRONLY };
	const struct addr_type *t = o->addr->half->type;

	if (o->addr->conf->open.access >= 0)
		return o->addr->conf->open.access;
	if (t->reads && t->writes)
		return by_mode[o->mode];
	return t->reads ? O_RDONLY : O_WRONLY;
}

/* A queue that was there keeps its attributes. */
static void compare(const struct opening *o, const struct mq_attr *wish, const struct mq_attr *is)
{
	if (wish && (wish->mq_maxmsg != is->mq_maxmsg || wish->mq_msgsize != is->mq_msgsize))
		log_warn("queue \"%s\" exists and keeps its %ld messages of %ld bytes; options "
			 "posixmq-maxmsg and posixmq-msgsize are for new queues (unlink-early "
			 "makes one)",
			 o->target.queue, is->mq_maxmsg, is->mq_msgsize);
}

static int open_queue(struct opening *o, struct mq_opening *q, struct err *err)
{
	const struct conf *c = o->addr->conf;
	const char *name = o->target.queue;
	mode_t perm = c->open.perm >= 0 ? (mode_t)c->open.perm : 0666;
	int flags = ((access_mode(o) | O_CREAT | c->open.set) & ~c->open.clear) & ~O_NONBLOCK;
	struct mq_attr wish, is;
	const struct mq_attr *a = new_attributes(c, &wish);

	if (c->open.unlink && mq_unlink(name) == -1 && errno != ENOENT)
		return err_set(err, errno, "mq_unlink(\"%s\")", name);
	o->target.fd = mq_open(name, flags | O_NONBLOCK | O_CLOEXEC, perm, a);
	if (o->target.fd == -1)
		return open_failed(o, flags, a, perm, err);
	if (c->open.unlink_close == 1 && !o->undo.left.queue.name) {
		leftovers_add_queue(&o->undo.left, name, o->target.fd);
	}
	if (mq_getattr(o->target.fd, &is) == -1)
		return err_set(err, errno, "mq_getattr(mqd=%d)", o->target.fd);
	log_info("POSIXMQ queue \"%s\" attrs: { flags=%ld, maxmsg=%ld, msgsize=%ld, curmsgs=%ld }",
		 name, is.mq_flags & ~O_NONBLOCK, is.mq_maxmsg, is.mq_msgsize, is.mq_curmsgs);
	compare(o, a, &is);
	q->msgsize = (size_t)is.mq_msgsize;
	return 0;
}

static enum step_result step_queue(struct opening *o, struct err *err)
{
	struct mq_opening *q = xcalloc(1, sizeof(*q));

	o->impl = q;
	o->impl_free = opening_free;
	if (check(o, err) == -1)
		return STEP_FAIL;
	if (o->addr->conf->mq.flush && flush(o, err) == -1)
		return STEP_FAIL;
	return open_queue(o, q, err) == -1 ? STEP_FAIL : STEP_DONE;
}

static enum step_result step_opened(struct opening *o, struct err *err)
{
	(void)err;
	fd_nonblock(o->target.fd); /* whatever option nonblock=0 says: the loop never waits */
	return STEP_DONE;
}

static void set_prio(struct vars *vars, unsigned prio)
{
	vars_set(vars, "POSIXMQ_PRIO", "%u", prio);
}

/* RECEIVE: wait for the message. With fork a source will. */
static enum step_result step_first(struct opening *o, struct err *err)
{
	struct mq_opening *q = o->impl;
	unsigned prio;
	ssize_t n;

	if (o->addr->conf->listen.fork)
		return STEP_DONE;
	if (!q->first) {
		q->first = xmalloc(q->msgsize);
		log_info("%s: waiting for data or interval", o->addr->half->keyword);
	}
	n = mq_take(o->target.fd, q->first, q->msgsize, &prio);
	if (n >= 0) {
		q->first_len = (size_t)n;
		set_prio(&o->vars, prio);
		return STEP_DONE;
	}
	if (mq_take_failed(o->target.fd, err) == -1 && errno != EAGAIN)
		return STEP_FAIL;
	opening_wait(o, o->target.fd, EPOLLIN, 0);
	return STEP_AGAIN;
}

static struct endpoint *make_queue(struct opening *o, struct err *err)
{
	struct mq_opening *q = o->impl;
	int fd = o->target.fd, access = fcntl(fd, F_GETFL) & O_ACCMODE;
	struct mq_ep *m = mq_ep_new(o->addr, access == O_WRONLY ? -1 : fd, fd);

	(void)err;
	m->name = o->target.queue;
	m->msgsize = q->msgsize;
	opening_free(q);
	return &m->ep;
}

static struct endpoint *make_receive(struct opening *o, struct err *err)
{
	struct mq_opening *q = o->impl;
	struct endpoint *ep = mq_message_end(o->addr, q->first, q->first_len);

	(void)err;
	fd_close(&o->target.fd);
	opening_free(q);
	return ep;
}

/* ---- RECEIVE with fork: a session per message ---- */

struct mq_source {
	struct source src;
	int fd;
	size_t msgsize;
	uint8_t *buf;
	struct watch watch;
};

static void begin_session(struct mq_source *q, size_t len, unsigned prio)
{
	struct vars vars = { 0 };

	set_prio(&vars, prio);
	source_yield(&q->src, mq_message_end(q->src.addr, q->buf, len), &vars);
	vars_done(&vars);
}

static void on_readable(struct watch *w, uint32_t events)
{
	struct mq_source *q = container_of(w, struct mq_source, watch);

	(void)events;
	for (int i = 0; i < PER_TURN && !q->src.paused && !q->src.closed; i++) {
		unsigned prio;
		ssize_t n = mq_take(q->fd, q->buf, q->msgsize, &prio);

		if (n == -1 && errno != EAGAIN) {
			log_error("mq_receive(mqd=%d): %m", q->fd);
			q->src.addr->relay->status = 1;
			source_close(&q->src);
		}
		if (n == -1)
			break;
		begin_session(q, (size_t)n, prio);
	}
}

static void pause_source(struct source *src)
{
	struct mq_source *q = container_of(src, struct mq_source, src);

	loop_watch(src->addr->engine->loop, &q->watch, q->fd, 0);
}

static void resume_source(struct source *src)
{
	struct mq_source *q = container_of(src, struct mq_source, src);

	loop_watch(src->addr->engine->loop, &q->watch, q->fd, EPOLLIN);
}

static void close_source(struct source *src)
{
	struct mq_source *q = container_of(src, struct mq_source, src);

	loop_watch(src->addr->engine->loop, &q->watch, q->fd, 0);
	fd_close(&q->fd);
	free(q->buf);
	q->buf = NULL;
}

static const struct source_ops source_ops = {
	.pause = pause_source,
	.resume = resume_source,
	.close = close_source,
};

static struct source *make_source(struct opening *o, struct err *err)
{
	struct mq_opening *state = o->impl;
	struct mq_source *q = xcalloc(1, sizeof(*q));

	(void)err;
	source_init(&q->src, &source_ops, o->addr);
	watch_init(&q->watch, on_readable);
	q->fd = o->target.fd;
	q->msgsize = state->msgsize;
	q->buf = xmalloc(q->msgsize);
	opening_free(state);
	log_info("%s: waiting for data or interval", o->addr->half->keyword);
	return &q->src;
}

static const struct step queue_steps[] = {
	{ .after = PH_PREOPEN },
	{ .run = step_queue, .check = check_queue, .after = PH_PASTOPEN },
	{ .after = PH_FD },
	{ .run = step_opened },
	STEP_END,
};

static const struct step receive_steps[] = {
	{ .after = PH_PREOPEN }, { .run = step_queue, .check = check_queue, .after = PH_PASTOPEN },
	{ .after = PH_FD },      { .run = step_opened },
	{ .run = step_first },   STEP_END,
};

#define G_QUEUE (G_FD | G_NAMED | G_OPEN | G_RETRY | G_POSIXMQ)

/* clang-format off */
#define QUEUE(FLAGS) \
	.syntax = ":<mqname>", .min_params = 1, .max_params = 1, .flags = TYPE_QUEUE | (FLAGS), \
	.forecast = forecast_packets

#define SENDS \
	.groups = G_QUEUE | G_CHILD, .writes = true, .steps = queue_steps, .make = make_queue, \
	.source = dial_source, QUEUE(TYPE_FORK_FIRST)

static const struct addr_type types[] = {
	{ .names = "POSIXMQ-READ", QUEUE(0),
	  .help = "the messages of a POSIX queue, for ever",
	  .groups = G_QUEUE, .reads = true, .steps = queue_steps, .make = make_queue },
	{ .names = "POSIXMQ-RECEIVE POSIXMQ-RECV", QUEUE(0),
	  .help = "one message of a POSIX queue; fork serves every message",
	  .groups = G_QUEUE | G_CHILD, .reads = true, .steps = receive_steps, .make = make_receive,
	  .source = make_source },
	{ .names = "POSIXMQ-SEND", SENDS,
	  .help = "sends messages to a POSIX queue; fork opens the other address again and again" },
	{ .names = "POSIXMQ-WRITE", SENDS,
	  .help = "the same as POSIXMQ-SEND" },
	{ .names = "POSIXMQ-BIDIRECTIONAL POSIXMQ", QUEUE(0),
	  .help = "sends messages to a POSIX queue and reads messages from the same",
	  .groups = G_QUEUE, .reads = true, .writes = true, .steps = queue_steps,
	  .make = make_queue },
};
/* clang-format on */

const struct addr_family posixmq_family = { types, ARRAY_SIZE(types) };
