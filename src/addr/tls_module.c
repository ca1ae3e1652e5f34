/* tls_module.c - TLS and DTLS by OpenSSL, see tls.h
 *
 * Secure unless told otherwise: TLS 1.2 and up, the system's trust store, the peer's certificate
 * and name verified. Names are compared as RFC 6125 says, by the library, with the common name
 * accepted as well because classic's users have such certificates. */
#include "addr/tls.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define READ_BUFFER (68 * 1024) /* bytes taken from a socket at once: four records */
#define SECRET_LEN 32
#define COOKIE_LEN 32
#define RECORD_MAX 16384 /* payload of one record, RFC 8446 section 5.1 */

struct tls_context {
	SSL_CTX *ctx;
	const struct conf *conf;
	enum tls_role role;
	char *name; /* to verify and to ask for; NULL: none */
	SSL_SESSION *session; /* the last one of this client, to be resumed */
	uint8_t secret[SECRET_LEN]; /* of cookies */
	uint8_t *alpn; /* names with their lengths before them */
	unsigned alpn_len;
	bool key_encrypted; /* a key could not be read for that reason */
};

struct tls {
	struct tls_context *c;
	SSL *ssl;
	struct tls_wire wire;
	uint8_t peer[128]; /* its address, for cookies */
	size_t peer_len;
	bool more; /* the last read did not take all there was */
	struct err *failure; /* met behind bytes that had to be delivered first; or NULL */
};

static bool is_server(enum tls_role role)
{
	return role == TLS_SERVER || role == DTLS_SERVER;
}

static bool is_dgram(enum tls_role role)
{
	return role == DTLS_CLIENT || role == DTLS_SERVER;
}

/* The oldest queued error of the library as text. */
static const char *library_says(char buf[256])
{
	unsigned long code = ERR_get_error();

	if (!code)
		snprintf(buf, 256, "unknown error");
	else
		ERR_error_string_n(code, buf, 256);
	ERR_clear_error();
	return buf;
}

static int library_error(struct err *err, const char *what)
{
	char text[256];

	return err_set(err, 0, "%s: %s", what, library_says(text));
}

/* ---- versions ---- */

static const struct {
	const char *words; /* separated by one blank */
	int version; /* 0: the library has it no more */
	int number; /* as classic prints it */
} versions[] = {
	{ "SSL2 SSLv2", 0, 2 },
	{ "SSL3 SSLv3", SSL3_VERSION, SSL3_VERSION },
	{ "TLS1 TLS1.0 TLSv1 TLSv1.0", TLS1_VERSION, TLS1_VERSION },
	{ "TLS1.1 TLSv1.1", TLS1_1_VERSION, TLS1_1_VERSION },
	{ "TLS1.2 TLSv1.2", TLS1_2_VERSION, TLS1_2_VERSION },
	{ "TLS1.3 TLSv1.3", TLS1_3_VERSION, TLS1_3_VERSION },
	{ "DTLS1 DTLS1.0 DTLSv1 DTLSv1.0", DTLS1_VERSION, DTLS1_VERSION },
	{ "DTLS1.2 DTLSv1.2", DTLS1_2_VERSION, DTLS1_2_VERSION },
};

static bool has_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *w = words; *w; w += strcspn(w, " "), w += *w == ' ') {
		if (strcspn(w, " ") == len && strncasecmp(w, word, len) == 0)
			return true;
	}
	return false;
}

static int set_version(struct tls_context *c, const char *text, bool min, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		if (!has_word(versions[i].words, text))
			continue;
		if (versions[i].version &&
		    (min ? SSL_CTX_set_min_proto_version(c->ctx, versions[i].version)
			 : SSL_CTX_set_max_proto_version(c->ctx, versions[i].version))) {
			/* what is older than TLS 1.2 signs with SHA-1, which level 1 forbids */
			if (versions[i].version < TLS1_2_VERSION ||
			    versions[i].version == DTLS1_VERSION)
				SSL_CTX_set_security_level(c->ctx, 0);
			return 0;
		}
		return err_set(
			err, 0,
			"SSL_CTX_set_%s_proto_version(\"%s\"->%d): failed: this library does "
			"not have it",
			min ? "min" : "max", text, versions[i].number);
	}
	return err_set(err, 0, "Unknown SSL/TLS version \"%s\" (use forms like \"TLS1.2\")", text);
}

