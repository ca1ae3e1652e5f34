/* test_apply.c - from an address text to rows, records and effects */
#include "opt/opt.h"
#include "spec/spec.h"

#include <fcntl.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct parsed {
	struct spec spec;
	struct opts opts;
	struct conf conf;
	struct err err;
};

static int parse(struct parsed *p, const char *options, uint64_t groups, unsigned flags)
{
	char text[1024];

	snprintf(text, sizeof(text), "X:y,%s", options);
	p->err = (struct err){ 0 };
	assert_int_equal(spec_parse(&p->spec, text, NULL, &p->err), 0);
	conf_init(&p->conf);
	return opts_parse(&p->opts, &p->conf, p->spec.single[0].opt, p->spec.single[0].nopts,
			  groups, flags, &p->err);
}

static void done(struct parsed *p)
{
	opts_done(&p->opts);
	conf_done(&p->conf);
	spec_done(&p->spec);
}

static void expect_error(const char *options, uint64_t groups, unsigned flags, const char *text)
{
	struct parsed p;

	assert_int_equal(parse(&p, options, groups, flags), -1);
	assert_string_equal(p.err.text, text);
	assert_int_equal(p.opts.n, 0);
	done(&p);
}

static void test_order(void **state)
{
	static const char *const want[] = { "shut-none", "retry",     "so-sndbuf",
					    "so-linger", "so-sndbuf", "so-keepalive" };
	struct parsed p;
	char name[32];

	(void)state;
	assert_int_equal(parse(&p, "keepalive,sndbuf=1,linger=2,retry,sndbuf=3,shut-none",
			       G_FD | G_SOCKET | G_RETRY, 0),
			 0);
	assert_int_equal(p.opts.n, 6);
	for (size_t i = 0; i < 6; i++)
		assert_string_equal(opt_name(p.opts.opt[i].row, 0, name, sizeof(name)), want[i]);
	assert_int_equal(p.opts.opt[2].val.n[0], 1);
	assert_int_equal(p.opts.opt[4].val.n[0], 3);
	done(&p);
}

static void test_groups(void **state)
{
	struct parsed p;

	(void)state;
	expect_error("echo=0", G_FD | G_SOCKET, 0,
		     "parseopts_table(): option \"echo\" not supported with this address type; "
		     "it belongs to addresses of group TERMIOS");
	expect_error("ttl=5", G_FD, 0,
		     "parseopts_table(): option \"ttl\" not supported with this address type; "
		     "it belongs to addresses of groups IP4,IP6");
	assert_int_equal(parse(&p, "echo=0", G_FD, OPTS_ANY_GROUP), 0);
	done(&p);
	assert_int_equal(parse(&p, "setuid=1,cr,chdir=/", G_FD, 0), 0);
	done(&p);
}

static void test_unknown(void **state)
{
	(void)state;
	expect_error("foobarbaz", G_FD, 0, "parseopts_table(): unknown option \"foobarbaz\"");
	expect_error("resueaddr", G_SOCKET, 0,
		     "parseopts_table(): unknown option \"resueaddr\"; "
		     "did you mean \"reuseaddr\"?");
	expect_error("ip-add-member=1", G_IP4, 0,
		     "parseopts_table(): unknown option \"ip-add-member\"; "
		     "did you mean \"ip-add-membership\"?");
	/* a near name that would not be legal here is no help */
	expect_error("resueaddr", G_FD, 0, "parseopts_table(): unknown option \"resueaddr\"");
}

static void test_sloppy(void **state)
{
	struct parsed p;

	(void)state;
	assert_int_equal(parse(&p, "nonsense,echo=0,retry=x,retry=5", G_FD | G_RETRY, OPTS_SLOPPY),
			 0);
	assert_int_equal(p.opts.n, 1);
	assert_int_equal(p.conf.retry.retry, 5);
	done(&p);
}

