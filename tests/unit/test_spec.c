/* test_spec.c - the address language: quoting, structure, formatting, words */
#include "spec/spec.h"

#include "spec/lex.h"

#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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
			assert_int_equal(spec_parse(&s, text, NULL, &err), -1);
			strcpy(want, "unexpected end of address \"");
			strcat(strcat(want, text), "\"");
			assert_string_equal(err.text, want);
			assert_null(s.text);
			continue;
		}
		assert_int_equal(spec_parse(&s, text, NULL, &err), 0);
		assert_int_equal(s.nsingles, 1);
		assert_int_equal(s.single[0].nparams, 1);
		assert_string_equal(s.single[0].param[0], row[i].want);
		spec_format(&s, &f);
		assert_int_equal(spec_parse(&again, f.data, NULL, &err), 0);
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

	assert_int_equal(spec_parse(&s, "TCP4::1,,bind=a:b=c,fork,!!X,y!!z", NULL, &err), 0);
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

	assert_int_equal(spec_parse(&s, "OPEN:f,=x,rdonly!!-,a=", NULL, &err), 0);
	assert_int_equal(s.single[0].nopts, 0);
	assert_string_equal(s.single[1].keyword, "-");
	assert_string_equal(s.single[1].opt[0].value, "");
	spec_done(&s);

	assert_int_equal(spec_parse(&s, "NAME:::::", NULL, &err), 0);
	assert_int_equal(s.single[0].nparams, 5);
	spec_done(&s);
	assert_int_equal(spec_parse(&s, "N:::::::::", NULL, &err), -1);
	assert_string_equal(err.text, "too many parameters in address \"N:::::::::\"");
	assert_int_equal(spec_parse(&s, "", NULL, &err), 0);
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
		assert_int_equal(spec_parse(&s, text.data, NULL, &err), 0);
		spec_done(&s);
		str_addc(&text, 'x');
		assert_int_equal(spec_parse(&s, text.data, NULL, &err), -1);
		assert_memory_equal(err.text, row[i].want, strlen(row[i].want));
		str_done(&text);
	}
}

/* Words of layers, for the tests of stacks. */
static bool is_layer(const char *word, size_t len)
{
	static const char *const name[] = { "TLS", "SOCKS5", "PROXY", "FRAMES", "WS" };

	for (size_t i = 0; i < ARRAY_SIZE(name); i++) {
		if (strlen(name[i]) == len && strncasecmp(name[i], word, len) == 0)
			return true;
	}
	return false;
}

static void draw_options(const struct spec_opt *opt, size_t n, struct str *out)
{
	for (size_t i = 0; i < n; i++) {
		str_addf(out, " {%s", opt[i].name);
		if (opt[i].value)
			str_addf(out, "|%s", opt[i].value);
		str_adds(out, "}");
	}
}

/* The tree as "layer {option|value} > keyword <parameter> {option|value} !! …". */
static char *draw(const struct spec *s)
{
	struct str out = { 0 };

	for (size_t i = 0; i < s->nsingles; i++) {
		const struct spec_single *one = &s->single[i];

		str_adds(&out, i ? " !! " : "");
		for (size_t k = 0; k < one->nlayers; k++) {
			str_adds(&out, one->layer[k].name);
			draw_options(one->layer[k].opt, one->layer[k].nopts, &out);
			str_adds(&out, " > ");
		}
		str_adds(&out, one->keyword);
		for (size_t k = 0; k < one->nparams; k++)
			str_addf(&out, " <%s>", one->param[k]);
		draw_options(one->opt, one->nopts, &out);
	}
	return str_take(&out);
}

/* What @text becomes, with @know or without knowing layers; the same when it is printed and parsed
 * again. */
