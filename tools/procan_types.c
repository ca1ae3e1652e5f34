/* procan_types.c - the compiler, limits of the C library, C types, see procan.h
 *
 * The compiler itself tells which C type is behind a name. */
#include "procan.h"

#include "base/list.h"

#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>

/* clang-format off */
#define C_TYPE(type)                                                                               \
	_Generic((type)0, char: "char", signed char: "signed char",                                \
		unsigned char: "unsigned char", short: "short", unsigned short: "unsigned short",  \
		int: "int", unsigned: "unsigned int", long: "long",                                \
		unsigned long: "unsigned long", long long: "long long",                            \
		unsigned long long: "unsigned long long")
#define SIZE(type) { #type, sizeof(type) }
#define NAMED(type) { #type, C_TYPE(type), sizeof(type) }

struct size {
	const char *name;
	size_t bytes;
};

static const struct size plain[] = {
	SIZE(char), SIZE(short), SIZE(int), SIZE(long), SIZE(long long), SIZE(size_t),
};

static const struct size structures[] = {
	SIZE(struct timespec), SIZE(struct timeval), SIZE(struct termios), SIZE(struct linger),
	SIZE(struct sockaddr), SIZE(struct sockaddr_in), SIZE(struct sockaddr_in6),
	SIZE(struct sockaddr_un), SIZE(struct sockaddr_storage), SIZE(struct ip_mreqn),
	SIZE(struct ipv6_mreq), SIZE(struct group_source_req), SIZE(struct ifreq),
};

static const struct {
	const char *name, *c_type;
	size_t bytes;
} named[] = {
	NAMED(size_t), NAMED(mode_t), NAMED(pid_t), NAMED(uid_t), NAMED(gid_t), NAMED(time_t),
	NAMED(socklen_t), NAMED(off_t), NAMED(off64_t), NAMED(dev_t), NAMED(ino_t), NAMED(tcflag_t),
};
/* clang-format on */

#if __BYTE_ORDER == __LITTLE_ENDIAN
static const char byte_order[] = "__LITTLE_ENDIAN\t/* Intel ea.*/";
#else
static const char byte_order[] = "__BIG_ENDIAN\t/* network byte order */";
#endif

void procan_print_compiler(void)
{
	printf("%-28s%s\n", "// CC:", COMPILER);
	printf("%-28s%ld\n", "#define __STDC_VERSION__", (long)__STDC_VERSION__);
	printf("%-25s = %zu /* maximum value of size_t */\n", "SIZE_MAX", SIZE_MAX);
	printf("%-25s = \"%s\"\n", "P_tmpdir", P_tmpdir);
	printf("%-25s = %d\n", "L_tmpnam", L_tmpnam);
	printf("%-25s = %d\n", "TMP_MAX", TMP_MAX);
	printf("%-25s = %d /* maximum number of FDs for select() */\n", "FD_SETSIZE", FD_SETSIZE);
	printf("%-25s = %d\n", "PIPE_BUF", PIPE_BUF);
}

void procan_print_types(void)
{
	puts("C TYPE SIZES");
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
		printf("sizeof(%s)%*s = %zu\n", plain[i].name, 9 - (int)strlen(plain[i].name), "",
		       plain[i].bytes);
	printf("typedef %-19s char;\n", CHAR_MIN < 0 ? "signed char" : "unsigned char");
	for (size_t i = 0; i < ARRAY_SIZE(named); i++)
		printf("typedef %-19s %s;  /* sizeof(%s) = %zu */\n", named[i].c_type,
		       named[i].name, named[i].name, named[i].bytes);
	printf("#define __BYTE_ORDER %s\n", byte_order);
	for (size_t i = 0; i < ARRAY_SIZE(structures); i++)
		printf("sizeof(%s)      = %zu\n", structures[i].name, structures[i].bytes);
}
