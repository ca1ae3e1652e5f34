/* filter.c - what looks at or changes the bytes of a flow, see filter.h */
#include "flow/filter.h"

#include "base/log.h"
#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t wall_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
}

void eol_convert(enum eol from, enum eol to, const uint8_t *data, size_t len, struct str *out)
{
	for (size_t i = 0; i < len; i++) {
		char c = (char)data[i];

		if (from == EOL_CRNL && c == '\r')
			continue;
		if (c == (from == EOL_CR ? '\r' : '\n') && from != to) {
			if (to == EOL_CRNL)
				str_add(out, "\r\n", 2);
			else
				str_addc(out, to == EOL_CR ? '\r' : '\n');
			continue;
		}
		str_addc(out, c);
	}
}

void eol_complete(enum eol eol, const uint8_t *data, size_t len, struct str *out)
{
	static const char *const terminator[] = {
		[EOL_RAW] = "\n", [EOL_CR] = "\r", [EOL_CRNL] = "\r\n"
	};

	str_add(out, (const char *)data, len);
	if (data[len - 1] != (eol == EOL_CR ? '\r' : '\n'))
		str_adds(out, terminator[eol]);
}

static void dump_text(struct str *out, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		static const char special[] = "\a\b\v\f\r\\";
		static const char letter[] = "abvfr\\";
		const char *at = data[i] ? strchr(special, data[i]) : NULL;

		if (at) {
			str_addc(out, '\\');
			str_addc(out, letter[at - special]);
		} else if (data[i] == '\t' || data[i] == '\n' || (data[i] >= 32 && data[i] < 127)) {
			str_addc(out, (char)data[i]);
		} else {
			str_addc(out, '.');
		}
	}
}

/* Rows of 16 bytes, ended early by a line feed: hex column, then text column. */
static void dump_both(struct str *out, const uint8_t *data, size_t len)
{
	while (len) {
		size_t n = 0;

		while (n < 16 && n < len && data[n] != '\n')
			n++;
		if (n < 16 && n < len)
			n++; /* the line feed itself */
		for (size_t i = 0; i < n; i++)
			str_addf(out, " %02x", data[i]);
		str_addf(out, "%*s  ", (int)(3 * (16 - n)), "");
		for (size_t i = 0; i < n; i++)
			str_addc(out, data[i] >= 32 && data[i] < 127 ? (char)data[i] : '.');
		str_addc(out, '\n');
		data += n;
		len -= n;
	}
	str_adds(out, "--\n");
}

void dump_format(struct str *out, char mark, bool text, bool hex, const uint8_t *data, size_t len,
		 uint64_t offset, int64_t now_us)
{
	time_t sec = (time_t)(now_us / 1000000);
	char when[32];
	struct tm tm;

	localtime_r(&sec, &tm);
	strftime(when, sizeof(when), "%Y/%m/%d %H:%M:%S", &tm);
	str_addf(out, "%c %s.%06d  length=%zu from=%llu to=%llu\n", mark, when,
		 (int)(now_us % 1000000), len, (unsigned long long)offset,
		 (unsigned long long)(offset + len - 1));
	if (text && hex) {
		dump_both(out, data, len);
	} else if (hex) {
		for (size_t i = 0; i < len; i++)
			str_addf(out, " %02x", data[i]);
		str_addc(out, '\n');
	} else {
		dump_text(out, data, len);
	}
}

/* One "$..." of a raw dump file name; returns what follows it. */
static const char *expand(struct str *out, const char *p, int64_t now_us)
{
	bool braces = *p == '{';
	const char *name = braces ? p + 1 : p, *end = name;
	time_t sec = (time_t)(now_us / 1000000);
	char *key;
	struct tm tm;

	if (*p == '$') {
		str_addf(out, "%d", (int)getpid());
		return p + 1;
	}
	while (isalnum((unsigned char)*end) || *end == '_')
		end++;
	if (end == name || isdigit((unsigned char)*name) || (braces && *end != '}')) {
		str_addc(out, '$');
		return p;
	}
	key = xstrndup(name, (size_t)(end - name));
	if (strcmp(key, "PROGNAME") == 0) {
		str_adds(out, log_name());
	} else if (strcmp(key, "TIMESTAMP") == 0) {
		char when[32];

		localtime_r(&sec, &tm);
		strftime(when, sizeof(when), "%Y%m%dT%H%M%S", &tm);
		str_adds(out, when);
	} else if (strcmp(key, "MICROS") == 0) {
		str_addf(out, "%06d", (int)(now_us % 1000000));
	} else if (getenv(key)) {
		str_adds(out, getenv(key));
	}
	free(key);
	return braces ? end + 1 : end;
}

