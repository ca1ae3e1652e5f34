/* test_path.c - which way the data take, and what speaks against the others */
#include "flow/filter.h"
#include "flow/flow.h"

#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define BOTH (EP_SPLICE_IN | EP_SPLICE_OUT)

static const struct path_end file = { BOTH, FD_FILE, true };
static const struct path_end appended = { EP_SPLICE_IN, FD_FILE, true };
static const struct path_end stream = { BOTH, FD_SOCKET, true };
static const struct path_end tls = { 0, FD_SOCKET, false };
static const struct path_end pipe_ = { BOTH, FD_PIPE, true };
static const struct path_end tty = { 0, FD_TTY, true };
static const struct path_end packets = { EP_DGRAM_IN | EP_DGRAM_OUT, FD_OTHER, false };

static void choice(void **state)
{
	static const struct {
		const struct path_end *src, *dst;
		const struct path *want;
	} rows[] = {
		{ &file, &stream, &path_sendfile },  { &file, &pipe_, &path_splice },
		{ &file, &file, &path_copy },        { &file, &appended, &path_copy },
		{ &stream, &stream, &path_splice },  { &stream, &file, &path_splice },
		{ &stream, &appended, &path_copy },  { &appended, &stream, &path_sendfile },
		{ &pipe_, &tty, &path_copy },        { &tty, &pipe_, &path_copy },
		{ &file, &tls, &path_copy },         { &tls, &stream, &path_copy },
		{ &packets, &packets, &path_dgram }, { &packets, &file, &path_dgram },
		{ &stream, &packets, &path_dgram },  { &file, &packets, &path_dgram },
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct path_ask ask = { .src = *rows[i].src, .dst = *rows[i].dst };
		const struct path *plain;

		assert_ptr_equal(path_choose(&ask), rows[i].want);
		ask.plain = true;
		plain = rows[i].want == &path_dgram ? &path_dgram : &path_copy;
		assert_ptr_equal(path_choose(&ask), plain);
		ask.plain = false;
		ask.seen = "somebody looks";
		assert_ptr_equal(path_choose(&ask), plain);
	}
}

/* What the kernel refuses is not tried again; the next best is. */
static void refused(void **state)
{
	struct path_ask ask = { .src = file, .dst = stream, .no_sendfile = true };
	(void)state;

	assert_ptr_equal(path_choose(&ask), &path_splice);
	ask.no_splice = true;
	assert_ptr_equal(path_choose(&ask), &path_copy);
	assert_string_equal(path_splice.against(&ask), "the kernel refused it");
}

/* Every path that is not taken says why; the one that is says nothing. */
static void reasons(void **state)
{
	struct path_ask ask = { .src = file, .dst = stream, .seen = "somebody looks" };
	size_t n = 0;
	(void)state;

	for (const struct path *p; (p = path_number(n)); n++) {
		assert_true((p == path_choose(&ask)) == !p->against(&ask));
		assert_true(strlen(p->name) && strlen(p->how));
	}
	assert_int_equal(n, 5);
	assert_string_equal(path_sendfile.against(&ask), "somebody looks");
}

static void filters(void **state)
{
	struct settings set = { 0 };
	struct conf src, dst;
	(void)state;

	conf_init(&src);
	conf_init(&dst);
	assert_null(filters_why(&set, &src, &dst, true, false));
	set.sniff[1] = "file"; /* -R */
	assert_null(filters_why(&set, &src, &dst, true, false));
	assert_non_null(strstr(filters_why(&set, &src, &dst, false, false), "-R"));
	src.flow.eol = dst.flow.eol = EOL_CRNL;
	assert_null(filters_why(&set, &src, &dst, true, false));
	dst.flow.eol = EOL_CR;
	assert_non_null(strstr(filters_why(&set, &src, &dst, true, false), "line ends"));
	conf_done(&src);
	conf_done(&dst);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(choice), cmocka_unit_test(refused),
					    cmocka_unit_test(reasons), cmocka_unit_test(filters) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
