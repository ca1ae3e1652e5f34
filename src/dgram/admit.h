/* admit.h - who may talk to us: range, source port, low port, tcpwrap
 *
 * Decided for every datagram and every connection, never once per session. Every refusal has a
 * reason and a counter; it is said once per source and reason, then counted. */
#ifndef DGRAM_ADMIT_H
#define DGRAM_ADMIT_H

#include "base/log_limit.h"
#include "base/siphash.h"
#include "end/tally.h"
#include "opt/opt.h"
#include "sys/hosts.h"
#include "sys/netaddr.h"

#include <stdbool.h>
#include <stdint.h>

struct admission {
	const struct conf *conf;
	bool has_range, has_port;
	struct range range;
	unsigned port; /* required source port when has_port */
	bool implied_port; /* it is the target's port, not an option */
	struct log_limit *limit; /* borrowed, or NULL: every refusal is told */
	struct hash_key key;
	uint64_t refused[REFUSE_COUNT];
	uint64_t *total; /* refusals of the whole address (tally.h), or NULL; borrowed */
};

/* Parse a range "data:mask" in the data language (spec/dalan.h); the shorter part is continued with
 * zero bytes. Returns 0, or -1 with @err. */
int admit_data_range(struct range *r, const char *text, struct err *err);

/* Prepare the checks for sockets of @family. @target_port: port that datagrams must come from
 * unless an option says otherwise, 0: any. @hosts: what names mean, or NULL: ask and wait. Fails
 * when the range cannot be parsed, or when tcpwrap is wanted but its library is missing. */
int admission_init(struct admission *a, const struct conf *conf, int family, unsigned target_port,
		   struct hosts *hosts, struct err *err);

/* Note in @hosts, which is collecting, the names that option range holds. */
void admission_collect(const struct conf *conf, struct hosts *hosts);

/* Judge @peer; @local may be NULL. Permissions are logged at info level, refusals at warning level
 * (limited). */
bool admit(struct admission *a, const struct netaddr *peer, const struct netaddr *local,
	   int64_t now_ns);

/* Count a datagram of @peer as refused for a reason that others have found out; say it as admit()
 * would, but for those that are nothing to worry about: echoes, other peers. */
void admit_refuse(struct admission *a, const struct netaddr *peer, enum refusal why,
		  int64_t now_ns);

/* "refused 3 (range 2, sourceport 1)" appended to @out, nothing when there were none. */
struct str;
void admission_report(const struct admission *a, struct str *out);

#endif
