/* set_sock.c - setters for sockets
 *
 * Level and name of setsockopt(2) come from the row, or for the generic options from the value.
 * The sentences show the call with its arguments as numbers, as classic does. */
#include "base/mem.h"
#include "opt/setters.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/ip.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#define IP_OPTIONS_MAX 40 /* bytes of options in an IPv4 header */

/* The call; @shown is the value as it stands in the sentence. */
static int call(int fd, int level, int name, const void *data, size_t len, const char *shown,
		struct err *err)
{
	if (setsockopt(fd, level, name, data, (socklen_t)len) == -1)
		return err_set(err, errno, "setsockopt(%d, %d, %d, %s, %zu)", fd, level, name,
			       shown, len);
	return 0;
}

static int call_int(int fd, int level, int name, int n, struct err *err)
{
	char shown[32];

	snprintf(shown, sizeof(shown), "{%d}", n);
	return call(fd, level, name, &n, sizeof(n), shown, err);
}

static int call_text(int fd, int level, int name, const char *text, struct err *err)
{
	char *shown = xasprintf("\"%s\"", text);
	int rc = call(fd, level, name, text, strlen(text) + 1, shown, err);

	free(shown);
	return rc;
}

int set_sockopt(struct target *t, const struct opt *o, struct err *err)
{
	const int level = o->row->arg.so.level, name = o->row->arg.so.name;
	const uint8_t byte = (uint8_t)o->val.n[0];
	char shown[32];

	if (t->fd == -1 || o->val.null)
		return 0;
	if (o->row->type != V_BYTE && o->row->type != V_BOOL)
		return call_int(t->fd, level, name, (int)o->val.n[0], err);
	snprintf(shown, sizeof(shown), "{%u}", byte);
	return call(t->fd, level, name, &byte, sizeof(byte), shown, err);
}

int set_sockopt_linger(struct target *t, const struct opt *o, struct err *err)
{
	const struct linger linger = { .l_onoff = 1, .l_linger = (int)o->val.n[0] };
	char shown[32];

	if (t->fd == -1)
		return 0;
	snprintf(shown, sizeof(shown), "{%d,%d}", linger.l_onoff, linger.l_linger);
	return call(t->fd, o->row->arg.so.level, o->row->arg.so.name, &linger, sizeof(linger),
		    shown, err);
}

int set_sockopt_timeval(struct target *t, const struct opt *o, struct err *err)
{
	const int64_t us = (o->val.ns + NSEC_PER_USEC / 2) / NSEC_PER_USEC;
	const struct timeval tv = { .tv_sec = us / 1000000, .tv_usec = us % 1000000 };
	char shown[64];

	if (t->fd == -1)
		return 0;
	snprintf(shown, sizeof(shown), "{%" PRId64 ",%" PRId64 "}", (int64_t)tv.tv_sec,
		 (int64_t)tv.tv_usec);
	return call(t->fd, o->row->arg.so.level, o->row->arg.so.name, &tv, sizeof(tv), shown, err);
}

int conf_device(struct target *t, const struct opt *o, struct err *err)
{
	(void)err;
	t->conf->sock.device = o->val.str;
	return 0;
}

int set_device(struct target *t, const struct opt *o, struct err *err)
{
	return t->device_chosen ? 0 : set_sockopt_text(t, o, err);
}

int set_sockopt_text(struct target *t, const struct opt *o, struct err *err)
{
	if (t->fd == -1)
		return 0;
	return call_text(t->fd, o->row->arg.so.level, o->row->arg.so.name, o->val.str, err);
}

/* Length of IPv4 header options without the end marks that the kernel has padded them with: what
 * follows an end mark is ignored (RFC 791 section 3.1). */
static size_t options_len(const uint8_t *data, size_t len)
{
	size_t i = 0;

	while (i < len && data[i] != IPOPT_EOL) {
		size_t step = 1;

		if (data[i] != IPOPT_NOP)
			step = i + 1 < len ? data[i + 1] : 0;
		if (step == 0 || step > len - i)
			return len;
		i += step;
	}
	return i;
}

int set_sockopt_append(struct target *t, const struct opt *o, struct err *err)
{
	const int level = o->row->arg.so.level, name = o->row->arg.so.name;
	socklen_t have = IP_OPTIONS_MAX;
	uint8_t *data;
	int rc;

	if (t->fd == -1)
		return 0;
	data = xmalloc(IP_OPTIONS_MAX + o->val.bin_len);
	if (getsockopt(t->fd, level, name, data, &have) == -1) {
		rc = err_set(err, errno, "getsockopt(%d, %d, %d, data, {%d})", t->fd, level, name,
			     IP_OPTIONS_MAX);
	} else {
		const size_t len = options_len(data, have);

		if (o->val.bin_len)
			memcpy(data + len, o->val.bin, o->val.bin_len);
		rc = call(t->fd, level, name, data, len + o->val.bin_len, "{...}", err);
	}
	free(data);
	return rc;
}

int set_sockopt_any(struct target *t, const struct opt *o, struct err *err)
{
	const int level = (int)o->val.n[0], name = (int)o->val.n[1];

	if (t->fd == -1)
		return 0;
	switch (o->row->type) {
	case V_INT_INT_INT:
		return call_int(t->fd, level, name, (int)o->val.n[2], err);
	case V_INT_INT_STRING:
		return call_text(t->fd, level, name, o->val.str, err);
	default:
		/* no data at all is legal, but not a NULL pointer with every option */
		return call(t->fd, level, name, o->val.bin ? o->val.bin : (const uint8_t *)"",
			    o->val.bin_len, "{...}", err);
	}
}

int set_sock_ioctl(struct target *t, const struct opt *o, struct err *err)
{
	const unsigned long request = (unsigned long)o->row->arg.n.a;
	int n = (int)o->val.n[0];

	if (t->fd == -1)
		return 0;
	if (ioctl(t->fd, request, &n) == -1)
		return err_set(err, errno, "ioctl(%d, 0x%lx, %p)", t->fd, request, (void *)&n);
	return 0;
}
