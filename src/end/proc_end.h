/* proc_end.h - who is signalled when a session ends, when, and why
 *
 * A program whose session is over may have something left to do: it gets time, and what does not
 * end by itself then is ended by a signal or left alone. All of it stands in one table. The manual
 * has the same table for users, and a test compares it with classic line by line. */
#ifndef END_PROC_END_H
#define END_PROC_END_H

#include <stdbool.h>
#include <stdint.h>

enum proc_kind {
	PROC_EXEC,
	PROC_SHELL,
	PROC_SYSTEM,
	PROC_SESSION, /* a copy of ourselves serving one session (option isolate and kin) */
	PROC_KINDS
};

/* How far it is when its session ends. */
enum proc_stage {
	PROC_TALKING, /* in the middle of it: it could still have written */
	PROC_TOLD, /* only written to (-u, -U), and everything has been written */
	PROC_SPOKEN, /* its output has been read to the end */
	PROC_STAGES
};

/* How long (in nanoseconds) a session waits for such a program. */
int64_t proc_end_wait(enum proc_kind kind, enum proc_stage stage);

/* The signal that ends it when it has not ended by itself, or 0: it is left to its work. */
int proc_end_signal(enum proc_kind kind);

/* With option nofork: the relay stays, waits and gives the status, instead of becoming it. */
bool proc_end_is_awaited(enum proc_kind kind);

#endif
