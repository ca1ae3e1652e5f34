/* kernel.c - what the kernel tells in files of /proc, and the output of programs that only read
 *
 * Numbers and texts; what they mean is up to the checks. */
#include "doctor/host/kernel.h"

#include "base/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEXT_MAX ((size_t)4 << 20) /* bytes of a file or of a program's output */

bool file_read(struct str *out, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 1;

	if (fd == -1)
		return false;
	while (n > 0 && out->len < TEXT_MAX) {
		n = read(fd, str_room(out, 65536), 65535);
		if (n > 0)
			out->len += (size_t)n;
	}
	close(fd);
	str_add(out, "", 0);
	return n != -1;
}

int command_read(struct str *out, const char *command)
{
	char *line = xasprintf("PATH=$PATH:/usr/sbin:/sbin; export PATH; %s 2>/dev/null", command);
	FILE *in = popen(line, "re");
	size_t n = 1;
	int status;

	free(line);
	if (!in)
		return -1;
	while (n > 0 && out->len < TEXT_MAX) {
		n = fread(str_room(out, 65536), 1, 65535, in);
		out->len += n;
	}
	str_add(out, "", 0);
	status = pclose(in);
	return status != -1 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

char *next_line(char **text)
{
	char *line = *text, *end;

	if (!line || !*line)
		return NULL;
	end = strchrnul(line, '\n');
	*text = *end ? end + 1 : end;
	*end = '\0';
	return line;
}

/* Number in a file. */
static long number_read(const char *path, long absent)
{
	struct str text = { 0 };
	long n = absent;

	if (file_read(&text, path) && text.len)
		n = strtol(text.data, NULL, 10);
	str_done(&text);
	return n;
}

long sysctl_read(long absent, const char *fmt, ...)
{
	char path[256] = "/proc/sys/";
	size_t len = strlen(path);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path + len, sizeof(path) - len, fmt, ap);
	va_end(ap);
	return number_read(path, absent);
}

/* Word @i of @line, 0 being the first. */
static const char *word_at(const char *line, size_t i)
{
	while (i--) {
		line += strcspn(line, " ");
		line += strspn(line, " ");
	}
	return line;
}

/* Place of word @name in @line, 0: it is not there. */
static size_t word_index(const char *line, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; *line; i++) {
		if (strncmp(line, name, len) == 0 && strchr(" ", line[len]))
			return i;
		line = word_at(line, 1);
	}
	return 0;
}

long counter_read(const char *path, const char *group, const char *name)
{
	struct str text = { 0 };
	size_t len = strlen(group), at = 0;
	long n = -1;

	if (file_read(&text, path)) {
		char *rest = text.data, *line;

		/* a line of names, then a line of numbers */
		while (n == -1 && (line = next_line(&rest))) {
			if (strncmp(line, group, len) != 0)
				continue;
			if (at)
				n = strtol(word_at(line, at), NULL, 10);
			else
				at = word_index(line, name);
		}
	}
	str_done(&text);
	return n;
}
