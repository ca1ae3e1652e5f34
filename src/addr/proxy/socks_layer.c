/* socks_layer.c - SOCKS4, SOCKS4A and SOCKS5 as layers: on any stream to the server
 *
 * The dialogue of the protocol (wire/socks_proto.c has its bytes), driven by open/dialogue.c. No
 * byte behind the server's answer is read, and then the layer has gone. With SOCKS4 the target is
 * looked up here, before the server is connected; otherwise the server does that. The layer of
 * SOCKS5-LISTEN asks the server to wait for a connection on our behalf: it answers twice. */
#include "addr/proxy/proxy_layers.h"
#include "base/log.h"
#include "base/mem.h"
#include "end/relay.h"
#include "open/dialogue.h"
#include "wire/socks_proto.h"

#include <stdlib.h>
#include <string.h>

#define SERVER5 "socks5 server"

struct socks {
	struct dialogue d;
	const char *user; /* "" if there is none */
	uint8_t in[SOCKS_ANSWER_MAX];
	size_t have; /* bytes of the answer so far */
};

static void socks_free(void *impl)
{
	struct socks *s = impl;

	dialogue_done(&s->d);
	free(s);
}

/* An empty LOGNAME counts; that is how classic has it. */
static const char *socks4_user(const struct opening *o)
{
	const char *user = dialogue_conf(o)->proxy.socksuser;

	user = user ? user : getenv("LOGNAME");
	user = user ? user : getenv("USER");
	return user ? user : "anonymous";
}

/* ---- before the connection ---- */

static int begin(struct opening *o, struct err *err)
{
	if (dialogue_ports(o, err) == -1)
		return -1;
	if (!*dialogue_target(o).host)
		return err_set(err, 0, "%s: the target's name is missing", opening_layer(o)->name);
	return 0;
}

static enum step_result begin4(struct opening *o, const char *server, struct err *err)
{
	if (begin(o, err) == -1)
		return STEP_FAIL;
	dialogue_tell(o, "opening connection", server, socks4_user(o));
	if (dialogue_conf(o)->proxy.sockspass)
		log_warn("option sockspass has no effect: SOCKS4 knows no passwords");
	return STEP_DONE;
}

static enum step_result step_begin4(struct opening *o, struct err *err)
{
	return begin4(o, "socks4 server", err);
}

static enum step_result step_begin4a(struct opening *o, struct err *err)
{
	return begin4(o, "socks4a server", err);
}

static enum step_result step_begin5(struct opening *o, struct err *err)
{
	if (begin(o, err) == -1)
		return STEP_FAIL;
	dialogue_tell(o, "opening connection", SERVER5, NULL);
	return STEP_DONE;
}

static enum step_result step_refuse_port0(struct opening *o, struct err *err)
{
	if (netaddr_port(opening_behind(o)))
		return STEP_DONE;
	err_set(err, 0, "%s: nobody can be connected at port 0", opening_layer(o)->name);
	return STEP_FAIL;
}

/* ---- the dialogue ---- */

static struct socks *begin_dialogue(struct opening *o)
{
	struct socks *s = xcalloc(1, sizeof(*s));

	dialogue_begin(o, &s->d, socks_free);
	return s;
}

/* An answer as the functions of socks_proto.c see it. */
typedef int answer_fn(const uint8_t *data, size_t len, struct err *err);

/* Send what is to be sent, then read exactly the answer that @parse describes into s->in. */
static enum step_result exchange(struct opening *o, answer_fn *parse, const char *eof,
				 struct err *err)
{
	struct socks *s = o->impl;
	enum step_result r = dialogue_send(o, &s->d, err);

	while (r == STEP_DONE) {
		int need = parse(s->in, s->have, err);
		size_t n;

		if (need == -1)
			return dialogue_failed(err, err->code);
		if (need == 0)
			break;
		r = dialogue_recv(o, &s->d, s->in + s->have, (size_t)need, eof, &n, err);
		if (r == STEP_DONE)
			s->have += n;
	}
	return r;
}

/* Begin to say something to which @what is the answer. */
static struct str *say(struct socks *s, const char *what)
{
	s->have = 0;
	s->d.what = what;
	return &s->d.out;
}

