/* io.c - writing to a descriptor that may block, see io.h */
#include "base/io.h"

#include <errno.h>
#include <unistd.h>

void io_write_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		data += n;
		len -= (size_t)n;
	}
}
