/* unix.c - UNIX domain sockets: streams, packets and datagrams, by path or abstract name
 *
 * The entry of a listener or receiver is made by bind(2), gets its owner and mode at once, and is
 * removed when the address is closed, unless somebody else has put another one in its place. A
 * client may have a name too, without which datagram servers cannot answer. CLIENT finds out what
 * kind of socket its peer is: stream, seqpacket, or datagram. Abstract names exist in the network
 * namespace only: types without group NAMED. */
#include "addr/local/unix.h"

#include "addr/addr.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/names.h"
#include "end/relay.h"
#include "flow/forecast.h"
#include "open/dgram_open.h"
#include "open/listen.h"
#include "open/peers.h"
#include "open/steps.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define TEMPLATE "/tmp/socat-bind.XXXXXX"
#define TEMPLATE_TRIES 100 /* names that may exist already */

/* What CLIENT tries, in this order. */
static const int kinds[] = { SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM };

/* ---- names ---- */

static bool is_abstract(const struct opening *o)
{
	return !(o->addr->half->type->groups & G_NAMED);
}

static int set_name(struct netaddr *a, const struct opening *o, const char *name, struct err *err)
{
	bool abstract = is_abstract(o);
	size_t room = sizeof(a->un.sun_path) - abstract, len = strlen(name);

	if (!len && !abstract)
		return err_set(err, 0, "%s: an empty path cannot be the name of a socket",
			       o->addr->half->keyword);
	if (len > room) {
		log_warn("%s address %zu characters long, truncating to %zu",
			 abstract ? "socket" : "unix socket", len + abstract,
			 sizeof(a->un.sun_path));
		len = room;
	}
	*a = (struct netaddr){ .un.sun_family = AF_UNIX };
	memcpy(a->un.sun_path + abstract, name, len);
	a->len = o->addr->conf->sock.tightsocklen
			 ? (socklen_t)(offsetof(struct sockaddr_un, sun_path) + abstract + len)
			 : sizeof(a->un);
	return 0;
}

/* The path of our own socket, which ends with a NUL even where it fills the address; or NULL. */
static const char *own_path(const struct opening *o)
{
	return o->local.len && !is_abstract(o) ? (const char *)o->local.un.sun_path : NULL;
}

/* ---- the entry ---- */

/* bind(2), so that the entry is never open to more than it will be: where a mode is given, only to
 * us until owner and mode are set. (A client's were given to the descriptor before.) */
static enum step_result bind_entry(struct opening *o, struct err *err)
{
	int64_t perm = o->addr->conf->open.perm;
	bool guard = o->target.binds && perm >= 0 && own_path(o);
	mode_t old = guard ? umask(0777 & ~((mode_t)perm & 0700)) : 0;
	enum step_result r = step_bind(o, err);

	if (guard)
		umask(old);
	return r;
}

static int set_owner_and_mode(const struct opening *o, const char *path, struct err *err)
{
	const struct conf *c = o->addr->conf;

	if (!o->target.binds)
		return 0;
	if ((c->open.user >= 0 || c->open.group >= 0) &&
	    chown(path, (uid_t)c->open.user, (gid_t)c->open.group) == -1)
		return err_set(err, errno, "chown(\"%s\", %d, %d)", path, (int)c->open.user,
			       (int)c->open.group);
	if (c->open.perm >= 0 && chmod(path, (mode_t)c->open.perm) == -1)
		return err_set(err, errno, "chmod(\"%s\", 0%03o)", path, (unsigned)c->open.perm);
	return 0;
}

/* What happens to the entry that bind(2) has just made. */
static int finish_entry(struct opening *o, struct err *err)
{
	const char *path = own_path(o);

	if (!path)
		return 0;
	if (o->addr->conf->open.unlink_close != 0)
		leftovers_add_entry(&o->undo.left, path, S_IFSOCK);
	o->target.path = path;
	if (set_owner_and_mode(o, path, err) == -1)
		return -1;
	if (o->addr->conf->open.unlink && unlink(path) == -1)
		return err_set(err, errno, "unlink(\"%s\")", path);
	return 0;
}

