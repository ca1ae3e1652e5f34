/* test_setters.c - options act on real sockets, files, pipes and terminals, and are read back
 *
 * What needs privileges or a device this machine may lack is only checked for its sentence. */
#include "opt/opt.h"
#include "spec/spec.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* Parse @options and run all phases in order on @t. Returns what the first failure says, or "". */
static const char *run(struct target *t, const char *options)
{
	static struct err err;
	struct spec spec;
	struct conf conf;
	struct opts opts;
	char text[512];
	int rc;

	err = (struct err){ 0 };
	snprintf(text, sizeof(text), "X:y,%s", options);
	assert_int_equal(spec_parse(&spec, text, NULL, &err), 0);
	conf_init(&conf);
	rc = opts_parse(&opts, &conf, spec.single[0].opt, spec.single[0].nopts, ~0ULL, 0, &err);
	for (int ph = PH_OFFSET; rc == 0 && ph < PH_COUNT; ph++)
		rc = opts_apply(&opts, (enum phase)ph, t, &err);
	opts_done(&opts);
	conf_done(&conf);
	spec_done(&spec);
	return rc == 0 ? "" : err.text;
}

#define RUN_OK(t, options) assert_string_equal(run(t, options), "")

/* The sentence of a failure, with the descriptor filled in for %d. */
static void fails(struct target *t, const char *options, const char *shape, ...)
	__attribute__((format(printf, 3, 4)));
static void fails(struct target *t, const char *options, const char *shape, ...)
{
	char want[512];
	va_list ap;

	va_start(ap, shape);
	vsnprintf(want, sizeof(want), shape, ap);
	va_end(ap);
	assert_string_equal(run(t, options), want);
}

static int sockopt(int fd, int level, int name)
{
	int n = -77;
	socklen_t len = sizeof(n);

	assert_int_equal(getsockopt(fd, level, name, &n, &len), 0);
	return n;
}

