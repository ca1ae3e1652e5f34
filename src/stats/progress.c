/* progress.c - how far a transfer is, on the terminal; see progress.h */
#include "stats/progress.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "end/relay.h"
#include "flow/flow.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PERIOD_NS NSEC_PER_SEC
#define INERTIA 0.7 /* how much of the former rate is in the one that is shown */

struct progress {
	struct relay *relay;
	struct timer timer;
	int64_t start_ns, last_ns;
	uint64_t last[2]; /* bytes delivered so far, 0: left to right, when looked at last */
	double rate[2]; /* bytes per second, smoothed */
	uint64_t expected[2]; /* bytes that the source will have delivered at its end; 0: unknown */
};

void progress_add_bytes(struct str *out, double bytes)
{
	static const char *const unit[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	size_t i = 0;

	/* 1023.5 would be shown as 1024 */
	for (; bytes >= 1023.5 && i + 1 < ARRAY_SIZE(unit); i++)
		bytes /= 1024;
	str_addf(out, "%.*f %s", !i || bytes >= 99.95 ? 0 : bytes >= 9.995 ? 1 : 2, bytes, unit[i]);
}

void progress_add_time(struct str *out, double seconds)
{
	long s = seconds < 0 ? 0 : seconds > 99 * 3600.0 ? 99 * 3600 : (long)(seconds + 0.5);

	if (s >= 3600)
		str_addf(out, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
	else
		str_addf(out, "%ld:%02ld", s / 60, s % 60);
}

static uint64_t delivered(const struct progress *p, int i)
{
	return __atomic_load_n(&relay_address(p->relay, 2 - (unsigned)i)->tally->sent_bytes,
			       __ATOMIC_RELAXED);
}

static uint64_t taken(const struct progress *p, int i)
{
	return __atomic_load_n(&relay_address(p->relay, (unsigned)i + 1)->tally->received_bytes,
			       __ATOMIC_RELAXED);
}

/* How much of the file is gone, and how long the rest takes. */
static void add_rest(struct str *line, const struct progress *p, int i)
{
	uint64_t got = taken(p, i), all = p->expected[i];

	if (!all || got > all)
		return;
	str_addf(line, "  %d%%", (int)((double)got * 100 / (double)all));
	if (p->rate[i] < 1)
		return;
	str_adds(line, "  ");
	progress_add_time(line, (double)(all - got) / p->rate[i]);
	str_adds(line, " left");
}

/* A direction is shown when bytes have gone that way, and the first one that is possible always. */
static bool shown(const struct progress *p, int i)
{
	const struct settings *set = &p->relay->plan->set;

	return delivered(p, i) || i == !set->left_to_right;
}

static void show(struct progress *p, void (*add)(struct str *, const struct progress *, int))
{
	bool both = shown(p, 0) && shown(p, 1);
	struct winsize w = { 0 };
	struct str line = { 0 };

	for (int i = 0; i < 2; i++) {
		if (!shown(p, i))
			continue;
		if (both)
			str_adds(&line, i ? "  < " : "> ");
		add(&line, p, i);
	}
	/* a line that wraps could not be taken away again */
	if (ioctl(2, TIOCGWINSZ, &w) == 0 && w.ws_col > 1 && line.len >= w.ws_col)
		line.data[w.ws_col - 1] = '\0';
	log_status(line.data);
	str_done(&line);
}

static void add_now(struct str *line, const struct progress *p, int i)
{
	progress_add_bytes(line, (double)delivered(p, i));
	str_adds(line, "  ");
	progress_add_bytes(line, p->rate[i]);
	str_adds(line, "/s");
	add_rest(line, p, i);
}

static void add_sum(struct str *line, const struct progress *p, int i)
{
	double seconds = (double)(p->last_ns - p->start_ns) / (double)NSEC_PER_SEC;

	progress_add_bytes(line, (double)delivered(p, i));
	str_adds(line, " in ");
	progress_add_time(line, seconds);
	str_adds(line, ", ");
	progress_add_bytes(line, seconds > 0 ? (double)delivered(p, i) / seconds : 0);
	str_adds(line, "/s");
}

static void measure(struct progress *p, int64_t now)
{
	double seconds = (double)(now - p->last_ns) / (double)NSEC_PER_SEC;
	bool first = p->last_ns == p->start_ns;

	for (int i = 0; i < 2 && seconds > 0; i++) {
		uint64_t n = delivered(p, i);
		double rate = (double)(n - p->last[i]) / seconds;

		p->rate[i] = first ? rate : INERTIA * p->rate[i] + (1 - INERTIA) * rate;
		p->last[i] = n;
	}
	p->last_ns = now;
}

static void on_timer(struct timer *t)
{
	struct progress *p = container_of(t, struct progress, timer);
	int64_t now = loop_now(p->relay->engine->loop);

	measure(p, now);
	show(p, add_now);
	loop_timer(p->relay->engine->loop, t, now + PERIOD_NS);
}

struct progress *progress_new(struct relay *relay)
{
	struct progress *p;

	if (!isatty(2))
		return NULL;
	p = xcalloc(1, sizeof(*p));
	p->relay = relay;
	p->start_ns = p->last_ns = loop_now(relay->engine->loop);
	timer_init(&p->timer, on_timer);
	loop_timer(relay->engine->loop, &p->timer, p->start_ns + PERIOD_NS);
	log_status("");
	return p;
}

/* What a regular file still holds, as far as it will be read; 0: unknown. */
static uint64_t size_of(const struct endpoint *ep)
{
	uint64_t size;
	struct stat st;
	off_t at;

	if (ep->rkind != FD_FILE || ep->addr->conf->flow.ignoreeof || fstat(ep->rfd, &st) == -1)
		return 0;
	at = lseek(ep->rfd, 0, SEEK_CUR);
	size = at >= 0 && at < st.st_size ? (uint64_t)(st.st_size - at) : 0;
	return size < ep->read_left ? size : ep->read_left;
}

void progress_session(struct progress *p, const struct flow *flow)
{
	if (!p)
		return;
	for (int i = 0; i < 2; i++) {
		bool known = !relay_has_source(p->relay) && flow[i].active;

		p->expected[i] = known ? size_of(flow[i].src) : 0;
	}
}

void progress_end(struct progress *p)
{
	if (!p)
		return;
	p->last_ns = loop_clock(p->relay->engine->loop);
	show(p, add_sum);
	log_status(NULL);
}

void progress_free(struct progress *p)
{
	if (p)
		loop_timer_stop(p->relay->engine->loop, &p->timer);
	free(p);
}
