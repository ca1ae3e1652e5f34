/* fuzz_sniff.c - names of raw dump files, dumps and line terminators of any bytes */
#include "flow/filter.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Converted as a whole or in two parts: the result is the same, because nothing is remembered. */
static void convert(const uint8_t *data, size_t size, size_t cut, enum eol from, enum eol to)
{
	struct str whole = { 0 }, parts = { 0 };

	eol_convert(from, to, data, size, &whole);
	eol_convert(from, to, data, cut, &parts);
	eol_convert(from, to, data + cut, size - cut, &parts);
	if (whole.len != parts.len || whole.len > 2 * size ||
	    (whole.len && memcmp(whole.data, parts.data, whole.len) != 0))
		abort();
	str_done(&whole);
	str_done(&parts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str out = { 0 };
	char *text;

	if (size < 2)
		return 0;
	text = strndup((const char *)data + 1, size - 1);
	free(sniff_name(text, 1795357509123456LL));
	free(text);
	dump_format(&out, '>', data[0] & 1, data[0] & 2, data + 1, size - 1, data[0],
		    1795357509123456LL);
	/* as many bytes as were dumped are shown, whatever they are */
	if (out.len < size - 1)
		abort();
	str_done(&out);
	for (int from = EOL_RAW; from <= EOL_CRNL; from++)
		for (int to = EOL_RAW; to <= EOL_CRNL; to++)
			convert(data + 1, size - 1, data[0] % size, (enum eol)from, (enum eol)to);
	return 0;
}