static void test_sockopt(void **state)
{
	struct target t = { .fd = socket(AF_INET, SOCK_STREAM, 0), .family = AF_INET };
	struct linger linger;
	struct timeval tv;
	socklen_t len = sizeof(linger);

	(void)state;
	RUN_OK(&t, "keepalive,reuseaddr,ttl=77,tos=0x10,sndbuf=20000,linger=5,rcvtimeo=1.5,"
		   "ip-pktinfo,ip-freebind,setsockopt=6:1:i1,setsockopt-int=6:4:33,so-priority=3");
	assert_int_equal(sockopt(t.fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_int_equal(sockopt(t.fd, SOL_SOCKET, SO_REUSEADDR), 1);
	assert_int_equal(sockopt(t.fd, SOL_IP, IP_TTL), 77);
	assert_int_equal(sockopt(t.fd, SOL_IP, IP_TOS), 0x10);
	assert_int_equal(sockopt(t.fd, SOL_SOCKET, SO_SNDBUF), 40000);
	assert_int_equal(sockopt(t.fd, SOL_IP, IP_PKTINFO), 1);
	assert_int_equal(sockopt(t.fd, 6, 1), 1);
	assert_int_equal(sockopt(t.fd, 6, 4), 33);
	assert_int_equal(getsockopt(t.fd, SOL_SOCKET, SO_LINGER, &linger, &len), 0);
	assert_int_equal(linger.l_onoff, 1);
	assert_int_equal(linger.l_linger, 5);
	len = sizeof(tv);
	assert_int_equal(getsockopt(t.fd, SOL_SOCKET, SO_RCVTIMEO, &tv, &len), 0);
	assert_int_equal(tv.tv_sec, 1);
	assert_in_range(tv.tv_usec, 496000, 504000);

	RUN_OK(&t, "reuseaddr=");
	assert_int_equal(sockopt(t.fd, SOL_SOCKET, SO_REUSEADDR), 1);
	RUN_OK(&t, "reuseaddr=0");
	assert_int_equal(sockopt(t.fd, SOL_SOCKET, SO_REUSEADDR), 0);

	fails(&t, "ttl=0", "setsockopt(%d, 0, 2, {0}, 4): Invalid argument", t.fd);
	fails(&t, "so-error=1", "setsockopt(%d, 1, 4, {1}, 4): Protocol not available", t.fd);
	fails(&t, "if=nope0", "setsockopt(%d, 1, 25, \"nope0\", 6): No such device", t.fd);
	fails(&t, "sockopt=99:1:x0102", "setsockopt(%d, 99, 1, {...}, 2): Protocol not available",
	      t.fd);
	fails(&t, "sockopt-string=99:1:abc",
	      "setsockopt(%d, 99, 1, \"abc\", 4): Protocol not available", t.fd);
	assert_non_null(strstr(run(&t, "so-peercred"), "read-only"));
	close(t.fd);
}

static void test_ip_options(void **state)
{
	struct target t = { .fd = socket(AF_INET, SOCK_DGRAM, 0), .family = AF_INET };
	uint8_t data[40];
	socklen_t len = sizeof(data);

	(void)state;
	RUN_OK(&t, "ip-options=x01,ip-options=x01");
	assert_int_equal(getsockopt(t.fd, SOL_IP, IP_OPTIONS, data, &len), 0);
	assert_int_equal(len, 4); /* two, padded by the kernel */
	assert_int_equal(data[0], 1);
	assert_int_equal(data[1], 1);
	close(t.fd);
}

static void test_multicast(void **state)
{
	struct target t = { .fd = socket(AF_INET, SOCK_DGRAM, 0), .family = AF_INET };
	struct in_addr ip;
	socklen_t len = sizeof(ip);

	(void)state;
	RUN_OK(&t, "ip-multicast-ttl=9,ip-multicast-loop=0,ip-multicast-all=0,"
		   "ip-multicast-if=127.0.0.1,ip-add-membership=224.1.2.3:127.0.0.1:lo,"
		   "ip-add-membership=224.1.2.4:lo,ip-add-membership=224.1.2.5:1");
	assert_int_equal(sockopt(t.fd, SOL_IP, IP_MULTICAST_ALL), 0);
	assert_int_equal(getsockopt(t.fd, SOL_IP, IP_MULTICAST_IF, &ip, &len), 0);
	assert_int_equal(ip.s_addr, htonl(INADDR_LOOPBACK));
	assert_int_equal(sockopt(t.fd, SOL_IP, IP_MULTICAST_TTL) & 0xff, 9);
	assert_int_equal(sockopt(t.fd, SOL_IP, IP_MULTICAST_LOOP) & 0xff, 0);
	fails(&t, "membership=224.1.2.3", "syntax in option 224.1.2.3: missing ':'");
	fails(&t, "membership=224.1.2.3:1.2.3.4",
	      "setsockopt(%d, 0, 35, {0x030201e0,0x04030201,0}, 12): No such device", t.fd);
	fails(&t, "source-membership=232.1.2.3:10.9.0.1",
	      "syntax in option 232.1.2.3:10.9.0.1: missing ':'");
	fails(&t, "source-membership=232.1.2.3:10.9.0.1:10.9.0.2:x",
	      "syntax in option 232.1.2.3:10.9.0.1:10.9.0.2:x: trailing cruft");
	fails(&t, "multicast-if=1.2.3.4",
	      "setsockopt(%d, 0, 32, {0x4030201}, 4): Cannot assign requested address", t.fd);
	close(t.fd);
}

static void test_multicast6(void **state)
{
	struct target t = { .fd = socket(AF_INET6, SOCK_DGRAM, 0), .family = AF_INET6 };

	(void)state;
	if (t.fd == -1)
		skip();
	RUN_OK(&t,
	       "ipv6-multicast-if=lo,ipv6-multicast-hops=7,v6only,ipv6-join-group=[ff02::1:5]:lo");
	assert_int_equal(sockopt(t.fd, SOL_IPV6, IPV6_MULTICAST_IF), 1);
	assert_int_equal(sockopt(t.fd, SOL_IPV6, IPV6_MULTICAST_HOPS), 7);
	assert_int_equal(sockopt(t.fd, SOL_IPV6, IPV6_V6ONLY), 1);
	RUN_OK(&t, "join-source-group=[ff32::2]:lo:[::1]");
	fails(&t, "join-group=[ff02::1]:nope0", "interface \"nope0\" not found");
	fails(&t, "join-group=[ff02::1]", "syntax in option [ff02::1]: missing ':'");
	fails(&t, "join-group=ff02::1:lo",
	      "syntax in option ff02::1:lo: write IPv6 addresses in brackets");
	fails(&t, "join-source-group=[ff12::2]:v0", "syntax in option [ff12::2]:v0: missing ':'");
	fails(&t, "ipv6-multicast-if=nope0", "interface \"nope0\" not found");
	close(t.fd);
}

static void test_file(void **state)
{
	char path[] = "/tmp/socast-test-XXXXXX";
	struct target t = { .fd = mkstemp(path), .family = -1 };
	struct target reader = { .family = -1 };
	struct stat st;

	(void)state;
	assert_int_equal(write(t.fd, "0123456789", 10), 10);
	RUN_OK(&t,
	       "truncate=6,seek=2,seek-cur=1,perm=0600,append,nonblock,setlk,flock-ex-nb,cloexec");
	assert_int_equal(lseek(t.fd, 0, SEEK_CUR), 3);
	assert_int_equal(fcntl(t.fd, F_GETFL) & (O_APPEND | O_NONBLOCK), O_APPEND | O_NONBLOCK);
	fstat(t.fd, &st);
	assert_int_equal(st.st_size, 6);
	assert_int_equal(st.st_mode & 07777, 0600);
	RUN_OK(&t, "append=0,perm-late=0400,seek-end=-1,user-late=0,group=0");
	assert_int_equal(lseek(t.fd, 0, SEEK_CUR), 5);
	assert_int_equal(fcntl(t.fd, F_GETFL) & O_APPEND, 0);
	fstat(t.fd, &st);
	assert_int_equal(st.st_mode & 07777, 0400);

	/* a second open of the file, for reading */
	reader.fd = open(path, O_RDONLY);
	fails(&reader, "flock-ex-nb", "flock(%d, 6): Resource temporarily unavailable", reader.fd);
	RUN_OK(&reader, "flock-ex-nb=0");
	fails(&reader, "setlk",
	      "fcntl(%d, 6, {type=F_WRLCK,whence=SEEK_SET,start=0,len=LONG_MAX,"
	      "pid=0}): Bad file descriptor",
	      reader.fd);
	fails(&reader, "seek=-3", "lseek64(%d, -3, 0): Invalid argument", reader.fd);
	fails(&reader, "truncate=4", "ftruncate64(%d, 4): Invalid argument", reader.fd);
	fails(&reader, "pipesz=4096", "fcntl(%d, 1031, 0x1000): Bad file descriptor", reader.fd);
	fails(&reader, "ioctl=0x541b", "ioctl(%d, 0x541b, NULL): Bad address", reader.fd);
	fails(&reader, "ttl=3", "setsockopt(%d, 0, 2, {3}, 4): Socket operation on non-socket",
	      reader.fd);

	/* with a path, perm is only the creation mode; the early forms change an existing entry */
	t.path = path;
	RUN_OK(&t, "perm=0777");
	stat(path, &st);
	assert_int_equal(st.st_mode & 07777, 0400);
	RUN_OK(&t, "perm-early=0644,user-early=0,unlink-early=0");
	stat(path, &st);
	assert_int_equal(st.st_mode & 07777, 0644);
	RUN_OK(&t, "unlink-late");
	assert_int_equal(access(path, F_OK), -1);
	RUN_OK(&t, "unlink-early,unlink-late,perm-early=0600,group-early=0");
	t.path = "/tmp";
	assert_non_null(strstr(run(&t, "unlink-early"), "unlink(\"/tmp\"): "));
	close(t.fd);
	close(reader.fd);
}

static void test_pipe(void **state)
{
	int fd[2];
	struct target t = { .family = -1 };

	(void)state;
	assert_int_equal(pipe(fd), 0);
	t.fd = fd[0];
	RUN_OK(&t, "pipesz=8192,ioctl-intp=0x5421:1");
	assert_int_equal(fcntl(fd[0], F_GETPIPE_SZ), 8192);
	assert_true(fcntl(fd[0], F_GETFL) & O_NONBLOCK); /* that was FIONBIO */
	RUN_OK(&t, "ioctl-bin=0x5421:i0");
	assert_false(fcntl(fd[0], F_GETFL) & O_NONBLOCK);
	fails(&t, "ioctl-int=0x5421:1", "ioctl(%d, 0x5421, 0x1): Bad address", t.fd);
	assert_non_null(strstr(run(&t, "echo=0"), "): Inappropriate ioctl for device"));
	assert_int_equal(strncmp(run(&t, "raw"), "tcgetattr(", 10), 0);
	close(fd[0]);
	close(fd[1]);
}

static void test_tty(void **state)
{
	char name[TTY_NAME_LEN];
	struct target t = { .family = -1 };
	struct termios tio;
	struct winsize size;
	struct err err;
	int master;

	(void)state;
	assert_int_equal(tty_pair(&master, &t.fd, name, &err), 0);
	RUN_OK(&t,
	       "echo=0,icanon=0,ixoff,intr=5,vmin=3,vtime=7,b9600,cs8,onlcr=0,tab3,winsz=80:24");
	tcgetattr(t.fd, &tio);
	assert_int_equal(tio.c_lflag & (ECHO | ICANON), 0);
	assert_true(tio.c_iflag & IXOFF);
	assert_int_equal(tio.c_cc[VINTR], 5);
	assert_int_equal(tio.c_cc[VMIN], 3);
	assert_int_equal(tio.c_cc[VTIME], 7);
	assert_int_equal(cfgetospeed(&tio), B9600);
	assert_int_equal(tio.c_oflag & (ONLCR | TABDLY), TAB3);
	assert_int_equal(ioctl(t.fd, TIOCGWINSZ, &size), 0);
	assert_int_equal(size.ws_col, 80);
	assert_int_equal(size.ws_row, 24);

	RUN_OK(&t, "sane,raw,b115200");
	tcgetattr(t.fd, &tio);
	assert_true(tio.c_lflag & ECHO);
	assert_int_equal(tio.c_lflag & (ICANON | ISIG), 0);
	assert_int_equal(tio.c_oflag & OPOST, 0);
	assert_int_equal(tio.c_cc[VMIN], 1);
	RUN_OK(&t, "echo=1,rawer");
	tcgetattr(t.fd, &tio);
	assert_int_equal(tio.c_lflag, 0);
	assert_int_equal(tio.c_iflag, 0);
	RUN_OK(&t, "rawer,echo=1,setflags=1:1,crdly=2,ospeed=13,ispeed=13");
	tcgetattr(t.fd, &tio);
	assert_true(tio.c_lflag & ECHO);
	assert_int_equal(tio.c_oflag & (OPOST | CRDLY), OPOST | CR2);
	assert_int_equal(cfgetospeed(&tio), B9600);
	RUN_OK(&t, "sane,cfmakeraw");
	tcgetattr(t.fd, &tio);
	assert_int_equal(tio.c_lflag & (ECHO | ICANON | IEXTEN), 0);

	fails(&t, "csize=9600", "option csize: invalid value 9600");
	fails(&t, "setflags=4:1", "xiotermios_setflags(fd=%d, word=4, val=1): word must be 0..3",
	      t.fd);
	assert_non_null(strstr(run(&t, "cs7"), ", TCSADRAIN, 0x"));
	assert_non_null(strstr(run(&t, "parenb"), "): Invalid argument"));
	assert_int_equal(strncmp(run(&t, "ispeed=9999"), "cfsetispeed(0x", 14), 0);
	RUN_OK(&t, "winsz=70000:-1");
	assert_int_equal(ioctl(t.fd, TIOCGWINSZ, &size), 0);
	assert_int_equal(size.ws_col, 65535);
	assert_int_equal(size.ws_row, 0);
	close(t.fd);
	close(master);
}

/* Without a descriptor nothing happens, whatever the option. */
static int apply_to_nothing(const struct opt_row *row, void *arg)
{
	struct target t = { .fd = -1, .family = -1 };
	const struct spec_opt spec = { .name = (char *)"x", .rest = "" };
	const struct opt o = { .row = row, .spec = &spec, .val = { .str = "", .n = { 1, 1, 1 } } };
	struct err err;

	(void)arg;
	if (row->set && row->set(&t, &o, &err) == -1)
		fail_msg("%s: %s", row->names, err.text);
	return 0;
}

static void test_nothing(void **state)
{
	(void)state;
	opt_each(apply_to_nothing, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sockopt),   cmocka_unit_test(test_ip_options),
		cmocka_unit_test(test_multicast), cmocka_unit_test(test_multicast6),
		cmocka_unit_test(test_file),      cmocka_unit_test(test_pipe),
		cmocka_unit_test(test_tty),       cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