static void becomes(const char *text, spec_is_layer_fn *know, const char *want)
{
	struct spec s, again;
	struct str f = { 0 };
	struct err err;
	char *got;

	if (spec_parse(&s, text, know, &err) == -1)
		fail_msg("%s: %s", text, err.text);
	got = draw(&s);
	assert_string_equal(got, want);
	free(got);
	spec_format(&s, &f);
	if (spec_parse(&again, f.data ? f.data : "", know, &err) == -1)
		fail_msg("%s, printed %s: %s", text, f.data, err.text);
	got = draw(&again);
	assert_string_equal(got, want);
	free(got);
	spec_done(&again);
	spec_done(&s);
	str_done(&f);
}

static void stacks(void **state)
{
	static const struct {
		const char *text, *want;
	} row[] = {
		{ "TLS+TCP:h:443", "TLS > TCP <h> <443>" },
		{ "TLS(cafile=a)+PROXY(to=h:443)+TLS(cafile=b)+TCP:proxy:443,bind=x",
		  "TLS {cafile|a} > PROXY {to|h:443} > TLS {cafile|b} > "
		  "TCP <proxy> <443> {bind|x}" },
		{ "tls[cafile=a,verify]+Ws+TCP:h:1", "tls {cafile|a} {verify} > Ws > TCP <h> <1>" },
		{ "TLS()+TCP:h:1", "TLS > TCP <h> <1>" },
		{ "TLS(,a,,b=,)+X,c", "TLS {a} {b|} > X {c}" },
		{ "TLS(a,=x,b)+X,c", "TLS {a} > X {c}" },
		{ "WS+WS+WS+WS+WS+WS+WS+WS+X", "WS > WS > WS > WS > WS > WS > WS > WS > X" },

		/* any address may be the transport */
		{ "TLS+-", "TLS > -" },
		{ "TLS+5", "TLS > 5" },
		{ "FRAMES+/dev/ttyS0,b9600", "FRAMES > /dev/ttyS0 {b9600}" },
		{ "FRAMES+./a+b(1)", "FRAMES > ./a+b(1)" },
		{ "TLS+TLS:h:443", "TLS > TLS <h> <443>" },
		{ "TLS+TCP:[::1]:443", "TLS > TCP <[::1]> <443>" },
		{ "TLS+X(y)", "TLS > X(y)" },
		{ "TLS+X(y:z", "TLS > X(y:z" },
		{ "TLS+\"a+b\"", "TLS > a+b" },
		{ "TLS+a\\+b(c", "TLS > a+b(c" },
		{ "TLS+\\+a", "TLS > +a" },
		{ "TLS+EXEC:\"ssh 'a b' c\",pty", "TLS > EXEC <ssh 'a b' c> {pty}" },

		/* quotes, brackets and backslashes are the ordinary ones, and taken once */
		{ "TLS(a=\"x,y)z\")+X", "TLS {a|x,y)z} > X" },
		{ "TLS(a='x)')+X", "TLS {a|x)} > X" },
		{ "TLS(a=x\\)y\\,z)+X", "TLS {a|x)y,z} > X" },
		{ "TLS(a=x\\\\\\)y)+X", "TLS {a|x\\)y} > X" },
		{ "TLS(a=\\\\)+X", "TLS {a|\\} > X" },
		{ "TLS(a=(x,y)+(z),b)+X", "TLS {a|(x,y)+(z)} {b} > X" },
		{ "TLS(a=[x)]{y)})+X", "TLS {a|[x)]{y)}} > X" },
		{ "TLS[a=x)y]+X", "TLS {a|x)y} > X" },
		{ "TLS(a=x]y)+X", "TLS {a|x]y} > X" },
		{ "TLS[a=\"x]y\"]+X", "TLS {a|x]y} > X" },
		{ "TLS(\"a b\"=x=y:z)+X", "TLS {a b|x=y:z} > X" },
		{ "TLS(a=x!!y)+X", "TLS {a|x!!y} > X" },
		{ "TLS(a=\\n\\0b)+X", "TLS {a|\n} > X" },
		{ "TLS(a=/b/c.pem)+TCP:h:1", "TLS {a|/b/c.pem} > TCP <h> <1>" },

		/* halves of a dual address */
		{ "TLS+X!!WS(a)+Y,b", "TLS > X !! WS {a} > Y {b}" },
		{ "X!!TLS+Y!!z", "X !! TLS > Y" },
		{ "TLS+a!b!!-", "TLS > a!b !! -" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++)
		becomes(row[i].text, is_layer, row[i].want);
}

/* What is no stack is the same whether there are layers or not. */
static void no_stacks(void **state)
{
	static const struct {
		const char *text, *want;
	} row[] = {
		{ "TLS:h:443,fork", "TLS <h> <443> {fork}" },
		{ "TLS", "TLS" },
		{ "TLS,a=b+c(d)", "TLS {a|b+c(d)}" },
		{ "TLSX+TCP:h:1", "TLSX+TCP <h> <1>" },
		{ "TLS.a+b", "TLS.a+b" },
		{ "TLS +X", "TLS +X" },
		{ "\"TLS\"+X", "TLS+X" },
		{ "\"TLS+X\"", "TLS+X" },
		{ "TLS\\+X", "TLS+X" },
		{ "\\TLS+X", "TLS+X" },
		{ "TLS\\(a)+X", "TLS(a)+X" },
		{ "(TLS+X)", "(TLS+X)" },
		{ "OPEN:TLS+X", "OPEN <TLS+X>" },
		{ "./TLS+X", "./TLS+X" },
		{ "c++/a", "c++/a" },
		{ "c+tls/a", "c+tls/a" },
		{ "a+b+c", "a+b+c" },
		{ "+a", "+a" },
		{ "+", "+" },
		{ "a(1)", "a(1)" },
		{ "a(1)/b+c", "a(1)/b+c" },
		{ "a(1+b", "a(1+b" },
		{ "a[1", "a[1" },
		{ "[a]+b", "[a]+b" },
		{ "a+b!!c+d", "a+b !! c+d" },
		{ "12", "12" },
		{ "", "" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		becomes(row[i].text, NULL, row[i].want);
		becomes(row[i].text, is_layer, row[i].want);
	}
	becomes("TLS(a)+X", NULL, "TLS(a)+X");
	becomes("TLS+X", NULL, "TLS+X");
}

static void bad_stacks(void **state)
{
	static const struct {
		const char *text, *want; /* the sentence, up to ", in address …" or whole */
	} row[] = {
		{ "TLS(cafile=a+TCP:h:1", "\"(\" in column 4 is not closed" },
		{ "TLS+WS[a,b)+TCP:h:1", "\"[\" in column 7 is not closed" },
		{ "TLS(a=(b)+TCP:h:1", "\"(\" in column 4 is not closed" },
		{ "TLS(a=b\\)+X", "\"(\" in column 4 is not closed" },
		{ "TLS(a=b\\", "\"(\" in column 4 is not closed" },
		{ "TLS(", "\"(\" in column 4 is not closed" },
		{ "X!!TLS(a", "\"(\" in column 7 is not closed" },
		{ "TLS++TCP:h:1", "empty layer name in column 5" },
		{ "TLS+(a)+TCP:h:1", "empty layer name in column 5" },
		{ "+TLS+TCP:h:1", "empty layer name in column 1" },
		{ "FOO+TLS+TCP:h:1", "unknown layer \"FOO\"" },
		{ "FOO+BAR+TLS(a", "unknown layer \"FOO\"" },
		{ "FOO+TLS:h:443", "unknown layer \"FOO\"" },
		{ "5+TLS", "unknown layer \"5\"" },
		{ "FOO(a=/b)+TCP:h:1", "unknown layer \"FOO\"" },
		{ "FOO[a]+-", "unknown layer \"FOO\"" },
		{ "FOO+BAR(a)+-", "unknown layer \"FOO\"" },
		{ "TLS+FOO+TCP:h:1", "unknown layer \"FOO\"" },
		{ "TLS+FOO(a)+TCP:h:1", "unknown layer \"FOO\"" },
		{ "TLS+", "no transport behind layer TLS" },
		{ "TLS+WS(a)+", "no transport behind layer WS" },
		{ "TLS+,a", "no transport behind layer TLS" },
		{ "TLS+:h:1", "no transport behind layer TLS" },
		{ "TLS+\"\"", "no transport behind layer TLS" },
		{ "TLS+!!X", "no transport behind layer TLS" },
		{ "TLS(a)", "\"+\" and a transport expected in column 7, behind layer TLS" },
		{ "TLS(a):h:443", "\"+\" and a transport expected in column 7, behind layer TLS" },
		{ "WS+TLS(a)(b)+X",
		  "\"+\" and a transport expected in column 10, behind layer TLS" },
		{ "TLS+TLS+TLS+TLS+TLS+TLS+TLS+TLS+TLS+X", "more than 8 layers" },
		{ "TLS(a=\"b)+X", NULL },
		{ "TLS(a='(b)+X", NULL },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		char want[256];
		struct spec s;
		struct err err;

		if (row[i].want)
			snprintf(want, sizeof(want), "%s, in address \"%s\"", row[i].want,
				 row[i].text);
		else
			snprintf(want, sizeof(want), "unexpected end of address \"%s\"",
				 row[i].text);
		if (spec_parse(&s, row[i].text, is_layer, &err) == 0)
			fail_msg("%s: no error", row[i].text);
		assert_string_equal(err.text, want);
		assert_null(s.text);
		assert_int_equal(s.single[0].nlayers, 0);
	}
}

/* What messages show of a layer's option ends with its brackets. */
static void rest_in_layers(void **state)
{
	static const char text[] = "TLS+WS[ a=1,,\\b=2]+X,c,d";
	const struct spec_layer *l;
	struct spec s;
	struct err err;
	(void)state;

	assert_int_equal(spec_parse(&s, text, is_layer, &err), 0);
	assert_int_equal(s.single[0].nlayers, 2);
	assert_null(s.single[0].layer[0].inside);
	l = &s.single[0].layer[1];
	assert_int_equal(l->nopts, 2);
	assert_string_equal(l->inside, " a=1,,\\b=2");
	assert_string_equal(l->opt[0].rest, " a=1,,\\b=2");
	assert_int_equal(l->opt[0].column, 7);
	assert_string_equal(l->opt[1].rest, "\\b=2");
	assert_int_equal(l->opt[1].column, 13);
	assert_string_equal(s.single[0].opt[0].rest, "c,d");
	spec_done(&s);
}

/* How stacks are printed: brackets are round, quotes only where they are needed. */
static void printed_stacks(void **state)
{
	static const struct {
		const char *text, *want;
	} row[] = {
		{ "TLS[a=b,,\"c\"]+WS()+TCP:h:1,d", "TLS(a=b,c)+WS+TCP:h:1,d" },
		{ "TLS[a=b)]+X", "TLS(a=\"b)\")+X" },
		{ "TLS(a=\\(b)+X", "TLS(a=\\(b)+X" },
		{ "TLS(a=(b))+X!!-", "TLS(a=(b))+X!!-" },
		{ "TLS+'a+b'", "TLS+\"a+b\"" },
		{ "TLS\\+X", "\"TLS+X\"" },
		{ "TLS\\(a)+X", "TLS\\(a\\)\\+X" },
		{ "./a+b(1)", "./a+b(1)" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct spec s;
		struct str f = { 0 };
		struct err err;

		assert_int_equal(spec_parse(&s, row[i].text, is_layer, &err), 0);
		spec_format(&s, &f);
		assert_string_equal(f.data, row[i].want);
		spec_done(&s);
		str_done(&f);
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
		cmocka_unit_test(value),          cmocka_unit_test(structure),
		cmocka_unit_test(too_long),       cmocka_unit_test(stacks),
		cmocka_unit_test(no_stacks),      cmocka_unit_test(bad_stacks),
		cmocka_unit_test(rest_in_layers), cmocka_unit_test(printed_stacks),
		cmocka_unit_test(words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