char *sniff_name(const char *pattern, int64_t now_us)
{
	struct str out = { 0 };

	while (*pattern) {
		if (pattern[0] == '\\' && pattern[1] == '$') {
			str_addc(&out, '$');
			pattern += 2;
		} else if (*pattern == '$') {
			pattern = expand(&out, pattern + 1, now_us);
		} else {
			str_addc(&out, *pattern++);
		}
	}
	return str_take(&out);
}

static int open_sniff(struct filters *fs, const char *pattern, bool from_left, struct err *err)
{
	char *name = sniff_name(pattern, wall_us());
	int rc = 0;

	fs->sniff_flag = from_left ? "-r" : "-R";
	fs->sniff_fd = open(name, O_CREAT | O_APPEND | O_WRONLY | O_NONBLOCK | O_CLOEXEC, 0664);
	if (fs->sniff_fd == -1)
		rc = err_set(err, errno, "option %s \"%s\"", fs->sniff_flag, name);
	free(name);
	return rc;
}

const char *filters_why(const struct settings *set, const struct conf *src, const struct conf *dst,
			bool from_left, bool borders)
{
	if (src->flow.eol != dst->flow.eol)
		return "line ends have to be converted";
	if (src->flow.escape >= 0)
		return "option escape has to see the bytes";
	if (dst->flow.newline && borders)
		return "option newline has to see where datagrams end";
	if (set->dump_text || set->dump_hex)
		return "the bytes have to be shown (-v, -x)";
	return set->sniff[from_left ? 0 : 1] ? "the bytes have to be recorded (-r, -R)" : NULL;
}

struct filters *filters_new(const struct settings *set, const struct conf *src,
			    const struct conf *dst, bool from_left, bool borders, int *rc,
			    struct err *err)
{
	const char *sniff = set->sniff[from_left ? 0 : 1];
	struct filters *fs;

	*rc = 0;
	if (!filters_why(set, src, dst, from_left, borders))
		return NULL;
	fs = xcalloc(1, sizeof(*fs));
	fs->from = src->flow.eol;
	fs->to = dst->flow.eol;
	fs->escape = src->flow.escape;
	fs->newline = dst->flow.newline && borders;
	fs->dump_text = set->dump_text;
	fs->dump_hex = set->dump_hex;
	fs->mark = from_left ? '>' : '<';
	fs->sniff_fd = -1;
	if (sniff)
		*rc = open_sniff(fs, sniff, from_left, err);
	return fs;
}

void filters_free(struct filters *fs)
{
	if (!fs)
		return;
	if (fs->sniff_fd >= 0)
		close(fs->sniff_fd);
	str_done(&fs->line);
	str_done(&fs->scratch);
	free(fs);
}

void filters_apply(struct filters *fs, const uint8_t **data, size_t *len)
{
	struct str dump = { 0 };

	if (fs->escape >= 0 && fs->escape < 256) {
		const uint8_t *at = memchr(*data, (int)fs->escape, *len);

		if (at) {
			log_info("escape char found in input");
			*len = (size_t)(at - *data);
			fs->escaped = true;
		}
	}
	if (fs->newline && *len) {
		fs->line.len = 0;
		eol_complete(fs->from, *data, *len, &fs->line);
		*data = (const uint8_t *)fs->line.data;
		*len = fs->line.len;
	}
	if (fs->from != fs->to) {
		fs->scratch.len = 0;
		str_room(&fs->scratch, *len);
		eol_convert(fs->from, fs->to, *data, *len, &fs->scratch);
		*data = (const uint8_t *)fs->scratch.data;
		*len = fs->scratch.len;
	}
	if (!*len)
		return;
	if (fs->dump_text || fs->dump_hex) {
		dump_format(&dump, fs->mark, fs->dump_text, fs->dump_hex, *data, *len, fs->offset,
			    wall_us());
		log_dump(dump.data, dump.len, fs->patient);
		str_done(&dump);
	}
	fs->offset += *len;
	if (fs->sniff_fd >= 0 && write(fs->sniff_fd, *data, *len) == -1)
		log_warn("%s: write(%d, buff, %zu): %m", fs->sniff_flag, fs->sniff_fd, *len);
}
