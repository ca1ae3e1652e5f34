/* opt.h - options: rows, occurrences, what they fill and what they touch
 *
 * An option is one row in table.c: its names, how its value is written, which kinds of address
 * take it, when it acts, and with which function. Two functions are possible: `conf` runs once,
 * while planning, and records a wish in struct conf (or struct ident); `set` runs when an opening
 * reaches the row's phase and acts on a descriptor or a path. Most rows have one of the two. */
#ifndef OPT_OPT_H
#define OPT_OPT_H

#include "base/err.h"
#include "base/str.h"
#include "sys/ident.h"
#include "sys/netaddr.h"
#include "sys/resolve.h"
#include "sys/tty.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct groups;
struct hosts;
struct spec_opt;

/* Kinds of address (option groups), in the order in which help prints them. G_ALL: legal on every
 * address, printed as "(all)". */
enum opt_group {
	G_FD = 1ULL << 0,
	G_FIFO = 1ULL << 1,
	G_CHR = 1ULL << 2,
	G_BLK = 1ULL << 3,
	G_REG = 1ULL << 4,
	G_SOCKET = 1ULL << 5,
	G_READLINE = 1ULL << 6,
	G_NAMED = 1ULL << 7,
	G_OPEN = 1ULL << 8,
	G_EXEC = 1ULL << 9,
	G_FORK = 1ULL << 10,
	G_LISTEN = 1ULL << 11,
	G_SHELL = 1ULL << 12,
	G_CHILD = 1ULL << 13,
	G_RETRY = 1ULL << 14,
	G_TERMIOS = 1ULL << 15,
	G_RANGE = 1ULL << 16,
	G_PTY = 1ULL << 17,
	G_PARENT = 1ULL << 18,
	G_UNIX = 1ULL << 19,
	G_IP4 = 1ULL << 20,
	G_IP6 = 1ULL << 21,
	G_INTERFACE = 1ULL << 22,
	G_UDP = 1ULL << 23,
	G_TCP = 1ULL << 24,
	G_SOCKS = 1ULL << 25,
	G_OPENSSL = 1ULL << 26,
	G_PROCESS = 1ULL << 27,
	G_APPL = 1ULL << 28,
	G_HTTP = 1ULL << 29,
	G_POSIXMQ = 1ULL << 30,
	G_SCTP = 1ULL << 31,
	G_DCCP = 1ULL << 32,
	G_UDPLITE = 1ULL << 33,
	G_DGRAM = 1ULL << 34,
	G_MULTICAST = 1ULL << 35,
	G_ALL = 1ULL << 36,
	G_FRAMES = 1ULL << 38,
	G_LAYERS = 1ULL << 37, /* an address on which layers stand, whatever its type */
};
#define GROUPS_EVERYWHERE (G_PROCESS | G_APPL | G_ALL)

/* When an option acts, named and ordered as in help. Only some have a moment of their own in an
 * opening (INIT, PREOPEN, PASTOPEN, PASTSOCKET, FD, PREBIND, CONNECTED, LATE); rows of the others
 * are recorded while planning. PH_NONE marks a step after which nothing is applied. */
enum phase {
	PH_NONE,
	PH_OFFSET,
	PH_INIT,
	PH_EARLY,
	PH_PREOPEN,
	PH_OPEN,
	PH_PASTOPEN,
	PH_PRESOCKET,
	PH_SOCKET,
	PH_PASTSOCKET,
	PH_BIGEN,
	PH_PASTBIGEN,
	PH_FD,
	PH_PREBIND,
	PH_BIND,
	PH_LISTEN,
	PH_ACCEPT,
	PH_PASTACCEPT,
	PH_CONNECTED,
	PH_PASTFORK,
	PH_LATE,
	PH_LATE2,
	PH_PREEXEC,
	PH_SPECIFIC,
	PH_COUNT,
};

