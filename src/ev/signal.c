/* signal.c - signals as ordinary events, by signalfd */
#include "ev/internal.h"

#include <errno.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void on_signal(struct watch *w, uint32_t events)
{
	struct loop *loop = container_of(w, struct loop, sig.watch);
	struct signalfd_siginfo si;

	(void)events;
	while (read(w->fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		loop->sig.by_kernel = si.ssi_code == SI_KERNEL;
		loop->sig.sender = (pid_t)si.ssi_pid;
		if (si.ssi_signo < LOOP_SIGNALS && loop->sig.on[si.ssi_signo].fn)
			loop->sig.on[si.ssi_signo].fn(loop, (int)si.ssi_signo,
						      loop->sig.on[si.ssi_signo].arg);
	}
}

pid_t loop_signal_sender(const struct loop *loop)
{
	return loop->sig.sender;
}

void signals_init(struct loop *loop)
{
	sigemptyset(&loop->sig.set);
	watch_init(&loop->sig.watch, on_signal);
	for (int i = 0; i < LOOP_SIGNALS; i++)
		loop->sig.on[i].fn = NULL;
}

void signals_done(struct loop *loop)
{
	if (loop->sig.watch.fd >= 0)
		close(loop->sig.watch.fd);
	loop->sig.watch.fd = -1;
}

/* The set stays blocked and keeps its functions; the descriptor is ours alone. */
int signals_forked(struct loop *loop, struct err *err)
{
	int fd;

	signals_done(loop);
	watch_init(&loop->sig.watch, on_signal);
	if (sigisemptyset(&loop->sig.set))
		return 0;
	fd = signalfd(-1, &loop->sig.set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd == -1)
		return err_set(err, errno, "signalfd()");
	loop_watch(loop, &loop->sig.watch, fd, EPOLLIN);
	return 0;
}

int loop_signal(struct loop *loop, int sig, loop_signal_fn *fn, void *arg, struct err *err)
{
	int fd;

	if (sig <= 0 || sig >= LOOP_SIGNALS)
		return err_set(err, 0, "signal %d is out of range 1..%d", sig, LOOP_SIGNALS - 1);
	sigaddset(&loop->sig.set, sig);
	fd = signalfd(loop->sig.watch.fd, &loop->sig.set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd == -1)
		return err_set(err, errno, "signalfd()");
	sigprocmask(SIG_BLOCK, &loop->sig.set, NULL);
	loop->sig.on[sig].fn = fn;
	loop->sig.on[sig].arg = arg;
	loop_watch(loop, &loop->sig.watch, fd, EPOLLIN);
	return 0;
}

bool loop_signal_by_kernel(const struct loop *loop)
{
	return loop->sig.by_kernel;
}
