/* procan.c - tells what process a program would be: ids, terminal, limits, and the system's types
 *
 *   socast -u EXEC:procan,setsid -
 *
 * What is about this process is here; constants and types have files of their own. */
#include "procan.h"

#include "base/err.h"
#include "base/list.h"
#include "base/log.h"
#include "about.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/vm_sockets.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* first major number of UNIX98 pseudo terminals and behind the last, kernel's devices.txt */
#define PTS_MAJOR 136
#define PTS_MAJOR_END 144

#define IDENTITY "procan - tells about the process, its limits and the system\n"

static const char help_text[] =
	IDENTITY "Usage:\n"
		 "procan [options]\n"
		 "   options:\n"
		 "      -h|-?  print this help, and exit\n"
		 "      -V     print version and system, and exit\n"
		 "      -c     print constants of the C library and the kernel\n";

/* ---- the controlling terminal ---- */

static void print_terminal(const char *how, const char *name)
{
	if (name)
		printf("controlling terminal by %-20s \"%s\"\n", how, name);
	else
		printf("controlling terminal by %-20s (none)\n", how);
}

static const char *name_by_device(char *buf, size_t cap)
{
	int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	bool ok = fd != -1 && ttyname_r(fd, buf, cap) == 0;

	if (fd != -1)
		close(fd);
	return ok ? buf : NULL;
}

/* Number of the terminal's device, 0 if there is none. */
static dev_t terminal_number(void)
{
	char text[512];
	int number = 0;
	FILE *f = fopen("/proc/self/stat", "re");
	const char *at = f ? fgets(text, sizeof(text), f) : NULL;

	if (f)
		fclose(f);
	/* pid (name) state ppid pgrp session tty_nr: a name may hold anything */
	at = at ? strrchr(at, ')') : NULL;
	if (!at || sscanf(at, ") %*c %*d %*d %*d %d", &number) != 1)
		number = 0;
	return makedev((unsigned)number >> 8 & 0xfff,
		       ((unsigned)number & 0xff) | ((unsigned)number >> 12 & 0xfff00));
}

static const char *name_by_proc(char *buf, size_t cap)
{
	dev_t dev = terminal_number();
	char link[64], target[512];
	const char *base;
	ssize_t n;

	if (!dev)
		return NULL;
	if (major(dev) >= PTS_MAJOR && major(dev) < PTS_MAJOR_END) {
		snprintf(buf, cap, "/dev/pts/%u", (major(dev) - PTS_MAJOR) * 256 + minor(dev));
		return buf;
	}
	snprintf(link, sizeof(link), "/sys/dev/char/%u:%u", major(dev), minor(dev));
	n = readlink(link, target, sizeof(target) - 1);
	if (n == -1)
		return NULL;
	target[n] = '\0';
	base = strrchr(target, '/');
	snprintf(buf, cap, "/dev/%s", base ? base + 1 : target);
	return buf;
}

static void print_terminals(void)
{
	char name[PATH_MAX], term[L_ctermid];

	print_terminal("ctermid():", ctermid(term));
	print_terminal("/dev/tty, ttyname():", name_by_device(name, sizeof(name)));
	print_terminal("/proc/<pid>/:", name_by_proc(name, sizeof(name)));
}

/* ---- ids and limits ---- */

static void print_process(void)
{
	static const char *const names[] = { "stdin", "stdout", "stderr" };

	printf("process id = %d\n", (int)getpid());
	printf("process parent id = %d\n", (int)getppid());
	print_terminals();
	printf("process group id = %d\n", (int)getpgrp());
	printf("process session id = %d\n", (int)getsid(0));
	for (int fd = 0; fd < 3; fd++)
		printf("process group id if fg process / %s = %d\n", names[fd], (int)tcgetpgrp(fd));
}

