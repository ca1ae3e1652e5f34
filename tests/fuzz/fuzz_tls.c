/* fuzz_tls.c - a byte that chooses the role, then what a hostile peer sends
 *
 * Role 0 and 1: the bytes are all a TLS client or server hears. 2: they are a greeting for a DTLS
 * server. 3: they spoil a DTLS conversation between two of our own, a byte of input a datagram:
 * pass it on, drop it, send it twice, or flip a bit of it. Whatever comes, each call must end, and
 * what is read must be what was written. */
#include "addr/tls/tls_api.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define TURNS 64 /* of one conversation */
#define QUEUED 16

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

extern const struct tls_api socast_tls_api;
static const struct tls_api *const tls = &socast_tls_api;
static struct conf conf[4];
static struct tls_context *context[4]; /* by role */

/* A self-signed certificate and its key in a file that is gone with the process. */
static char *make_certificate(void)
{
	int fd = memfd_create("certificate", 0);
	FILE *f = fdopen(fd, "w");
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	char *path;

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
				   (const unsigned char *)"fuzz.test", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_sign(x, key, EVP_sha256());
	PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	PEM_write_X509(f, x);
	fflush(f); /* left open: the path below needs it */
	X509_free(x);
	EVP_PKEY_free(key);
	if (asprintf(&path, "/proc/self/fd/%d", fd) == -1)
		abort();
	return path;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char *cert = make_certificate();
	struct err err;

	(void)argc;
	(void)argv;
	log_threshold = LV_FATAL;
	for (int role = 0; role < 4; role++) {
		conf_init(&conf[role]);
		conf[role].tls.verify = false;
		if (role == TLS_SERVER || role == DTLS_SERVER)
			conf[role].tls.cert = cert;
		context[role] =
			tls->context_new(&conf[role], (enum tls_role)role, "fuzz.test", &err);
		if (!context[role])
			abort();
	}
	return 0;
}

static void tell(void *arg, const char *name, const char *value)
{
	*(size_t *)arg += strlen(name) + strlen(value);
}

/* What is said goes into the socket from which the library reads. */
static ssize_t into_socket(void *arg, const void *buf, size_t len)
{
	return send(*(int *)arg, buf, len, MSG_NOSIGNAL);
}

/* All a peer has to say, at once; then it hangs up. */
static void hear(enum tls_role role, const uint8_t *data, size_t size)
{
	enum tls_result r = TLS_WANT_READ;
	char buf[512];
	size_t moved = 0;
	struct err err;
	struct tls *t;
	int fd[2];
	struct tls_wire wire = { NULL, into_socket, fd };

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) == -1)
		abort();
	t = tls->start(context[role], fd[0], &wire, NULL, 0, &err);
	if (send(fd[1], data, size, MSG_NOSIGNAL) == -1 && errno != EAGAIN)
		abort();
	shutdown(fd[1], SHUT_WR);
	for (int i = 0; t && i < TURNS && (r == TLS_WANT_READ || r == TLS_WANT_WRITE); i++)
		r = tls->handshake(t, &err);
	for (int i = 0; t && i < TURNS && r == TLS_DONE; i++)
		r = tls->read(t, buf, sizeof(buf), &moved, &err);
	tls->free(t);
	close(fd[0]);
	close(fd[1]);
}

/* ---- a wire of datagrams in memory ---- */

struct side {
	struct side *peer;
	uint8_t data[QUEUED][2048];
	size_t len[QUEUED], n;
	struct fate {
		const uint8_t *next, *end;
	} * fate; /* of both sides */
};

static ssize_t side_recv(void *arg, void *buf, size_t cap)
{
	struct side *s = arg;
	size_t len = s->len[0];

	if (!s->n) {
		errno = EAGAIN;
		return -1;
	}
	memcpy(buf, s->data[0], len < cap ? len : cap);
	s->n--;
	memmove(s->data[0], s->data[1], s->n * sizeof(s->data[0]));
	memmove(s->len, s->len + 1, s->n * sizeof(s->len[0]));
	return (ssize_t)(len < cap ? len : cap);
}

static void deliver(struct side *to, const void *buf, size_t len, int flip)
{
	if (to->n == QUEUED || len > sizeof(to->data[0]))
		return;
	memcpy(to->data[to->n], buf, len);
	if (flip >= 0 && len)
		to->data[to->n][(size_t)flip * 37 % len] ^= (uint8_t)(1 << flip % 8);
	to->len[to->n++] = len;
}

static ssize_t side_send(void *arg, const void *buf, size_t len)
{
	struct side *s = arg;
	int fate = s->fate->next < s->fate->end ? *s->fate->next++ : 0;

	if (fate % 4 != 1)
		deliver(s->peer, buf, len, fate % 4 == 3 ? fate / 4 : -1);
	if (fate % 4 == 2)
		deliver(s->peer, buf, len, -1);
	return (ssize_t)len;
}

static void greet(const uint8_t *data, size_t size)
{
	struct fate none = { NULL, NULL };
	struct side away = { 0 }, here = { .peer = &away, .fate = &none };
	struct tls_wire wire = { side_recv, side_send, &here };

	deliver(&here, data, size, -1);
	if (tls->greeted(context[DTLS_SERVER], &wire, "peer", 4))
		abort(); /* nobody can guess a cookie */
}

/* One turn of one side; its greeting when it has shaken hands. */
static void turn(struct tls *t, bool *shaken, bool *failed)
{
	static const char hello[] = "hello";
	char buf[64];
	enum tls_result r;
	size_t moved = 0, told = 0;
	struct err err;

	if (*failed)
		return;
	if (!*shaken) {
		r = tls->handshake(t, &err);
		*shaken = r == TLS_DONE;
		*failed = r == TLS_FAIL || r == TLS_END;
		if (*shaken) {
			tls->describe(t, tell, &told);
			(void)tls->write(t, hello, sizeof(hello), &moved, &err);
		} else if (!*failed && tls->timeout_ns(t) == 0) {
			*failed = tls->on_timeout(t, &err) == TLS_FAIL;
		}
		return;
	}
	r = tls->read(t, buf, sizeof(buf), &moved, &err);
	if (r == TLS_DONE && (moved != sizeof(hello) || memcmp(buf, hello, moved) != 0))
		abort();
	*failed = r == TLS_FAIL || r == TLS_END;
}

static void converse(const uint8_t *data, size_t size)
{
	struct fate fate = { data, data + size };
	struct side side[2] = { { .peer = &side[1], .fate = &fate },
				{ .peer = &side[0], .fate = &fate } };
	struct tls *t[2];
	bool shaken[2] = { false }, failed[2] = { false };
	struct err err;

	for (int i = 0; i < 2; i++) {
		struct tls_wire wire = { side_recv, side_send, &side[i] };

		t[i] = tls->start(context[i ? DTLS_SERVER : DTLS_CLIENT], -1, &wire, "peer", 4,
				  &err);
		if (!t[i])
			abort();
	}
	for (int k = 0; k < TURNS; k++)
		turn(t[k % 2], &shaken[k % 2], &failed[k % 2]);
	if (!size && (!shaken[0] || !shaken[1]))
		abort(); /* nothing was in the way */
	tls->free(t[0]);
	tls->free(t[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	switch (data[0] % 4) {
	case 0:
		hear(TLS_CLIENT, data + 1, size - 1);
		break;
	case 1:
		hear(TLS_SERVER, data + 1, size - 1);
		break;
	case 2:
		greet(data + 1, size - 1);
		break;
	default:
		converse(data + 1, size - 1);
	}
	return 0;
}