static enum step_result step_bind_entry(struct opening *o, struct err *err)
{
	leftovers_drop_entry(&o->undo.left); /* of an earlier attempt */
	if (bind_entry(o, err) == STEP_FAIL || finish_entry(o, err) == -1)
		return STEP_FAIL;
	return STEP_DONE;
}

/* ---- listeners and receivers ---- */

/* What is there stays there, be it a socket or not. */
static enum step_result step_bind_own(struct opening *o, struct err *err)
{
	struct stat st;

	leftovers_drop_entry(&o->undo.left); /* of an earlier attempt */
	if (own_path(o) && lstat(own_path(o), &st) == 0) {
		err_set(err, 0, "\"%s\" exists", own_path(o));
		err_hint(err, "if no other program uses it, remove it, or have option unlink-early "
			      "do so");
		return STEP_FAIL;
	}
	return step_bind_entry(o, err);
}

static enum step_result step_own_name(struct opening *o, struct err *err)
{
	const struct conf *c = o->addr->conf;
	bool bind = c->sock.bind;

	if (bind || c->sock.bind_tempname) {
		err_set(err, 0, "%s:%s: binds implicitly, %s option not allowed",
			o->addr->half->keyword, opening_param(o, 0),
			bind ? "bind" : "bind-tempname");
		return STEP_FAIL;
	}
	return set_name(&o->local, o, opening_param(o, 0), err) == -1 ? STEP_FAIL : STEP_DONE;
}

/* ---- clients ---- */

int unix_connect_to(struct opening *o, const char *name, struct err *err)
{
	const struct half *half = o->addr->half;
	bool any = o->addr->conf->sock.type < 0 && !half->type->net.type;
	size_t n = any && !half->nlayers ? ARRAY_SIZE(kinds) : 1;

	if (any && half->nlayers) /* they know what they need */
		o->socktype = half->layer[0].type->needs_datagrams ? SOCK_DGRAM : SOCK_STREAM;
	if (set_name(&o->remote.addr[0], o, name, err) == -1)
		return -1;
	/* one target for each kind of socket that it may be */
	for (size_t i = 1; i < n; i++)
		o->remote.addr[i] = o->remote.addr[0];
	o->remote.n = n;
	return 0;
}

/* Options that are about our own entry make no sense when there is none. */
static int needs_own_entry(const struct opening *o, struct err *err)
{
	static const char *const about[] = {
		"perm",        "user",   "group",        "perm-early",  "user-early",
		"group-early", "unlink", "unlink-early", "unlink-late",
	};
	char name[64];

	for (size_t i = 0; i < o->addr->half->opts.n; i++) {
		opt_name(o->addr->half->opts.opt[i].row, 0, name, sizeof(name));
		for (size_t k = 0; k < ARRAY_SIZE(about); k++) {
			if (strcmp(name, about[k]) == 0)
				return err_set(err, 0, "Option \"%s\" only with bind option", name);
		}
	}
	return 0;
}

static enum step_result step_target(struct opening *o, struct err *err)
{
	const struct conf *c = o->addr->conf;

	if (!c->sock.bind && !c->sock.bind_tempname && needs_own_entry(o, err) == -1)
		return STEP_FAIL;
	return unix_connect_to(o, opening_param(o, 0), err) == -1 ? STEP_FAIL : STEP_DONE;
}

enum step_result step_unix_name(struct opening *o, struct err *err)
{
	const struct conf *c = o->addr->conf;
	const char *temp = c->sock.bind_tempname;

	o->local = (struct netaddr){ 0 };
	o->target.path = NULL;
	if (c->sock.bind && temp) {
		err_set(err, 0, "do not use both options bind and unix-bind-tempname");
		return STEP_FAIL;
	}
	if (temp && *temp && !strstr(temp, "XXXXXX")) {
		log_warn("xio_tempnam(\"%s\"): path pattern is not valid", temp);
		err_set(err, EINVAL, "tempnam(\"%s\")", temp);
		return STEP_FAIL;
	}
	if (c->sock.bind && set_name(&o->local, o, c->sock.bind, err) == -1)
		return STEP_FAIL;
	o->target.path = own_path(o);
	return STEP_DONE;
}

