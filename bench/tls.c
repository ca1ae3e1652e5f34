/* tls.c - makes and counts TLS connections for the benchmark
 *
 *   tls decrypt FROM TO BYTES          pour over TLS into FROM what comes out plain at TO
 *   tls encrypt FROM TO BYTES PEM      pour plain into FROM what comes out over TLS at TO
 *   tls conns FROM TO CLIENTS SECS     shake hands, send 64 bytes, read them back, close, again
 *   tls resumed FROM TO CLIENTS SECS   the same, each client resuming its session
 *   tls rtt FROM TO SECS               64 bytes there and back, one at a time
 *   tls relay FROM TO                  plain into TLS, one connection, as simply as can be: the
 * least that anybody must do who reads 128 KB, makes eight records of them and writes these by one
 * call
 *
 * FROM, TO and what is printed: see stream.c. PEM holds certificate and key of the server at TO. */
#define _GNU_SOURCE
#include "net.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/mman.h>

#define RECORD (16 << 10)

static void fail(const char *what)
{
	fprintf(stderr, "tls: %s\n", what);
	ERR_print_errors_fp(stderr);
	exit(1);
}

static SSL_CTX *context(const char *pem)
{
	SSL_CTX *ctx = SSL_CTX_new(pem ? TLS_server_method() : TLS_client_method());

	if (!ctx || (pem && (SSL_CTX_use_certificate_chain_file(ctx, pem) != 1 ||
			     SSL_CTX_use_PrivateKey_file(ctx, pem, SSL_FILETYPE_PEM) != 1)))
		fail("SSL_CTX");
	return ctx;
}

/* A connection to @from, hands shaken, @session resumed if there is one. */
static SSL *dial_tls(SSL_CTX *ctx, const char *from, SSL_SESSION *session)
{
	SSL *ssl = SSL_new(ctx);
	int one = 1, fd = dial(from, 0);

	setsockopt(fd, SOL_TCP, TCP_NODELAY, &one, sizeof(one));
	SSL_set_fd(ssl, fd);
	if (session)
		SSL_set_session(ssl, session);
	if (SSL_connect(ssl) != 1)
		fail("SSL_connect");
	return ssl;
}

static void hang_up(SSL *ssl)
{
	int fd = SSL_get_fd(ssl);

	SSL_shutdown(ssl);
	SSL_free(ssl);
	close(fd);
}

static void finish(pid_t sink, unsigned long bytes, double start)
{
	int status;

	waitpid(sink, &status, 0);
	if (status)
		errx(1, "not all bytes arrived");
	printf("{\"bytes\": %lu, \"seconds\": %.6f}\n", bytes, now() - start);
}

static int decrypt(const char *from, const char *to, unsigned long bytes)
{
	static char data[RECORD];
	int l = listener(to);
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(take_all(accept(l, NULL, NULL)) != bytes);
	}
	SSL *ssl = dial_tls(context(NULL), from, NULL);
	double start = now();
	for (unsigned long left = bytes; left;) {
		int n = SSL_write(ssl, data, left < RECORD ? (int)left : RECORD);
		if (n <= 0)
			fail("SSL_write");
		left -= (unsigned long)n;
	}
	SSL_shutdown(ssl);
	finish(pid, bytes, start);
	return 0;
}

static unsigned long take_all_tls(int fd, const char *pem)
{
	static char data[RECORD];
	SSL *ssl = SSL_new(context(pem));
	unsigned long sum = 0;
	int n;

	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) != 1)
		fail("SSL_accept");
	while ((n = SSL_read(ssl, data, RECORD)) > 0)
		sum += (unsigned long)n;
	return sum;
}

static int encrypt(const char *from, const char *to, unsigned long bytes, const char *pem)
{
	int l = listener(to);
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(take_all_tls(accept(l, NULL, NULL), pem) != bytes);
	}
	int fd = dial(from, 0);
	double start = now();
	pour_into(fd, bytes);
	finish(pid, bytes, start);
	return 0;
}

static SSL_SESSION *ticket; /* the newest one a server gave */

static int on_ticket(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	SSL_SESSION_free(ticket);
	ticket = session;
	return 1;
}

/* One client of conns(); returns how many connections it had, and how many resumed a session. */
static unsigned long connect_for(const char *from, double secs, bool resume, unsigned long *resumed)
{
	SSL_CTX *ctx = context(NULL);
	double end = now() + secs;
	unsigned long done = 0;
	char data[PING] = { 0 };

	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT);
	SSL_CTX_sess_set_new_cb(ctx, on_ticket);
	for (; now() < end; done++) {
		SSL *ssl = dial_tls(ctx, from, resume ? ticket : NULL);
		if (SSL_write(ssl, data, PING) != PING || SSL_read(ssl, data, PING) != PING)
			fail("no echo");
		*resumed += (unsigned long)SSL_session_reused(ssl);
		hang_up(ssl);
	}
	return done;
}

