/* tls_verify.c - who the peer is, see tls_impl.h
 *
 * The chain has been verified by the library during the handshake; here the name is compared, as
 * RFC 6125 says, by the library as well, with the common name accepted too because classic's users
 * have such certificates. */
#include "addr/tls/tls_impl.h"
#include "base/escape.h"
#include "base/list.h"
#include "base/log.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool tls_is_address(const char *name)
{
	uint8_t bytes[16];

	return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

/* Why the library did not trust the peer, and what would help. */
void tls_explain_distrust(struct tls *t, struct err *err)
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

/* A whole name, "CN = x, O = y". */
static char *name_text(X509_NAME *name)
{
	BIO *b = BIO_new(BIO_s_mem());
	struct str text = { 0 };
	char *data;
	long len;

	X509_NAME_print_ex(b, name, 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB);
	len = BIO_get_mem_data(b, &data);
	escape_add(&text, data, len > 0 ? (size_t)len : 0);
	BIO_free(b);
	return str_take(&text);
}

static bool names_addresses(X509 *cert)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	bool found = false;

	for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++)
		found |= sk_GENERAL_NAME_value(names, i)->type == GEN_IPADD;
	GENERAL_NAMES_free(names);
	return found;
}

/* Classic's users have certificates whose common name is the address as it is typed, "[::1]". It
 * counts where the certificate has no better word for addresses. */
static bool is_common_name(X509 *cert, const char *text)
{
	X509_NAME *subject = X509_get_subject_name(cert);
	bool same = false;

	for (int i = -1; (i = X509_NAME_get_index_by_NID(subject, NID_commonName, i)) >= 0;) {
		unsigned char *name;
		int len = ASN1_STRING_to_UTF8(
			&name, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, i)));

		if (len < 0)
			continue;
		same |= (size_t)len == strlen(text) && memcmp(name, text, (size_t)len) == 0;
		OPENSSL_free(name);
	}
	return same && !names_addresses(cert);
}

static bool name_fits(X509 *cert, const char *name)
{
	const unsigned flags =
		X509_CHECK_FLAG_ALWAYS_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;

	return X509_check_host(cert, name, 0, flags, NULL) == 1 ||
	       (tls_is_address(name) && X509_check_ip_asc(cert, name, 0) == 1);
}

/* The peer's certificate is trusted: does it bear the name that was wanted? */
static int judge_name(const struct tls_context *c, X509 *cert, struct err *err)
{
	char *subject = name_text(X509_get_subject_name(cert));
	char *issuer = name_text(X509_get_issuer_name(cert));
	int rc = 0;

	log_info("peer certificate is trusted");
	log_info("SSL peer cert subject: \"%s\"", subject);
	log_info("SSL peer cert issuer: \"%s\"", issuer);
	if (!c->name) {
		log_notice("trusting certificate, no check of commonName");
	} else if (name_fits(cert, c->name) || (c->typed && is_common_name(cert, c->typed))) {
		log_notice("trusting certificate, commonName matches");
	} else {
		err_set(err, 0,
			"certificate is valid but its commonName does not match hostname \"%s\"",
			c->name);
		rc = err_hint(err,
			      "it belongs to \"%s\"; if that is the peer you want, add "
			      "commonname=NAME with one of its names",
			      subject);
	}
	free(subject);
	free(issuer);
	return rc;
}

int tls_check_name(struct tls *t, struct err *err)
{
	const struct tls_context *c = t->c;
	X509 *cert = SSL_get1_peer_certificate(t->ssl);
	int rc = 0;

	if (!c->conf->tls.verify) {
		log_notice(cert ? "option openssl-verify disabled, no check of certificate"
				: "no peer certificate and no check");
	} else if (cert) {
		rc = judge_name(c, cert, err);
	} else { /* the library lets anonymous ciphers pass, whoever asked for them */
		err_set(err, 0, "the peer has shown no certificate");
		rc = err_hint(err, "without one nobody knows who it is; verify=0 does without");
	}
	X509_free(cert);
	return rc;
}

/* ---- what programs are told ---- */

typedef void tell_fn(void *arg, const char *name, const char *value);

/* Two slashes that could be taken for what stands between values: at a blank, or at an end. */
static bool looks_like_joint(const char *text, size_t len, size_t i)
{
	return i + 1 < len && text[i] == '/' && text[i + 1] == '/' &&
	       (i == 0 || text[i - 1] == ' ') && (i + 2 == len || text[i + 2] == ' ');
}

/* One more value behind others of its kind, so that it can be told from them. */
static void add_value(struct str *out, const void *data, int len)
{
	struct str text = { 0 };

	escape_add(&text, data, len > 0 ? (size_t)len : 0);
	if (out->len)
		str_adds(out, " // ");
	for (size_t i = 0; i < text.len; i++) {
		if (looks_like_joint(text.data, text.len, i))
			str_adds(out, "\\x2F");
		else
			str_addc(out, text.data[i]);
	}
	str_done(&text);
}

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
			add_value(&value, text, len);
			OPENSSL_free(text);
		}
		tell(arg, var.data, value.data ? value.data : "");
		str_done(&var);
		str_done(&value);
	}
}

static void add_alternative(const GENERAL_NAME *g, int type, struct str *out)
{
	char text[INET6_ADDRSTRLEN];
	int len;

	if (g->type != type)
		return;
	if (type == GEN_DNS) {
		add_value(out, ASN1_STRING_get0_data(g->d.dNSName),
			  ASN1_STRING_length(g->d.dNSName));
		return;
	}
	len = ASN1_STRING_length(g->d.iPAddress);
	if ((len == 4 || len == 16) &&
	    inet_ntop(len == 16 ? AF_INET6 : AF_INET, ASN1_STRING_get0_data(g->d.iPAddress), text,
		      sizeof(text)))
		add_value(out, text, (int)strlen(text));
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

void tls_describe(struct tls *t, tell_fn *tell, void *arg)
{
	X509 *cert = SSL_get1_peer_certificate(t->ssl);
	const unsigned char *alpn;
	char text[256], *subject, *issuer;
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
	subject = name_text(X509_get_subject_name(cert));
	issuer = name_text(X509_get_issuer_name(cert));
	tell(arg, "X509_SUBJECT", subject);
	tell(arg, "X509_ISSUER", issuer);
	free(subject);
	free(issuer);
	describe_fields(X509_get_subject_name(cert), tell, arg);
	describe_alternatives(cert, tell, arg);
	X509_free(cert);
}
