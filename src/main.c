/* main.c - arguments to a plan, the plan to a running relay, its end to an exit status
 *
 * The only place that ends the program. Signals end it through the relay, so that sockets, locks,
 * links and terminals are put right whatever the reason. */
#include "base/log.h"
#include "dgram/dgram_seal.h"
#include "doctor/doctor.h"
#include "doctor/report.h"
#include "end/leftovers.h"
#include "end/proc.h"
#include "end/relay.h"
#include "explain/explain.h"
#include "help.h"
#include "help_word.h"
#include "keygen.h"
#include "open/lock.h"
#include "open/orphans.h"
#include "plan_make.h"
#include "relay/check.h"
#include "relay/relay_run.h"
#include "sys/fd.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct program {
	struct cli cli;
	struct plan plan;
	struct engine engine;
	struct orphans orphans;
	struct relay relay;
	struct leftovers lock;
};

static void on_statistics(struct loop *loop, int sig, void *arg)
{
	struct program *p = arg;

	(void)loop;
	log_notice("socat_signal_logstats(): handling signal %d", sig);
	relay_statistics(&p->relay);
	log_notice("socat_signal_logstats(): finishing signal %d", sig);
}

static enum log_level level_of(int sig)
{
	switch (sig) {
	case SIGTERM:
		return LV_WARN;
	case SIGINT:
	case SIGHUP:
		return LV_NOTICE;
	default:
		return LV_ERROR;
	}
}

static void on_end_signal(struct loop *loop, int sig, void *arg)
{
	struct program *p = arg;
	bool by_terminal = loop_signal_by_kernel(loop), final;
	int passed;

	if (sig == SIGHUP && dgram_seal_used(&p->relay)) {
		log_notice("socat_signal(): SIGHUP: reading the key files again");
		dgram_seal_reread(&p->relay);
		procs_pass_signal(&p->engine, sig, by_terminal);
		return;
	}
	passed = procs_pass_signal(&p->engine, sig, by_terminal);
	if (passed) {
		log_notice("socatsignalpass(sig=%d)", sig);
		log_info("socatsignalpass(): propagated signal to %d sub processes", passed);
		return;
	}
	log_hurry();
	log_notice("socat_signal(): handling signal %d", sig);
	log_at(level_of(sig), "exiting on signal %d", sig);
	log_notice("socat_signal(): finishing signal %d", sig);
	/* to the process of a session its parent says that the time to drain is over */
	final = p->engine.session_process && loop_signal_sender(loop) == p->engine.parent;
	if (p->plan.set.drain_ns > 0 && !p->relay.stopping && !final)
		relay_drain(&p->relay, 128 + sig);
	else
		relay_end(&p->relay, 128 + sig);
}

/* Signals that cannot wait for the loop: say it and die of them. */
static void on_crash(int sig)
{
	signal(sig, SIG_DFL);
	/* the log knows when it has been interrupted by itself */
	log_put(LV_ERROR, "exiting on signal %d", sig); /* NOLINT(bugprone-signal-handler) */
	_exit(128 + sig);
}

static bool is_crash(int sig)
{
	return sig == SIGILL || sig == SIGABRT || sig == SIGBUS || sig == SIGFPE || sig == SIGSEGV;
}

/* Settings of whoever has started us that would be in the way: a mask, with which a signal would
 * never come, and SIGCHLD ignored, with which programs would have no status. */
static void forget_inherited_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGCHLD, SIG_DFL);
}

/* Whoever started us may ignore it: programs find the default all the same. */
static int catch_signal(struct loop *loop, int sig, loop_signal_fn *fn, struct program *p,
			struct err *err)
{
	int rc = loop_signal(loop, sig, fn, p, err);

	if (rc == 0) /* it is blocked now: nobody dies of it in between */
		signal(sig, SIG_DFL);
	return rc;
}

static int catch_signals(struct program *p, struct loop *loop, struct err *err)
{
	for (int sig = 1; sig < 32; sig++) {
		if (!(p->cli.signal_mask >> sig & 1) || sig == SIGPIPE || sig == SIGKILL ||
		    sig == SIGSTOP || sig == SIGUSR1 || sig == SIGCHLD)
			continue;
		if (is_crash(sig))
			signal(sig, on_crash);
		else if (catch_signal(loop, sig, on_end_signal, p, err) == -1)
			return -1;
	}
	return catch_signal(loop, SIGUSR1, on_statistics, p, err);
}

/* -L and -W: before anything is opened. */
static int take_lock(struct program *p, struct err *err)
{
	const char *name = p->cli.lockfile ? p->cli.lockfile : p->cli.waitlock;

	if (!name)
		return 0;
	for (bool first = true;; first = false) {
		switch (lock_take(name, err)) {
		case LOCK_TAKEN:
			leftovers_add_lock(&p->lock, name);
			return 0;
		case LOCK_FAILED:
			return -1;
		case LOCK_HELD:
			break;
		}
		if (p->cli.lockfile)
			return err_set(err, 0, "could not obtain lock \"%s\"", name);
		log_at(first ? LV_NOTICE : LV_INFO, "waiting for lock \"%s\"", name);
		sleep(1);
	}
}

static unsigned env_seconds(const char *name)
{
	const char *text = getenv(name);

	return text ? (unsigned)strtoul(text, NULL, 0) : 0;
}