/* How a value is written; see value.c for each one's parser and name. */
enum value_type {
	V_CONST, /* no value allowed */
	V_BOOL, /* absent: 1 */
	V_BYTE, /* 0..255, absent: 1 */
	V_INT, /* absent: 1; so the other integers */
	V_INT_NULL, /* as V_INT; "opt=" means "do not touch": val.null */
	V_UINT,
	V_USHORT,
	V_LONG,
	V_SIZE,
	V_OFF32,
	V_OFF64,
	V_STRING, /* value required */
	V_STRING_NULL, /* absent: val.null */
	V_FILENAME, /* as V_STRING */
	V_UID, /* number or name */
	V_GID,
	V_MODE, /* octal */
	V_TIMEVAL, /* decimal seconds -> val.ns */
	V_TIMEVAL_NULL, /* as V_TIMEVAL; absent: val.null */
	V_TIMESPEC,
	V_LINGER, /* integer seconds */
	V_BIN, /* dalan */
	V_IP4NAME, /* host or interface; text kept in str, looked up by the setter */
	V_IP4SOCK, /* host[:port] -> val.addr */
	V_INT_INT, /* n[0]:n[1] */
	V_INT_INTP,
	V_INT_ULONG,
	V_INT_BIN, /* n[0]:bin */
	V_INT_STRING, /* n[0]:str */
	V_INT_INT_INT, /* n[0]:n[1]:n[2] */
	V_INT_INT_BIN,
	V_INT_INT_STRING,
	V_INT3, /* so-peercred */
	V_MREQN, /* text kept in str, taken apart by the setter */
	V_MREQ_SOURCE,
	V_GROUP_SOURCE,
	V_COUNT,
};

/* A parsed value; which fields count depends on the type. */
struct value {
	bool null; /* nothing was given where that is allowed */
	int64_t n[3];
	const char *str; /* borrowed from the spec */
	uint8_t *bin; /* owned by the opt */
	size_t bin_len;
	int64_t ns;
	struct netaddr addr;
};

/* An occurrence of an option. */
struct opt {
	const struct opt_row *row;
	const struct spec_opt *spec; /* as written; borrowed */
	bool offline,
		unread; /* names are not looked up, files not read: only what is written counts */
	struct value val;
};

/* What happens to the write side when the other address has delivered EOF. */
enum shut_how { SHUT_DEFAULT, SHUT_NONE, SHUT_DOWN, SHUT_CLOSE, SHUT_NULL };

enum eol { EOL_RAW, EOL_CR, EOL_CRNL };

/* What a layer is: as the transport says (the server where others connect), or by option role. */
enum role { ROLE_NATURAL, ROLE_CLIENT, ROLE_SERVER };

/* Channel between a program and us. */
enum channel { CH_SOCKETPAIR, CH_PIPES, CH_PTY };

/* What access tables say: NAMELESS: they cannot tell without a name that nobody here knows. */
enum wrap_answer { WRAP_REFUSE, WRAP_PERMIT, WRAP_NAMELESS };

/* What the module of tcpwrap exports as "socast_wrap_permits": ask the tables @allow and @deny,
 * which it keeps, about @peer; @local may be NULL. Waits for nobody. */
typedef enum wrap_answer wrap_fn(const char *daemon, const char *allow, const char *deny,
				 const struct sockaddr *peer, const struct sockaddr *local);

/* Typed results of the options of one address half, grouped by subject. Filled while planning,
 * constant afterwards and shared by all sessions. Strings are borrowed from the spec. */
