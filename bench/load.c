/* load.c - makes and counts datagrams for the benchmark
 *
 *   load blast HOST PORT SIZE RATE SECONDS [GSO]  send (RATE 0: as fast as possible)
 *   load sink PORT IDLE_MS                        count until nothing came for IDLE_MS
 *   load echo HOST PORT CLIENTS SECONDS WAIT_MS   ask, wait for the answer, ask again
 *   load start TIMES PROGRAM ARG...               time and memory of starting a program
 *
 * Each prints one line of JSON. IPv4 only; no state beyond the run. sink prints
 * "ready" on stderr once it is bound. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#define BATCH 64
#define MAXCLIENTS 1024

static double now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static struct sockaddr_in target(const char *host, const char *port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	if (inet_pton(AF_INET, host, &sa.sin_addr) != 1)
		errx(1, "no IPv4 address: %s", host);
	return sa;
}

static int udp_socket(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		err(1, "socket");
	int size = 32 << 20;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) == -1)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) == -1)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return fd;
}

/* Send in batches; at a given rate sleep so that the average is kept. */
static int blast(char **arg, int gso)
{
	struct sockaddr_in sa = target(arg[0], arg[1]);
	size_t size = (size_t)atoi(arg[2]);
	double rate = atof(arg[3]), seconds = atof(arg[4]);
	static char data[65536];
	int fd = udp_socket();
	unsigned long sent = 0;

	if (size == 0 || size > 65507)
		errx(1, "size %zu", size);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == -1)
		err(1, "connect");
	unsigned per_call = BATCH;
	size_t run = 1; /* datagrams in one buffer */
	if (gso) {
		int seg = (int)size;
		if (setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &seg, sizeof(seg)) == -1)
			err(1, "UDP_SEGMENT");
		run = 65000 / size < BATCH ? 65000 / size : BATCH;
		per_call = 1;
	} else if (rate > 0) {
		per_call = 8; /* small bursts, so that the receiver's queue is not the test */
	}
	struct iovec iov = { data, size * run };
	struct mmsghdr msg[BATCH];
	memset(msg, 0, sizeof(msg));
	for (unsigned i = 0; i < BATCH; i++)
		msg[i].msg_hdr = (struct msghdr){ .msg_iov = &iov, .msg_iovlen = 1 };
	double start = now(), t = start;
	while (t - start < seconds) {
		int n = sendmmsg(fd, msg, per_call, 0);
		if (n == -1 && errno != ECONNREFUSED && errno != ENOBUFS)
			err(1, "sendmmsg");
		if (n > 0)
			sent += (unsigned long)n * run;
		t = now();
		double ahead = rate > 0 ? (double)sent / rate - (t - start) : 0;
		if (ahead > 0) {
			struct timespec ts = { 0, (long)(ahead * 1e9) };
			nanosleep(&ts, NULL);
		}
	}
	printf("{\"sent\": %lu, \"seconds\": %.6f}\n", sent, now() - start);
	return 0;
}

static int sink(char **arg)
{
	int fd = udp_socket();
	struct sockaddr_in sa = target("0.0.0.0", arg[0]);
	int idle = atoi(arg[1]);
	static char data[BATCH][2048];
	struct mmsghdr msg[BATCH];
	struct iovec iov[BATCH];
	unsigned long got = 0, bytes = 0;
	double first = 0, last = 0;

	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == -1)
		err(1, "bind");
	fprintf(stderr, "ready\n");
	memset(msg, 0, sizeof(msg));
	for (unsigned i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){ data[i], sizeof(data[i]) };
		msg[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i], .msg_iovlen = 1 };
	}
	for (;;) {
		struct pollfd p = { fd, POLLIN, 0 };
		/* Nothing at all for ten seconds ends it too. */
		if (poll(&p, 1, got ? idle : 10000) <= 0)
			break;
		int n = recvmmsg(fd, msg, BATCH, MSG_DONTWAIT, NULL);
		if (n <= 0)
			continue;
		last = now();
		if (!got)
			first = last;
		got += (unsigned long)n;
		for (int i = 0; i < n; i++)
			bytes += msg[i].msg_len;
	}
	printf("{\"received\": %lu, \"bytes\": %lu, \"seconds\": %.6f}\n", got, bytes,
	       last - first);
	return 0;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* N clients with a socket each and one open request each. An answer that does not
 * come within WAIT_MS counts as lost, and the client asks anew from a new socket. */
