/* value.c - how option values are written
 *
 * One row per value type: the name that help prints, what happens without "=", a parser and a
 * printer. The parsers fill struct value and write classic's sentences; what a value means is the
 * setters' business. Numbers are read with base 0 and cut to the width of their type. */
#include "opt/opt.h"

#include "base/mem.h"
#include "spec/dalan.h"
#include "spec/spec.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#define BIN_MAX 256 /* bytes of dalan data in one option */

/* What a missing "=value" means. */
enum absent { AB_CONST, AB_ONE, AB_NULL, AB_VALUE, AB_VALUES };

struct type_row {
	const char *name;
	enum absent absent;
	int (*parse)(struct opt *o, const char *text, struct err *err);
	void (*format)(const struct opt *o, struct str *out);
	unsigned bits; /* width of the number, 0: does not apply */
	bool is_unsigned;
};

static const struct type_row types[V_COUNT];

static int missing(const struct opt *o, struct err *err)
{
	return err_set(err, 0, "parseopts(): missing numerical value of option \"%s\"",
		       o->spec->rest);
}

static int trailing(const struct opt *o, struct err *err)
{
	return err_set(err, 0, "parseopts(): trailing garbage in numerical arg of option \"%s\"",
		       o->spec->rest);
}

/* Drop the bits that do not fit, as an assignment in C does. */
static int64_t cut(int64_t n, unsigned bits, bool is_unsigned)
{
	const uint64_t mask = bits >= 64 ? UINT64_MAX : (1ULL << bits) - 1;
	uint64_t u = (uint64_t)n & mask;

	if (!is_unsigned && bits < 64 && (u >> (bits - 1)))
		u |= ~mask;
	return (int64_t)u;
}

/* Read one number at the beginning of @text. */
static int number(const struct opt *o, const char *text, int base, int64_t *out, const char **end,
		  struct err *err)
{
	if (num_parse_base(text, base, out, end) == NUM_MISSING)
		return missing(o, err);
	return 0;
}

/* Read one number that is all of @text. */
static int only_number(const struct opt *o, const char *text, int base, int64_t *out,
		       struct err *err)
{
	const char *end;

	if (number(o, text, base, out, &end, err) == -1)
		return -1;
	return *end ? trailing(o, err) : 0;
}

static int parse_bool(struct opt *o, const char *text, struct err *err)
{
	if (only_number(o, text, 0, &o->val.n[0], err) == -1)
		return -1;
	o->val.n[0] = o->val.n[0] != 0;
	return 0;
}

static int parse_byte(struct opt *o, const char *text, struct err *err)
{
	if (only_number(o, text, 0, &o->val.n[0], err) == -1)
		return -1;
	if ((uint64_t)o->val.n[0] > 255)
		return err_set(err, 0,
			       "parseopts(): option \"%s\": byte value exceeds limit (%" PRIu64
			       " vs. 255), using max",
			       o->spec->rest, (uint64_t)o->val.n[0]);
	return 0;
}

static int parse_int(struct opt *o, const char *text, struct err *err)
{
	const struct type_row *t = &types[o->row->type];

	if (only_number(o, text, 0, &o->val.n[0], err) == -1)
		return -1;
	o->val.n[0] = cut(o->val.n[0], t->bits, t->is_unsigned);
	return 0;
}

static int parse_int_null(struct opt *o, const char *text, struct err *err)
{
	if (*text == '\0') {
		o->val.null = true;
		return 0;
	}
	return parse_int(o, text, err);
}

static int parse_string(struct opt *o, const char *text, struct err *err)
{
	(void)err;
	o->val.str = text;
	return 0;
}

static int parse_uid(struct opt *o, const char *text, struct err *err)
{
	const struct passwd *pw;

	if (*text >= '0' && *text <= '9')
		return parse_int(o, text, err);
	pw = getpwnam(text);
	if (pw == NULL)
		return err_set(err, 0, "getpwnam(\"%s\"): no such user", text);
	o->val.n[0] = pw->pw_uid;
	return 0;
}

static int parse_gid(struct opt *o, const char *text, struct err *err)
{
	const struct group *gr;

	if (*text >= '0' && *text <= '9')
		return parse_int(o, text, err);
	gr = getgrnam(text);
	if (gr == NULL)
		return err_set(err, 0, "getgrnam(\"%s\"): no such group", text);
	o->val.n[0] = gr->gr_gid;
	return 0;
}

