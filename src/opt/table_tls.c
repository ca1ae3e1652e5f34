/* table_tls.c - options of TLS and DTLS, and the role of any layer
 *
 * All are wishes, kept for the module that carries them out (addr/tls/tls_module.c). */
#include "base/list.h"
#include "opt/setters.h"
#include "opt/tables.h"

/* clang-format off */
#define TEXT(names, type, phase, member, text) \
	{ names, type, G_OPENSSL, phase, conf_text, NULL, \
	  .arg.field = { offsetof(struct conf, tls.member), 0 }, .help = text }
#define FLAG(names, member, text) \
	{ names, V_BOOL, G_OPENSSL, PH_SPECIFIC, conf_bool, NULL, \
	  .arg.field = { offsetof(struct conf, tls.member), 0 }, .help = text }

static const struct opt_row rows[] = {
	{ "role", V_STRING, G_OPENSSL | G_SOCKS | G_HTTP, PH_SPECIFIC, conf_role, NULL,
	  .flags = OPT_NEW,
	  .help = "client or server, whoever of the two connects; default: who accepts is the server" },
	TEXT("openssl-certificate cert certificate", V_FILENAME, PH_SPECIFIC, cert,
	     "own certificate with its chain, PEM; the key too unless openssl-key is given"),
	TEXT("openssl-key key", V_FILENAME, PH_SPECIFIC, key, "own private key, PEM"),
	TEXT("openssl-cafile cafile", V_FILENAME, PH_SPECIFIC, cafile,
	     "certificates to trust, PEM; default: those of the system"),
	TEXT("openssl-capath capath", V_FILENAME, PH_SPECIFIC, capath,
	     "directory of certificates to trust, named by their hash"),
	FLAG("openssl-verify verify", verify,
	     "check the peer's certificate (default); a server demands one then"),
	TEXT("openssl-commonname cn commonname", V_STRING, PH_SPECIFIC, commonname,
	     "name that the peer's certificate must have; empty: any"),
	TEXT("openssl-snihost snihost", V_STRING, PH_SPECIFIC, snihost,
	     "client: name of the server to ask for, whatever is verified"),
	FLAG("openssl-no-sni no-sni nosni", no_sni, "client: do not tell the server's name"),
	TEXT("openssl-cipherlist cipher cipherlist ciphers", V_STRING, PH_SPECIFIC, ciphers,
	     "ciphers up to TLS 1.2 in OpenSSL's list syntax"),
	TEXT("openssl-min-proto-version min-proto-version min-version", V_STRING, PH_OFFSET,
	     min_version, "oldest version to speak, such as TLS1.2 (default)"),
	TEXT("openssl-max-proto-version max-proto-version max-version", V_STRING, PH_OFFSET,
	     max_version, "newest version to speak"),
	TEXT("openssl-dhparam dh dhparam dhparams openssl-dhparams", V_FILENAME, PH_SPECIFIC,
	     dhparam, "server: Diffie-Hellman parameters, PEM; default: the library's"),
	TEXT("openssl-compress compress", V_STRING, PH_SPECIFIC, compress,
	     "compression: none or auto"),
	{ "openssl-maxfraglen maxfraglen", V_INT, G_OPENSSL, PH_SPECIFIC, conf_num, NULL,
	  .arg.field = { offsetof(struct conf, tls.maxfraglen), 0 },
	  .help = "client: ask for records of at most 512, 1024, 2048 or 4096 bytes" },
	{ "openssl-maxsendfrag maxsendfrag", V_INT, G_OPENSSL, PH_SPECIFIC, conf_num, NULL,
	  .arg.field = { offsetof(struct conf, tls.maxsendfrag), 0 },
	  .help = "send records of at most so many bytes, 512 to 16384" },
	TEXT("openssl-egd egd", V_FILENAME, PH_SPECIFIC, egd, "obsolete, without effect"),
	FLAG("openssl-pseudo pseudo", pseudo, "obsolete, without effect"),
	{ "eof-without-notify", V_BOOL, G_OPENSSL, PH_SPECIFIC, conf_num, NULL,
	  .arg.field = { offsetof(struct conf, tls.eof_without_notify), 0 }, .flags = OPT_NEW,
	  .help = "a peer that ends without close-notify has ended, and has not been cut off" },
	{ "openssl-alpn alpn", V_STRING, G_OPENSSL, PH_SPECIFIC, conf_text, NULL,
	  .arg.field = { offsetof(struct conf, tls.alpn), 0 }, .flags = OPT_NEW,
	  .help = "protocols to agree on, such as h2,http/1.1 (quote the comma)" },
	{ "openssl-handshake-timeout handshake-timeout", V_TIMEVAL, G_OPENSSL | G_LAYERS, PH_SPECIFIC, conf_ns,
	  NULL, .arg.field = { offsetof(struct conf, tls.handshake_timeout_ns), 0 },
	  .flags = OPT_NEW, .help = "seconds the handshakes may take, default 30, 0: no limit" },
};
/* clang-format on */

const struct opt_table table_tls = { rows, ARRAY_SIZE(rows) };