static void put_request4(struct opening *o, bool by_name)
{
	static const uint8_t nowhere[4] = { 0, 0, 0, 1 }; /* SOCKS4A: the name follows */
	const struct netaddr *behind = opening_behind(o);
	const char *host = dialogue_target(o).host;
	unsigned port = netaddr_port(behind);
	struct socks *s = o->impl;
	struct str *out = say(s, "socks reply");
	const uint8_t *ip = by_name ? nowhere : (const uint8_t *)&behind->in.sin_addr;

	str_addc(out, 4);
	str_addc(out, SOCKS5_CONNECT);
	socks_put_port(out, port);
	str_add(out, ip, sizeof(nowhere));
	str_add(out, s->user, strlen(s->user) + 1);
	if (by_name)
		str_add(out, host, strlen(host) + 1);
	log_info("sending socks4%s request VN=4 DC=1 DSTPORT=%u DSTIP=%u.%u.%u.%u USERID=%s%s%s",
		 by_name ? "a" : "", port, ip[0], ip[1], ip[2], ip[3], s->user,
		 by_name ? " DESTNAME=" : "", by_name ? host : "");
	log_info("waiting for socks reply");
}

static enum step_result request4(struct opening *o, bool by_name, struct err *err)
{
	struct socks *s = o->impl;
	const uint8_t *in;
	enum step_result r;

	if (!s) {
		s = begin_dialogue(o);
		s->user = socks4_user(o);
		put_request4(o, by_name);
	}
	r = exchange(o, socks4_answer,
		     "read(): EOF during read of socks reply, peer might not be a socks4 server",
		     err);
	if (r == STEP_AGAIN)
		return r;
	in = s->in;
	if (s->have == 8)
		log_info("received socks reply VN=%u CD=%u DSTPORT=%u DSTIP=%u.%u.%u.%u", in[0],
			 in[1], in[2] << 8 | in[3], in[4], in[5], in[6], in[7]);
	if (s->have == 8 && in[0] != 0)
		log_warn("socks: reply code version is not 0 (%u)", in[0]);
	if (r != STEP_DONE)
		return r;
	log_notice("successfully connected via socks4");
	dialogue_end(o, "sockd");
	return STEP_DONE;
}

static enum step_result step_request4(struct opening *o, struct err *err)
{
	return request4(o, false, err);
}

static enum step_result step_request4a(struct opening *o, struct err *err)
{
	return request4(o, true, err);
}

static void warn_half_named(const struct conf *c)
{
	if (c->proxy.socksuser && !c->proxy.sockspass)
		log_warn("SOCKS5 username without password");
	if (c->proxy.sockspass && !c->proxy.socksuser)
		log_warn("SOCKS5 password without username, falling back to \"anonymous\"");
}

static bool is_named(const struct conf *c)
{
	return c->proxy.socksuser || c->proxy.sockspass;
}

/* Offer to name ourselves only if there is a name. */
static void put_hello(struct opening *o)
{
	const struct conf *c = dialogue_conf(o);
	bool named = is_named(c);
	struct socks *s = begin_dialogue(o);
	struct str *out = say(s, "SOCKS5 server hello");

	warn_half_named(c);
	s->user = c->proxy.socksuser ? c->proxy.socksuser : named ? "anonymous" : "";
	str_add(out, named ? "\5\2\0\2" : "\5\1\0", named ? 4 : 3);
	log_info("sending SOCKS5 client hello version=5 nmethods=%d", named ? 2 : 1);
	log_info("waiting for SOCKS5 server hello");
}

static enum step_result step_hello5(struct opening *o, struct err *err)
{
	struct socks *s;
	enum step_result r;

	if (!o->impl)
		put_hello(o);
	s = o->impl;
	r = exchange(o, socks5_hello,
		     "read(): EOF during read of SOCKS5 server hello, peer might not be a SOCKS5 "
		     "server",
		     err);
	if (r == STEP_AGAIN)
		return r;
	if (s->have == 2)
		log_info("received SOCKS5 server hello version=%u method=%u", s->in[0], s->in[1]);
	if (r == STEP_DONE)
		log_info("SOCKS5 server chose authentication method %u", s->in[1]);
	else if (s->have == 2 && s->in[1] == SOCKS5_REFUSED)
		err_hint(err,
			 is_named(dialogue_conf(o))
				 ? "it takes neither clients without a name nor passwords"
				 : "if it wants a password, give options socksuser and sockspass");
	return r;
}

