/* fuzz_dalan.c - the bytes of any text survive being formatted */
#include "spec/dalan.h"

#include "base/str.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);
	uint8_t out[64], again[64];
	struct str f = { 0 };
	struct err err;
	long n = dalan_parse(text, out, sizeof(out), &err);

	if (n > 0) {
		dalan_format(out, (size_t)n, &f);
		if (dalan_parse(f.data, again, sizeof(again), &err) != n ||
		    memcmp(out, again, (size_t)n) != 0)
			abort();
		str_done(&f);
	}
	free(text);
	return 0;
}
