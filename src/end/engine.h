/* engine.h - what one process has, whatever the number of its relays
 *
 * The loop, the buffers, the budget of descriptors, the programs and session processes, sockets
 * that linger, datagram sockets. Relays (relay.h) are linked into it; it knows nothing of them. A
 * session process goes on with the engine of the process that forked it, after everything in it
 * that belongs to others has been forgotten. */
#ifndef END_ENGINE_H
#define END_ENGINE_H

#include "base/err.h"
#include "base/list.h"
#include "data/pool.h"
#include "ev/loop.h"

#include <stdbool.h>
#include <sys/types.h>

/* Something that owns descriptors or counts for others. In a session process all of it belongs to
 * the process that has forked. */
struct forget {
	struct list node; /* in engine->forget, the newest first */
	void (*fn)(struct forget *f);
};

struct engine {
	struct loop *loop;
	struct pool pool;
	struct list relays;
	struct list procs; /* programs and session processes: proc.h */
	struct list lingering; /* sockets whose session is over: linger.h */
	size_t nlingering;
	struct list socks; /* all datagram sockets: dgram_sock.h */
	struct list forget; /* of modules that know the engine; see engine_on_fork() */
	struct {
		int newest; /* descriptors are given out lowest first: tells how many are in use */
		int sure; /* so many more sessions are no question */
		int promised; /* to sessions whose other end is being opened */
		int limit;
	} fds;
	struct {
		int *fd; /* those that addresses use */
		size_t n;
	} inherited;
	bool session_process; /* forked for one session: its parent tells the numbers */
	pid_t parent; /* then: who has the source, and may have ended since */
	void (*settle)(struct engine *e); /* something has gone: is anything left? */
	bool forgetting; /* what is closed now lives on in another process, which counts it */
	struct err err; /* what a flow has met; see flow.h */
};

/* An engine with nothing in it that runs on @loop, which stays the caller's. */
void engine_init(struct engine *e, struct loop *loop);

/* Free what it holds; after the loop has stopped and its relays are done. */
void engine_done(struct engine *e);

/* In a session process call @fn of @f, once: close descriptors and free memory, but shut nothing
 * down, signal nobody and remove no entry, because all that is still in use in the process that has
 * forked. Taken back by list_del(&f->node). */
void engine_on_fork(struct engine *e, struct forget *f, void (*fn)(struct forget *f));

/* This is the forked process: forget what belongs to others, what was built last first. */
void engine_forget(struct engine *e);

/* Something has gone that the program may have waited for. */
static inline void engine_settle(struct engine *e)
{
	if (e->settle)
		e->settle(e);
}

/* There are descriptors for one more session. They are counted, but not for each session while
 * there are many left; where the kernel does not count them (before Linux 6.2, or without /proc)
 * the newest one tells, as the lowest that is free is given out. So it wants to know of them;
 * @fd is -1 of a session that lives in memory. */
bool engine_has_descriptors(struct engine *e);
void engine_fd_used(struct engine *e, int fd);

/* A session begins to open its other end, and that is over: meanwhile it has a promise of as many
 * as it may need. */
void engine_fds_promise(struct engine *e);
void engine_fds_kept(struct engine *e);

void engine_fd_freed(struct engine *e, int fd);

/* Was @fd open when the program started? All that are opened later are closed by exec(2), so they
 * are known by that; one that has been asked for stays known when that has been set for it. */
bool engine_has_inherited(struct engine *e, int fd);

#endif
