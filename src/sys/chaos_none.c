/* chaos_none.c - ordinary builds: every call is what it is, see chaos.h */
#include "sys/chaos.h"

size_t chaos_len(size_t len)
{
	return len;
}

bool chaos_again(void)
{
	return false;
}

const struct iovec *chaos_iov(int fd, const struct iovec *iov, int *niov, struct iovec *part)
{
	(void)fd;
	(void)niov;
	(void)part;
	return iov;
}