static int parse_mode(struct opt *o, const char *text, struct err *err)
{
	if (only_number(o, text, 8, &o->val.n[0], err) == -1)
		return -1;
	o->val.n[0] = cut(o->val.n[0], types[V_MODE].bits, true);
	return 0;
}

static int parse_seconds(struct opt *o, const char *text, struct err *err)
{
	switch (seconds_parse(text, &o->val.ns)) {
	case NUM_MISSING:
		return missing(o, err);
	case NUM_TRAILING:
		return trailing(o, err);
	case NUM_RANGE:
		return err_set(err, ERANGE, "strtod(\"%s\", NULL)", text);
	case NUM_OK:
		break;
	}
	return 0;
}

static int parse_bin(struct opt *o, const char *text, struct err *err)
{
	uint8_t data[BIN_MAX];
	struct err why;
	long len = dalan_parse(text, data, sizeof(data), &why);

	if (len == -1) {
		err_set(err, 0, "parseopts_table(): problem with \"%s\" data", text);
		return err_hint(err, "%s", why.text);
	}
	o->val.bin = len ? xmemdup(data, (size_t)len) : NULL;
	o->val.bin_len = (size_t)len;
	return 0;
}

/* An IPv4 address. Offline, a name stays one: nothing is asked for it. */
static int look_up_ip4(struct opt *o, const char *host, struct err *err)
{
	struct in_addr a;

	if (o->offline && !inet_aton(host, &a))
		return 0;
	return resolve_host(host, AF_INET, &o->val.addr, err);
}

/* host[:port]; a bracketed host keeps its colons, so that the resolver can say what is wrong. */
static int parse_ip4sock(struct opt *o, const char *text, struct err *err)
{
	const char *colon = strchr(text, ']');
	int64_t port = 0;
	char *host;
	int rc;

	colon = strchr(*text == '[' && colon ? colon : text, ':');
	if (colon && only_number(o, colon + 1, 10, &port, err) == -1)
		return -1;
	host = xstrndup(text, colon ? (size_t)(colon - text) : strlen(text));
	rc = look_up_ip4(o, host, err);
	free(host);
	if (rc == 0 && o->val.addr.len)
		netaddr_set_port(&o->val.addr, (unsigned)cut(port, 16, true));
	return rc;
}

/* "option "setsockopt": 3 arguments required"; all but the data form of setsockopt carry the name
 * of classic's function in front. */
static int too_few(const struct opt *o, int nargs, struct err *err)
{
	const bool plain = o->row->type == V_INT_INT_BIN;
	char name[64];

	return err_set(err, 0, "%soption \"%s\": %d arguments required",
		       plain ? "" : "parseopts(): ", opt_name(o->row, 0, name, sizeof(name)),
		       nargs);
}

/* Read @n integers, each followed by a separator; @rest gets what is behind the last one. Between
 * two plain integers any single character separates ("80x24" is a window size). */
static int leading_ints(struct opt *o, const char *text, int n, const char **rest, struct err *err)
{
	const enum value_type type = o->row->type;
	const bool pair = type == V_INT_INT || type == V_INT_INTP || type == V_INT_ULONG;

	for (int i = 0; i < n; i++) {
		if (number(o, text, 0, &o->val.n[i], &text, err) == -1)
			return -1;
		o->val.n[i] = cut(o->val.n[i], 32, false);
		if (*text == '\0' && (pair || n > 1))
			return too_few(o, n + 1, err);
		if (*text != ':' && !pair)
			return trailing(o, err);
		text++;
	}
	*rest = text;
	return 0;
}

static int parse_int_int(struct opt *o, const char *text, struct err *err)
{
	const struct type_row *t = &types[o->row->type];

	if (leading_ints(o, text, 1, &text, err) == -1 ||
	    only_number(o, text, 0, &o->val.n[1], err) == -1)
		return -1;
	o->val.n[1] = cut(o->val.n[1], t->bits, t->is_unsigned);
	return 0;
}

static int parse_int_bin(struct opt *o, const char *text, struct err *err)
{
	return leading_ints(o, text, 1, &text, err) == -1 ? -1 : parse_bin(o, text, err);
}

static int parse_int_string(struct opt *o, const char *text, struct err *err)
{
	return leading_ints(o, text, 1, &o->val.str, err);
}