static int set_versions(struct tls_context *c, struct err *err)
{
	const struct conf *conf = c->conf;

	SSL_CTX_set_min_proto_version(c->ctx, is_dgram(c->role) ? DTLS1_2_VERSION : TLS1_2_VERSION);
	/* a maximum below the default minimum is a wish for that version */
	if (conf->tls.max_version && !conf->tls.min_version)
		SSL_CTX_set_min_proto_version(c->ctx, 0);
	if (conf->tls.max_version && set_version(c, conf->tls.max_version, false, err) == -1)
		return -1;
	if (conf->tls.min_version && set_version(c, conf->tls.min_version, true, err) == -1)
		return -1;
	if (conf->tls.max_version && !conf->tls.min_version &&
	    SSL_CTX_get_max_proto_version(c->ctx) >= TLS1_2_VERSION && !is_dgram(c->role))
		SSL_CTX_set_min_proto_version(c->ctx, TLS1_2_VERSION);
	return 0;
}

/* ---- certificates and keys ---- */

/* Called for the passphrase of an encrypted key; there is nobody to ask. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
	struct tls_context *c = arg;

	(void)buf;
	(void)size;
	(void)writing;
	c->key_encrypted = true;
	return -1;
}

static void warn_if_readable(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && st.st_mode & 077)
		log_warn("private key \"%s\" can be read by others (mode 0%03o): chmod 600 it",
			 path, (unsigned)st.st_mode & 07777);
}

static int load_certificate(struct tls_context *c, struct err *err)
{
	const char *cert = c->conf->tls.cert;
	const char *key = c->conf->tls.key ? c->conf->tls.key : cert;

	if (!cert) {
		if (is_server(c->role))
			log_warn("no certificate given; consider option \"cert\"");
		return 0;
	}
	if (SSL_CTX_use_certificate_chain_file(c->ctx, cert) != 1) {
		library_error(err, "SSL_CTX_use_certificate_file()");
		return err_hint(err, "certificate \"%s\" must be a PEM file that can be read",
				cert);
	}
	if (SSL_CTX_use_PrivateKey_file(c->ctx, key, SSL_FILETYPE_PEM) != 1) {
		library_error(err, "SSL_CTX_use_PrivateKey_file()");
		if (c->key_encrypted)
			return err_hint(
				err,
				"private key \"%s\" is encrypted; store it decrypted, readable "
				"by its user only: openssl pkey -in %s -out FILE",
				key, key);
		return err_hint(err,
				"the private key is expected in \"%s\" and must belong to the "
				"certificate in \"%s\"",
				key, cert);
	}
	warn_if_readable(key);
	return 0;
}

static int load_trust(struct tls_context *c, struct err *err)
{
	const char *file = c->conf->tls.cafile, *path = c->conf->tls.capath;

	if (!file && !path) {
		SSL_CTX_set_default_verify_paths(c->ctx);
		return 0;
	}
	if (SSL_CTX_load_verify_locations(c->ctx, file, path) == 1)
		return 0;
	library_error(err, "SSL_CTX_load_verify_locations()");
	return err_hint(err, "trusted certificates \"%s\" could not be read", file ? file : path);
}

/* A server that verifies tells clients which authorities it accepts. */
static void tell_authorities(struct tls_context *c)
{
	STACK_OF(X509_NAME) * names;

	if (!is_server(c->role) || !c->conf->tls.cafile)
		return;
	names = SSL_load_client_CA_file(c->conf->tls.cafile);
	if (names)
		SSL_CTX_set_client_CA_list(c->ctx, names);
	ERR_clear_error();
}

static void set_verification(struct tls_context *c)
{
	if (!c->conf->tls.verify) {
		SSL_CTX_set_verify(c->ctx, SSL_VERIFY_NONE, NULL);
		return;
	}
	SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	log_info("OpenSSL: certificate revocation lists are not checked");
	tell_authorities(c);
}

/* ---- ciphers, parameters, extensions ---- */

/* Anonymous and null ciphers are below every security level; who names them wants them. */
static bool asks_for_weak(const char *list)
{
	static const char *const weak[] = { "aNULL", "eNULL", "ADH", "AECDH", "NULL" };

	for (const char *p = list; *p; p += strcspn(p, ":, "), p += *p != '\0') {
		if (*p == '-' || *p == '!')
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(weak); i++) {
			if (strncmp(p, weak[i], strlen(weak[i])) == 0)
				return true;
		}
	}
	return false;
}

