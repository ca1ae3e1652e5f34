/* tls_module.c - TLS and DTLS by OpenSSL, see tls.h
 *
 * Built with tls_context.c and tls_verify.c as a module of its own. Here: handshakes, and bytes in
 * and out. */
#include "addr/tls/tls_impl.h"
#include "base/list.h"
#include "base/mem.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

/* The library reads its settings now, from the root directory of the start: they can make it load
 * code, and an address may change the root. */
static void __attribute__((constructor)) settle(void)
{
	OPENSSL_init_ssl(OPENSSL_INIT_LOAD_CONFIG | OPENSSL_INIT_LOAD_SSL_STRINGS |
				 OPENSSL_INIT_LOAD_CRYPTO_STRINGS,
			 NULL);
}

/* Clearing the library's list costs something even if it is empty. */
static void forget_errors(void)
{
	if (ERR_peek_error())
		ERR_clear_error();
}

/* ---- a wire as a BIO ---- */

/* The library has one list of errors for all connections: what a layer below does is not to touch
 * the reason @failed why this one sends an alert. */
static void put_back_reason(unsigned long failed)
{
	int code = errno;

	forget_errors();
	if (failed)
		ERR_raise(ERR_GET_LIB(failed), ERR_GET_REASON(failed));
	errno = code;
}

static int wire_write(BIO *b, const char *data, int len)
{
	struct tls *t = BIO_get_data(b);
	unsigned long failed = ERR_peek_error();
	ssize_t n = t->wire.send(t->wire.arg, data, (size_t)len);

	put_back_reason(failed);
	BIO_clear_retry_flags(b);
	if (n == -1 && errno == EAGAIN)
		BIO_set_retry_write(b);
	return (int)n;
}

#define DTLS_HEAD                                                                                  \
	13 /* bytes in front of a record, the last two its length: RFC 6347 section 4.1            \
	    */

/* Can an encrypted record of DTLS 1.2 have @n bytes? Nonce and tag belong to it. Of block ciphers
 * nothing is said: the library ends a connection for any of theirs that is forged. */
static bool fits_cipher(const SSL *ssl, size_t n)
{
	const SSL_CIPHER *c = SSL_get_current_cipher(ssl);

	if (!c || !SSL_CIPHER_is_aead(c))
		return true;
	if (strstr(SSL_CIPHER_get_name(c), "CCM8") ||
	    SSL_CIPHER_get_cipher_nid(c) == NID_chacha20_poly1305)
		return n >= 16;
	return n >= 24;
}

/* The library ends a connection for a record that cannot be one of its cipher, which anybody can
 * forge; it is to be dropped (RFC 6347 section 4.1.2.7). */
static bool is_misshapen(const struct tls *t, const uint8_t *data, size_t len)
{
	while (len >= DTLS_HEAD) {
		size_t n = (size_t)data[11] << 8 | data[12];

		if ((data[3] || data[4]) && !fits_cipher(t->ssl, n))
			return true;
		if (n > len - DTLS_HEAD)
			return false;
		data += DTLS_HEAD + n;
		len -= DTLS_HEAD + n;
	}
	return false;
}

/* What is dropped is not waited for: there may be more in hand. */
static ssize_t receive(struct tls *t, void *data, size_t len)
{
	ssize_t n;

	do
		n = t->wire.recv(t->wire.arg, data, len);
	while (n > 0 && is_dgram(t->c->role) && is_misshapen(t, data, (size_t)n));
	return n;
}

static int wire_read(BIO *b, char *data, int len)
{
	struct tls *t = BIO_get_data(b);
	unsigned long failed = ERR_peek_error();
	ssize_t n = receive(t, data, (size_t)len);

	put_back_reason(failed);
	BIO_clear_retry_flags(b);
	if (n == -1 && errno == EAGAIN)
		BIO_set_retry_read(b);
	t->wire_ended = n == 0 && !is_dgram(t->c->role);
	return (int)n;
}

#define DGRAM_MTU 1400 /* bytes of a handshake datagram, below what any path takes */

static long wire_ctrl(BIO *b, int cmd, long number, void *p)
{
	const struct tls *t = BIO_get_data(b);

	(void)number;
	(void)p;
	switch (cmd) {
	case BIO_CTRL_EOF:
		return t->wire_ended;
	case BIO_CTRL_FLUSH:
	case BIO_CTRL_DGRAM_SET_NEXT_TIMEOUT:
		return 1;
	case BIO_CTRL_DGRAM_QUERY_MTU:
	case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
		return DGRAM_MTU;
	default:
		return 0;
	}
}