static int parse_int_int_int(struct opt *o, const char *text, struct err *err)
{
	if (leading_ints(o, text, 2, &text, err) == -1 ||
	    only_number(o, text, 0, &o->val.n[2], err) == -1)
		return -1;
	o->val.n[2] = cut(o->val.n[2], 32, false);
	return 0;
}

static int parse_int_int_bin(struct opt *o, const char *text, struct err *err)
{
	return leading_ints(o, text, 2, &text, err) == -1 ? -1 : parse_bin(o, text, err);
}

static int parse_int_int_string(struct opt *o, const char *text, struct err *err)
{
	return leading_ints(o, text, 2, &o->val.str, err);
}

static void format_nothing(const struct opt *o, struct str *out)
{
	(void)o;
	(void)out;
}

static void format_signed(const struct opt *o, struct str *out)
{
	str_addf(out, "%" PRId64, o->val.n[0]);
}

static void format_unsigned(const struct opt *o, struct str *out)
{
	str_addf(out, "%" PRIu64, (uint64_t)o->val.n[0]);
}

static void format_mode(const struct opt *o, struct str *out)
{
	str_addf(out, "0%" PRIo64, (uint64_t)o->val.n[0]);
}

static void format_string(const struct opt *o, struct str *out)
{
	if (o->val.str)
		str_adds(out, o->val.str);
}

static void format_seconds(const struct opt *o, struct str *out)
{
	const uint64_t ns = o->val.ns < 0 ? -(uint64_t)o->val.ns : (uint64_t)o->val.ns;

	str_addf(out, "%s%" PRIu64 ".%09" PRIu64, o->val.ns < 0 ? "-" : "",
		 ns / (uint64_t)NSEC_PER_SEC, ns % (uint64_t)NSEC_PER_SEC);
}

static void format_bin(const struct opt *o, struct str *out)
{
	dalan_format(o->val.bin, o->val.bin_len, out);
}

static void format_ip4sock(const struct opt *o, struct str *out)
{
	char buf[NETADDR_TEXT_LEN];

	str_addf(out, "%s:%u", netaddr_host_text(&o->val.addr, buf), netaddr_port(&o->val.addr));
}

static void format_int_int(const struct opt *o, struct str *out)
{
	format_signed(o, out);
	str_addf(out, ":%" PRId64, o->val.n[1]);
}

static void format_int_ulong(const struct opt *o, struct str *out)
{
	format_signed(o, out);
	str_addf(out, ":%" PRIu64, (uint64_t)o->val.n[1]);
}

static void format_int_bin(const struct opt *o, struct str *out)
{
	format_signed(o, out);
	str_addc(out, ':');
	format_bin(o, out);
}

static void format_int_string(const struct opt *o, struct str *out)
{
	format_signed(o, out);
	str_addc(out, ':');
	format_string(o, out);
}

static void format_int_int_int(const struct opt *o, struct str *out)
{
	format_int_int(o, out);
	str_addf(out, ":%" PRId64, o->val.n[2]);
}

static void format_int_int_bin(const struct opt *o, struct str *out)
{
	format_int_int(o, out);
	str_addc(out, ':');
	format_bin(o, out);
}

static void format_int_int_string(const struct opt *o, struct str *out)
{
	format_int_int(o, out);
	str_addc(out, ':');
	format_string(o, out);
}