/* Run the relay until it is done; the exit status. */
static int run(struct program *p, struct err *err)
{
	struct loop *loop;
	int status = -1;

	p->cli.set.nofile = fd_raise_limit();
	log_info("default listen IP version is %d", p->cli.set.listen_ip);
	log_info("preferred resolve IP version is %d", p->cli.set.resolve_ip);
	if (take_lock(p, err) == -1)
		return -1;
	loop = loop_new(err);
	if (!loop)
		return -1;
	if (plan_make(&p->plan, &p->cli, err) == 0 && catch_signals(p, loop, err) == 0) {
		engine_init(&p->engine, loop);
		if (relay_init(&p->relay, &p->engine, &p->plan, err) == 0 &&
		    orphans_adopt(&p->orphans, &p->engine, err) == 0) {
			relay_start(&p->relay);
			loop_run(loop);
			relay_final_statistics(&p->relay);
			status = p->relay.status;
		}
		relay_done(&p->relay);
		engine_done(&p->engine);
	}
	plan_done(&p->plan);
	loop_free(loop);
	leftovers_remove(&p->lock);
	return status;
}

/* --doctor: examine, print, and tell by the status how it is. */
static int examine(struct program *p, struct err *err)
{
	struct doctor_ask ask = { .plan = &p->plan,
				  .wait_ns = p->cli.wait_ns,
				  .datagram = p->cli.block_given ? p->cli.set.block : 0 };
	struct findings found = { 0 };
	char *group[2] = { NULL };
	int status = -1;

	for (int i = 0; i < 2; i++) {
		if (p->cli.address[i] && (group[i] = doctor_group_address(p->cli.address[i])))
			p->cli.address[i] = group[i];
	}
	if (plan_make(&p->plan, &p->cli, err) == 0) {
		doctor_examine(&found, &ask);
		doctor_report(stdout, &found, p->cli.json);
		status = doctor_status(&found);
		findings_done(&found);
	}
	plan_done(&p->plan);
	free(group[0]);
	free(group[1]);
	return status;
}

/* --check: an address that makes no sense is told as always; nothing is opened. */
static int check(struct program *p, struct err *err)
{
	int rc = plan_make(&p->plan, &p->cli, err);

	if (rc == 0)
		rc = check_plan(&p->plan, err);
	plan_done(&p->plan);
	return rc;
}

/* --explain: the same, and say what it means. */
static int tell(struct program *p, struct err *err)
{
	const char *lock = p->cli.lockfile ? p->cli.lockfile : p->cli.waitlock;
	int rc = plan_make(&p->plan, &p->cli, err);

	if (rc == 0)
		explain(stdout, &p->plan, lock, p->cli.waitlock != NULL);
	plan_done(&p->plan);
	return rc;
}

/* Whatever is not a relay; the exit status, or -1 with @err. */
static int answer(struct program *p, struct err *err)
{
	switch (p->cli.action) {
	case CLI_VERSION:
		help_version(stdout, p->cli.set.classic);
		return 0;
	case CLI_HELP:
		help_print(stdout, p->cli.help_level);
		return 0;
	case CLI_LINE:
		help_line(stdout);
		return 0;
	case CLI_OVERVIEW:
		if (p->cli.word)
			return help_word(stdout, p->cli.word, err);
		help_overview(stdout);
		return 0;
	case CLI_KEYGEN:
		return keygen(p->cli.word, err);
	case CLI_DOCTOR:
		return examine(p, err);
	case CLI_CHECK:
		return check(p, err);
	case CLI_EXPLAIN:
		return tell(p, err);
	default:
		return 0;
	}
}

/* An error of the command line reaches whoever typed it, whatever the flags say about the log. */
static void tell_user(const struct err *err)
{
	log_err(LV_ERROR, err);
	if (log_to_stderr())
		return;
	dprintf(STDERR_FILENO, "%s: %s\n", log_name(), err->text);
	if (err->hint[0])
		dprintf(STDERR_FILENO, "%s: %s\n", log_name(), err->hint);
}

int main(int argc, char *argv[])
{
	struct program program = { 0 };
	struct err err = { 0 };
	int status;

	signal(SIGPIPE, SIG_IGN); /* also for what is said before the loop exists */
	fd_occupy_standard();
	forget_inherited_signals();
	if (env_seconds("SOCAT_MAIN_WAIT"))
		sleep(env_seconds("SOCAT_MAIN_WAIT"));
	if (cli_parse(&program.cli, argc, argv, &err) == -1) {
		if (err.text[0])
			tell_user(&err);
		else
			help_usage(stderr);
		log_end();
		return 1;
	}
	if (program.cli.action != CLI_RUN) {
		status = answer(&program, &err);
		if (status == -1)
			log_err(LV_ERROR, &err);
		log_end();
		return status == -1 ? 1 : status;
	}
	program.cli.set.transfer_wait_s = env_seconds("SOCAT_TRANSFER_WAIT");
	program.cli.set.fork_wait_s = env_seconds("SOCAT_FORK_WAIT");
	srandom((unsigned)time(NULL) ^ (unsigned)getpid());
	status = run(&program, &err);
	if (status == -1) {
		log_err(LV_ERROR, &err);
		leftovers_remove(&program.lock);
		status = err.status ? err.status : 1;
	}
	if (status)
		log_notice("exit(%d)", status);
	else
		log_notice("exiting with status 0");
	log_end();
	return status;
}
