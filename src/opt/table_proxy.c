/* table_proxy.c - options of connections by way of SOCKS and HTTP proxies */
#include "base/list.h"
#include "opt/setters.h"
#include "opt/tables.h"

/* clang-format off */
#define FIELD(m) .arg.field = { offsetof(struct conf, proxy.m), 0 }

static const struct opt_row rows[] = {
	{ "http-version", V_STRING, G_HTTP, PH_LATE, conf_text, NULL, FIELD(http_version),
	  .help = "version in the request to the proxy, 1.0 if not given" },
	{ "ignorecr", V_BOOL, G_HTTP, PH_LATE, conf_bool, NULL, FIELD(ignorecr),
	  .help = "lines of the proxy's answer may end with a bare newline" },
	{ "proxy-authorization proxy-auth proxyauth", V_STRING, G_HTTP, PH_LATE, conf_text, NULL,
	  FIELD(auth), .flags = OPT_SECRET,
	  .help = "user:password for the proxy; ps(1) shows it to everybody" },
	{ "proxy-authorization-file proxyauthfile", V_FILENAME, G_HTTP, PH_LATE,
	  conf_proxy_auth_file, NULL,
	  .help = "file with user:password for the proxy, in one line" },
	{ "proxy-resolve resolve resolv", V_BOOL, G_HTTP, PH_LATE, conf_bool, NULL, FIELD(resolve),
	  .help = "look the target up here and send the proxy its IPv4 address" },
	{ "proxy-timeout", V_TIMEVAL, G_HTTP | G_SOCKS, PH_LATE, conf_ns, NULL, FIELD(timeout_ns),
	  .flags = OPT_NEW,
	  .help = "seconds the dialogue with the proxy may take (30), 0: no limit" },
	{ "proxyport", V_STRING, G_HTTP, PH_LATE, conf_text, NULL, FIELD(port), .flags = OPT_OF_TYPE,
	  .help = "port or service of the proxy, 8080 if not given" },
	{ "sockspass", V_STRING, G_SOCKS, PH_LATE, conf_text, NULL, FIELD(sockspass),
	  .flags = OPT_SECRET, .help = "password for the SOCKS5 server; ps(1) shows it to everybody" },
	{ "socksport", V_STRING, G_SOCKS, PH_LATE, conf_text, NULL, FIELD(socksport), .flags = OPT_OF_TYPE,
	  .help = "port or service of the SOCKS server; if not given, service socks or 1080" },
	{ "socksuser", V_STRING, G_SOCKS, PH_LATE, conf_text, NULL, FIELD(socksuser),
	  .help = "user name for the SOCKS server" },
	{ "to", V_STRING, G_HTTP | G_SOCKS, PH_LATE, conf_proxy_to, NULL,
	  .flags = OPT_NEW | OPT_OF_STACK,
	  .help = "HOST:PORT that the server shall connect to, where the layer is written in a stack" },
};
/* clang-format on */

const struct opt_table table_proxy = { rows, ARRAY_SIZE(rows) };
