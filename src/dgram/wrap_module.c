/* wrap_module.c - the part of wrap.c that is linked with libwrap
 *
 * Built as a module of its own and loaded only when an address has a tcpwrap option. */
#include "base/list.h"
#include "opt/opt.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <tcpd.h>

int allow_severity = LOG_INFO; /* libwrap wants these from its user */
int deny_severity = LOG_WARNING;

wrap_fn socast_wrap_permits;

struct question {
	struct request_info request;
	bool nameless; /* a rule asked for a name that we do not know */
};

/* The host has the address @text, in whatever spelling. */
static bool is_address(const struct sockaddr *sa, const char *text)
{
	struct in6_addr ip;

	if (sa->sa_family == AF_INET && inet_pton(AF_INET, text, &ip) == 1)
		return memcmp(&ip, &((const struct sockaddr_in *)sa)->sin_addr, 4) == 0;
	return sa->sa_family == AF_INET6 && inet_pton(AF_INET6, text, &ip) == 1 &&
	       memcmp(&ip, &((const struct sockaddr_in6 *)sa)->sin6_addr, 16) == 0;
}

/* The first name that /etc/hosts has for @sa. */
static bool local_name(const struct sockaddr *sa, char *out, size_t cap)
{
	FILE *f = fopen("/etc/hosts", "re");
	char line[1024];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		char *rest, *address = strtok_r(line, " \t\n#", &rest);
		const char *name = address ? strtok_r(NULL, " \t\n#", &rest) : NULL;

		if (!name || *line == '#' || !is_address(sa, address))
			continue;
		snprintf(out, cap, "%s", name);
		found = true;
	}
	if (f)
		fclose(f);
	return found;
}

/* In the place of sock_hostname(3), which would ask a name server and wait. */
static void find_name(struct host_info *host)
{
	struct question *q = container_of(host->request, struct question, request);

	if (host->sin &&
	    local_name((const struct sockaddr *)host->sin, host->name, sizeof(host->name)))
		return;
	snprintf(host->name, sizeof(host->name), "%s", STRING_UNKNOWN);
	q->nameless = true;
}

enum wrap_answer socast_wrap_permits(const char *daemon, const char *allow, const char *deny,
				     const struct sockaddr *peer, const struct sockaddr *local)
{
	struct question q = { .nameless = false };
	bool ok;

	hosts_allow_table = (char *)allow;
	hosts_deny_table = (char *)deny;
	/* a user is named, because the peer would be asked for one (rfc931) */
	request_init(&q.request, RQ_DAEMON, daemon, RQ_USER, STRING_UNKNOWN, RQ_CLIENT_SIN, peer,
		     RQ_SERVER_SIN, local, 0);
	sock_methods(&q.request);
	q.request.hostname = find_name;
	ok = hosts_access(&q.request);
	if (q.nameless)
		return WRAP_NAMELESS;
	return ok ? WRAP_PERMIT : WRAP_REFUSE;
}