struct conf {
	struct {
		int set, clear; /* O_* flags asked for, and asked not to have */
		int access; /* O_RDONLY, O_WRONLY, O_RDWR, or -1: by direction */
		int64_t perm; /* creation mode, or -1 */
		int64_t user, group; /* owner of the entry, or -1 */
		bool unlink; /* remove the entry before opening */
		int unlink_close; /* 0, 1, or -1: the type's default */
	} open;
	struct {
		const char *pf; /* protocol-family as written, or NULL */
		int family; /* its meaning: AF_*, or -1 when not given */
		int64_t type, protocol; /* or -1 */
		const char *bind; /* or NULL */
		int64_t sourceport; /* or -1 */
		bool lowport;
		const char *range; /* as written, or NULL */
		bool range_is_data; /* and it is data:mask, because the address is data too */
		bool reuseaddr_given; /* any form: suppresses the implicit one */
		bool rcvbuf_given; /* suppresses the implicit enlargement */
		int ai_set, ai_clear; /* AI_* flags */
		bool null_eof;
		bool tightsocklen;
		const char *bind_tempname; /* template, "" without value, NULL when absent */
		int64_t connect_timeout_ns; /* 0: none */
		int64_t close_timeout_ns; /* how long closing waits for a peer that stands still */
		int any_port; /* answers=any, udp-ignore-peerport: 1, or 0; -1 when not given */
		bool answers; /* option answers is given: MCAST hears unicast, too */
		bool joins; /* some option joins a group */
		const char *dst; /* what datagrams must have been sent to, or NULL */
		bool no_echo;
		const char *device; /* so-bindtodevice, or NULL */
		bool pktinfo_given; /* the user wants packet information logged and exported */
	} sock;
	struct {
		const char *join_if, *send_if; /* or NULL */
		int64_t hops, loop; /* or -1 */
		int64_t wait_ns; /* if-wait */
	} mcast;
	struct resolve_conf res;
	struct {
		bool on;
		const char *daemon; /* NULL: program name */
		const char *etc, *allow, *deny; /* or NULL */
		wrap_fn *ask; /* the module's, when it is loaded; else NULL */
		char *table[2]; /* paths of the tables that permit and deny; owned */
	} wrap; /* tcpwrap */
	struct {
		bool fork;
		bool isolate;
		int64_t max_children; /* 0: unlimited */
		int64_t children_shutup;
		int64_t backlog; /* or -1: default */
		int64_t accept_timeout_ns; /* 0: none */
		int64_t session_timeout_ns; /* UDP-LISTEN,fork; 0: never */
		int64_t max_sessions;
	} listen;
	struct {
		int64_t retry;
		bool forever;
		int64_t interval_ns;
		int64_t reopen_ns; /* the first pause; 0: what is lost is lost */
	} retry;
	struct {
		enum eol eol;
		bool newline; /* behind every datagram written here that has none */
		bool ignoreeof;
		int64_t readbytes; /* 0: unlimited */
		int64_t escape; /* -1: none */
		enum shut_how shut;
		bool end_close;
		bool cool_write;
		bool pipesz_given; /* f-setpipe-sz: the user decides about the pipe's capacity */
		const char *lockfile, *waitlock;
	} flow;
	struct {
		bool pipes, pty, openpty, ptmx, nofork, stderr_too, dash;
		int64_t fdin, fdout; /* or -1 */
		const char *path, *shell;
		bool ctty;
		bool sighup, sigint, sigquit;
	} prog;
	struct {
		const char *link;
		bool wait_slave;
		int64_t interval_ns;
		int64_t sitout_eio_ns;
	} pty;
	enum role role; /* of a layer */
	struct {
		const char *format; /* as framing_parse() takes it, or NULL: none is asked for */
		const char *size; /* behind "fixed", or NULL */
		int64_t max; /* bytes of a datagram; 0: the default */
	} frames;
	struct {
		const char *cert, *key, *cafile, *capath; /* paths, or NULL */
		bool verify;
		const char *commonname; /* NULL: the target's; "": none */
		const char *snihost; /* or NULL */
		bool no_sni;
		const char *ciphers, *min_version, *max_version, *dhparam, *compress, *alpn;
		int64_t maxfraglen, maxsendfrag; /* or -1 */
		int64_t eof_without_notify; /* 0, 1, or -1: by the program's name */
		const char *egd;
		bool pseudo;
		int64_t handshake_timeout_ns; /* 0: none, -1: not given */
	} tls;
	struct {
		int set, clear; /* IFF_* flags asked for, and asked not to have */
		int64_t mtu; /* or -1 */
		bool retrieve_vlan;
		bool no_pi; /* TUN: packets without their four bytes of information */
		const char *tun_device, *tun_name, *tun_type; /* or NULL */
	} netif;
	struct {
		int64_t priority;
		int64_t maxmsg, msgsize; /* or -1: the system's default */
		bool flush;
	} mq; /* POSIX message queues */
	struct {
		const char *file; /* group keys, or NULL: nothing is sealed */
		const char *sign_file, *trust_file; /* or NULL */
		int64_t age_ns; /* 0: any age */
		int64_t senders;
	} seal; /* sealed datagrams */
	struct {
		const char *history; /* file, or NULL */
		const char *prompt; /* fixed text, or NULL: what the other side printed last */
		const char *noecho; /* regular expression, or NULL */
		bool noprompt;
	} readline;
	struct {
		const char *socksport, *socksuser, *sockspass; /* or NULL */
		const char *port; /* or NULL */
		const char *auth; /* "user:password", or NULL */
		char *auth_read; /* the same out of a file; owned */
		char *to_host; /* target of a layer, owned, or NULL */
		const char *to_port;
		const char *http_version;
		bool resolve, ignorecr;
		int64_t timeout_ns; /* of the dialogue; 0: none */
	} proxy; /* SOCKS and HTTP proxies */
	struct ident ident;
};

