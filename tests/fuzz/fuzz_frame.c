/* fuzz_frame.c - frames whose checksum is to be finished: any bytes at all */
#include "dgram/eth_frame.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *frame = malloc(size ? size : 1);
	size_t changed = 0;
	bool done;

	memcpy(frame, data, size);
	done = eth_frame_finish_checksum(frame, size);
	for (size_t i = 0; i < size; i++)
		changed += frame[i] != data[i];
	if (changed > 2 || (changed && !done))
		abort();
	free(frame);
	return 0;
}
