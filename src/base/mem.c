/* mem.c - memory for control data, see mem.h */
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *or_die(void *p)
{
	static const char text[] = "socast: out of memory; see ulimit -v and option -b\n";

	if (p)
		return p;
	(void)!write(2, text, sizeof(text) - 1);
	_exit(1);
}

void *xmalloc(size_t len)
{
	return or_die(malloc(len ? len : 1));
}

void *xcalloc(size_t n, size_t len)
{
	return or_die(calloc(n ? n : 1, len ? len : 1));
}

void *xrealloc(void *old, size_t len)
{
	return or_die(realloc(old, len ? len : 1));
}

char *xstrdup(const char *text)
{
	return or_die(strdup(text));
}

char *xstrndup(const char *text, size_t len)
{
	return or_die(strndup(text, len));
}

void *xmemdup(const void *data, size_t len)
{
	return memcpy(xmalloc(len), data, len);
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *text = NULL;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	return or_die(n < 0 ? NULL : text);
}
