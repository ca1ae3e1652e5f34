/* wrap_module.c - the part of wrap.c that is linked with libwrap
 *
 * Built as a module of its own and loaded only when an address has a tcpwrap option. */
#include "relay/wrap.h"

#include <stdlib.h>
#include <syslog.h>
#include <tcpd.h>

int allow_severity = LOG_INFO; /* libwrap wants these from its user */
int deny_severity = LOG_WARNING;

int socast_wrap_permits(const char *daemon, const char *allow, const char *deny,
			const struct sockaddr *peer, const struct sockaddr *local);

int socast_wrap_permits(const char *daemon, const char *allow, const char *deny,
			const struct sockaddr *peer, const struct sockaddr *local)
{
	struct request_info request;

	if (allow)
		hosts_allow_table = (char *)allow;
	if (deny)
		hosts_deny_table = (char *)deny;
	request_init(&request, RQ_DAEMON, daemon, RQ_CLIENT_SIN, peer, RQ_SERVER_SIN, local, 0);
	sock_methods(&request);
	return hosts_access(&request);
}
