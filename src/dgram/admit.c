/* admit.c - who may talk to us, see admit.h */
#include "dgram/admit.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "dgram/wrap.h"
#include "end/tally.h"
#include "spec/dalan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOW_PORT 1024

static const struct {
	const char *permit, *refuse; /* in records; NULL: nothing is said */
} reasons[REFUSE_COUNT] = {
	[REFUSE_RANGE] = { "range option", "range option" },
	[REFUSE_SOURCEPORT] = { "sourceport option", "wrong sourceport" },
	[REFUSE_LOWPORT] = { "lowport option", "lowport option" },
	[REFUSE_TCPWRAP] = { "tcpwrapper option", "tcpwrapper option" },
	[REFUSE_NAMELESS] = { NULL,
			      "tcpwrapper option: a rule needs its name, and /etc/hosts has none" },
	[REFUSE_DST] = { "dst option", "dst option" },
	[REFUSE_ECHO] = { NULL, NULL },
	[REFUSE_SELF] = { NULL,
			  "its source, which is this socket: answers would come back for ever" },
	[REFUSE_PEER] = { NULL, NULL },
	[REFUSE_NOISE] = { NULL, NULL },
	[REFUSE_HANDSHAKE] = { NULL, NULL },
#define SEAL(RESULT, WHY) [REFUSE_SEAL + (RESULT)] = { NULL, "seal option: " WHY }
	SEAL(SEAL_PLAIN, "the datagram is not sealed"),
	SEAL(SEAL_NO_KEY, "sealed with a key that is not in the key file"),
	SEAL(SEAL_FORGED, "forged, damaged, or sent to another address or port"),
	SEAL(SEAL_REPLAY, "a replay"),
	SEAL(SEAL_LATE, "too far behind others of its sender"),
	SEAL(SEAL_OLD,
	     "older than seal-age or than this program's start, or the clocks of the hosts differ"),
	SEAL(SEAL_CROWD, "more than seal-senders senders"),
	SEAL(SEAL_REPLY, "an answer instead of a question"),
	SEAL(SEAL_UNSIGNED, "it is not signed"),
	SEAL(SEAL_STRANGER, "no signature of a trusted member"),
#undef SEAL
};

int admit_data_range(struct range *r, const char *text, struct err *err)
{
	const char *sep = strchr(text, ':');
	long net, mask;
	char *data;

	*r = (struct range){ .family = AF_UNSPEC };
	if (!sep)
		return err_set(err, 0, "syntax error in range \"%s\": use <data>:<mask>", text);
	data = xstrndup(text, (size_t)(sep - text));
	net = dalan_parse(data, r->net, sizeof(r->net), err);
	free(data);
	if (net == -1)
		return -1;
	mask = dalan_parse(sep + 1, r->mask, sizeof(r->mask), err);
	if (mask == -1)
		return -1;
	r->len = (size_t)(net > mask ? net : mask);
	for (size_t i = 0; i < r->len; i++)
		r->net[i] &= r->mask[i];
	return 0;
}

static int parse_range(struct admission *a, const struct conf *conf, int family,
		       struct hosts *hosts, struct err *err)
{
	if (conf->sock.range_is_data)
		return admit_data_range(&a->range, conf->sock.range, err);
	return range_parse(&a->range, conf->sock.range, family, hosts_lookup, hosts, err);
}

void admission_collect(const struct conf *conf, struct hosts *hosts)
{
	struct range range;
	struct err err;

	if (conf->sock.range && !conf->sock.range_is_data)
		(void)range_parse(&range, conf->sock.range,
				  *conf->sock.range == '[' ? AF_INET6 : AF_INET, hosts_lookup,
				  hosts, &err);
}

int admission_init(struct admission *a, const struct conf *conf, int family, unsigned target_port,
		   struct hosts *hosts, struct err *err)
{
	*a = (struct admission){ .conf = conf };
	hash_key_random(&a->key);
	if (conf->sock.range) {
		if (parse_range(a, conf, family, hosts, err) == -1)
			return -1;
		a->has_range = true;
	}
	if (conf->sock.sourceport >= 0) {
		a->has_port = true;
		a->port = (unsigned)conf->sock.sourceport;
	} else if (target_port && conf->sock.any_port != 1) {
		a->has_port = a->implied_port = true;
		a->port = target_port;
	}
	return 0;
}

static bool refuse(struct admission *a, const struct netaddr *peer, enum refusal why,
		   int64_t now_ns)
{
	char text[NETADDR_TEXT_LEN], more[80], advice[128] = "";
	unsigned hidden = 0;

	a->refused[why]++;
	if (a->total)
		tally_add(&a->total[why], 1);
	/* the same: the host and the reason */
	if (!reasons[why].refuse ||
	    (a->limit &&
	     !log_limit_pass(a->limit, netaddr_hash(peer, false, &a->key, (uint64_t)why), now_ns,
			     &hidden)))
		return false;
	if (why == REFUSE_SOURCEPORT && a->implied_port)
		snprintf(advice, sizeof(advice),
			 "; packets must come from port %u unless option answers=any, "
			 "udp-ignore-peerport or sourceport is given",
			 a->port);
	log_warn("refusing connection from %s due to %s%s%s", netaddr_text(peer, text),
		 reasons[why].refuse, advice,
		 a->limit ? log_limit_text(a->limit, hidden, "host", more, sizeof(more)) : "");
	return false;
}

void admit_refuse(struct admission *a, const struct netaddr *peer, enum refusal why, int64_t now_ns)
{
	refuse(a, peer, why, now_ns);
}

static void permit(const struct netaddr *peer, enum refusal why)
{
	char text[NETADDR_TEXT_LEN];

	log_info("permitting connection from %s due to %s", netaddr_text(peer, text),
		 reasons[why].permit);
}

bool admit(struct admission *a, const struct netaddr *peer, const struct netaddr *local,
	   int64_t now_ns)
{
	const struct conf *c = a->conf;

	if (a->has_range) {
		if (!range_match(&a->range, peer))
			return refuse(a, peer, REFUSE_RANGE, now_ns);
		permit(peer, REFUSE_RANGE);
	}
	if (a->has_port) {
		if (netaddr_port(peer) != a->port)
			return refuse(a, peer, REFUSE_SOURCEPORT, now_ns);
		if (!a->implied_port)
			permit(peer, REFUSE_SOURCEPORT);
	}
	if (c->sock.lowport && c->sock.sourceport < 0) {
		if (netaddr_port(peer) >= LOW_PORT)
			return refuse(a, peer, REFUSE_LOWPORT, now_ns);
		permit(peer, REFUSE_LOWPORT);
	}
	if (c->wrap.on) {
		enum wrap_answer answer = wrap_ask(c, peer, local);

		if (answer != WRAP_PERMIT)
			return refuse(a, peer,
				      answer == WRAP_REFUSE ? REFUSE_TCPWRAP : REFUSE_NAMELESS,
				      now_ns);
		permit(peer, REFUSE_TCPWRAP);
	}
	return true;
}

void admission_report(const struct admission *a, struct str *out)
{
	uint64_t sum = 0;
	const char *sep = "";

	for (int i = 0; i < REFUSE_COUNT; i++)
		sum += a->refused[i];
	if (!sum)
		return;
	str_addf(out, "refused %llu (", (unsigned long long)sum);
	for (int i = 0; i < REFUSE_COUNT; i++) {
		if (!a->refused[i])
			continue;
		str_addf(out, "%s%s %llu", sep, tally_refusal_name(i),
			 (unsigned long long)a->refused[i]);
		sep = ", ";
	}
	str_addc(out, ')');
}