/* What a setter may touch. */
struct target {
	struct conf *conf; /* only while planning, else NULL */
	int fd; /* -1 where there is none */
	const char *path; /* of the file-system entry, or NULL */
	const char *queue; /* name of the POSIX message queue, or NULL */
	bool binds; /* the entry comes with bind(2): the address sets its owner and mode itself */
	int family; /* of the socket */
	bool device_chosen; /* the address has its own use for option so-bindtodevice */
	struct tty_edit *tty; /* terminal settings being collected (PH_FD), or NULL */
	struct hosts *hosts; /* what names in values mean, or NULL: ask and wait (sys/hosts.h) */
	struct groups **more; /* where sockets go that join what fd has no room for, or NULL */
};

/* A setter. Returns 0, or -1 with one sentence in @err. */
typedef int opt_setter(struct target *t, const struct opt *o, struct err *err);

/* Constant parameters of the generic setters; which member counts depends on the setter. */
union opt_arg {
	struct {
		int level, name;
	} so; /* set_sockopt*: level and name of setsockopt(2) */
	struct {
		size_t offset;
		int64_t value; /* stored by conf_const */
	} field; /* conf_*: member of struct conf */
	struct {
		int stage, kind;
	} ident; /* conf_ident */
	struct {
		uint8_t word; /* 0 c_iflag, 1 c_oflag, 2 c_cflag, 3 c_lflag */
		uint32_t mask, value;
	} tty; /* set_tty_*: bits, or field of the word under mask; .value also index of c_cc */
	struct {
		long a, b;
	} n; /* others */
};

enum opt_flag {
	OPT_EXPERIMENTAL = 1, /* warns unless --experimental */
	OPT_NEW = 2, /* not in classic; listed separately in the manual */
	OPT_SECRET = 4, /* the value is kept out of the log */
	OPT_HOSTS = 16, /* the value names hosts: see opts_collect() */
	/* of options that types and layers have in common by their groups: */
	OPT_OF_STACK = 32, /* only for a layer that is written in a stack */
	OPT_OF_TYPE = 64, /* only for an address type, not for a layer */
	OPT_IFNAME = 8, /* the value is a network interface: completion offers those there are */
};

