/* net.h - what the load programs of the benchmark share: ends by name, pouring, echoing, samples */
#ifndef BENCH_NET_H
#define BENCH_NET_H

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHUNK (1 << 20)
#define PING 64
#define SAMPLES (1 << 20)
#define PATIENCE_MS 5000

static inline double now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

struct where {
	int family, type;
	bool socks; /* a SOCKS5 server that is the target, too */
	socklen_t len;
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_un un;
	} sa;
};

static inline struct where where(const char *text)
{
	struct where w = { .family = AF_INET, .type = SOCK_STREAM, .len = sizeof(w.sa.in) };

	if (strncmp(text, "unix:", 5) == 0) {
		w.family = w.sa.un.sun_family = AF_UNIX;
		snprintf(w.sa.un.sun_path, sizeof(w.sa.un.sun_path), "%s", text + 5);
		w.len = sizeof(w.sa.un);
		return w;
	}
	if (strncmp(text, "udp:", 4) == 0)
		w.type = SOCK_DGRAM;
	else if (strncmp(text, "socks:", 6) == 0)
		w.socks = true;
	else if (strncmp(text, "tcp:", 4) != 0)
		errx(1, "none of tcp:PORT, udp:PORT, socks:PORT, unix:PATH: %s", text);
	w.sa.in.sin_family = AF_INET;
	w.sa.in.sin_port = htons((uint16_t)atoi(strchr(text, ':') + 1));
	w.sa.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return w;
}

static inline int listener(const char *text)
{
	struct where w = where(text);
	int one = 1, fd = socket(w.family, w.type | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, &w.sa.any, w.len) == -1 || (w.type == SOCK_STREAM && listen(fd, 4096) == -1))
		err(1, "%s", text);
	return fd;
}

/* Connect; where nobody listens yet, try again for a while. */
static inline int dial(const char *text, int flags)
{
	struct where w = where(text);
	double end = now() + PATIENCE_MS / 1e3;

	for (;;) {
		int fd = socket(w.family, w.type | SOCK_CLOEXEC | flags, 0);
		if (fd == -1)
			err(1, "socket");
		if (connect(fd, &w.sa.any, w.len) == 0 || errno == EINPROGRESS)
			return fd;
		if (now() > end || (errno != ECONNREFUSED && errno != ENOENT && errno != EAGAIN))
			err(1, "connect %s", text);
		close(fd);
		usleep(1000);
	}
}

static inline unsigned long take_all(int fd)
{
	static char data[CHUNK];
	unsigned long sum = 0;
	ssize_t n;

	while ((n = read(fd, data, sizeof(data))) > 0)
		sum += (unsigned long)n;
	return sum;
}

static inline void pour_into(int fd, unsigned long bytes)
{
	static char data[CHUNK];

	while (bytes) {
		ssize_t n = write(fd, data, bytes < CHUNK ? bytes : CHUNK);
		if (n == -1)
			err(1, "write");
		bytes -= (unsigned long)n;
	}
	shutdown(fd, SHUT_WR);
}

/* The answers of a SOCKS5 server that lets everybody in and everything be (RFC 1928), to a client
 * that says one thing after the other. */
static const struct {
	char data[10];
	size_t len;
} socks_answer[] = { { "\5\0", 2 }, { "\5\0\0\1", 10 } };

/* Send back what comes, on any number of connections. */
static inline void echo(int l, int type, bool socks)
{
	static unsigned char said[65536]; /* by descriptor: answers of socks_answer */
	static char data[65536];
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = l }, got[256];
	int ep = epoll_create1(EPOLL_CLOEXEC);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (type == SOCK_DGRAM) {
		for (;;) {
			struct sockaddr_in sa;
			socklen_t len = sizeof(sa);
			ssize_t n =
				recvfrom(l, data, sizeof(data), 0, (struct sockaddr *)&sa, &len);
			if (n > 0)
				sendto(l, data, (size_t)n, 0, (struct sockaddr *)&sa, len);
		}
	}
	fcntl(l, F_SETFL, O_NONBLOCK);
	epoll_ctl(ep, EPOLL_CTL_ADD, l, &ev);
	for (;;) {
		int n = epoll_wait(ep, got, 256, -1);
		for (int i = 0; i < n; i++) {
			int fd = got[i].data.fd;
			if (fd == l) {
				while ((fd = accept4(l, NULL, NULL, SOCK_CLOEXEC)) != -1) {
					ev.data.fd = fd;
					said[fd] = socks ? 0 : 2;
					epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
				}
				continue;
			}
			ssize_t len = read(fd, data, sizeof(data));
			if (len > 0 && said[fd] < 2) {
				len = (ssize_t)socks_answer[said[fd]].len;
				memcpy(data, socks_answer[said[fd]++].data, (size_t)len);
			}
			if (len <= 0 || write(fd, data, (size_t)len) != len)
				close(fd);
		}
	}
}

static inline void serve(const char *to)
{
	if (strcmp(to, "-") == 0) /* somebody else does */
		return;
	int l = listener(to);
	if (fork() == 0) {
		echo(l, where(to).type, where(to).socks);
		_exit(0);
	}
	close(l);
	fprintf(stderr, "ready\n");
}

static float samples[SAMPLES];
static unsigned nsamples;

static inline void sample(double seconds)
{
	if (nsamples < SAMPLES)
		samples[nsamples++] = (float)(seconds * 1e6);
}

static inline int by_size(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;
	return x < y ? -1 : x > y;
}

/* The sample below which @part of them lie, microseconds. */
static inline double quantile(double part)
{
	return nsamples ? (double)samples[(unsigned)(part * (nsamples - 1))] : 0;
}

#endif