static int set_ciphers(struct tls_context *c, struct err *err)
{
	const char *list = c->conf->tls.ciphers;
	char what[128];

	if (!list)
		return 0;
	if (asks_for_weak(list)) {
		SSL_CTX_set_security_level(c->ctx, 0);
		if (!is_dgram(c->role)) /* TLS 1.3 knows no anonymous peers */
			SSL_CTX_set_max_proto_version(c->ctx, TLS1_2_VERSION);
	}
	if (SSL_CTX_set_cipher_list(c->ctx, list) == 1)
		return 0;
	snprintf(what, sizeof(what), "SSL_set_cipher_list(, \"%.90s\")", list);
	return library_error(err, what);
}

static void set_dh(struct tls_context *c)
{
	const char *path = c->conf->tls.dhparam;
	EVP_PKEY *params;
	BIO *file;

	if (!is_server(c->role))
		return;
	SSL_CTX_set_dh_auto(c->ctx, 1);
	if (!path)
		return;
	file = BIO_new_file(path, "r");
	if (!file) {
		log_warn("BIO_new_file(\"%s\", \"r\"): %m; the library's parameters are used",
			 path);
		ERR_clear_error();
		return;
	}
	params = PEM_read_bio_Parameters(file, NULL);
	BIO_free(file);
	if (!params || SSL_CTX_set0_tmp_dh_pkey(c->ctx, params) != 1) {
		EVP_PKEY_free(params);
		log_warn("\"%s\" holds no Diffie-Hellman parameters; the library's are used", path);
		ERR_clear_error();
	}
}

static int set_compression(struct tls_context *c, struct err *err)
{
	const char *text = c->conf->tls.compress;

	if (!text)
		return 0;
	if (strcasecmp(text, "none") == 0)
		SSL_CTX_set_options(c->ctx, SSL_OP_NO_COMPRESSION);
	else if (strcasecmp(text, "auto") == 0)
		SSL_CTX_clear_options(c->ctx, SSL_OP_NO_COMPRESSION);
	else
		return err_set(err, 0, "openssl-compress=\"%s\": unknown compression method", text);
	return 0;
}

static int set_fragments(struct tls_context *c, struct err *err)
{
	static const struct {
		int64_t len;
		uint8_t code;
	} lengths[] = { { 512, TLSEXT_max_fragment_length_512 },
			{ 1024, TLSEXT_max_fragment_length_1024 },
			{ 2048, TLSEXT_max_fragment_length_2048 },
			{ 4096, TLSEXT_max_fragment_length_4096 } };
	int64_t max = c->conf->tls.maxfraglen, send = c->conf->tls.maxsendfrag;

	if (send >= 0) {
		if (send < 512 || send > RECORD_MAX)
			return err_set(err, 0, "openssl: maxsendfrag %lld out of range 512 - %d",
				       (long long)send, RECORD_MAX);
		SSL_CTX_set_max_send_fragment(c->ctx, (long)send);
	}
	if (max < 0)
		return 0;
	if (is_server(c->role))
		return err_set(err, 0, "openssl: maxfraglen option not applicable to a server");
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		if (lengths[i].len == max) {
			SSL_CTX_set_tlsext_max_fragment_length(c->ctx, lengths[i].code);
			return 0;
		}
	}
	return err_set(err, 0, "openssl: maxfraglen %lld is not one of 512, 1024, 2048, or 4096",
		       (long long)max);
}

/* "h2,http/1.1" as RFC 7301 writes it. */
static int set_alpn_names(struct tls_context *c, struct err *err)
{
	const char *text = c->conf->tls.alpn;
	struct str out = { 0 };

	for (const char *p = text; *p; p += *p == ',') {
		size_t len = strcspn(p, ",");

		if (len == 0 || len > 255) {
			str_done(&out);
			return err_set(err, 0,
				       "openssl-alpn=\"%s\": names of 1 to 255 bytes, separated by "
				       "commas, are expected",
				       text);
		}
		str_addc(&out, (char)len);
		str_add(&out, p, len);
		p += len;
	}
	c->alpn_len = (unsigned)out.len;
	c->alpn = (uint8_t *)str_take(&out);
	return 0;
}

