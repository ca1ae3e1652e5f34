/* leftovers.h - what has to be removed again when an address is closed
 *
 * Entries, links, locks and queues exist because of us, and go with us, but only if they are still
 * what we have made: another process may have put its own in their place meanwhile. */
#ifndef END_LEFTOVERS_H
#define END_LEFTOVERS_H

#include <stdbool.h>
#include <sys/types.h>

/* Something with a name, and what stood behind the name when we made it. */
struct leftover {
	char *name; /* owned, or NULL: there is none */
	dev_t dev;
	ino_t ino;
	char *content; /* where the link leads, what is in the lock; owned, or NULL */
};

/* Owned by the process that made them: forked copies never remove anything. */
struct leftovers {
	struct leftover entry; /* socket, FIFO or file */
	struct leftover link; /* symbolic link (pty) */
	struct leftover lock;
	struct leftover queue; /* POSIX message queue */
	pid_t owner; /* 0: nothing to remove */
};

/* Each has just been made, and will be removed; what was noted before is forgotten. An entry has
 * the file type @type (S_IFSOCK, S_IFIFO) or is open as @fd, a link leads to @target, a lock holds
 * the process id of the caller: what is something else by now is somebody else's. */
void leftovers_add_entry(struct leftovers *l, const char *path, mode_t type);
void leftovers_add_opened(struct leftovers *l, const char *path, int fd);
void leftovers_add_link(struct leftovers *l, const char *path, const char *target);
void leftovers_add_lock(struct leftovers *l, const char *path);
void leftovers_add_queue(struct leftovers *l, const char *name, int fd);

/* The entry, at once, whatever it is by now: an earlier attempt has made it. */
void leftovers_drop_entry(struct leftovers *l);

/* Remove what is still ours, and forget all. */
void leftovers_remove(struct leftovers *l);

#endif
