/* stack.c - the layers on an address: what they need, whom they verify, and by which clock
 *
 * Their files, names and options are judged as --check does it, without opening anything; what that
 * would warn about becomes a finding. Whom a layer verifies comes from its row. Nobody is connected
 * to: of a server on this host the kernel tells whether it listens, of others only the route is
 * known. */
#include "base/log.h"
#include "base/mem.h"
#include "doctor/checks.h"
#include "doctor/exam.h"
#include "doctor/host/netlink.h"
#include "end/relay.h"
#include "open/layer_target.h"
#include "open/opening.h"
#include "sys/own_addrs.h"
#include "sys/port.h"
#include "sys/resolve.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>
#include <time.h>

/* What the judging says: warnings with their hints. */
struct heard {
	struct exam *x;
	struct finding *last;
	size_t n;
};

static void on_record(void *arg, enum log_level level, bool hint, const char *text)
{
	struct heard *h = arg;

	if (level < LV_WARN)
		return;
	if (hint && h->last) {
		exam_advice(h->last, "%s", text);
		return;
	}
	h->last = exam_add(h->x, FIND_PROBLEM, xstrdup(text), xstrdup(h->x->half->keyword));
	h->n++;
}

static int no_more(struct opening *o, struct err *err)
{
	(void)o;
	(void)err;
	return 0;
}

static unsigned side_of(const struct exam *x)
{
	const struct plan *plan = x->ask->plan;

	for (unsigned i = 0; i < plan->nsides; i++) {
		const struct side *s = &plan->side[i];

		if (x->half >= s->half && x->half < s->half + s->nhalves)
			return i + 1;
	}
	return 0;
}

/* What --check says of the address. */
static void judge(struct exam *x)
{
	struct plan plan = *x->ask->plan;
	struct heard heard = { .x = x };
	struct engine engine;
	struct relay relay;
	struct err err;
	int rc;

	plan.set.offline = true;
	engine_init(&engine, NULL); /* nothing runs */
	relay_make(&relay, &engine, &plan, NULL);
	log_catch(on_record, &heard);
	rc = opening_check(relay_address(&relay, side_of(x)), MODE_RW, no_more, &err);
	log_catch(NULL, NULL);
	if (rc == -1) {
		struct finding *f =
			exam_add(x, FIND_PROBLEM,
				 xasprintf("the address %s cannot be opened", x->half->keyword),
				 xstrdup(err.text));

		if (err.hint[0])
			exam_advice(f, "%s", err.hint);
	} else if (!heard.n) {
		exam_add(x, FIND_OK,
			 xasprintf("files and options of the layers on %s are in order",
				   x->half->keyword),
			 xstrdup(""));
	}
	relay_free_addresses(&relay);
	engine_done(&engine);
}

/* Whom layer @i verifies. True: somebody, so the clock counts. */
static bool tell_whom(struct exam *x, size_t i)
{
	const struct half_layer *l = &x->half->layer[i];
	struct layer_target peer = layer_peer(x->half, i);
	struct str whom = { 0 };
	bool verified, server = layer_is_server(x->half, i);

	if (!l->type->whom)
		return false;
	verified = l->type->whom(x->half, i, &whom);
	exam_add(x, FIND_NOTE,
		 xasprintf("%s towards %s%s%s verifies %s", l->name,
			   server      ? "clients"
			   : peer.host ? peer.host
				       : "the other side",
			   peer.host && !server ? ":" : "", peer.host && !server ? peer.port : "",
			   verified ? "whom it talks to" : "nobody"),
		 str_take(&whom));
	return verified;
}

