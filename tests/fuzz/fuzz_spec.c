/* fuzz_spec.c - parsing, formatting and parsing again agree */
#include "spec/spec.h"

#include "base/str.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size), **words;
	struct spec a, b;
	struct str f = { 0 };
	struct err err;

	if (spec_parse(&a, text, &err) == 0) {
		spec_format(&a, &f);
		if (spec_parse(&b, f.data ? f.data : "", &err) == -1)
			abort();
		if (a.nsingles != b.nsingles)
			abort();
		for (size_t i = 0; i < a.nsingles; i++) {
			const struct spec_single *x = &a.single[i], *y = &b.single[i];

			if (strcmp(x->keyword, y->keyword) != 0 || x->nparams != y->nparams ||
			    x->nopts != y->nopts)
				abort();
			for (size_t k = 0; k < x->nparams; k++)
				if (strcmp(x->param[k], y->param[k]) != 0)
					abort();
			for (size_t k = 0; k < x->nopts; k++)
				if (strcmp(x->opt[k].name, y->opt[k].name) != 0 ||
				    !x->opt[k].value != !y->opt[k].value ||
				    (x->opt[k].value &&
				     strcmp(x->opt[k].value, y->opt[k].value) != 0))
					abort();
		}
		spec_done(&a);
		spec_done(&b);
	}
	str_done(&f);
	if (spec_split_words(text, &words, &err) >= 0)
		words_free(words);
	free(text);
	return 0;
}
