/* tls_tell.c - what a layer of TLS or DTLS would do, see tls_tell.h
 *
 * Told from the options alone; what the files say that are named there, tls_context.c finds. */
#include "addr/tls/tls_tell.h"

#include "open/addr_type.h"
#include "open/layer_target.h"
#include "sys/resolve.h"

/* Whom a client wants to see; NULL: nobody has said, "": whoever is trusted. */
static const char *expected(const struct half *half, size_t i)
{
	const char *name = half->layer[i].conf->tls.commonname;

	return name ? name : layer_peer(half, i).host;
}

static void add_trusted(struct str *out, const struct conf *c)
{
	if (c->tls.cafile)
		str_addf(out, " Trusted are the certificates in %s", c->tls.cafile);
	else if (!c->tls.capath)
		str_adds(out, " Trusted are the certificates of the system");
	if (c->tls.capath)
		str_addf(out, "%s those in the directory %s",
			 c->tls.cafile ? " and" : " Trusted are", c->tls.capath);
	str_addc(out, '.');
}

static void add_shown(struct str *out, const struct conf *c, bool server)
{
	if (c->tls.cert)
		str_addf(out, " It shows the certificate in %s%s.", c->tls.cert,
			 server ? "" : " if it is asked for one");
	else if (server)
		str_adds(out, " It has no certificate to show: usual clients refuse that.");
}

static bool whom_server(const struct conf *c, struct str *out)
{
	const char *name = c->tls.commonname;

	if (!c->tls.verify) {
		str_adds(out, "Clients are not verified.");
		return false;
	}
	str_addf(out, "Each client has to show a certificate%s%s.", name && *name ? " of " : "",
		 name ? name : "");
	add_trusted(out, c);
	return true;
}

static bool whom_client(const struct half *half, size_t i, struct str *out)
{
	const struct conf *c = half->layer[i].conf;
	const char *name = expected(half, i);

	if (!c->tls.verify) {
		str_adds(out, "The server is not verified: whoever answers is taken for it.");
		return false;
	}
	if (!name) {
		str_adds(out, "It does not know whom to expect: a start is refused without option "
			      "commonname=NAME.");
		return false;
	}
	if (*name)
		str_addf(out, "The server has to prove that it is %s.", name);
	else
		str_adds(out,
			 "The server may have any name, but its certificate has to be trusted.");
	add_trusted(out, c);
	return true;
}

bool tls_whom(const struct half *half, size_t i, struct str *out)
{
	const struct conf *c = half->layer[i].conf;
	bool server = layer_is_server(half, i);
	bool verified = server ? whom_server(c, out) : whom_client(half, i, out);

	add_shown(out, c, server);
	return verified;
}

void tls_tells(const struct half *half, size_t i, struct str *out)
{
	const struct conf *c = half->layer[i].conf;
	const char *name = c->tls.snihost ? c->tls.snihost : expected(half, i);
	struct netaddr number;

	if (!layer_is_server(half, i) && !c->tls.no_sni && name && *name &&
	    !resolve_number(name, AF_UNSPEC, &number))
		str_addf(out, "the name %s (SNI)", name);
}
