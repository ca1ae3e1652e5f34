/* shared.c - what session processes share with the process that forked them, see shared.h */
#include "end/shared.h"

#include <errno.h>
#include <sys/mman.h>

struct shared *shared_new(struct err *err)
{
	void *p = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		err_set(err, errno, "mmap(NULL, %zu) for counters", sizeof(struct shared));
		return NULL;
	}
	return p;
}

void shared_free(struct shared *s)
{
	if (s)
		munmap(s, sizeof(*s));
}