static enum step_result step_say_connecting(struct opening *o, struct err *err)
{
	char text[NETADDR_TEXT_LEN];

	(void)err;
	log_notice("opening connection to %s", netaddr_text(&o->remote.addr[0], text));
	return STEP_DONE;
}

/* What stands in the way at @path. */
static void hint_path(const char *path, struct err *err)
{
	struct stat st;

	if (err->code == ENOENT)
		err_hint(err,
			 "there is no such socket: who makes it is not running yet, or makes it "
			 "elsewhere");
	else if (err->code == EACCES && stat(path, &st) == 0)
		err_hint(err,
			 "it belongs to user %u and group %u and has mode 0%03o: connecting "
			 "takes the right to write",
			 (unsigned)st.st_uid, (unsigned)st.st_gid, (unsigned)st.st_mode & 0777);
	else if (err->code == EACCES)
		err_hint(err, "a folder on the way is closed to this user");
	else if (err->code == ECONNREFUSED && stat(path, &st) == 0)
		err_hint(err, S_ISSOCK(st.st_mode) ? "nobody listens at it any more"
						   : "it is no socket");
}

/* Classic's error has no descriptor. */
static enum step_result step_connect_path(struct opening *o, struct err *err)
{
	enum step_result r = step_connect(o, err);
	const struct netaddr *to = &o->remote.addr[0];
	char text[NETADDR_TEXT_LEN];

	if (r == STEP_FAIL && err->code != ETIMEDOUT && o->addr->relay->plan->set.classic) {
		log_info("%s", err->text);
		err_set(err, err->code, "connect(, %s, %u)", netaddr_text(to, text),
			(unsigned)to->len);
	}
	if (r == STEP_FAIL && to->un.sun_path[0])
		hint_path(to->un.sun_path, err);
	return r;
}

enum step_result step_unix_socket(struct opening *o, struct err *err)
{
	if (!o->remote.n)
		return STEP_DONE;
	o->target.path = NULL; /* mode and owner go to the descriptor, and by it to the entry */
	if (o->remote.n > 1)
		o->socktype = kinds[o->remote_i];
	return step_socket(o, err);
}

/* Put random letters in the place of the X's. */
static void fill_template(char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	char *x = strstr(text, "XXXXXX");
	uint8_t random[6] = { 0 };

	if (getrandom(random, sizeof(random), 0) == -1)
		log_warn("getrandom(): %m");
	for (size_t i = 0; i < sizeof(random); i++)
		x[i] = letters[random[i] % (sizeof(letters) - 1)];
}

static enum step_result bind_tempname(struct opening *o, const char *pattern, struct err *err)
{
	for (int i = 0; i < TEMPLATE_TRIES; i++) {
		char *name = xstrdup(*pattern ? pattern : TEMPLATE);
		int rc;

		fill_template(name);
		rc = set_name(&o->local, o, name, err);
		free(name);
		if (rc == -1)
			return STEP_FAIL;
		if (bind_entry(o, err) == STEP_DONE)
			return finish_entry(o, err) == -1 ? STEP_FAIL : STEP_DONE;
		if (err->code != EADDRINUSE)
			break;
	}
	return STEP_FAIL;
}

enum step_result step_unix_bind(struct opening *o, struct err *err)
{
	const char *temp = o->addr->conf->sock.bind_tempname;

	if (!o->remote.n || (!temp && !o->local.len))
		return STEP_DONE;
	if (!temp)
		return step_bind_entry(o, err);
	leftovers_drop_entry(&o->undo.left); /* of an earlier attempt */
	return bind_tempname(o, temp, err);
}