static BIO *wire_bio(struct tls *t)
{
	static BIO_METHOD *method; /* of the library's own registry: made once, never changed */
	BIO *b;

	if (!method) {
		method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagrams");
		BIO_meth_set_write(method, wire_write);
		BIO_meth_set_read(method, wire_read);
		BIO_meth_set_ctrl(method, wire_ctrl);
	}
	b = BIO_new(method);
	BIO_set_data(b, t);
	BIO_set_init(b, 1);
	return b;
}

/* ---- a connection ---- */

/* Who it talks to, for cookies. */
static void set_peer(struct tls *t, const void *peer, size_t len)
{
	t->peer_len = len < sizeof(t->peer) ? len : sizeof(t->peer);
	memcpy(t->peer, peer, t->peer_len);
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	SSL_free(t->ssl);
	free(t->failure);
	free(t);
}

/* What a client asks for, so that a server with many certificates can choose. */
static void set_server_name(struct tls *t)
{
	const struct conf *conf = t->c->conf;
	const char *name = conf->tls.snihost ? conf->tls.snihost : t->c->name;

	if (conf->tls.no_sni)
		return;
	if (name && *name && !tls_is_address(name))
		SSL_set_tlsext_host_name(t->ssl, name);
}

/* Tickets, key updates, and in TLS 1.2 the wish for another handshake. */
static void on_message(int sent, int version, int type, const void *buf, size_t len, SSL *ssl,
		       void *arg)
{
	struct tls *t = arg;

	(void)version;
	(void)buf;
	(void)len;
	(void)ssl;
	if (sent || !t->shaken || type != SSL3_RT_HANDSHAKE)
		return;
	t->messages++;
	t->heard = true;
}

static struct tls *start(struct tls_context *c, int fd, const struct tls_wire *wire,
			 const void *peer, size_t peer_len, struct err *err)
{
	struct tls *t = xcalloc(1, sizeof(*t));

	t->c = c;
	t->ssl = SSL_new(c->ctx);
	if (!t->ssl) {
		tls_library_error(err, "SSL_new()");
		tls_free(t);
		return NULL;
	}
	SSL_set_app_data(t->ssl, t);
	if (peer_len)
		set_peer(t, peer, peer_len);
	t->wire = *wire;
	SSL_set_msg_callback(t->ssl, on_message);
	SSL_set_msg_callback_arg(t->ssl, t);
	SSL_set0_wbio(t->ssl, wire_bio(t));
	SSL_set0_rbio(t->ssl, wire->recv ? wire_bio(t) : BIO_new_socket(fd, BIO_NOCLOSE));
	if (is_dgram(c->role)) {
		SSL_set_options(t->ssl, SSL_OP_NO_QUERY_MTU);
		DTLS_set_link_mtu(t->ssl, DGRAM_MTU);
	}
	if (is_server(c->role)) {
		SSL_set_accept_state(t->ssl);
	} else {
		SSL_set_connect_state(t->ssl);
		set_server_name(t);
		if (c->session)
			SSL_set_session(t->ssl, c->session);
	}
	return t;
}

/* Reasons that say what is missing on our side. */
static const struct {
	int reason;
	const char *advice;
} cures[] = {
	{ SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE,
	  "clients have to show a certificate that cafile verifies; verify=0 asks for none" },
	{ SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED,
	  "the server wants a certificate of its clients: add cert=FILE" },
	{ SSL_R_WRONG_VERSION_NUMBER, "the peer seems to speak no TLS" },
	{ SSL_R_HTTP_REQUEST, "the peer seems to speak no TLS" },
};

static void library_failed(struct err *err, const char *what)
{
	int reason = ERR_GET_REASON(ERR_peek_error());

	tls_library_error(err, what);
	for (size_t i = 0; i < ARRAY_SIZE(cures); i++) {
		if (cures[i].reason == reason)
			err_hint(err, "%s", cures[i].advice);
	}
}

/* What a call of the library that returned @rc means. @what: for the sentence. */
static enum tls_result outcome(struct tls *t, int rc, const char *what, struct err *err)
{
	int code = errno;

