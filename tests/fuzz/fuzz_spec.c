/* fuzz_spec.c - parsing, formatting and parsing again agree, with stacks of layers and without;
 * what is no stack is the same either way */
#include "spec/spec.h"

#include "base/list.h"
#include "base/str.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static bool is_layer(const char *word, size_t len)
{
	static const char *const name[] = { "TLS", "SOCKS5", "PROXY", "FRAMES", "WS" };

	check(len > 0 && strnlen(word, len) == len);
	for (size_t i = 0; i < ARRAY_SIZE(name); i++) {
		if (strlen(name[i]) == len && strncasecmp(name[i], word, len) == 0)
			return true;
	}
	return false;
}

static void same_options(const struct spec_opt *x, size_t nx, const struct spec_opt *y, size_t ny)
{
	check(nx == ny);
	for (size_t i = 0; i < nx; i++) {
		check(strcmp(x[i].name, y[i].name) == 0);
		check(!x[i].value == !y[i].value);
		check(!x[i].value || strcmp(x[i].value, y[i].value) == 0);
	}
}

static void same_single(const struct spec_single *x, const struct spec_single *y)
{
	check(x->nlayers == y->nlayers && x->nlayers <= SPEC_LAYERS_MAX);
	for (size_t i = 0; i < x->nlayers; i++) {
		const struct spec_layer *l = &x->layer[i], *m = &y->layer[i];

		check(strcmp(l->name, m->name) == 0);
		same_options(l->opt, l->nopts, m->opt, m->nopts);
	}
	check(strcmp(x->keyword, y->keyword) == 0 && x->nparams == y->nparams);
	for (size_t i = 0; i < x->nparams; i++)
		check(strcmp(x->param[i], y->param[i]) == 0);
	same_options(x->opt, x->nopts, y->opt, y->nopts);
}

static void same(const struct spec *x, const struct spec *y)
{
	check(x->nsingles == y->nsingles);
	for (size_t i = 0; i < x->nsingles; i++)
		same_single(&x->single[i], &y->single[i]);
}

/* What messages show of a layer's options lies in its brackets, and in the text at its column. */
static void check_rest(const struct spec *s, const struct spec_layer *l)
{
	for (size_t i = 0; i < l->nopts; i++) {
		const char *rest = l->opt[i].rest;

		check(rest >= l->inside && rest < l->inside + strlen(l->inside));
		check(strncmp(s->text + l->opt[i].column, rest, strlen(rest)) == 0);
	}
}

static size_t check_layers(const struct spec *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->nsingles; i++) {
		const struct spec_single *one = &s->single[i];

		check(!one->nlayers || *one->keyword);
		for (size_t k = 0; k < one->nlayers; k++) {
			check(is_layer(one->layer[k].name, strlen(one->layer[k].name)));
			check_rest(s, &one->layer[k]);
		}
		n += one->nlayers;
	}
	return n;
}

/* Print @s and parse that with @know: the same tree. */
static void again(const struct spec *s, spec_is_layer_fn *know)
{
	struct spec t;
	struct str f = { 0 };
	struct err err;

	spec_format(s, &f);
	check(spec_parse(&t, f.data ? f.data : "", know, &err) == 0);
	same(s, &t);
	spec_done(&t);
	str_done(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size), **words;
	struct spec plain, stack;
	struct err err;
	bool ok = spec_parse(&plain, text, NULL, &err) == 0;

	if (spec_parse(&stack, text, is_layer, &err) == 0) {
		again(&stack, is_layer);
		if (check_layers(&stack) == 0) {
			check(ok);
			same(&plain, &stack);
		}
	} else {
		check(!ok || strpbrk(text, "+(["));
	}
	if (ok) {
		check(check_layers(&plain) == 0);
		again(&plain, NULL);
		again(&plain, is_layer);
	}
	spec_done(&plain);
	spec_done(&stack);
	if (spec_split_words(text, &words, &err) >= 0)
		words_free(words);
	free(text);
	return 0;
}