static void test_conf(void **state)
{
	struct parsed p;

	(void)state;
	assert_int_equal(
		parse(&p,
		      "bind=1.2.3.4,pf=IP6,fork,max-children=3,backlog=7,crnl,cr,shut-null,"
		      "readbytes=-1,interval=0.5,creat,excl=0,rdonly,perm=640,unlink-close=0,"
		      "reuseaddr=,rcvbuf=1000,pktinfo,ai-passive=0,res-nsaddr=127.0.0.1,usevc,"
		      "tcpwrap,tightsocklen=0,accept-timeout=2,umask=027,retry=1,retry=0,"
		      "bind-tempname,escape=0x1d,sourceport=99,type=5,tcpwrap-etc=/e",
		      ~0ULL, 0),
		0);
	assert_string_equal(p.conf.sock.bind, "1.2.3.4");
	assert_int_equal(p.conf.sock.family, AF_INET6);
	assert_true(p.conf.listen.fork);
	assert_int_equal(p.conf.listen.max_children, 3);
	assert_int_equal(p.conf.listen.backlog, 7);
	assert_int_equal(p.conf.flow.eol, EOL_CR);
	assert_int_equal(p.conf.flow.shut, SHUT_NULL);
	assert_true(p.conf.flow.readbytes == INT64_MAX);
	assert_int_equal(p.conf.retry.interval_ns, NSEC_PER_SEC / 2);
	assert_int_equal(p.conf.open.set, O_CREAT);
	assert_int_equal(p.conf.open.clear, O_EXCL);
	assert_int_equal(p.conf.open.access, O_RDONLY);
	assert_int_equal(p.conf.open.perm, 0640);
	assert_int_equal(p.conf.open.unlink_close, 0);
	assert_true(p.conf.sock.reuseaddr_given);
	assert_true(p.conf.sock.rcvbuf_given);
	assert_true(p.conf.sock.pktinfo_given);
	assert_int_equal(p.conf.sock.ai_clear, 1);
	assert_int_equal(netaddr_port(&p.conf.res.nsaddr), 53);
	assert_true(p.conf.res.set != 0);
	assert_true(p.conf.wrap.on);
	assert_null(p.conf.wrap.daemon);
	assert_string_equal(p.conf.wrap.etc, "/e");
	assert_false(p.conf.sock.tightsocklen);
	assert_int_equal(p.conf.listen.accept_timeout_ns, 2 * NSEC_PER_SEC);
	assert_int_equal(p.conf.ident.umask, 027);
	assert_int_equal(p.conf.retry.retry, 0);
	assert_string_equal(p.conf.sock.bind_tempname, "");
	assert_int_equal(p.conf.flow.escape, 0x1d);
	assert_int_equal(p.conf.sock.sourceport, 99);
	assert_int_equal(p.conf.sock.type, 5);
	assert_int_equal(p.conf.netif.mtu, -1);
	assert_int_equal(p.conf.mq.maxmsg, -1);
	done(&p);
}

/* Flags of interfaces collect; the last word counts. */
static void test_conf_interface(void **state)
{
	struct parsed p;

	(void)state;
	assert_int_equal(parse(&p,
			       "up,promisc,noarp=0,allmulti,allmulti=0,if-mtu=1400,tun-name=x0,"
			       "tun-type=tap,no-pi,retrieve-vlan,mq-prio=7,mq-flush,mq-maxmsg=3",
			       ~0ULL, 0),
			 0);
	assert_int_equal(p.conf.netif.set, IFF_UP | IFF_PROMISC);
	assert_int_equal(p.conf.netif.clear, IFF_NOARP | IFF_ALLMULTI);
	assert_int_equal(p.conf.netif.mtu, 1400);
	assert_string_equal(p.conf.netif.tun_name, "x0");
	assert_string_equal(p.conf.netif.tun_type, "tap");
	assert_null(p.conf.netif.tun_device);
	assert_true(p.conf.netif.no_pi);
	assert_true(p.conf.netif.retrieve_vlan);
	assert_int_equal(p.conf.mq.priority, 7);
	assert_true(p.conf.mq.flush);
	assert_int_equal(p.conf.mq.maxmsg, 3);
	assert_int_equal(p.conf.mq.msgsize, -1);
	done(&p);
}