/* Do the words fit into the messages? */
static enum step_result check_words5(struct opening *o, struct err *err)
{
	const struct conf *c = dialogue_conf(o);
	const char *user = c->proxy.socksuser, *pass = c->proxy.sockspass;
	struct str scratch = { 0 };
	int rc;

	warn_half_named(c);
	rc = socks5_put_text(&scratch, "option socksuser", user ? user : "", err);

	if (rc != -1)
		rc = socks5_put_text(&scratch, "option sockspass", pass ? pass : "", err);
	if (rc != -1)
		rc = socks5_put_host(&scratch, dialogue_target(o).host, err);
	str_done(&scratch);
	return rc == -1 ? STEP_FAIL : STEP_DONE;
}

static int no_password(struct err *err)
{
	err_set(err, 0, "authentication with SOCKS5 server failed");
	return err_hint(err, "the server wants a password: give options socksuser and sockspass");
}

static int put_auth(struct opening *o, struct err *err)
{
	const struct conf *c = dialogue_conf(o);
	struct socks *s = o->impl;
	struct str *out;

	if (!c->proxy.socksuser && !c->proxy.sockspass)
		return no_password(err);
	out = say(s, "SOCKS5 authentication answer");
	str_addc(out, 1);
	if (socks5_put_text(out, "option socksuser", s->user, err) == -1 ||
	    socks5_put_text(out, "option sockspass", c->proxy.sockspass ? c->proxy.sockspass : "",
			    err) == -1)
		return -1;
	log_info("sending SOCKS5 auth request \"%s\":***", s->user);
	return 0;
}

/* For the sentence the name is put in behind the parser's back. */
static int auth_answer(const uint8_t *data, size_t len, struct err *err)
{
	return socks5_auth(data, len, "", err);
}

/* The server's hello is still in s->in when this step begins. */
static enum step_result step_auth5(struct opening *o, struct err *err)
{
	struct socks *s = o->impl;
	enum step_result r;

	if (o->waiting != STEP_AGAIN) {
		if (s->in[1] == SOCKS5_NONE) {
			log_notice("SOCKS5 session is authenticated");
			return STEP_DONE;
		}
		if (put_auth(o, err) == -1)
			return STEP_FAIL;
	}
	r = exchange(o, auth_answer, "read(): EOF during read of SOCKS5 authentication answer",
		     err);
	if (r == STEP_FAIL && s->have == 2)
		socks5_auth(s->in, s->have, s->user, err);
	if (r == STEP_DONE)
		log_notice("SOCKS5 authentication succeeded");
	return r;
}

static int put_request5(struct opening *o, enum socks5_command command, struct err *err)
{
	struct str *out = say(o->impl, "SOCKS5 reply");
	int atyp;

	str_addc(out, 5);
	str_addc(out, (char)command);
	str_addc(out, 0);
	atyp = socks5_put_host(out, dialogue_target(o).host, err);
	if (atyp == -1)
		return -1;
	socks_put_port(out, netaddr_port(opening_behind(o)));
	log_info("sending SOCKS5 request version=5 command=%d reserved=0 address_type=%d", command,
		 atyp);
	log_info("reading SOCKS5 reply");
	return 0;
}

/* The answer to a request, the first or the second one. */
static enum step_result read_answer5(struct opening *o, struct err *err)
{
	struct socks *s = o->impl;
	enum step_result r =
		exchange(o, socks5_answer, "read(): EOF during read of SOCKS5 reply", err);

	if (r != STEP_AGAIN && s->have >= 4)
		log_info("received SOCKS5 reply version=%u reply=%u address_type=%u", s->in[0],
			 s->in[1], s->in[3]);
	return r;
}

static enum step_result step_request5(struct opening *o, struct err *err)
{
	enum step_result r;

	if (o->waiting != STEP_AGAIN && put_request5(o, SOCKS5_CONNECT, err) == -1)
		return STEP_FAIL;
	r = read_answer5(o, err);
	if (r == STEP_DONE)
		dialogue_end(o, SERVER5);
	return r;
}

/* The first answer says where the server listens; the second one may take any time. */
static enum step_result step_listen5(struct opening *o, struct err *err)
{
	struct socks *s = o->impl;
	char text[NETADDR_TEXT_LEN];
	struct netaddr bound;
	enum step_result r;

