/* proc.c - a running program behind an endpoint, see proc.h
 *
 * States. Running: watched by its pidfd. Done: it has been collected, and @status is set; whoever
 * uses it (@on_exit) has been told once. Released: its endpoint is gone, nobody is told any more;
 * it is freed when it is done, and its places among the sessions of a source are given back then.
 *
 * Session processes are programs of kind PROC_SESSION: their @on_exit counts for the source.
 *
 * Ownership. proc_new() links it into the engine; proc_release() gives it away to itself. In
 * another session process, and at the end of the engine, it is forgotten and runs on.
 *
 * What may not happen: a zombie; a status that is told twice; a signal to a process id that has
 * been collected. */
#include "end/proc.h"

#include "base/log.h"
#include "base/mem.h"
#include "end/relay.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void free_proc(struct deferred *d)
{
	free(container_of(d, struct proc, free));
}

static void delist_proc(struct proc *p)
{
	list_del(&p->node);
	list_del(&p->forget.node);
}

static void say_status(const struct proc *p)
{
	int pid = (int)p->child.pid;
	struct err err;

	if (!p->status) {
		log_info("waitpid(): child %d exited with status 0", pid);
		return;
	}
	if (WIFSIGNALED(p->status)) {
		err_set(&err, 0, "waitpid(): child %d exited on signal %d", pid,
			WTERMSIG(p->status));
	} else {
		if (p->command) {
			/* classic tells what waitpid(2) said */
			err_set(&err, 0, "system(\"%s\") returned with status %d", p->command,
				p->addr->relay->plan->set.classic ? p->status
								  : WEXITSTATUS(p->status));
			relay_tell(p->addr->relay, LV_WARN, &err);
		}
		err_set(&err, 0, "waitpid(): child %d exited with status %d", pid,
			WEXITSTATUS(p->status));
	}
	relay_tell(p->addr->relay, LV_WARN, &err);
}

static void give_places_back(struct proc *p)
{
	for (int i = 0; i < 2; i++) {
		if (p->place[i])
			p->free_place(p->place[i]);
		p->place[i] = NULL;
	}
}

static void on_ended(struct watch *w, uint32_t events)
{
	struct proc *p = container_of(w, struct proc, watch);
	struct loop *loop = p->addr->engine->loop;
	int fd = p->child.pidfd;

	(void)events;
	assert(!p->done);
	/* epoll would go on reporting a descriptor that is closed while registered */
	loop_watch(loop, &p->watch, fd, 0);
	if (!child_reap(&p->child, &p->status)) {
		loop_watch(loop, &p->watch, fd, EPOLLIN);
		return;
	}
	p->done = true;
	if (p->released) {
		delist_proc(p);
		give_places_back(p);
		loop_defer(loop, &p->free, free_proc);
		engine_settle(p->addr->engine);
		return;
	}
	if (p->kind != PROC_SESSION) {
		int old = log_shutup(p->shutup);

		log_info("exec'd process %d on socket %u terminated", (int)p->child.pid,
			 p->addr->number - 1);
		say_status(p);
		log_shutup(old);
	}
	if (p->on_exit)
		p->on_exit(p, p->arg);
}

/* In a session process it is somebody else's; at the end of the engine it runs on. */
static void forget_proc(struct forget *f)
{
	struct proc *p = container_of(f, struct proc, forget);

	loop_watch(p->addr->engine->loop, &p->watch, p->child.pidfd, 0);
	if (p->child.pidfd >= 0)
		close(p->child.pidfd);
	delist_proc(p);
	free(p);
}

struct proc *proc_new(struct address *addr, enum proc_kind kind, struct child child)
{
	struct proc *p = xcalloc(1, sizeof(*p));

	p->addr = addr;
	p->kind = kind;
	p->child = child;
	watch_init(&p->watch, on_ended);
	list_add_tail(&addr->engine->procs, &p->node);
	engine_on_fork(addr->engine, &p->forget, forget_proc);
	loop_watch(addr->engine->loop, &p->watch, child.pidfd, EPOLLIN);
	return p;
}

void proc_release(struct proc *p, bool leave)
{
	int sig = leave ? 0 : proc_end_signal(p->kind);

	p->on_exit = NULL;
	p->released = true;
	if (p->done) {
		delist_proc(p);
		loop_defer(p->addr->engine->loop, &p->free, free_proc);
		return;
	}
	if (sig) {
		log_info("kill(%d, %d)", (int)p->child.pid, sig);
		kill(p->child.pid, sig);
		/* Also a session process that is stopped ends. One that is not may be in the hands
		 * of a tracer, whose SIGSTOP a SIGCONT would undo. */
		if (p->kind == PROC_SESSION && child_is_stopped(&p->child))
			kill(p->child.pid, SIGCONT);
	} else {
		log_info("program %d goes on by itself", (int)p->child.pid);
	}
}

void proc_keep_place(struct proc *p, struct source *src, void (*free_place)(struct source *src))
{
	p->free_place = free_place;
	p->place[p->place[0] != NULL] = src;
}

size_t procs_give_up_places(struct engine *engine, const struct source *src)
{
	size_t n = 0;

	list_for_each (node, &engine->procs) {
		struct proc *p = container_of(node, struct proc, node);

		for (int i = 0; i < 2; i++) {
			if (p->place[i] == src) {
				p->place[i] = NULL;
				n++;
			}
		}
	}
	return n;
}

bool procs_run(const struct engine *engine)
{
	list_for_each (node, &engine->procs) {
		if (!container_of(node, struct proc, node)->done)
			return true;
	}
	return false;
}

int procs_pass_signal(struct engine *engine, int sig, bool by_terminal)
{
	int n = 0;

	list_for_each (node, &engine->procs) {
		struct proc *p = container_of(node, struct proc, node);

		if (p->done || p->released || !(p->pass & PROC_PASS(sig)))
			continue;
		if (!by_terminal || getpgid(p->child.pid) != getpgrp())
			kill(p->child.pid, sig);
		n++;
	}
	return n;
}

void procs_forget(struct engine *engine)
{
	list_for_each_safe (node, tmp, &engine->procs)
		forget_proc(&container_of(node, struct proc, node)->forget);
}
