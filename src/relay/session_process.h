/* session_process.h - a process for one session
 *
 * Where the options change what holds for a whole process (su, chroot), or option isolate asks for
 * it. The parent keeps the source, counts the process as one of its sessions, and ends it when it
 * ends itself. */
#ifndef RELAY_SESSION_PROCESS_H
#define RELAY_SESSION_PROCESS_H

#include <stdbool.h>

struct session;

/* A process for the new session @s, which comes from a source. True in the child, where it begins.
 * False in the parent, where it is gone, and where it has failed, which is told. */
bool session_process_fork(struct session *s);

#endif
