/* orphans.c - the duty of process 1, see orphans.h
 *
 * SIGCHLD says that somebody has ended, not who. Our own children (programs, session processes,
 * look-ups) are left to those who started them and watch their descriptors: they have been told in
 * the same turn of the loop. The kernel shows one zombie at a time, so where it shows one of ours,
 * those behind it have to wait until that is gone. */
#include "open/orphans.h"

#include "base/log.h"
#include "end/proc.h"
#include "end/relay.h"
#include "open/opening.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define AGAIN_NS (10 * NSEC_PER_MSEC) /* when a child of our own was in the way */

static bool is_look_up(const struct relay *relay, pid_t pid)
{
	list_for_each (node, &relay->openings) {
		if (container_of(node, struct opening, node)->job.pid == pid)
			return true;
	}
	return false;
}

static bool is_ours(const struct engine *engine, pid_t pid)
{
	list_for_each (node, &engine->procs) {
		const struct proc *p = container_of(node, struct proc, node);

		if (!p->done && p->child.pid == pid)
			return true;
	}
	list_for_each (node, &engine->relays) {
		if (is_look_up(container_of(node, struct relay, node), pid))
			return true;
	}
	return false;
}

static void collect(struct orphans *o)
{
	struct loop *loop = o->engine->loop;
	siginfo_t info = { 0 };

	if (getpid() != 1) /* a session process: its parent does that */
		return;
	while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid) {
		if (is_ours(o->engine, info.si_pid)) {
			loop_timer(loop, &o->again, loop_now(loop) + AGAIN_NS);
			return;
		}
		if (waitpid(info.si_pid, NULL, WNOHANG) <= 0)
			return;
		log_debug("collected orphan %d", (int)info.si_pid);
		info.si_pid = 0;
	}
}

static void on_again(struct timer *t)
{
	collect(container_of(t, struct orphans, again));
}

static void on_child(struct loop *loop, int sig, void *arg)
{
	(void)loop;
	(void)sig;
	collect(arg);
}

int orphans_adopt(struct orphans *o, struct engine *engine, struct err *err)
{
	o->engine = engine;
	timer_init(&o->again, on_again);
	return getpid() == 1 ? loop_signal(engine->loop, SIGCHLD, on_child, o, err) : 0;
}