	switch (SSL_get_error(t->ssl, rc)) {
	case SSL_ERROR_NONE:
		return TLS_DONE;
	case SSL_ERROR_WANT_READ:
		return TLS_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_END;
	case SSL_ERROR_SYSCALL:
		if (ERR_peek_error() == 0) {
			if (code)
				err_set(err, code, "%s", what);
			else
				err_set(err, 0, "%s: the connection has ended", what);
			return TLS_FAIL;
		}
		break;
	}
	if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
		ERR_clear_error();
		err_set(err, 0, "%s: the peer ended the connection %s", what,
			t->shaken ? "without close-notify: data may be missing"
				  : "during the handshake");
		return TLS_FAIL;
	}
	t->alerted = ERR_GET_REASON(ERR_peek_error()) >= SSL_AD_REASON_OFFSET;
	library_failed(err, what);
	return TLS_FAIL;
}

static struct tls_agreed agreed(const struct tls *t)
{
	return (struct tls_agreed){ .version = SSL_get_version(t->ssl),
				    .cipher = SSL_get_cipher(t->ssl),
				    .resumed = SSL_session_reused(t->ssl) };
}

/* DTLSv1_listen(3): 1 when the greeting carries a good cookie; it answers one without, and keeps
 * nothing but that. */
static bool listen_once(struct tls *t)
{
	BIO_ADDR *nobody = BIO_ADDR_new();
	bool ok = DTLSv1_listen(t->ssl, nobody) == 1;

	BIO_ADDR_free(nobody);
	ERR_clear_error();
	return ok;
}

static bool greeted(struct tls_context *c, const struct tls_wire *wire, const void *peer,
		    size_t peer_len)
{
	struct err err;

	if (!c->greeter)
		c->greeter = start(c, -1, wire, peer, peer_len, &err);
	if (!c->greeter)
		return true; /* the handshake will say what is wrong */
	c->greeter->wire = *wire;
	set_peer(c->greeter, peer, peer_len);
	return listen_once(c->greeter);
}

static enum tls_result handshake(struct tls *t, struct err *err)
{
	const char *what = is_server(t->c->role) ? "SSL_accept()" : "SSL_connect()";
	enum tls_result r;

	ERR_clear_error();
	if (t->c->role == DTLS_SERVER && !t->greeted) {
		t->greeted = listen_once(t);
		if (!t->greeted)
			return TLS_WANT_READ;
	}
	errno = 0;
	r = outcome(t, SSL_do_handshake(t->ssl), what, err);
	if (r == TLS_END) {
		err_set(err, 0, "%s: the peer ended the handshake", what);
		r = TLS_FAIL;
	}
	if (r == TLS_FAIL) {
		tls_explain_distrust(t, err);
		err->code = EPROTO; /* worth another try */
		err->status = 1;
		return r;
	}
	if (r != TLS_DONE)
		return r;
	t->shaken = true;
	t->more = SSL_has_pending(t->ssl); /* it may have read on */
	return tls_check_name(t, err) == -1 ? TLS_FAIL : TLS_DONE;
}

/* ---- moving ---- */

#define MESSAGES_MAX 100 /* without any data between them; each costs as much as kilobytes */

/* The library has stopped behind a message that is no data: read on, unless there is no end of
 * them.
 */
static bool reads_on(const struct tls *t, unsigned before, enum tls_result *r, struct err *err)
{
	if (*r != TLS_WANT_READ || t->messages == before)
		return false;
	if (t->messages <= MESSAGES_MAX)
		return true;
	err_set(err, 0,
		"SSL_read(): the peer sends one handshake message after the other, and no data");
	*r = TLS_FAIL;
	return false;
}

static enum tls_result tls_read(struct tls *t, void *buf, size_t len, size_t *moved,
				struct err *err)
{
	enum tls_result r = TLS_DONE;

	*moved = 0;
	if (t->failure) { /* the library tells it once */
		*err = *t->failure;
		return TLS_FAIL;
	}
	forget_errors();
	/* records hold 16 KiB at most: fill the buffer with several, so that it is written at once
	 */
	while (*moved < len) {
		unsigned before = t->messages;
		size_t n = 0;

		errno = 0;
		r = outcome(t, SSL_read_ex(t->ssl, (char *)buf + *moved, len - *moved, &n) ? 1 : 0,
			    "SSL_read()", err);
		*moved += n;
		if (n) {
			t->messages = 0;
			t->heard = true;
		}
		if (reads_on(t, before, &r, err))
			continue;
		if (r != TLS_DONE || is_dgram(t->c->role))
			break;
	}
	if (r == TLS_FAIL && *moved)
		t->failure = xmemdup(err, sizeof(*err));
	t->more = r != TLS_WANT_READ && r != TLS_WANT_WRITE;
	return *moved ? TLS_DONE : r; /* whatever else there was comes again */
}