/* Certificates are judged by the clock. */
static void check_clock(struct exam *x)
{
	struct timex t = { 0 };
	time_t now = time(NULL);
	char date[64] = "";
	struct tm tm;

	if (gmtime_r(&now, &tm))
		strftime(date, sizeof(date), "it says %Y-%m-%d %H:%M:%S UTC", &tm);
	if (adjtimex(&t) != -1 && !(t.status & STA_UNSYNC))
		exam_add(x, FIND_OK, xstrdup("the clock of this host is kept right"),
			 xstrdup(date));
	else
		exam_advice(
			exam_add(x, FIND_NOTE,
				 xstrdup("nobody keeps the clock of this host right, by which "
					 "certificates are judged"),
				 xstrdup(date)),
			"look whether that is the time; timedatectl set-ntp true keeps it right");
}

/* An address in numbers, with a port, that the transport connects to by TCP. */
static bool server_of(const struct exam *x, struct netaddr *out)
{
	struct layer_target peer = layer_peer(x->half, 0);
	struct err err;
	unsigned port;

	if (x->half->type->net.protocol != IPPROTO_TCP || !peer.host ||
	    !resolve_number(peer.host, AF_UNSPEC, out) ||
	    resolve_port(peer.port, IPPROTO_TCP, "tcp", &port, &err) == -1)
		return false;
	netaddr_set_port(out, port);
	return true;
}

/* A server on this host shows in the tables of the kernel. */
static void check_own_server(struct exam *x, const struct netaddr *server)
{
	struct port_holder h[PORT_HOLDERS_MAX];
	size_t n = port_holders(h, IPPROTO_TCP, netaddr_port(server), server, 0);
	char ip[IP_TEXT_LEN], holder[PORT_HOLDER_TEXT_LEN];
	unsigned port = netaddr_port(server);

	ip_text(server, ip);
	if (n)
		exam_add(x, FIND_OK, xasprintf("somebody has port %u of %s", port, ip),
			 xstrdup(port_holder_text(&h[0], holder)));
	else
		exam_advice(
			exam_add(x, FIND_PROBLEM,
				 xasprintf("nobody listens at port %u of %s, this host", port, ip),
				 xstrdup("no socket of that port in /proc/net/tcp")),
			"start the server, or mend its address");
}

/* Is there a way to the server? True: there is none, so nothing else counts. */
static bool lacks_route(struct exam *x, const struct netaddr *server)
{
	char text[IP_TEXT_LEN];
	struct route_answer way;
	int code = route_ask(&way, server, NULL, 0);

	if (!code)
		return false;
	exam_advice(exam_add(x, FIND_PROBLEM, xasprintf("no route to %s", ip_text(server, text)),
			     xasprintf("asked for its route the kernel says: %s", strerror(code))),
		    "give an interface that can reach it an address and a route");
	return true;
}

/* The doctor connects to nobody. */
static void tell_untried(struct exam *x)
{
	struct layer_target peer = layer_peer(x->half, 0);
	const struct half_layer *lowest = &x->half->layer[0];
	struct finding *f;

	f = exam_add(x, FIND_UNKNOWN,
		     xasprintf("whether a server for %s answers at %s:%s has not been tried",
			       lowest->own ? lowest->name : x->half->keyword, peer.host, peer.port),
		     xstrdup(lowest->type->has_target
				     ? "what is behind it shows when it has answered"
				     : "the doctor connects to nobody"));
	exam_advice(f, "is somebody there: socast -u /dev/null TCP:%s:%s", peer.host, peer.port);
}

/* What the lowest layer speaks to. */
static void check_server(struct exam *x)
{
	struct own_addrs own = { 0 };
	struct netaddr server;

	if (x->ip || !layer_peer(x->half, 0).host)
		return;
	if (!server_of(x, &server)) {
		tell_untried(x);
		return;
	}
	own_addrs_note(&own, 1);
	if (own_addrs_have(&own, &server))
		check_own_server(x, &server);
	else if (!lacks_route(x, &server))
		tell_untried(x);
}

void check_stack(struct exam *x)
{
	bool verifies = false;

	if (!x->half->nlayers)
		return;
	x->passed_over = false;
	judge(x);
	for (size_t i = 0; i < x->half->nlayers; i++)
		verifies |= tell_whom(x, i);
	if (verifies)
		check_clock(x);
	check_server(x);
}
