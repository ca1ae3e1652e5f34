/* io.h - writing to a descriptor that may block */
#ifndef BASE_IO_H
#define BASE_IO_H

#include <stddef.h>

/* Write all of @data to @fd. For records and dumps: a failure ends it silently, because there is
 * nowhere left to complain. */
void io_write_all(int fd, const char *data, size_t len);

#endif
