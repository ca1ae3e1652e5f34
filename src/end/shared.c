/* shared.c - what session processes share with the process that forked them, see shared.h */
#include "end/shared.h"

#include <errno.h>
#include <sys/mman.h>

static size_t size_of(size_t naddr)
{
	return sizeof(struct shared) + naddr * sizeof(((struct shared *)0)->address[0]);
}

struct shared *shared_new(size_t naddr, struct err *err)
{
	struct shared *s = mmap(NULL, size_of(naddr), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (s == MAP_FAILED) {
		err_set(err, errno, "mmap(NULL, %zu) for counters", size_of(naddr));
		return NULL;
	}
	s->naddr = naddr;
	return s;
}

void shared_free(struct shared *s)
{
	if (s)
		munmap(s, size_of(s->naddr));
}
