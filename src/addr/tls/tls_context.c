/* tls_context.c - settings and certificates of a TLS address, see tls_impl.h
 *
 * Secure unless told otherwise: TLS 1.2 and up, the system's trust store, the peer's certificate
 * verified. Whatever is wrong is said here, before anything connects or listens. */
#include "addr/tls/tls_impl.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#include <dirent.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BUFFER (68 * 1024) /* bytes taken from a socket at once: four records */
#define COOKIE_LEN 32
#define DAY_S 86400LL
#define RECORD_MAX 16384 /* payload of one record, RFC 8446 section 5.1 */

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

int tls_library_error(struct err *err, const char *what)
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

/* "2026-11-22 14:31:05 UTC" */
#define DATE_LEN 40
static const char *date_text(const ASN1_TIME *when, char buf[DATE_LEN])
{
	struct tm tm;

	if (ASN1_TIME_to_tm(when, &tm) != 1 ||
	    strftime(buf, DATE_LEN, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
		snprintf(buf, DATE_LEN, "an unknown date");
	return buf;
}

/* X509_cmp_current_time() is negative for what lies in the past. */
static bool has_expired(const X509 *cert)
{
	return X509_cmp_current_time(X509_get0_notAfter(cert)) < 0;
}

/* Less than a week is left, and of those that live for days less than a quarter. */
static bool expires_soon(const X509 *cert)
{
	const ASN1_TIME *from = X509_get0_notBefore(cert), *to = X509_get0_notAfter(cert);
	int days, s, left_days, left_s;

	return ASN1_TIME_diff(&left_days, &left_s, NULL, to) == 1 &&
	       ASN1_TIME_diff(&days, &s, from, to) == 1 && left_days < 7 &&
	       (left_days * DAY_S + left_s) * 4LL < days * DAY_S + s;
}

/* The peer will refuse it, but perhaps it does not verify. */
static void warn_if_not_valid(const struct tls_context *c, const char *path)
{
	const X509 *cert = SSL_CTX_get0_certificate(c->ctx);
	char date[DATE_LEN];

	if (has_expired(cert))
		log_warn("certificate \"%s\" has expired on %s: whoever verifies it refuses it",
			 path, date_text(X509_get0_notAfter(cert), date));
	else if (X509_cmp_current_time(X509_get0_notBefore(cert)) > 0)
		log_warn(
			"certificate \"%s\" is not valid before %s: whoever verifies it refuses it",
			path, date_text(X509_get0_notBefore(cert), date));
	else if (expires_soon(cert))
		log_warn("certificate \"%s\" expires on %s: have it renewed", path,
			 date_text(X509_get0_notAfter(cert), date));
}

static int load_certificate(struct tls_context *c, struct err *err)
{
	const char *cert = c->conf->tls.cert;
	const char *key = c->conf->tls.key ? c->conf->tls.key : cert;

	if (!cert && c->conf->tls.key)
		log_warn("option key has no effect without option cert");
	if (!cert) {
		if (is_server(c->role))
			log_warn("no certificate given; consider option \"cert\"");
		return 0;
	}
	if (SSL_CTX_use_certificate_chain_file(c->ctx, cert) != 1) {
		tls_library_error(err, "SSL_CTX_use_certificate_file()");
		return err_hint(err, "certificate \"%s\" must be a PEM file that can be read",
				cert);
	}
	if (SSL_CTX_use_PrivateKey_file(c->ctx, key, SSL_FILETYPE_PEM) != 1) {
		tls_library_error(err, "SSL_CTX_use_PrivateKey_file()");
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
	warn_if_not_valid(c, cert);
	return 0;
}

/* Of a bundle some may have expired; if all of them have, nobody will be trusted. */
static void warn_if_none_valid(const struct tls_context *c, const char *file)
{
	const STACK_OF(X509_OBJECT) *all = X509_STORE_get0_objects(SSL_CTX_get_cert_store(c->ctx));
	int expired = 0;

	for (int i = 0; i < sk_X509_OBJECT_num(all); i++) {
		const X509 *cert = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(all, i));

		if (cert && !has_expired(cert))
			return;
		expired += cert != NULL;
	}
	if (expired)
		log_warn("all trusted certificates in \"%s\" have expired: nobody will be trusted",
			 file);
}

/* Named as openssl-rehash(1) does: eight hexadecimal digits, a dot, a number. */
static bool is_hash_name(const char *name)
{
	static const char hex[] = "0123456789abcdefABCDEF", digits[] = "0123456789";

	return strspn(name, hex) == 8 && name[8] == '.' && name[9] &&
	       !name[9 + strspn(name + 9, digits)];
}

/* The library looks there when it verifies, and says nothing if it finds none. */
static void warn_if_no_hashes(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	bool found = false;

	if (!dir) {
		log_warn("directory \"%s\" of trusted certificates: %m", path);
		return;
	}
	while (!found && (entry = readdir(dir)))
		found = is_hash_name(entry->d_name);
	closedir(dir);
	if (!found)
		log_warn("directory \"%s\" has no certificates named by their hash: openssl rehash "
			 "%s",
			 path, path);
}

static int load_trust(struct tls_context *c, struct err *err)
{
	const char *file = c->conf->tls.cafile, *path = c->conf->tls.capath;

	if (!file && !path) {
		SSL_CTX_set_default_verify_paths(c->ctx);
		return 0;
	}
	if (SSL_CTX_load_verify_locations(c->ctx, file, path) == 1) {
		if (file && !path)
			warn_if_none_valid(c, file);
		if (path && c->conf->tls.verify)
			warn_if_no_hashes(path);
		return 0;
	}
	tls_library_error(err, "SSL_CTX_load_verify_locations()");
	if (file && access(file, R_OK) == 0)
		return err_hint(err, "there is no trusted certificate in \"%s\": PEM is expected",
				file);
	return err_hint(err, "trusted certificates \"%s\" could not be read", file ? file : path);
}

/* The certificates sent with ours: those of its file, else what the trusted ones have up to the
 * root. Looked for here, once; OpenSSL would do it anew in every handshake. */
static void build_chain(struct tls_context *c)
{
	STACK_OF(X509) *chain = NULL;

	SSL_CTX_set_mode(c->ctx, SSL_MODE_NO_AUTO_CHAIN);
	if (!SSL_CTX_get0_certificate(c->ctx))
		return;
	SSL_CTX_get0_chain_certs(c->ctx, &chain);
	if (!chain)
		SSL_CTX_build_cert_chain(c->ctx, SSL_BUILD_CHAIN_FLAG_NO_ROOT |
							 SSL_BUILD_CHAIN_FLAG_IGNORE_ERROR |
							 SSL_BUILD_CHAIN_FLAG_CLEAR_ERROR);
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

/* What only those names contain that stand for ciphers without certificates or encryption. */
static bool names_weak(const char *word, size_t len)
{
	static const char *const weak[] = { "aNULL", "eNULL", "NULL", "ADH", "AECDH", "anon" };

	for (size_t i = 0; i < ARRAY_SIZE(weak); i++) {
		if (memmem(word, len, weak[i], strlen(weak[i])))
			return true;
	}
	return false;
}

/* Anonymous and null ciphers are below every security level; who names them wants them. */
static bool asks_for_weak(const char *list)
{
	for (const char *p = list; *p; p += *p != '\0') {
		size_t len = strcspn(p, ":;, ");

		if (*p != '-' && *p != '!' && names_weak(p, len))
			return true;
		p += len;
	}
	return false;
}

static bool has_dsa_key(const struct tls_context *c)
{
	X509 *cert = SSL_CTX_get0_certificate(c->ctx);
	EVP_PKEY *key = cert ? X509_get0_pubkey(cert) : NULL;

	return key && EVP_PKEY_get_base_id(key) == EVP_PKEY_DSA;
}

/* The list of the library and of the system's settings, and behind it what DSA keys need. */
static char *list_with_dsa(const struct tls_context *c)
{
	STACK_OF(SSL_CIPHER) *have = SSL_CTX_get_ciphers(c->ctx);
	struct str list = { 0 };

	for (int i = 0; i < sk_SSL_CIPHER_num(have); i++) {
		const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(have, i);

		if (SSL_CIPHER_get_auth_nid(cipher) != NID_auth_any) /* those of TLS 1.3 stay */
			str_addf(&list, "%s:", SSL_CIPHER_get_name(cipher));
	}
	str_adds(&list, "HIGH+aDSS:!ARIA:!CAMELLIA");
	return str_take(&list);
}

/* A client cannot know that the server has a DSA key. TLS 1.3 has nothing for them. */
static void allow_dsa(struct tls_context *c)
{
	bool own = has_dsa_key(c);
	char *list;

	if (own && !is_dgram(c->role) && !c->conf->tls.max_version)
		SSL_CTX_set_max_proto_version(c->ctx, TLS1_2_VERSION);
	if (!own && is_server(c->role))
		return;
	list = list_with_dsa(c);
	if (SSL_CTX_set_cipher_list(c->ctx, list) != 1)
		ERR_clear_error(); /* a library without it: nothing has changed */
	free(list);
}

/* Groups like HIGH and ALL hold anonymous ciphers, which nothing but the security level would keep
 * away; so who does not name them does not get them. */
static int set_ciphers(struct tls_context *c, struct err *err)
{
	const char *list = c->conf->tls.ciphers;
	char what[128], *strong;
	bool ok;

	if (!list) {
		allow_dsa(c);
		return 0;
	}
	if (asks_for_weak(list)) {
		SSL_CTX_set_security_level(c->ctx, 0);
		if (!is_dgram(c->role)) /* TLS 1.3 knows no anonymous peers */
			SSL_CTX_set_max_proto_version(c->ctx, TLS1_2_VERSION);
		ok = SSL_CTX_set_cipher_list(c->ctx, list) == 1;
	} else {
		strong = xasprintf("%s:!aNULL:!eNULL", list);
		ok = SSL_CTX_set_cipher_list(c->ctx, strong) == 1;
		free(strong);
	}
	if (ok)
		return 0;
	snprintf(what, sizeof(what), "SSL_set_cipher_list(, \"%.90s\")", list);
	return tls_library_error(err, what);
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

	return HMAC(EVP_sha256(), t->c->secret, sizeof(t->c->secret), t->peer, t->peer_len, out,
		    &len) != NULL;
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
	/* DTLSv1_listen() asks for cookies; the exchange within the handshake would keep state */
	RAND_bytes(c->secret, sizeof(c->secret));
	SSL_CTX_set_cookie_generate_cb(c->ctx, generate_cookie);
	SSL_CTX_set_cookie_verify_cb(c->ctx, verify_cookie);
}

/* ---- the context ---- */

void tls_context_free(struct tls_context *c)
{
	if (!c)
		return;
	tls_free(c->greeter);
	SSL_SESSION_free(c->session);
	SSL_CTX_free(c->ctx);
	free(c->name);
	free(c->alpn);
	free(c);
}

static void say_useless(const struct tls_context *c)
{
	const struct conf *conf = c->conf;
	const char *sni = conf->tls.snihost;

	if (is_server(c->role) && (sni || conf->tls.no_sni))
		log_warn("option %s has no effect: it is for clients", sni ? "snihost" : "no-sni");
	else if (!is_server(c->role) && conf->tls.dhparam)
		log_warn("option dhparam has no effect: it is for servers");
	else if (sni && !conf->tls.no_sni && (!*sni || tls_is_address(sni)))
		log_warn("refusing to set empty SNI host name");
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
	SSL_CTX_clear_mode(c->ctx, SSL_MODE_AUTO_RETRY); /* so that messages can be counted */
	if (!is_dgram(c->role)) {
		SSL_CTX_set_read_ahead(c->ctx, 1);
		SSL_CTX_set_default_read_buffer_len(c->ctx, READ_BUFFER);
	}
	if (c->conf->tls.eof_without_notify == 1)
		SSL_CTX_set_options(c->ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_default_passwd_cb(c->ctx, no_passphrase);
	SSL_CTX_set_default_passwd_cb_userdata(c->ctx, c);
	say_useless(c);
	if (set_versions(c, err) == -1 || load_trust(c, err) == -1 ||
	    load_certificate(c, err) == -1 || set_ciphers(c, err) == -1 ||
	    set_compression(c, err) == -1 || set_fragments(c, err) == -1 || set_alpn(c, err) == -1)
		return -1;
	build_chain(c);
	set_dh(c);
	set_verification(c);
	set_sessions(c);
	set_cookies(c);
	return 0;
}

/* "[::1]" is "::1" in certificates. */
static char *bare_host(const char *host)
{
	size_t len = strlen(host);

	return *host == '[' && host[len - 1] == ']' ? xstrndup(host + 1, len - 2) : xstrdup(host);
}

struct tls_context *tls_context_new(const struct conf *conf, enum tls_role role, const char *name,
				    struct err *err)
{
	struct tls_context *c = xcalloc(1, sizeof(*c));

	c->conf = conf;
	c->role = role;
	c->typed = conf->tls.commonname ? NULL : name;
	if (conf->tls.commonname)
		name = conf->tls.commonname;
	c->name = name && *name ? bare_host(name) : NULL;
	ERR_clear_error();
	c->ctx = SSL_CTX_new(is_dgram(role) ? DTLS_method() : TLS_method());
	if (!c->ctx) {
		tls_library_error(err, "SSL_CTX_new()");
		tls_context_free(c);
		return NULL;
	}
	if (fill(c, err) == 0)
		return c;
	tls_context_free(c);
	return NULL;
}