static void print_owner(void)
{
	uid_t uid, euid, suid;
	gid_t gid, egid, sgid;
	mode_t mask = umask(0);

	umask(mask);
	getresuid(&uid, &euid, &suid);
	getresgid(&gid, &egid, &sgid);
	printf("user id  = %u\neffective user id  = %u\nsaved set-user id  = %u\n", uid, euid,
	       suid);
	printf("group id = %u\neffective group id = %u\nsaved set-group id = %u\n", gid, egid,
	       sgid);
	printf("\numask = %04o\n\n", (unsigned)mask);
}

static void print_limits(void)
{
	static const struct {
		const char *label;
		int resource;
	} rows[] = {
		{ "cpu time (seconds)", RLIMIT_CPU },
		{ "file size (blocks)", RLIMIT_FSIZE },
		{ "data seg size (kbytes)", RLIMIT_DATA },
		{ "stack size (blocks)", RLIMIT_STACK },
		{ "core file size (blocks)", RLIMIT_CORE },
		{ "max resident set size", RLIMIT_RSS },
		{ "max user processes", RLIMIT_NPROC },
		{ "open files", RLIMIT_NOFILE },
		{ "max locked-in-memory\n  address space", RLIMIT_MEMLOCK },
		{ "virtual memory (kbytes)", RLIMIT_AS },
	};
	struct rlimit limit;

	printf("/* Resource limits */\n%-24s%24s%24s\n", "resource", "current", "maximum");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *second = strchr(rows[i].label, '\n');
		int before = second ? (int)(second + 1 - rows[i].label) : 0;

		getrlimit(rows[i].resource, &limit);
		printf("%-*s%24ju%24ju\n", before + 24, rows[i].label, (uintmax_t)limit.rlim_cur,
		       (uintmax_t)limit.rlim_max);
	}
	putchar('\n');
}

/* ---- the network ---- */

static void print_namespace(void)
{
	char name[64];
	ssize_t n = readlink("/proc/self/ns/net", name, sizeof(name));

	if (n != -1)
		printf("Network namespace: %.*s\n", (int)n, name);
}

static void print_interfaces(void)
{
	struct if_nameindex *list = if_nameindex();

	puts("\nIP INTERFACES");
	for (const struct if_nameindex *i = list; i && i->if_index; i++)
		printf("%2u: %s\n", i->if_index, i->if_name);
	if (list)
		if_freenameindex(list);
}

static void print_vsock(void)
{
	unsigned cid;
	int fd = open("/dev/vsock", O_RDONLY | O_CLOEXEC);

	if (fd == -1)
		return;
	if (ioctl(fd, IOCTL_VM_SOCKETS_GET_LOCAL_CID, &cid) == 0)
		printf("VSOCK_CID        = %u\n", cid);
	close(fd);
}

/* ---- the command line ---- */

static void print_everything(void)
{
	print_process();
	print_owner();
	print_limits();
	procan_print_compiler();
	print_namespace();
	procan_print_types();
	print_interfaces();
	print_vsock();
}

static void print_version(void)
{
	fputs(IDENTITY, stdout);
	about_print(stdout, "procan");
}

static void print_help(void)
{
	fputs(help_text, stdout);
}

static const struct {
	const char *word;
	void (*print)(void);
} flags[] = {
	{ "-h", print_help },
	{ "-?", print_help },
	{ "-V", print_version },
	{ "-c", procan_print_defines },
};

/* The first flag decides, words behind flags are too many. */
static int run(int argc, char *const argv[])
{
	void (*print)(void) = print_everything;
	int i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		size_t k = 0;

		while (k < ARRAY_SIZE(flags) && strncmp(flags[k].word, argv[i], 2) != 0)
			k++;
		if (k == ARRAY_SIZE(flags)) {
			log_error("unknown option \"%s\"", argv[i]);
			fputs(help_text, stderr);
			return 1;
		}
		if (print == print_everything)
			print = flags[k].print;
	}
	if (i < argc) {
		log_error("%d superfluous arguments", argc - i);
		return 1;
	}
	print();
	if (fflush(stdout) == EOF || ferror(stdout)) {
		log_error("can't write the output: %m");
		return 1;
	}
	return 0;
}

int main(int argc, char *argv[])
{
	log_set_name("procan");
	return run(argc, argv);
}