static int conns(const char *from, const char *to, int clients, double secs, bool resume)
{
	struct count {
		unsigned long done, resumed;
	} *count = mmap(NULL, (size_t)clients * sizeof(*count), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned long done = 0, resumed = 0;

	serve(to);
	for (int i = 0; i < clients; i++) {
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			count[i].done = connect_for(from, secs, resume, &count[i].resumed);
			_exit(0);
		}
	}
	for (int i = 0; i < clients; i++) {
		int status;
		if (wait(&status) == -1 || status)
			errx(1, "a client failed");
	}
	for (int i = 0; i < clients; i++) {
		done += count[i].done;
		resumed += count[i].resumed;
	}
	printf("{\"done\": %lu, \"resumed\": %lu, \"per_s\": %.1f}\n", done, resumed,
	       (double)done / secs);
	return 0;
}

static int rtt(const char *from, const char *to, double secs)
{
	char data[PING] = { 0 };

	serve(to);
	SSL *ssl = dial_tls(context(NULL), from, NULL);
	double start = now();
	for (double t = start; t - start < secs;) {
		if (SSL_write(ssl, data, PING) != PING || SSL_read(ssl, data, PING) != PING)
			fail("no echo");
		double was = t;
		t = now();
		sample(t - was);
	}
	qsort(samples, nsamples, sizeof(*samples), by_size);
	printf("{\"done\": %u, \"p50_us\": %.2f, \"p99_us\": %.2f}\n", nsamples, quantile(0.5),
	       quantile(0.99));
	return 0;
}

/* ---- the relay ---- */

#define BLOCK (128 << 10)

static char gathered[BLOCK + 4096]; /* records not yet written */
static int ngathered;

static int gather(BIO *b, const char *data, int len)
{
	(void)b;
	if (len > (int)sizeof(gathered) - ngathered)
		errx(1, "too much is gathered");
	memcpy(gathered + ngathered, data, (size_t)len);
	ngathered += len;
	return len;
}

static long gather_ctrl(BIO *b, int cmd, long number, void *p)
{
	(void)b;
	(void)number;
	(void)p;
	return cmd == BIO_CTRL_FLUSH;
}

static void write_gathered(int fd)
{
	for (int off = 0; off < ngathered;) {
		ssize_t n = write(fd, gathered + off, (size_t)(ngathered - off));
		if (n <= 0)
			err(1, "write");
		off += (int)n;
	}
	ngathered = 0;
}

static int relay(const char *from, const char *to)
{
	static char data[BLOCK];
	int in = accept(listener(from), NULL, NULL);
	SSL *ssl = dial_tls(context(NULL), to, NULL);
	int out = SSL_get_fd(ssl);
	BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "gather");
	ssize_t n;

	BIO_meth_set_write(method, gather);
	BIO_meth_set_ctrl(method, gather_ctrl);
	BIO *b = BIO_new(method);
	BIO_set_init(b, 1);
	SSL_set0_wbio(ssl, b);
	while ((n = read(in, data, BLOCK)) > 0) {
		for (ssize_t off = 0; off < n; off += RECORD) {
			int len = n - off < RECORD ? (int)(n - off) : RECORD;
			if (SSL_write(ssl, data + off, len) != len)
				fail("SSL_write");
		}
		write_gathered(out);
	}
	SSL_shutdown(ssl);
	write_gathered(out);
	shutdown(out, SHUT_WR);
	take_all(out); /* its tickets: unread, they would make the end a reset */
	return 0;
}

int main(int argc, char **argv)
{
	char **a = argv + 2;

	signal(SIGPIPE, SIG_IGN);
	if (argc == 5 && strcmp(argv[1], "decrypt") == 0)
		return decrypt(a[0], a[1], strtoul(a[2], NULL, 0));
	if (argc == 6 && strcmp(argv[1], "encrypt") == 0)
		return encrypt(a[0], a[1], strtoul(a[2], NULL, 0), a[3]);
	if (argc == 6 && strcmp(argv[1], "conns") == 0)
		return conns(a[0], a[1], atoi(a[2]), atof(a[3]), false);
	if (argc == 6 && strcmp(argv[1], "resumed") == 0)
		return conns(a[0], a[1], atoi(a[2]), atof(a[3]), true);
	if (argc == 5 && strcmp(argv[1], "rtt") == 0)
		return rtt(a[0], a[1], atof(a[2]));
	if (argc == 4 && strcmp(argv[1], "relay") == 0)
		return relay(a[0], a[1]);
	errx(2, "decrypt, encrypt, conns, resumed, rtt or relay; see the head of tls.c");
}
