/* resolve.h - names to addresses without blocking the loop
 *
 * Numbers are translated on the spot. Names may take seconds, and the C library blocks: they are
 * looked up by a helper process, forked for the one question, which also carries the wishes that
 * would change the whole process (network namespace, resolver options). */
#ifndef SYS_RESOLVE_H
#define SYS_RESOLVE_H

#include "base/err.h"
#include "sys/netaddr.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define RESOLVE_MAX 16 /* addresses kept of one name */

/* Resolver options of an address (res-*); zero means "leave alone". */
struct resolve_conf {
	unsigned long set, clear; /* RES_* bits of _res.options */
	int retrans; /* seconds */
	int retry;
	struct netaddr nsaddr; /* IPv4 name server, unset: system's */
};

/* A question. Strings are borrowed. */
struct resolve_req {
	const char *host; /* NULL: wildcard or loopback, by AI_PASSIVE. "[v6]" is a literal */
	const char *service; /* decimal port or service name; NULL: none */
	int family, socktype, protocol;
	int flags; /* AI_* */
	bool offline; /* nobody is asked: a name is RESOLVE_WAIT, without a job */
	const char *netns; /* name under /run/netns, or NULL */
	const struct resolve_conf *conf; /* or NULL */
};

struct addr_list {
	size_t n;
	struct netaddr addr[RESOLVE_MAX];
};

/* How an answer went wrong, for callers that treat temporary failures apart. */
enum resolve_result { RESOLVE_OK, RESOLVE_WAIT, RESOLVE_FAIL, RESOLVE_AGAIN };

/* A question under way; zero-initialise. */
struct resolve_job {
	pid_t pid;
	int fd; /* readable when the answer is there; -1 when idle */
};

/* Ask. RESOLVE_OK: @out is filled. RESOLVE_WAIT: @job runs; call resolve_finish() when job->fd is
 * readable. RESOLVE_FAIL / RESOLVE_AGAIN: @err holds the gai_strerror() text only ("Name or service
 * not known"), err->code the EAI_* number, and for an empty service or a number above 65535 the
 * whole sentence with code 0. IPv6 literals in brackets force AF_INET6 when the family is open. */
enum resolve_result resolve_start(const struct resolve_req *req, struct resolve_job *job,
				  struct addr_list *out, struct err *err);

/* Collect the answer of @job and end it. Blocks only if job->fd is not yet readable. */
enum resolve_result resolve_finish(struct resolve_job *job, struct addr_list *out, struct err *err);

/* Give up a question. Harmless on an idle job. */
void resolve_cancel(struct resolve_job *job);

/* Ask and wait; for what is done before the loop runs. Never RESOLVE_WAIT. */
enum resolve_result resolve_now(const struct resolve_req *req, struct addr_list *out,
				struct err *err);

/* A port as some types write it: a number in any base (0x1a0a, 010), or the name of a service of
 * @protocol (IPPROTO_*), which is called @transport ("tcp") in the list of services. Returns 0, or
 * -1 with @err and code 0: 'parseport("80x", 6): extra trailing data "x"', 'cannot resolve service
 * "x/6"'. Reads a local file at most. */
int resolve_port(const char *text, int protocol, const char *transport, unsigned *port,
		 struct err *err);

/* Ask and wait for an address of @host in @family, without service; as resolve_now(). Fails with
 * the classic sentence 'xioresolve(node="x", pf=2, ...): Name or service not known'. */
int resolve_host(const char *host, int family, struct netaddr *out, struct err *err);

/* Can @text be the name of a host at all? Not with a colon, slash, blank or bracket in it, nor if
 * it is made of digits and dots, like an address with a number too many. */
bool resolve_may_be_name(const char *text);

/* True if @host is an address in numbers, of @family; @out gets it. */
bool resolve_number(const char *host, int family, struct netaddr *out);

/* The classic rendering of a failed question for the warning record:
 * getaddrinfo("h", "80", {0x20,0,1,6}, {}): text. Returns @buf. */
const char *resolve_req_text(const struct resolve_req *req, const char *text, char *buf,
			     size_t cap);

#endif