/* The descriptor of an option, constant. */
struct opt_row {
	const char *names; /* canonical first, then aliases, separated by one blank */
	enum value_type type;
	uint64_t groups;
	enum phase phase;
	opt_setter *conf; /* while planning, or NULL */
	opt_setter *set; /* at the phase, or NULL */
	union opt_arg arg;
	unsigned flags; /* enum opt_flag */
	const char *needs; /* privilege: a capability, then perhaps when ("CAP_CHOWN"), or NULL */
	const char *help; /* one line, no full stop */
};

/* All rows; the table is split by subject, the parts are listed in opt_tables, NULL terminated. */
struct opt_table {
	const struct opt_row *row;
	size_t n;
};
extern const struct opt_table *const opt_tables[];

/* Find a row by any of its names, ignoring case; NULL if there is none. */
const struct opt_row *opt_find(const char *name);

/* Call @fn for every row; stops and returns early when @fn returns non-zero. */
int opt_each(int (*fn)(const struct opt_row *row, void *arg), void *arg);

/* The @i-th name (0: canonical) of @row, copied into @buf (cut to @cap); NULL: there are fewer. */
const char *opt_name(const struct opt_row *row, size_t i, char *buf, size_t cap);

/* A known name near to @name, for "did you mean", or NULL; only names that fit @groups (0: any). */
const char *opt_suggest(const char *name, uint64_t groups, char *buf, size_t cap);

/* Text of a group set as help prints it: "FD,SOCKET", "(all)". Appended to @out. */
void groups_format(uint64_t groups, struct str *out);
const char *phase_name(enum phase ph);
/* When its options act, as the end of a sentence: "when the socket is bound". */
const char *phase_moment(enum phase ph);
const char *value_type_name(enum value_type t);

/* Flags of opts_parse(). */
enum opts_parse_flag {
	OPTS_ANY_GROUP = 1, /* -g: no group check */
	OPTS_SLOPPY = 2, /* -s: a bad option is logged and skipped */
	OPTS_EXPERIMENTAL = 4, /* --experimental: no warning */
	OPTS_OFFLINE = 8, /* --check, --explain: no name is looked up */
	OPTS_UNREAD = 16, /* --explain: no file is read */
};

/* All options of one address half, sorted by (phase, position). */
struct opts {
	struct opt *opt; /* owned */
	size_t n;
	bool sloppy;
};

/* Look up, check and parse the @n options @spec of an address that takes @groups, then fill @conf,
 * which the caller has initialised with conf_init(). Each option is announced at info level
 * ('setting option "fork" to 1'). Messages: core specification 2.4 to 2.6; unknown names and wrong
 * groups get a suggestion behind classic's text. Returns 0, or -1 with @err and an empty @out. The
 * @spec must outlive @out and @conf. */
int opts_parse(struct opts *out, struct conf *conf, const struct spec_opt *spec, size_t n,
	       uint64_t groups, unsigned flags, struct err *err);
void opts_done(struct opts *o);

/* Apply the options of @phase to @t, in textual order; at PH_FD pending terminal settings are
 * written. This is the single home of sloppy mode: there a failed option is logged and skipped. */
int opts_apply(const struct opts *o, enum phase phase, struct target *t, struct err *err);

/* The value of @o has been refused as @err tells: unless there is a hint, say which option it was.
 * Returns -1. */
int opt_blame(const struct opt *o, struct err *err);

/* Note in @hosts, which is collecting, the names of hosts that values hold. What is wrong with a
 * value is told when it is applied. */
void opts_collect(const struct opts *o, struct hosts *hosts);

void conf_init(struct conf *c);
void conf_done(struct conf *c);

/* Parse the value of option @o of type row->type out of its spec into o->val. Returns 0 or -1 with
 * the messages of the core specification 2.5. */
int value_parse(struct opt *o, struct err *err);
void value_done(struct value *v);

/* Append the value so that it parses to the same value again; nothing for V_CONST and nulls. */
void value_format(const struct opt *o, struct str *out);

#endif
