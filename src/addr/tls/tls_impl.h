/* tls_impl.h - what the files of the TLS module share
 *
 * tls_context.c reads settings and certificates, tls_verify.c judges peers and describes them,
 * tls_module.c shakes hands and moves bytes. */
#ifndef ADDR_TLS_TLS_IMPL_H
#define ADDR_TLS_TLS_IMPL_H

#include "addr/tls/tls_api.h"

#include <openssl/ssl.h>

struct tls_context {
	SSL_CTX *ctx;
	const struct conf *conf;
	enum tls_role role;
	char *name; /* to verify and to ask for; NULL: none */
	const char *typed; /* the host with its brackets, if that is what has to be verified */
	struct tls *greeter; /* of a DTLS server: looks at greetings, and forgets them */
	SSL_SESSION *session; /* the last one of this client, to be resumed */
	uint8_t secret[32]; /* of cookies */
	uint8_t *alpn; /* names with their lengths before them */
	unsigned alpn_len;
	bool key_encrypted; /* a key could not be read for that reason */
};

struct tls {
	struct tls_context *c;
	SSL *ssl;
	struct tls_wire wire;
	bool wire_ended; /* a stream: end of file has been read */
	uint8_t peer[128]; /* its address, for cookies */
	size_t peer_len;
	bool shaken; /* the handshake is over */
	bool greeted; /* DTLS server: the client has shown its cookie */
	bool more; /* the last read did not take all there was */
	bool heard; /* the peer has said something behind the handshake */
	bool alerted; /* it has ended the connection by an alert */
	unsigned messages; /* of the handshake's kind, behind it, since the last data */
	size_t stuck; /* bytes of the record that a write could not finish, 0: none */
	struct err *failure; /* met behind bytes that had to be delivered first; or NULL */
};

static inline bool is_server(enum tls_role role)
{
	return role == TLS_SERVER || role == DTLS_SERVER;
}

static inline bool is_dgram(enum tls_role role)
{
	return role == DTLS_CLIENT || role == DTLS_SERVER;
}

/* tls_api.free */
void tls_free(struct tls *t);

/* tls_api.context_new and .context_free */
struct tls_context *tls_context_new(const struct conf *conf, enum tls_role role, const char *name,
				    struct err *err);
void tls_context_free(struct tls_context *c);

/* The library's oldest queued error behind "@what: "; the queue is empty then. Returns -1. */
int tls_library_error(struct err *err, const char *what);

/* The text is a numeric IPv4 or IPv6 address. */
bool tls_is_address(const char *name);

/* Behind a failed handshake: why the library did not trust the peer, as hint of @err. */
void tls_explain_distrust(struct tls *t, struct err *err);

/* Behind a handshake: compare the name of the peer, log the verdict. 0, or -1 with @err. */
int tls_check_name(struct tls *t, struct err *err);

/* tls_api.describe */
void tls_describe(struct tls *t, void (*tell)(void *arg, const char *name, const char *value),
		  void *arg);

#endif
