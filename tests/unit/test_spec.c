/* test_spec.c - the address language: quoting, structure, formatting, words */
#include "spec/spec.h"

#include "spec/lex.h"

#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static void value(void **state)
{
	static const struct {
		const char *text, *want;
	} row[] = {
		{ "a b", "a b" },
		{ "a\\nb", "a\nb" },
		{ "a\\\\b", "a\\b" },
		{ "\\\\", "\\" },
		{ "a\\,b\\:c", "a,b:c" },
		{ "\"a,b:c\"", "a,b:c" },
		{ "'a,b:c'", "a,b:c" },
		{ "x\"y,z\"w", "xy,zw" },
		{ "x'y,z'w", "xy,zw" },
		{ "x\"y'z'w\"", "xy'z'w" },
		{ "\"a\\\"b\"", "a\"b" },
		{ "'a\\'b'", "a'b" },
		{ "'a\\nb'", "a\nb" },
		{ "(a,b:c)", "(a,b:c)" },
		{ "[a,b:c]", "[a,b:c]" },
		{ "{a,b:c}", "{a,b:c}" },
		{ "(a,[b:{c,\"d,(e\"}])", "(a,[b:{c,\"d,(e\"}])" },
		{ "(a\\,b\\n)", "(a,b\n)" },
		{ "a!b", "a!b" },
		{ "a\\!!b", "a!!b" },
		{ "\"a!!b\"", "a!!b" },
		{ "(a!!b)", "(a!!b)" },
		{ "a=b", "a=b" },
		{ "(unclosed", "(unclosed" },
		{ "(un,closed", "(un,closed" },
		{ "(a \"b", "(a \"b" },
		{ "unclosed)", "unclosed)" },
		{ "\\a\\b\\f\\r\\t\\v\\q\\101\\x41", "\a\b\f\r\t\vq101x41" },
		{ "ab\\0cd", "ab" },
		{ "lone\\", "lone" },
		{ "\"unclosed", NULL },
		{ "\"(a,b\"", NULL },
		{ "'unclosed", NULL },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		char text[128] = "TEXT:", want[256];
		struct spec s, again;
		struct str f = { 0 };
		struct err err;

		strcat(text, row[i].text);
		if (!row[i].want) {
			assert_int_equal(spec_parse(&s, text, &err), -1);
			strcpy(want, "unexpected end of address \"");
			strcat(strcat(want, text), "\"");
			assert_string_equal(err.text, want);
			assert_null(s.text);
			continue;
		}
		assert_int_equal(spec_parse(&s, text, &err), 0);
		assert_int_equal(s.nsingles, 1);
		assert_int_equal(s.single[0].nparams, 1);
		assert_string_equal(s.single[0].param[0], row[i].want);
		spec_format(&s, &f);
		assert_int_equal(spec_parse(&again, f.data, &err), 0);
		assert_int_equal(again.nsingles, 1);
		assert_string_equal(again.single[0].param[0], row[i].want);
		spec_done(&s);
		spec_done(&again);
		str_done(&f);
	}
}

static void structure(void **state)
{
	struct spec s;
	struct err err;
	(void)state;

	assert_int_equal(spec_parse(&s, "TCP4::1,,bind=a:b=c,fork,!!X,y!!z", &err), 0);
	assert_int_equal(s.nsingles, 2);
	assert_string_equal(s.single[0].keyword, "TCP4");
	assert_int_equal(s.single[0].nparams, 2);
	assert_string_equal(s.single[0].param[0], "");
	assert_int_equal(s.single[0].nopts, 2);
	assert_string_equal(s.single[0].opt[0].value, "a:b=c");
	assert_int_equal(s.single[0].opt[0].column, 9);
	assert_string_equal(s.single[0].opt[1].rest, "fork,!!X,y!!z");
	assert_null(s.single[0].opt[1].value);
	assert_string_equal(s.single[1].keyword, "X");
	assert_int_equal(s.single[1].nopts, 1);
	spec_done(&s);

	assert_int_equal(spec_parse(&s, "OPEN:f,=x,rdonly!!-,a=", &err), 0);
	assert_int_equal(s.single[0].nopts, 0);
	assert_string_equal(s.single[1].keyword, "-");
	assert_string_equal(s.single[1].opt[0].value, "");
	spec_done(&s);

	assert_int_equal(spec_parse(&s, "NAME:::::", &err), 0);
	assert_int_equal(s.single[0].nparams, 5);
	spec_done(&s);
	assert_int_equal(spec_parse(&s, "N:::::::::", &err), -1);
	assert_string_equal(err.text, "too many parameters in address \"N:::::::::\"");
	assert_int_equal(spec_parse(&s, "", &err), 0);
	assert_string_equal(s.single[0].keyword, "");
	spec_done(&s);
}

static void too_long(void **state)
{
	static const struct {
		const char *before, *want;
	} row[] = {
		{ "", "keyword too long, in address \"x" },
		{ "a:", "address \"a:x" },
		{ "a,", "option too long: \"x" },
		{ "a,b=", "option too long: \"b=x" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct str text = { 0 };
		struct spec s;
		struct err err;

		str_adds(&text, row[i].before);
		memset(str_room(&text, LEX_TOKEN_MAX + 1), 'x', LEX_TOKEN_MAX + 1);
		text.len += LEX_TOKEN_MAX;
		text.data[text.len] = '\0';
		assert_int_equal(spec_parse(&s, text.data, &err), 0);
		spec_done(&s);
		str_addc(&text, 'x');
		assert_int_equal(spec_parse(&s, text.data, &err), -1);
		assert_memory_equal(err.text, row[i].want, strlen(row[i].want));
		str_done(&text);
	}
}

static void words(void **state)
{
	static const struct {
		const char *text, *want; /* words with | behind each */
	} row[] = {
		{ "prog a b", "prog|a|b|" },
		{ "  prog  a   b ", "prog|a|b|" },
		{ "prog \"a b\" c", "prog|a b|c|" },
		{ "prog 'a b' c", "prog|a b|c|" },
		{ "prog a\\ b", "prog|a b|" },
		{ "prog (a b)", "prog|(a b)|" },
		{ "prog {a b} [c d] (e f)", "prog|{a b}|[c d]|(e f)|" },
		{ "prog a,b:c!!d=e", "prog|a,b:c!!d=e|" },
		{ "prog $HOME *", "prog|$HOME|*|" },
		{ "prog \"\" x", "prog||x|" },
		{ "", "" },
		{ "  ", "" },
	};
	char **w;
	struct err err;
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct str got = { 0 };
		int n = spec_split_words(row[i].text, &w, &err);

		str_adds(&got, "");
		for (int k = 0; k < n; k++) {
			str_adds(&got, w[k]);
			str_addc(&got, '|');
		}
		assert_true(n >= 0);
		assert_null(w[n]);
		assert_string_equal(got.data, row[i].want);
		words_free(w);
		str_done(&got);
	}
	assert_int_equal(spec_split_words("a 'b", &w, &err), -1);
	assert_string_equal(err.text, "unexpected end of address \"a 'b\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(value),
		cmocka_unit_test(structure),
		cmocka_unit_test(too_long),
		cmocka_unit_test(words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