/* The wrong kind of socket: the next one is tried. With abstract names the kernel does not tell it
 * from a name that does not exist. */
static void client_failed(struct opening *o, struct err *err)
{
	bool next = err->code == EPROTOTYPE || (is_abstract(o) && err->code == ECONNREFUSED);
	char name[64];

	log_info("%s", err->text);
	if (next && o->remote_i + 1 < o->remote.n)
		return;
	o->remote.n = o->remote_i + 1;
	err_set(err, err->code, "%s: %s",
		names_get(o->addr->half->type->names, 0, name, sizeof(name)), opening_param(o, 0));
}

enum step_result step_unix_connect(struct opening *o, struct err *err)
{
	enum step_result r;

	if (!o->remote.n || o->socktype == SOCK_DGRAM)
		return STEP_DONE;
	r = step_connect(o, err);
	if (r == STEP_FAIL)
		client_failed(o, err);
	return r == STEP_DONE ? step_connected(o, err) : r;
}

struct endpoint *make_unix_client(struct opening *o, struct err *err)
{
	return o->socktype == SOCK_DGRAM ? dgram_make_sendto(o, err) : make_connection(o, err);
}

/* ---- rows ---- */

/* clang-format off */
/* A client's name: its old entry may go (unlink-early), then socket and entry are made. */
#define CLIENT \
	{ .run = step_unix_socket, .after = PH_PASTSOCKET }, \
	{ .after = PH_FD }, \
	{ .after = PH_PREBIND }, \
	{ .run = step_unix_bind, .after = PH_PREOPEN }, \
	{ .after = PH_PASTOPEN }

static const struct step connect_unix_steps[] = {
	{ STEP_PURE(step_target) },
	{ .run = step_say_connecting },
	{ STEP_PURE(step_unix_name), .after = PH_EARLY, .flags = STEP_NEXT_ADDRESS },
	CLIENT,
	{ .run = step_connect_path },
	{ .run = step_connected, .after = PH_CONNECTED },
	STEP_END,
};

static const struct step client_steps[] = {
	{ STEP_PURE(step_target) },
	{ STEP_PURE(step_unix_name), .after = PH_EARLY, .flags = STEP_NEXT_ADDRESS },
	CLIENT,
	{ .run = step_unix_connect, .after = PH_CONNECTED },
	STEP_END,
};

static const struct step sendto_steps[] = {
	{ STEP_PURE(step_target) },
	{ STEP_PURE(step_unix_name), .after = PH_EARLY, .flags = STEP_NEXT_ADDRESS },
	CLIENT,
	{ .after = PH_CONNECTED },
	STEP_END,
};

static const struct step listen_steps[] = {
	{ STEP_PURE(step_max_children) },
	{ STEP_PURE(step_own_name) },
	{ .run = step_socket, .after = PH_PASTSOCKET },
	{ .after = PH_PREBIND },
	{ .run = step_bind_own, .after = PH_PREOPEN },
	{ .after = PH_PASTOPEN },
	{ .run = step_listen, .check = step_check_listening },
	STEP_END,
};

#define RECEIVE \
	{ STEP_PURE(step_own_name) }, \
	{ .run = step_socket, .after = PH_PASTSOCKET }, \
	{ .after = PH_FD }, \
	{ .after = PH_PREBIND }, \
	{ .run = step_bind_own, .after = PH_PREOPEN }, \
	{ .after = PH_PASTOPEN }, \
	{ .after = PH_CONNECTED }

static const struct step recv_steps[] = {
	RECEIVE,
	STEP_END,
};

static const struct step recvfrom_steps[] = {
	{ STEP_PURE(step_max_children) },
	RECEIVE,
	{ .run = step_first_packet, .flags = STEP_WAITS_FOR_PEER },
	STEP_END,
};

#define G_LOCAL (G_FD | G_SOCKET | G_RETRY | G_UNIX)