/* Of a server: the first of our names that the client offers too. */
static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *len,
		       const unsigned char *in, unsigned in_len, void *arg)
{
	const struct tls_context *c = arg;

	(void)ssl;
	if (SSL_select_next_proto((unsigned char **)out, len, c->alpn, c->alpn_len, in, in_len) ==
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_OK;
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int set_alpn(struct tls_context *c, struct err *err)
{
	if (!c->conf->tls.alpn)
		return 0;
	if (set_alpn_names(c, err) == -1)
		return -1;
	if (is_server(c->role))
		SSL_CTX_set_alpn_select_cb(c->ctx, select_alpn, c);
	else
		SSL_CTX_set_alpn_protos(c->ctx, c->alpn, c->alpn_len);
	return 0;
}

/* ---- sessions and cookies ---- */

/* A client keeps the last session of its address. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_context *c = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	SSL_SESSION_free(c->session);
	c->session = session;
	return 1; /* we own it now */
}

static void set_sessions(struct tls_context *c)
{
	static const unsigned char id[] = "socast";

	if (is_server(c->role)) {
		SSL_CTX_set_session_id_context(c->ctx, id, sizeof(id) - 1);
		return;
	}
	SSL_CTX_set_session_cache_mode(c->ctx,
				       SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
	SSL_CTX_sess_set_new_cb(c->ctx, keep_session);
}

static struct tls *tls_of(const SSL *ssl)
{
	return SSL_get_app_data(ssl);
}

/* A cookie proves that the client receives at the address it sends from (RFC 6347 4.2.1). */
static bool make_cookie(const struct tls *t, unsigned char *out)
{
	unsigned len = COOKIE_LEN;

	return HMAC(EVP_sha256(), t->c->secret, SECRET_LEN, t->peer, t->peer_len, out, &len) !=
	       NULL;
}

static int generate_cookie(SSL *ssl, unsigned char *cookie, unsigned *len)
{
	*len = COOKIE_LEN;
	return make_cookie(tls_of(ssl), cookie);
}

static int verify_cookie(SSL *ssl, const unsigned char *cookie, unsigned len)
{
	unsigned char want[COOKIE_LEN];

	return len == COOKIE_LEN && make_cookie(tls_of(ssl), want) &&
	       CRYPTO_memcmp(want, cookie, COOKIE_LEN) == 0;
}

static void set_cookies(struct tls_context *c)
{
	if (c->role != DTLS_SERVER)
		return;
	RAND_bytes(c->secret, SECRET_LEN);
	SSL_CTX_set_options(c->ctx, SSL_OP_COOKIE_EXCHANGE);
	SSL_CTX_set_cookie_generate_cb(c->ctx, generate_cookie);
	SSL_CTX_set_cookie_verify_cb(c->ctx, verify_cookie);
}

/* ---- the context ---- */

static void context_free(struct tls_context *c)
{
	if (!c)
		return;
	SSL_SESSION_free(c->session);
	SSL_CTX_free(c->ctx);
	free(c->name);
	free(c->alpn);
	free(c);
}

static void say_obsolete(const struct conf *conf)
{
	if (conf->tls.egd)
		log_warn(
			"option openssl-egd has no effect: OpenSSL 3 seeds itself from the kernel");
	if (conf->tls.pseudo)
		log_warn("option openssl-pseudo has no effect: OpenSSL 3 seeds itself from the "
			 "kernel");
}

static int fill(struct tls_context *c, struct err *err)
{
	SSL_CTX_set_app_data(c->ctx, c);
	SSL_CTX_set_mode(c->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
					 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					 SSL_MODE_RELEASE_BUFFERS);
	if (!is_dgram(c->role)) {
		SSL_CTX_set_read_ahead(c->ctx, 1);
		SSL_CTX_set_default_read_buffer_len(c->ctx, READ_BUFFER);
	}
	SSL_CTX_set_default_passwd_cb(c->ctx, no_passphrase);
	SSL_CTX_set_default_passwd_cb_userdata(c->ctx, c);
	say_obsolete(c->conf);
	if (set_versions(c, err) == -1 || load_trust(c, err) == -1 ||
	    load_certificate(c, err) == -1 || set_ciphers(c, err) == -1 ||
	    set_compression(c, err) == -1 || set_fragments(c, err) == -1 || set_alpn(c, err) == -1)
		return -1;
	set_dh(c);
	set_verification(c);
	set_sessions(c);
	set_cookies(c);
	return 0;
}

static struct tls_context *context_new(const struct conf *conf, enum tls_role role,
				       const char *name, struct err *err)
{
	struct tls_context *c = xcalloc(1, sizeof(*c));

	c->conf = conf;
	c->role = role;
	if (conf->tls.commonname)
		name = conf->tls.commonname;
	c->name = name && *name ? xstrdup(name) : NULL;
	ERR_clear_error();
	c->ctx = SSL_CTX_new(is_dgram(role) ? DTLS_method() : TLS_method());
	if (!c->ctx) {
		library_error(err, "SSL_CTX_new()");
		context_free(c);
		return NULL;
	}
	if (fill(c, err) == 0)
		return c;
	context_free(c);
	return NULL;
}

/* ---- a wire of datagrams as a BIO ---- */

static int wire_write(BIO *b, const char *data, int len)
{
	struct tls *t = BIO_get_data(b);
	ssize_t n = t->wire.send(t->wire.arg, data, (size_t)len);

	BIO_clear_retry_flags(b);
	if (n == -1 && errno == EAGAIN)
		BIO_set_retry_write(b);
	return (int)n;
}

static int wire_read(BIO *b, char *data, int len)
{
	struct tls *t = BIO_get_data(b);
	ssize_t n = t->wire.recv(t->wire.arg, data, (size_t)len);

	BIO_clear_retry_flags(b);
	if (n == -1 && errno == EAGAIN)
		BIO_set_retry_read(b);
	return (int)n;
}

#define DGRAM_MTU 1400 /* bytes of a handshake datagram, below what any path takes */

static long wire_ctrl(BIO *b, int cmd, long number, void *p)
{
	(void)b;
	(void)number;
	(void)p;
	switch (cmd) {
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

static void tls_free(struct tls *t)
{
	if (!t)
		return;
	SSL_free(t->ssl);
	free(t->failure);
	free(t);
}

static bool is_address(const char *name)
{
	uint8_t bytes[16];

	return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

/* What a client asks for, so that a server with many certificates can choose. */
static void set_server_name(struct tls *t)
{
	const struct conf *conf = t->c->conf;
	const char *name = conf->tls.snihost ? conf->tls.snihost : t->c->name;

	if (conf->tls.no_sni)
		return;
	if (!name || !*name || is_address(name)) {
		if (conf->tls.snihost)
			log_warn("refusing to set empty SNI host name");
		return;
	}
	SSL_set_tlsext_host_name(t->ssl, name);
}

static struct tls *start(struct tls_context *c, int fd, const struct tls_wire *wire,
			 const void *peer, size_t peer_len, struct err *err)
{
	struct tls *t = xcalloc(1, sizeof(*t));

	t->c = c;
	t->ssl = SSL_new(c->ctx);
	if (!t->ssl) {
		library_error(err, "SSL_new()");
		tls_free(t);
		return NULL;
	}
	SSL_set_app_data(t->ssl, t);
	if (peer_len > sizeof(t->peer))
		peer_len = sizeof(t->peer);
	t->peer_len = peer_len;
	if (peer_len)
		memcpy(t->peer, peer, peer_len);
	if (wire) {
		BIO *b;

		t->wire = *wire;
		b = wire_bio(t);
		SSL_set_bio(t->ssl, b, b);
		SSL_set_options(t->ssl, SSL_OP_NO_QUERY_MTU);
		DTLS_set_link_mtu(t->ssl, DGRAM_MTU);
	} else {
		SSL_set_fd(t->ssl, fd);
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
		err_set(err, 0,
			"%s: the peer ended the connection without close-notify: data may be "
			"missing",
			what);
		return TLS_FAIL;
	}
	library_error(err, what);
	return TLS_FAIL;
}

/* Why the library did not trust the peer, and what would help. */
static void explain_distrust(struct tls *t, struct err *err)
{
	long why = SSL_get_verify_result(t->ssl);
	const char *advice = "";

	if (why == X509_V_OK)
		return;
	switch (why) {
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		advice = "; trust its issuer with cafile=FILE, or do without checks with verify=0";
		break;
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		advice = "; have it renewed, or look at the clock of this host";
		break;
	}
	err_hint(err, "the peer's certificate is not trusted: %s%s",
		 X509_verify_cert_error_string(why), advice);
}

static const char *name_text(X509_NAME *name, char *buf, size_t cap)
{
	BIO *b = BIO_new(BIO_s_mem());
	int n;

	X509_NAME_print_ex(b, name, 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB);
	n = BIO_read(b, buf, (int)cap - 1);
	buf[n > 0 ? n : 0] = '\0';
	BIO_free(b);
	return buf;
}

static bool name_fits(X509 *cert, const char *name)
{
	const unsigned flags =
		X509_CHECK_FLAG_ALWAYS_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;

	return X509_check_host(cert, name, 0, flags, NULL) == 1 ||
	       (is_address(name) && X509_check_ip_asc(cert, name, 0) == 1);
}

/* The name of a peer whose certificate is trusted. */
static int check_name(struct tls *t, struct err *err)
{
	const struct tls_context *c = t->c;
	X509 *cert = SSL_get1_peer_certificate(t->ssl);
	char text[512];
	int rc = 0;

	if (!c->conf->tls.verify) {
		log_notice(cert ? "option openssl-verify disabled, no check of certificate"
				: "no peer certificate and no check");
	} else if (cert) {
		log_info("peer certificate is trusted");
		log_info("SSL peer cert subject: \"%s\"",
			 name_text(X509_get_subject_name(cert), text, sizeof(text)));
		log_info("SSL peer cert issuer: \"%s\"",
			 name_text(X509_get_issuer_name(cert), text, sizeof(text)));
		if (!c->name)
			log_notice("trusting certificate, no check of commonName");
		else if (name_fits(cert, c->name))
			log_notice("trusting certificate, commonName matches");
		else
			rc = err_set(err, 0,
				     "certificate is valid but its commonName does not match "
				     "hostname \"%s\"",
				     c->name);
		if (rc)
			err_hint(err,
				 "it belongs to \"%s\"; if that is whom you mean, say "
				 "commonname=NAME with one of its names",
				 name_text(X509_get_subject_name(cert), text, sizeof(text)));
	}
	X509_free(cert);
	return rc;
}

static void say_connected(const struct tls *t)
{
	log_notice("SSL proto version used: %s", SSL_get_version(t->ssl));
	log_notice("SSL connection using %s", SSL_get_cipher(t->ssl));
	log_notice("SSL connection compression \"none\"");
	log_notice("SSL connection expansion \"none\"");
	if (SSL_session_reused(t->ssl))
		log_info("SSL session resumed");
}

static enum tls_result handshake(struct tls *t, struct err *err)
{
	const char *what = is_server(t->c->role) ? "SSL_accept()" : "SSL_connect()";
	enum tls_result r;

	ERR_clear_error();
	errno = 0;
	r = outcome(t, SSL_do_handshake(t->ssl), what, err);
	if (r == TLS_END) {
		err_set(err, 0, "%s: the peer ended the handshake", what);
		r = TLS_FAIL;
	}
	if (r == TLS_FAIL) {
		explain_distrust(t, err);
		err->code = EPROTO; /* worth another try */
		err->status = 1;
		return r;
	}
	if (r != TLS_DONE)
		return r;
	if (check_name(t, err) == -1)
		return TLS_FAIL;
	say_connected(t);
	return TLS_DONE;
}

/* ---- what programs are told ---- */

typedef void tell_fn(void *arg, const char *name, const char *value);

/* One variable per kind of subject field; values of the same kind are joined. */
static void describe_fields(X509_NAME *name, tell_fn *tell, void *arg)
{
	for (int i = 0; i < X509_NAME_entry_count(name); i++) {
		ASN1_OBJECT *kind = X509_NAME_ENTRY_get_object(X509_NAME_get_entry(name, i));
		struct str var = { 0 }, value = { 0 };

		if (X509_NAME_get_index_by_OBJ(name, kind, -1) < i)
			continue; /* told with the first of its kind */
		str_adds(&var, "X509_");
		for (const char *p = OBJ_nid2ln(OBJ_obj2nid(kind)); p && *p; p++)
			str_addc(&var, (char)(isalnum((unsigned char)*p) ? toupper(*p) : '_'));
		for (int k = i; k >= 0; k = X509_NAME_get_index_by_OBJ(name, kind, k)) {
			unsigned char *text;
			int len = ASN1_STRING_to_UTF8(
				&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, k)));

			if (len < 0)
				continue;
			if (value.len)
				str_adds(&value, " // ");
			str_add(&value, (const char *)text, (size_t)len);
			OPENSSL_free(text);
		}
		tell(arg, var.data, value.data ? value.data : "");
		str_done(&var);
		str_done(&value);
	}
}

static void add_alternative(const GENERAL_NAME *g, int type, struct str *out)
{
	char text[INET6_ADDRSTRLEN] = "";

	if (g->type != type)
		return;
	if (out->len)
		str_adds(out, " // ");
	if (type == GEN_DNS) {
		str_add(out, (const char *)ASN1_STRING_get0_data(g->d.dNSName),
			(size_t)ASN1_STRING_length(g->d.dNSName));
		return;
	}
	inet_ntop(ASN1_STRING_length(g->d.iPAddress) == 16 ? AF_INET6 : AF_INET,
		  ASN1_STRING_get0_data(g->d.iPAddress), text, sizeof(text));
	str_adds(out, text);
}

static void describe_alternatives(X509 *cert, tell_fn *tell, void *arg)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	static const struct {
		int type;
		const char *var;
	} kinds[] = { { GEN_DNS, "X509V3_SUBJECTALTNAME_DNS" },
		      { GEN_IPADD, "X509V3_SUBJECTALTNAME_IPADD" } };

	for (size_t k = 0; names && k < ARRAY_SIZE(kinds); k++) {
		struct str value = { 0 };

		for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
			add_alternative(sk_GENERAL_NAME_value(names, i), kinds[k].type, &value);
		if (value.len)
			tell(arg, kinds[k].var, value.data);
		str_done(&value);
	}
	GENERAL_NAMES_free(names);
}

static void describe(struct tls *t, tell_fn *tell, void *arg)
{
	X509 *cert = SSL_get1_peer_certificate(t->ssl);
	const unsigned char *alpn;
	char text[1024];
	unsigned len;

	tell(arg, "PROTO_VERSION", SSL_get_version(t->ssl));
	tell(arg, "CIPHER", SSL_get_cipher(t->ssl));
	SSL_get0_alpn_selected(t->ssl, &alpn, &len);
	if (len) {
		snprintf(text, sizeof(text), "%.*s", (int)len, (const char *)alpn);
		tell(arg, "ALPN", text);
	}
	if (!cert)
		return;
	tell(arg, "X509_SUBJECT", name_text(X509_get_subject_name(cert), text, sizeof(text)));
	tell(arg, "X509_ISSUER", name_text(X509_get_issuer_name(cert), text, sizeof(text)));
	describe_fields(X509_get_subject_name(cert), tell, arg);
	describe_alternatives(cert, tell, arg);
	X509_free(cert);
}

/* ---- moving ---- */

static enum tls_result tls_read(struct tls *t, void *buf, size_t len, size_t *moved,
				struct err *err)
{
	enum tls_result r = TLS_DONE;

	*moved = 0;
	if (t->failure) { /* the library tells it once */
		*err = *t->failure;
		return TLS_FAIL;
	}
	ERR_clear_error();
	/* records hold 16 KiB at most: fill the buffer with several, so that it is written at once
	 */
	while (*moved < len) {
		size_t n = 0;

		errno = 0;
		r = outcome(t, SSL_read_ex(t->ssl, (char *)buf + *moved, len - *moved, &n) ? 1 : 0,
			    "SSL_read()", err);
		*moved += n;
		if (r != TLS_DONE || is_dgram(t->c->role))
			break;
	}
	if (r == TLS_FAIL && *moved)
		t->failure = xmemdup(err, sizeof(*err));
	t->more = r != TLS_WANT_READ && r != TLS_WANT_WRITE;
	return *moved ? TLS_DONE : r; /* whatever else there was comes again */
}

static enum tls_result tls_write(struct tls *t, const void *buf, size_t len, size_t *moved,
				 struct err *err)
{
	*moved = 0;
	ERR_clear_error();
	errno = 0;
	return outcome(t, SSL_write_ex(t->ssl, buf, len, moved) ? 1 : 0, "SSL_write()", err);
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
	ERR_clear_error();
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
	ERR_clear_error();
	errno = 0;
	if (DTLSv1_handle_timeout(t->ssl) >= 0)
		return TLS_DONE;
	library_error(err, "DTLSv1_handle_timeout()");
	return TLS_FAIL;
}

extern const struct tls_api socast_tls_api;
const struct tls_api socast_tls_api = {
	.context_new = context_new,
	.context_free = context_free,
	.start = start,
	.handshake = handshake,
	.describe = describe,
	.read = tls_read,
	.write = tls_write,
	.pending = pending,
	.close_notify = close_notify,
	.timeout_ns = timeout_ns,
	.on_timeout = on_timeout,
	.free = tls_free,
};