	if (o->waiting != STEP_AGAIN && put_request5(o, SOCKS5_BIND, err) == -1)
		return STEP_FAIL;
	r = read_answer5(o, err);
	if (r != STEP_DONE)
		return r;
	socks5_bound(s->in, &bound);
	if (bound.len)
		log_notice("SOCKS5 server listens on %s", netaddr_text(&bound, text));
	log_notice("listening on remote host, waiting for connection");
	relay_ready(o->addr->relay);
	s->d.due_ns = 0;
	say(s, "SOCKS5 reply");
	return STEP_DONE;
}

static enum step_result step_accepted5(struct opening *o, struct err *err)
{
	enum step_result r = read_answer5(o, err);

	if (r != STEP_DONE)
		return r;
	log_notice("received connection on remote host");
	dialogue_end(o, SERVER5);
	return STEP_DONE;
}

/* ---- rows ---- */

/* Version 4 always sends a name, see socks4_user(). */
static void tells4(const struct half *half, size_t i, struct str *out)
{
	struct layer_target t = layer_target(half, i);

	str_addf(out, "the target %s:%s and a user name", t.host, t.port);
}

static void tells5(const struct half *half, size_t i, struct str *out)
{
	struct layer_target t = layer_target(half, i);

	str_addf(out, "the target %s:%s%s", t.host, t.port,
		 is_named(half->layer[i].conf) ? ", user name and password" : "");
}

/* clang-format off */
static const struct step before4[] = {
	{ STEP_PURE(step_begin4) }, { STEP_PURE(dialogue_look_up) },
	STEP_END,
};
static const struct step before4a[] = { { STEP_PURE(step_begin4a) }, STEP_END };
static const struct step before5[] = {
	{ STEP_PURE(step_begin5) }, { STEP_PURE(step_refuse_port0) },
	STEP_END,
};
static const struct step before_bind[] = { { STEP_PURE(step_begin5) }, STEP_END };

static const struct step steps4[] = { { .run = step_request4 }, STEP_END };
static const struct step steps4a[] = { { .run = step_request4a }, STEP_END };
static const struct step steps5[] = {
	{ .run = step_hello5, .check = check_words5 }, { .run = step_auth5 }, { .run = step_request5 },
	STEP_END,
};
static const struct step steps_bind[] = {
	{ .run = step_hello5, .check = check_words5 }, { .run = step_auth5 }, { .run = step_listen5 },
	{ .run = step_accepted5 },
	STEP_END,
};

#define SOCKS \
	.groups = G_SOCKS, .leaves = true, .has_target = true, \
	.check = layer_target_check

const struct layer_type socks4_layer = {
	.names = "SOCKS4 SOCKS",
	.help = "has a SOCKS version 4 server connect to a target, which is looked up here",
	.example = "socast - 'SOCKS4(to=192.168.10.2:80)+TCP:127.0.0.1:1080'",
	.does = "looks {target} up here and has the SOCKS version 4 server {peer} connect to it",
	.tells = tells4,
	.before = before4, .steps = steps4, SOCKS,
};
const struct layer_type socks4a_layer = {
	.names = "SOCKS4A",
	.help = "has a SOCKS version 4a server look a target up and connect to it",
	.example = "socast - 'SOCKS4A(to=www.example.org:80)+TCP:127.0.0.1:1080'",
	.does = "has the SOCKS version 4a server {peer} look {target} up and connect to it",
	.tells = tells4,
	.before = before4a, .steps = steps4a, SOCKS,
};
const struct layer_type socks5_layer = {
	.names = "SOCKS5 SOCKS5-CONNECT",
	.help = "has a SOCKS version 5 server look a target up and connect to it",
	.example = "socast - 'SOCKS5(to=192.168.10.2:22)+TLS+TCP:proxy.example.org:1081'",
	.does = "has the SOCKS version 5 server {peer} look {target} up and connect to it",
	.tells = tells5,
	.before = before5, .steps = steps5, SOCKS,
};
const struct layer_type socks5_bind_layer = {
	.names = "SOCKS5-LISTEN SOCKS5-BIND",
	.help = "has a SOCKS version 5 server wait for one connection and hand it on",
	.example = "socast - 'SOCKS5-LISTEN(to=0.0.0.0:7000)+TCP:127.0.0.1:1080'",
	.does = "has the SOCKS version 5 server {peer} wait at {target} for one connection and hand it on",
	.tells = tells5,
	.awaits = true, .before = before_bind, .steps = steps_bind, SOCKS,
};
/* clang-format on */
