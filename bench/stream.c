/* stream.c - makes and counts connections for the benchmark
 *
 *   stream bulk FROM TO BYTES          pour into FROM what comes out at TO
 *   stream sink TO                     take everything one connection brings
 *   stream pour FROM BYTES             pour into FROM, wait for its end
 *   stream conns FROM TO CLIENTS SECS  connect, send 64 bytes, read them back, close, again
 *   stream idle FROM TO N              N connections, each used once; then wait for stdin's end
 *   stream rtt FROM TO SECS            64 bytes there and back, one at a time
 *   stream relay FROM TO               be a relay that does the bare minimum: what the kernel
 * allows
 *
 * FROM is where the relay listens, TO where it connects to: tcp:PORT, udp:PORT (rtt only) or
 * unix:PATH; "-" for TO: somebody else listens there. What answers at TO is a child of ours. Each
 * prints one line of JSON; "ready" on stderr says that TO listens (idle: that all connections
 * stand). */
#define _GNU_SOURCE
#include "net.h"

static int sink(const char *to)
{
	int l = listener(to);

	fprintf(stderr, "ready\n");
	int fd = accept(l, NULL, NULL);
	double start = now();
	unsigned long sum = take_all(fd);
	printf("{\"bytes\": %lu, \"seconds\": %.6f}\n", sum, now() - start);
	return 0;
}

static int pour(const char *from, unsigned long bytes)
{
	int fd = dial(from, 0);
	double start = now();

	pour_into(fd, bytes);
	take_all(fd);
	printf("{\"bytes\": %lu, \"seconds\": %.6f}\n", bytes, now() - start);
	return 0;
}

static int bulk(const char *from, const char *to, unsigned long bytes)
{
	int l = listener(to), status;
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(take_all(accept(l, NULL, NULL)) != bytes);
	}
	int fd = dial(from, 0);
	double start = now();
	pour_into(fd, bytes);
	waitpid(pid, &status, 0);
	if (status)
		errx(1, "not all bytes arrived");
	printf("{\"bytes\": %lu, \"seconds\": %.6f}\n", bytes, now() - start);
	return 0;
}

struct client {
	int fd;
	double start;
};

static void begin(struct client *c, const char *from, int ep)
{
	static const char ping[PING];
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };

	c->start = now();
	c->fd = dial(from, 0); /* loopback: at once, or the queue overflows, which is what counts */
	if (write(c->fd, ping, PING) != PING)
		err(1, "write");
	epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev);
}

static int conns(const char *from, const char *to, unsigned nclients, double secs)
{
	int ep = epoll_create1(EPOLL_CLOEXEC);
	struct client *client = calloc(nclients, sizeof(*client));
	struct epoll_event got[64];
	unsigned long done = 0, failed = 0;
	char data[4096];

	serve(to);
	close(dial(from, 0)); /* the relay is there */
	usleep(100000);
	double start = now(), t = start;
	for (unsigned i = 0; i < nclients; i++)
		begin(&client[i], from, ep);
	while ((t = now()) - start < secs) {
		int n = epoll_wait(ep, got, 64, 100);
		for (int i = 0; i < n; i++) {
			struct client *c = got[i].data.ptr;
			ssize_t len = read(c->fd, data, sizeof(data));
			*(len == PING ? &done : &failed) += 1;
			sample(now() - c->start);
			close(c->fd);
			begin(c, from, ep);
		}
	}
	qsort(samples, nsamples, sizeof(*samples), by_size);
	printf("{\"done\": %lu, \"failed\": %lu, \"per_s\": %.1f, \"p50_us\": %.1f, \"p99_us\": "
	       "%.1f}\n",
	       done, failed, (double)done / (t - start), quantile(0.5), quantile(0.99));
	return 0;
}

static void ping_once(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char data[PING] = { 0 };
	size_t got = 0;

	if (write(fd, data, PING) != PING)
		err(1, "write");
	while (got < PING) {
		if (poll(&p, 1, PATIENCE_MS) <= 0)
			errx(1, "no answer");
		ssize_t n = read(fd, data, PING - got);
		if (n <= 0)
			errx(1, "connection ended");
		got += (size_t)n;
	}
}