static int echo(char **arg)
{
	struct sockaddr_in sa = target(arg[0], arg[1]);
	int n = atoi(arg[2]), wait_ms = atoi(arg[4]);
	double seconds = atof(arg[3]), asked[MAXCLIENTS];
	struct pollfd p[MAXCLIENTS];
	unsigned long answers = 0, lost = 0, wrong = 0;
	size_t cap = 1 << 20, nrtt = 0;
	double *rtt = malloc(cap * sizeof(*rtt));
	char buf[2048], question[64];

	if (n < 1 || n > MAXCLIENTS || !rtt)
		errx(1, "clients: %d", n);
	double start = now();
	for (int i = 0; i < n; i++)
		p[i] = (struct pollfd){ -1, POLLIN, 0 };
	int busy = 1;
	while (busy) {
		double t = now();
		int over = t - start >= seconds;
		busy = 0;
		for (int i = 0; i < n; i++) {
			int answered = 0;
			if (p[i].fd != -1 && p[i].revents) {
				ssize_t len = recv(p[i].fd, buf, sizeof(buf), MSG_DONTWAIT);
				if (len > 0) {
					answered = 1;
					answers++;
					int q = snprintf(question, sizeof(question), "client %d",
							 i);
					if (len == q && memcmp(buf, "client ", 7) == 0 &&
					    memcmp(buf, question, (size_t)q) != 0)
						wrong++;
					if (nrtt < cap)
						rtt[nrtt++] = t - asked[i];
				}
			}
			if (p[i].fd != -1 && !answered) {
				if (t - asked[i] < wait_ms / 1e3) {
					busy = 1;
					continue;
				}
				lost++;
				close(p[i].fd);
				p[i].fd = -1;
			}
			if (over)
				continue;
			if (p[i].fd == -1) {
				p[i].fd = udp_socket();
				if (connect(p[i].fd, (struct sockaddr *)&sa, sizeof(sa)) == -1)
					err(1, "connect");
			}
			int q = snprintf(question, sizeof(question), "client %d", i);
			asked[i] = now();
			if (send(p[i].fd, question, (size_t)q, 0) == -1 && errno != ECONNREFUSED)
				err(1, "send");
			busy = 1;
		}
		/* After the end only the unanswered are waited for. */
		if (over) {
			for (int i = 0; i < n; i++)
				if (p[i].fd != -1 && p[i].revents) {
					close(p[i].fd);
					p[i].fd = -1;
				}
		}
		if (busy)
			poll(p, (nfds_t)n, 10);
	}
	double end = now() - start;
	qsort(rtt, nrtt, sizeof(*rtt), by_value);
	printf("{\"answers\": %lu, \"lost\": %lu, \"wrong\": %lu, \"seconds\": %.6f, \"p50_us\": "
	       "%.1f, \"p99_us\": %.1f}\n",
	       answers, lost, wrong, end > seconds ? seconds : end, nrtt ? rtt[nrtt / 2] * 1e6 : 0,
	       nrtt ? rtt[nrtt * 99 / 100] * 1e6 : 0);
	free(rtt);
	return 0;
}

/* A small program measures this, because the resident size that wait4() tells is never
 * below that of the program that started it. */
static int start(int times, char **argv)
{
	extern char **environ;
	double *ms = malloc(sizeof(*ms) * (size_t)times);
	long rss = 0;

	if (!ms)
		err(1, "malloc");
	for (int i = 0; i < times; i++) {
		struct rusage ru;
		pid_t pid;
		double t = now();
		if (posix_spawn(&pid, argv[0], NULL, NULL, argv, environ) != 0 ||
		    wait4(pid, NULL, 0, &ru) == -1)
			err(1, "%s", argv[0]);
		ms[i] = (now() - t) * 1e3;
		if (ru.ru_maxrss > rss)
			rss = ru.ru_maxrss;
	}
	qsort(ms, (size_t)times, sizeof(*ms), by_value);
	printf("{\"ms\": %.4f, \"max_rss_mb\": %.3f}\n", ms[times / 2], (double)rss / 1024);
	free(ms);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc >= 7 && strcmp(argv[1], "blast") == 0)
		return blast(argv + 2, argc > 7);
	if (argc == 4 && strcmp(argv[1], "sink") == 0)
		return sink(argv + 2);
	if (argc == 7 && strcmp(argv[1], "echo") == 0)
		return echo(argv + 2);
	if (argc >= 4 && strcmp(argv[1], "start") == 0 && atoi(argv[2]) > 0)
		return start(atoi(argv[2]), argv + 3);
	fprintf(stderr, "usage: load blast HOST PORT SIZE RATE SECONDS [gso] | sink PORT IDLE_MS | "
			"echo HOST PORT CLIENTS SECONDS WAIT_MS | start TIMES PROGRAM ARG...\n");
	return 1;
}
