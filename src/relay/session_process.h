/* session_process.h - a process for one session
 *
 * Where the options change what holds for a whole process (su, chroot), or option isolate asks for
 * it. The parent keeps the source, counts the process as one of its sessions, and ends it when it
 * ends itself. */
#ifndef RELAY_SESSION_PROCESS_H
#define RELAY_SESSION_PROCESS_H

struct endpoint;
struct source;

enum forked {
	FORKED_PARENT, /* @ep is the child's */
	FORKED_CHILD, /* the session begins here */
	FORKED_FAILED, /* in the parent, or in the child, whose process options cannot be had */
};

/* A process for the session of @ep, which @src yields. */
enum forked session_process_fork(struct source *src, struct endpoint *ep);

#endif