static int idle(const char *from, const char *to, unsigned n)
{
	double start;

	serve(to);
	close(dial(from, 0));
	usleep(100000);
	start = now();
	for (unsigned i = 0; i < n; i++)
		ping_once(dial(from, 0));
	printf("{\"sessions\": %u, \"seconds\": %.6f}\n", n, now() - start);
	fflush(stdout);
	fprintf(stderr, "standing\n");
	take_all(0);
	return 0;
}

static int rtt(const char *from, const char *to, double secs)
{
	double start;
	int fd, one = 1;

	serve(to);
	fd = dial(from, 0);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	usleep(100000);
	for (int i = 0; i < 100; i++)
		ping_once(fd);
	start = now();
	while (now() - start < secs) {
		double t = now();
		ping_once(fd);
		sample(now() - t);
	}
	qsort(samples, nsamples, sizeof(*samples), by_size);
	printf("{\"round_trips\": %u, \"p50_us\": %.2f, \"p99_us\": %.2f}\n", nsamples,
	       quantile(0.5), quantile(0.99));
	return 0;
}

static const struct {
	const char *name;
	int nargs;
} commands[] = { { "bulk", 3 }, { "sink", 1 }, { "pour", 2 }, { "conns", 4 },
		 { "idle", 3 }, { "rtt", 3 },  { "relay", 2 } };

/* One connection through the bare relay. */
struct pair {
	int fd[2], ended;
	struct side {
		struct pair *pair;
		int number;
	} side[2];
};

static void join(int ep, int from, const char *to)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct pair *p = calloc(1, sizeof(*p));

	p->fd[0] = from;
	p->fd[1] = dial(to, SOCK_NONBLOCK);
	fcntl(p->fd[1], F_SETFL, 0);
	for (int i = 0; i < 2; i++) {
		p->side[i] = (struct side){ p, i };
		ev.data.ptr = &p->side[i];
		epoll_ctl(ep, EPOLL_CTL_ADD, p->fd[i], &ev);
	}
}

/* Waits while it writes, knows no errors, no fairness and no log: a bound, not a program to use. */
static void pass_on(int ep, struct side *side, char *data, size_t size)
{
	struct pair *p = side->pair;
	int in = p->fd[side->number], out = p->fd[!side->number];
	ssize_t len = read(in, data, size);

	if (len > 0 && write(out, data, (size_t)len) == len)
		return;
	if (++p->ended == 1) {
		epoll_ctl(ep, EPOLL_CTL_DEL, in, NULL);
		shutdown(out, SHUT_WR);
	} else {
		close(in);
		close(out);
		free(p);
	}
}

static int relay(const char *from, const char *to)
{
	int ep = epoll_create1(EPOLL_CLOEXEC), l = listener(from);
	struct epoll_event ev = { .events = EPOLLIN }, got[64];
	static char data[1 << 17];

	epoll_ctl(ep, EPOLL_CTL_ADD, l, &ev);
	for (;;) {
		int n = epoll_wait(ep, got, 64, -1);
		for (int i = 0; i < n; i++) {
			if (got[i].data.ptr)
				pass_on(ep, got[i].data.ptr, data, sizeof(data));
			else
				join(ep, accept(l, NULL, NULL), to);
		}
	}
}

int main(int argc, char **argv)
{
	struct rlimit most = { 1 << 16, 1 << 16 };
	char **a = argv + 2;
	unsigned which = 0;

	signal(SIGPIPE, SIG_IGN);
	if (setrlimit(RLIMIT_NOFILE, &most) == -1 && getrlimit(RLIMIT_NOFILE, &most) == 0) {
		most.rlim_cur = most.rlim_max;
		setrlimit(RLIMIT_NOFILE, &most);
	}
	while (which < 7 && (argc < 2 || strcmp(argv[1], commands[which].name) != 0))
		which++;
	if (which == 7 || argc != commands[which].nargs + 2)
		errx(2, "bulk, sink, pour, conns, idle, rtt or relay; see the head of stream.c");
	switch (which) {
	case 0:
		return bulk(a[0], a[1], strtoul(a[2], NULL, 0));
	case 1:
		return sink(a[0]);
	case 2:
		return pour(a[0], strtoul(a[1], NULL, 0));
	case 3:
		return conns(a[0], a[1], (unsigned)atoi(a[2]), atof(a[3]));
	case 4:
		return idle(a[0], a[1], (unsigned)atoi(a[2]));
	case 5:
		return rtt(a[0], a[1], atof(a[2]));
	default:
		return relay(a[0], a[1]);
	}
}