static int verdict(struct tls *t, struct err *err)
{
	char dropped[16384];
	size_t n;
	enum tls_result r;

	if (t->c->role != TLS_CLIENT || SSL_version(t->ssl) < TLS1_3_VERSION || t->heard)
		return 0;
	r = tls_read(t, dropped, sizeof(dropped), &n, err);
	if ((r == TLS_WANT_READ || r == TLS_WANT_WRITE) && !t->heard)
		return 1;
	return r == TLS_FAIL && (t->alerted || err->code) ? -1 : 0; /* an alert, or a reset */
}

static size_t record_size(const struct tls *t)
{
	const SSL_SESSION *session = SSL_get_session(t->ssl);
	unsigned mode = session ? SSL_SESSION_get_max_fragment_length(session) : 0;
	int64_t asked = t->c->conf->tls.maxsendfrag;
	size_t size =
		mode >= TLSEXT_max_fragment_length_512 && mode <= TLSEXT_max_fragment_length_4096
			? (size_t)512 << (mode - TLSEXT_max_fragment_length_512)
			: SSL3_RT_MAX_PLAIN_LENGTH;

	return asked > 0 && (size_t)asked < size ? (size_t)asked : size;
}

/* What is given to the library is one record, and the same one until it has gone: of several it
 * would send some, and not tell before the last of them (s->rlayer.wnum in ssl/record). Who loses
 * the connection meanwhile must know what has gone. */
static size_t one_record(const struct tls *t, size_t len)
{
	size_t most = t->stuck ? t->stuck : is_dgram(t->c->role) ? len : record_size(t);

	return len < most ? len : most;
}

static enum tls_result tls_write(struct tls *t, const void *buf, size_t len, size_t *moved,
				 struct err *err)
{
	enum tls_result r;
	int code;

	*moved = 0;
	len = one_record(t, len);
	forget_errors();
	errno = 0;
	r = outcome(t, SSL_write_ex(t->ssl, buf, len, moved) ? 1 : 0, "SSL_write()", err);
	code = errno;
	t->stuck = r == TLS_WANT_READ || r == TLS_WANT_WRITE ? len : 0;
	if (r != TLS_END)
		return r;
	/* behind the peer's close-notify the library words every failure as that */
	err_set(err, code ? code : EPIPE, "SSL_write()");
	return TLS_FAIL;
}

static bool pending(const struct tls *t)
{
	return t->more;
}

static enum tls_result close_notify(struct tls *t)
{
	struct err err;
	int rc;

	if (!SSL_is_init_finished(t->ssl))
		return TLS_DONE;
	forget_errors();
	errno = 0;
	rc = SSL_shutdown(t->ssl);
	if (rc >= 0) /* 0: ours is sent, the peer's has not come */
		return TLS_DONE;
	return outcome(t, rc, "SSL_shutdown()", &err) == TLS_WANT_WRITE ? TLS_WANT_WRITE : TLS_DONE;
}

static int64_t timeout_ns(const struct tls *t)
{
	struct timeval tv;

	if (!DTLSv1_get_timeout(t->ssl, &tv))
		return -1;
	return (int64_t)tv.tv_sec * 1000000000 + (int64_t)tv.tv_usec * 1000;
}

static enum tls_result on_timeout(struct tls *t, struct err *err)
{
	forget_errors();
	errno = 0;
	if (DTLSv1_handle_timeout(t->ssl) >= 0)
		return TLS_DONE;
	tls_library_error(err, "DTLSv1_handle_timeout()");
	return TLS_FAIL;
}

extern const struct tls_api socast_tls_api;
const struct tls_api socast_tls_api = {
	.context_new = tls_context_new,
	.context_free = tls_context_free,
	.start = start,
	.greeted = greeted,
	.handshake = handshake,
	.verdict = verdict,
	.agreed = agreed,
	.describe = tls_describe,
	.read = tls_read,
	.write = tls_write,
	.pending = pending,
	.close_notify = close_notify,
	.timeout_ns = timeout_ns,
	.on_timeout = on_timeout,
	.free = tls_free,
};