static void test_defaults(void **state)
{
	struct conf c;

	(void)state;
	conf_init(&c);
	assert_int_equal(c.open.access, -1);
	assert_int_equal(c.open.perm, -1);
	assert_int_equal(c.open.unlink_close, -1);
	assert_int_equal(c.sock.family, -1);
	assert_true(c.sock.tightsocklen);
	assert_int_equal(c.listen.backlog, -1);
	assert_int_equal(c.listen.max_sessions, 10000);
	assert_int_equal(c.listen.session_timeout_ns, 600 * NSEC_PER_SEC);
	assert_int_equal(c.retry.interval_ns, NSEC_PER_SEC);
	assert_int_equal(c.pty.interval_ns, NSEC_PER_SEC);
	assert_int_equal(c.flow.escape, -1);
	assert_int_equal(c.prog.fdin, -1);
	assert_int_equal(c.ident.umask, -1);
	conf_done(&c);
}

static void test_refused(void **state)
{
	(void)state;
	expect_error("lockfile=a,waitlock=b", G_FD, 0,
		     "only one use of options lockfile and waitlock allowed");
	expect_error("pf=foo", G_SOCKET, 0, "unknown protocol family \"foo\"");
	expect_error("ttl=,fork", G_IP4 | G_CHILD, 0,
		     "parseopts(): missing numerical value of option \"ttl=,fork\"");
	expect_error("su=4242424", G_FD, 0, "getpwuid(4242424): no such user");
}

static void test_apply(void **state)
{
	struct parsed p;
	struct target t = { .fd = socket(AF_INET, SOCK_STREAM, 0), .family = AF_INET };
	int on = 0;
	socklen_t len = sizeof(on);

	(void)state;
	assert_int_equal(parse(&p, "keepalive,broadcast,so-error=1", ~0ULL, 0), 0);
	assert_int_equal(opts_apply(&p.opts, PH_FD, &t, &p.err), 0);
	getsockopt(t.fd, SOL_SOCKET, SO_KEEPALIVE, &on, &len);
	assert_int_equal(on, 1);
	getsockopt(t.fd, SOL_SOCKET, SO_BROADCAST, &on, &len);
	assert_int_equal(on, 0);
	assert_int_equal(opts_apply(&p.opts, PH_PASTSOCKET, &t, &p.err), -1);
	getsockopt(t.fd, SOL_SOCKET, SO_BROADCAST, &on, &len);
	assert_int_equal(on, 1);
	p.opts.sloppy = true;
	assert_int_equal(opts_apply(&p.opts, PH_PASTSOCKET, &t, &p.err), 0);
	assert_int_equal(opts_apply(&p.opts, PH_NONE, &t, &p.err), 0);
	done(&p);
	close(t.fd);
}

static void test_names(void **state)
{
	struct str s = { 0 };

	(void)state;
	groups_format(G_ALL, &s);
	assert_string_equal(s.data, "(all)");
	str_done(&s);
	groups_format(G_UDPLITE | G_FD | G_TCP, &s);
	assert_string_equal(s.data, "FD,TCP,UDPLITE");
	str_done(&s);
	assert_string_equal(phase_name(PH_PASTSOCKET), "PASTSOCKET");
	assert_string_equal(phase_name(PH_SPECIFIC), "SPECIFIC");
	assert_string_equal(phase_name(PH_LATE2), "LATE2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),    cmocka_unit_test(test_groups),
		cmocka_unit_test(test_unknown),  cmocka_unit_test(test_sloppy),
		cmocka_unit_test(test_conf),     cmocka_unit_test(test_conf_interface),
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_apply),    cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
