/* test_fdinfo.c - lines about pipes, sockets, terminals and closed descriptors */
#include "sys/fdinfo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What is printed about @fd; to be freed. */
static char *print(int fd)
{
	char *text = NULL;
	size_t len = 0;
	struct fdinfo f = { .out = open_memstream(&text, &len) };

	fdinfo_print(&f, fd);
	fclose(f.out);
	return text;
}

/* Print @fd, expect @part in it, close it. */
static void expect(int fd, const char *part)
{
	char *text = print(fd);

	assert_non_null(strstr(text, "  FD  type\tdevice"));
	if (!strstr(text, part))
		fail_msg("no \"%s\" in: %s", part, text);
	free(text);
	close(fd);
}

static void closed(void **state)
{
	char *text = print(987);
	(void)state;

	assert_string_equal(text, "");
	free(text);
	text = print(-1);
	assert_string_equal(text, "");
	free(text);
}

static void kinds(void **state)
{
	int p[2], s[2];
	(void)state;

	assert_int_equal(pipe(p), 0);
	assert_int_equal(write(p[1], "abc", 3), 3);
	expect(p[0], "poll: IN(FIONREAD=3)");
	expect(p[1], "\tF_GETPIPE_SZ=");
	expect(open("/dev/null", O_RDONLY), ": chrdev\t");
	expect(open("/", O_RDONLY), ": dir\t");
	expect(posix_openpt(O_RDWR | O_NOCTTY), " cc[0]=^C ");
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	assert_int_equal(write(s[1], "abc", 3), 3);
	expect(s[0], "; recvmsg=1, ");
	expect(s[1], "AF=1 \"<anon>\" <-> AF=1 \"<anon>\"\t**** NO FURTHER ANALYSIS");
	expect(socket(AF_INET, SOCK_STREAM, 0), "\tTCP_MAXSEG=");
	expect(socket(AF_INET6, SOCK_DGRAM, 0), "\tIPV6_V6ONLY=");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(closed), cmocka_unit_test(kinds) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