/* The six kinds; NAME stands in the help text, ENTRY are the flags of types that make an entry. */
#define SIX(NAME, GROUPS, ENTRY, CONNECT, LISTEN, SENDTO, RECV, RECVFROM, CLIENT_NAMES) \
	{ .names = CONNECT, .syntax = ":<filename>", \
	  .help = "connection to a server " NAME, \
	  .groups = GROUPS, .reads = true, .writes = true, .min_params = 1, .max_params = 1, \
	  .net = { AF_UNIX, SOCK_STREAM, 0 }, .flags = TYPE_TRANSPARENT, \
	  .steps = connect_unix_steps, .forecast = forecast_socket, .make = make_connection }, \
	{ .names = LISTEN, .syntax = ":<filename>", \
	  .help = "server " NAME ": waits for a connection; fork serves many", \
	  .groups = GROUPS | G_LISTEN | G_CHILD, .reads = true, .writes = true, \
	  .min_params = 1, .max_params = 1, .net = { AF_UNIX, SOCK_STREAM, 0 }, \
	  .flags = ENTRY | TYPE_ACCEPTS | TYPE_TRANSPARENT, .steps = listen_steps, \
	  .conn_steps = accepted_steps, .forecast = forecast_socket, .make = make_connection, .source = listen_source }, \
	{ .names = SENDTO, .syntax = ":<filename>", \
	  .help = "datagrams to a socket " NAME "; only its answers are heard", \
	  .groups = GROUPS | G_DGRAM, .reads = true, .writes = true, .min_params = 1, .max_params = 1, \
	  .net = { AF_UNIX, SOCK_DGRAM, 0 }, .steps = sendto_steps, .forecast = forecast_packets, .make = dgram_make_sendto }, \
	{ .names = RECV, .syntax = ":<filename>", .both_ways = RECVFROM, \
	  .help = "datagrams from everybody, in one direction, at a socket " NAME, \
	  .groups = GROUPS | G_DGRAM, .reads = true, .min_params = 1, .max_params = 1, \
	  .net = { AF_UNIX, SOCK_DGRAM, 0 }, .flags = ENTRY, .steps = recv_steps, \
	  .forecast = forecast_packets, .make = dgram_make_recv }, \
	{ .names = RECVFROM, .syntax = ":<filename>", \
	  .help = "one datagram to a socket " NAME " and the answers to it; fork serves every " \
		  "datagram", \
	  .groups = GROUPS | G_DGRAM | G_CHILD, .reads = true, .writes = true, .min_params = 1, \
	  .max_params = 1, .net = { AF_UNIX, SOCK_DGRAM, 0 }, \
	  .flags = ENTRY | TYPE_ONE_SHOT, .steps = recvfrom_steps, .forecast = forecast_packets, .make = dgram_make_recvfrom, .source = dgram_source_recvfrom }, \
	{ .names = CLIENT_NAMES, .syntax = ":<filename>", \
	  .help = "client of a socket " NAME ", be it stream, seqpacket or datagram", \
	  .groups = GROUPS, .reads = true, .writes = true, .min_params = 1, .max_params = 1, \
	  .net = { AF_UNIX, 0, 0 }, .flags = TYPE_TRANSPARENT, .steps = client_steps, \
	  .forecast = forecast_socket, .make = make_unix_client }

static const struct addr_type types[] = {
	SIX("in the file system", G_LOCAL | G_NAMED, TYPE_ENTRY | TYPE_BINDS,
	    "UNIX-CONNECT LOCAL", "UNIX-LISTEN UNIX-L", "UNIX-SENDTO UNIX-SEND", "UNIX-RECV",
	    "UNIX-RECVFROM", "UNIX-CLIENT UNIX"),
	SIX("with an abstract name", G_LOCAL, 0,
	    "ABSTRACT-CONNECT", "ABSTRACT-LISTEN", "ABSTRACT-SENDTO", "ABSTRACT-RECV",
	    "ABSTRACT-RECVFROM", "ABSTRACT-CLIENT ABSTRACT"),
};
/* clang-format on */

const struct addr_family unix_family = { types, ARRAY_SIZE(types) };