static const struct type_row types[V_COUNT] = {
	[V_CONST] = { "CONST", AB_CONST, NULL, format_nothing, 0, false },
	[V_BOOL] = { "BOOL", AB_ONE, parse_bool, format_signed, 0, false },
	[V_BYTE] = { "BYTE", AB_ONE, parse_byte, format_unsigned, 0, false },
	[V_INT] = { "INT", AB_ONE, parse_int, format_signed, 32, false },
	[V_INT_NULL] = { "INT/NULL", AB_ONE, parse_int_null, format_signed, 32, false },
	[V_UINT] = { "UNSIGNED-INT", AB_ONE, parse_int, format_unsigned, 32, true },
	[V_USHORT] = { "UNSIGNED-SHORT", AB_ONE, parse_int, format_unsigned, 16, true },
	[V_LONG] = { "LONG", AB_ONE, parse_int, format_signed, 64, false },
	[V_SIZE] = { "SIZE_T", AB_ONE, parse_int, format_unsigned, 64, true },
	[V_OFF32] = { "OFF_T", AB_ONE, parse_int, format_signed, 64, false },
	[V_OFF64] = { "OFF64_T", AB_ONE, parse_int, format_signed, 64, false },
	[V_STRING] = { "STRING", AB_VALUE, parse_string, format_string, 0, false },
	[V_STRING_NULL] = { "STRING-NULL", AB_NULL, parse_string, format_string, 0, false },
	[V_FILENAME] = { "STRING", AB_VALUE, parse_string, format_string, 0, false },
	[V_UID] = { "UID_T", AB_VALUE, parse_uid, format_unsigned, 32, true },
	[V_GID] = { "GID_T", AB_VALUE, parse_gid, format_unsigned, 32, true },
	[V_MODE] = { "MODE_T", AB_VALUE, parse_mode, format_mode, 32, true },
	[V_TIMEVAL_NULL] = { "STRUCT-TIMEVAL", AB_NULL, parse_seconds, format_seconds, 0, false },
	[V_TIMEVAL] = { "STRUCT-TIMEVAL", AB_VALUE, parse_seconds, format_seconds, 0, false },
	[V_TIMESPEC] = { "STRUCT-TIMESPEC", AB_VALUE, parse_seconds, format_seconds, 0, false },
	[V_LINGER] = { "STRUCT-LINGER", AB_VALUE, parse_int, format_signed, 32, false },
	[V_BIN] = { "BIN", AB_VALUE, parse_bin, format_bin, 0, false },
	[V_IP4NAME] = { "IP4NAME", AB_VALUE, parse_string, format_string, 0, false },
	[V_IP4SOCK] = { "IP4SOCK", AB_VALUE, parse_ip4sock, format_ip4sock, 0, false },
	[V_INT_INT] = { "INT:INT", AB_VALUES, parse_int_int, format_int_int, 32, false },
	[V_INT_INTP] = { "INT:INTP", AB_VALUES, parse_int_int, format_int_int, 32, false },
	[V_INT_ULONG] = { "INT:ULONG", AB_VALUES, parse_int_int, format_int_ulong, 64, true },
	[V_INT_BIN] = { "INT:BIN", AB_VALUES, parse_int_bin, format_int_bin, 0, false },
	[V_INT_STRING] = { "INT:STRING", AB_VALUES, parse_int_string, format_int_string, 0, false },
	[V_INT_INT_INT] = { "INT:INT:INT", AB_VALUES, parse_int_int_int, format_int_int_int, 0,
			    false },
	[V_INT_INT_BIN] = { "INT:INT:BIN", AB_VALUES, parse_int_int_bin, format_int_int_bin, 0,
			    false },
	[V_INT_INT_STRING] = { "INT:INT:STRING", AB_VALUES, parse_int_int_string,
			       format_int_int_string, 0, false },
	/* never usable, the option is refused while planning */
	[V_INT3] = { "INT[3]", AB_NULL, parse_string, format_string, 0, false },
	[V_MREQN] = { "STRUCT-IP_MREQN", AB_VALUE, parse_string, format_string, 0, false },
	[V_MREQ_SOURCE] = { "IP-MREQ-SOURCE", AB_VALUE, parse_string, format_string, 0, false },
	[V_GROUP_SOURCE] = { "GENERIC", AB_VALUE, parse_string, format_string, 0, false },
};

const char *value_type_name(enum value_type t)
{
	return (unsigned)t < V_COUNT ? types[t].name : "?";
}

int value_parse(struct opt *o, struct err *err)
{
	const struct type_row *t = &types[o->row->type];
	const char *text = o->spec->value;

	o->val = (struct value){ 0 };
	if (text && t->absent == AB_CONST) {
		char name[64];

		return err_set(err, 0, "no value permitted for option \"%s\"",
			       opt_name(o->row, 0, name, sizeof(name)));
	}
	if (text)
		return t->parse(o, text, err);
	switch (t->absent) {
	case AB_CONST:
	case AB_ONE:
		o->val.n[0] = 1;
		return 0;
	case AB_NULL:
		o->val.null = true;
		return 0;
	case AB_VALUES:
		return err_set(err, 0, "option \"%s\": values required", o->spec->rest);
	case AB_VALUE:
		break;
	}
	return err_set(err, 0, "option \"%s\": value required", o->spec->rest);
}

void value_done(struct value *v)
{
	free(v->bin);
	*v = (struct value){ 0 };
}

void value_format(const struct opt *o, struct str *out)
{
	if (!o->val.null)
		types[o->row->type].format(o, out);
}
