/* exec.c - EXEC, SYSTEM, SHELL: a program as an address
 *
 * The program gets one end of a socket pair, two pipes, or a pseudo terminal as its standard input
 * and output; everything else it needs (session, user, root directory, terminal) is recorded and
 * carried out in the child. A program that does not read its input, or ends before it is written
 * to, is normal: what it wrote is still delivered (flow/flow.c, EP_QUIET_PIPE). */
#include "addr/addr.h"
#include "addr/program/ptypair.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "end/fd_end.h"
#include "end/proc.h"
#include "end/relay.h"
#include "flow/forecast.h"
#include "flow/window.h"
#include "open/dgram_open.h"
#include "spec/spec.h"
#include "sys/child.h"
#include "sys/fd.h"
#include "sys/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* The channel while the program is being started: our ends in target.fd (read) and fd2 (write),
 * the program's ends here. */
struct channel_ends {
	int in, out; /* the program's standard input and output, -1: inherited */
};

static void close_ends(struct channel_ends *c)
{
	if (c->out != c->in)
		fd_close(&c->out);
	fd_close(&c->in);
	c->out = -1;
}

static enum channel channel_by(const struct conf *c)
{
	if (c->prog.pty || c->prog.openpty || c->prog.ptmx)
		return CH_PTY;
	return c->prog.pipes ? CH_PIPES : CH_SOCKETPAIR;
}

static enum channel channel_of(const struct opening *o)
{
	return channel_by(o->addr->conf);
}

static int make_pipes(struct opening *o, struct channel_ends *prog, struct err *err)
{
	int fd[2];

	if (o->mode != MODE_WRITE) {
		if (pipe2(fd, O_CLOEXEC) == -1)
			return err_set(err, errno, "pipe()");
		log_info("pipe({%d,%d}) -> 0", fd[0], fd[1]);
		o->target.fd = fd[0];
		prog->out = fd[1];
		fd_nonblock(fd[0]);
	}
	if (o->mode != MODE_READ) {
		if (pipe2(fd, O_CLOEXEC) == -1)
			return err_set(err, errno, "pipe()");
		log_info("pipe({%d,%d}) -> 0", fd[0], fd[1]);
		o->fd2 = fd[1];
		prog->in = fd[0];
		fd_nonblock(fd[1]);
		if (o->target.fd == -1)
			o->target.fd = o->fd2;
	}
	return 0;
}

static int make_socketpair(struct opening *o, struct channel_ends *prog, struct err *err)
{
	const struct conf *c = o->addr->conf;
	int family = c->sock.family >= 0 ? c->sock.family : AF_UNIX;
	int type = c->sock.type >= 0 ? (int)c->sock.type : SOCK_STREAM;
	int protocol = c->sock.protocol >= 0 ? (int)c->sock.protocol : 0;
	int fd[2];

	if (socketpair(family, type | SOCK_CLOEXEC, protocol, fd) == -1)
		return err_set(err, errno, "socketpair(%d, %d, %d)", family, type, protocol);
	log_info("socketpair(%d, %d, %d, {%d,%d}) -> 0", family, type, protocol, fd[0], fd[1]);
	fd_nonblock(fd[0]);
	o->target.fd = fd[0];
	o->target.family = family;
	prog->in = o->mode == MODE_READ ? -1 : fd[1];
	prog->out = o->mode == MODE_WRITE ? -1 : fd[1];
	return 0;
}

static int make_pty(struct opening *o, struct channel_ends *prog, struct err *err)
{
	struct pty_pair pair;

	if (pty_pair_make(&pair, err) == -1)
		return -1;
	pty_announce(&pair);
	window_begin(o, pair.master);
	o->target.fd = pair.master;
	prog->in = o->mode == MODE_READ ? -1 : pair.slave;
	prog->out = o->mode == MODE_WRITE ? -1 : pair.slave;
	return pty_link(o, pair.name, err);
}

/* ---- the command ---- */

/* What to start; allocated, freed with command_done(). */
struct command {
	char *file;
	char **argv;
};

static void command_done(struct command *c)
{
	free(c->file);
	words_free(c->argv);
	*c = (struct command){ 0 };
}

static int exec_command(const struct opening *o, struct command *c, struct err *err)
{
	int n = spec_split_words(opening_param(o, 0), &c->argv, err);

	if (n == -1)
		return -1;
	if (n == 0)
		return err_set(err, 0, "%s: the command line is empty", o->addr->half->keyword);
	c->file = xstrdup(c->argv[0]);
	if (o->addr->conf->prog.dash) {
		char *base = strrchr(c->file, '/');
		char *word = xasprintf("-%s", base ? base + 1 : c->file);

		free(c->argv[0]);
		c->argv[0] = word;
	}
	return 0;
}

static char **shell_argv(const char *shell, const char *command)
{
	const char *slash = strrchr(shell, '/');
	char **argv = xcalloc(4, sizeof(*argv));

	argv[0] = xstrdup(slash ? slash + 1 : shell);
	if (command) {
		argv[1] = xstrdup("-c");
		argv[2] = xstrdup(command);
	}
	return argv;
}

static int system_command(const struct opening *o, struct command *c, struct err *err)
{
	(void)err;
	c->file = xstrdup("/bin/sh");
	c->argv = shell_argv("sh", opening_param(o, 0));
	return 0;
}

static int shell_command(const struct opening *o, struct command *c, struct err *err)
{
	const char *shell = o->addr->conf->prog.shell;

	if (!shell)
		shell = getenv("SHELL");
	if (!shell) {
		err_set(err, 0, "SHELL variable undefined");
		return err_hint(err, "name one with option shell=/bin/sh, or use SYSTEM");
	}
	if (!strchr(shell, '/'))
		return err_set(err, 0, "SHELL \"%s\" variable does not specify a path (has no '/')",
			       shell);
	c->file = xstrdup(shell);
	c->argv = shell_argv(shell, o->addr->half->nparams ? opening_param(o, 0) : NULL);
	return 0;
}

/* Which of the three it is: the types carry it in their rows. */
static enum proc_kind kind_of(const struct opening *o)
{
	return (enum proc_kind)o->addr->half->type->net.protocol;
}

static int build_command(const struct opening *o, struct command *c, struct err *err)
{
	*c = (struct command){ 0 };
	switch (kind_of(o)) {
	case PROC_EXEC:
		return exec_command(o, c, err);
	case PROC_SYSTEM:
		return system_command(o, c, err);
	default:
		return shell_command(o, c, err);
	}
}

/* ---- starting ---- */

static int check_options(const struct opening *o, struct err *err)
{
	const struct conf *c = o->addr->conf;

	if (c->prog.fdin >= 0 && o->mode == MODE_READ)
		return err_set(err, 0,
			       "_xioopen_foxec(): option fdin is useless in read-only "
			       "mode");
	if (c->prog.fdout >= 0 && o->mode == MODE_WRITE)
		return err_set(err, 0,
			       "_xioopen_foxec(): option fdout is useless in write-only "
			       "mode");
	if (c->prog.pipes && channel_of(o) == CH_PTY)
		log_warn("_xioopen_foxec(): options \"pipes\" and \"pty\" must not be specified "
			 "together; ignoring \"pipes\"");
	return 0;
}

static void set_moves(const struct opening *o, const struct channel_ends *prog,
		      struct child_setup *s)
{
	const struct conf *c = o->addr->conf;
	int in = c->prog.fdin >= 0 ? (int)c->prog.fdin : 0;
	int out = c->prog.fdout >= 0 ? (int)c->prog.fdout : 1;

	if (prog->in >= 0) {
		s->move[s->nmoves].from = prog->in;
		s->move[s->nmoves++].to = in;
	}
	if (prog->out >= 0) {
		s->move[s->nmoves].from = prog->out;
		s->move[s->nmoves++].to = out;
	}
	if (c->prog.stderr_too && (prog->out >= 0 || prog->in >= 0)) {
		s->move[s->nmoves].from = prog->out >= 0 ? prog->out : prog->in;
		s->move[s->nmoves++].to = 2;
	}
}

static void say_command(const struct opening *o, const struct command *c)
{
	if (kind_of(o) == PROC_EXEC)
		log_notice("execvp'ing \"%s\"", c->file);
	else if (kind_of(o) == PROC_SYSTEM)
		log_info("executing shell command \"%s\"", opening_param(o, 0));
}

static void describe(const struct opening *o, const struct command *cmd, char **env,
		     struct child_setup *s)
{
	const struct conf *c = o->addr->conf;

	*s = (struct child_setup){
		.file = cmd->file,
		.path = c->prog.path ? c->prog.path : getenv("PATH"),
		.argv = cmd->argv,
		.envp = env,
		.ctty = -1,
		.ident = &c->ident,
		.nofile = o->addr->relay->plan->set.nofile,
		.wait_s = c->prog.nofork ? 0 : o->addr->relay->plan->set.fork_wait_s,
	};
}

/* The signals of options sighup, sigint, sigquit; a command of nofork gets all that would end us.
 */
static uint32_t signals_to_pass(const struct conf *c)
{
	if (c->prog.nofork)
		return UINT32_MAX;
	return (c->prog.sighup ? PROC_PASS(SIGHUP) : 0) | (c->prog.sigint ? PROC_PASS(SIGINT) : 0) |
	       (c->prog.sigquit ? PROC_PASS(SIGQUIT) : 0);
}

static void watch_program(struct opening *o, struct child child)
{
	o->proc = proc_new(o->addr, kind_of(o), child);
	o->proc->pass = signals_to_pass(o->addr->conf);
	if (kind_of(o) == PROC_SYSTEM)
		o->proc->command = opening_param(o, 0);
}

/* Start the program on @prog, or become it (@replace; that returns only on failure). */
static int launch(struct opening *o, const struct channel_ends *prog, bool replace, struct err *err)
{
	static const char *const word[] = { "socket", "pipes", "pty" };
	const struct conf *c = o->addr->conf;
	struct command cmd;
	struct child_setup s;
	struct child child;
	char **env;
	int rc;

	if (build_command(o, &cmd, err) == -1) {
		command_done(&cmd);
		return -1;
	}
	if (!c->prog.nofork)
		log_notice("forking off child, using %s for %s", word[channel_of(o)],
			   mode_word(o->mode));
	say_command(o, &cmd);
	env = vars_environ(&o->vars, c);
	describe(o, &cmd, env, &s);
	set_moves(o, prog, &s);
	if (c->prog.ctty && s.nmoves && !c->prog.nofork)
		s.ctty = s.move[0].to;
	rc = replace ? child_become(&s, err) : child_start(&child, &s, err);
	vars_free_environ(env);
	command_done(&cmd);
	if (rc == -1)
		return -1;
	if (!c->prog.nofork)
		log_notice("forked off child process %d", (int)child.pid);
	watch_program(o, child);
	return 0;
}

/* ---- nofork: the left address is the program's stdin and stdout ---- */

static bool left_is_transparent(const struct relay *relay)
{
	for (const struct address *a = relay_address(relay, 1); a; a = a->dual) {
		if (!(a->half->type->flags & TYPE_TRANSPARENT))
			return false;
		for (size_t i = 0; i < a->half->nlayers; i++) {
			if (!a->half->layer[i].type->leaves)
				return false;
		}
	}
	return true;
}

static enum step_result not_here(struct err *err)
{
	err_set(err, 0, "option nofork is not allowed here");
	return STEP_FAIL;
}

/* It takes a whole right address, and a left one that hands its bytes on as they are. */
static int check_nofork(const struct opening *o, struct err *err)
{
	if (o->addr->number == 2 && !o->is_dual && !o->dual_in &&
	    left_is_transparent(o->addr->relay))
		return 0;
	not_here(err);
	return -1;
}

static void on_command_end(struct proc *p, void *arg)
{
	(void)p;
	opening_ready(arg);
}

/* The command has ended, and so has the session; its status is ours. */
static enum step_result end_with_command(struct opening *o, struct err *err)
{
	int status = o->proc->status;

	o->addr->relay->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	err_over(err);
	return STEP_FAIL;
}

/* This process becomes the program of EXEC or SHELL. For SYSTEM it stays what it is, the parent of
 * the shell, as with system(3): it waits, passes signals on and gives the status. */
static enum step_result without_fork(struct opening *o, struct err *err)
{
	const struct endpoint *left = o->other;
	struct channel_ends ends = { -1, -1 };

	if (o->proc)
		return end_with_command(o, err);
	if (!left)
		return not_here(err);
	if (check_nofork(o, err) == -1)
		return STEP_FAIL;
	if (left->unread) {
		err_set(err, 0,
			"option nofork: what came right behind the answer of the proxy cannot be "
			"handed "
			"on to a program");
		return STEP_FAIL;
	}
	if (o->mode != MODE_READ)
		ends.in = left->rfd;
	if (o->mode != MODE_WRITE)
		ends.out = left->wfd;
	/* programs expect descriptors that block */
	if (ends.in >= 0)
		fd_block(ends.in);
	if (ends.out >= 0)
		fd_block(ends.out);
	if (launch(o, &ends, !proc_end_is_awaited(kind_of(o)), err) == -1)
		return STEP_FAIL;
	o->proc->on_exit = on_command_end;
	o->proc->arg = o;
	return STEP_AGAIN;
}

/* Descriptor options act on our end of the channel, terminal options on the program's. */
static int apply_options(struct opening *o, const struct channel_ends *prog, struct err *err)
{
	enum channel ch = channel_of(o);
	struct target t = o->target;
	struct tty_edit edit = { 0 };

	t.tty = &edit;
	if (ch == CH_SOCKETPAIR && opts_apply(&o->addr->half->opts, PH_PASTSOCKET, &t, err) == -1)
		return -1;
	if (ch == CH_PTY)
		t.fd = prog->in >= 0 ? prog->in : prog->out;
	if (opts_apply(&o->addr->half->opts, PH_FD, &t, err) == -1)
		return -1;
	if (ch == CH_PIPES && o->fd2 >= 0 && o->fd2 != o->target.fd) {
		t.fd = o->fd2;
		if (opts_apply(&o->addr->half->opts, PH_FD, &t, err) == -1)
			return -1;
	}
	if (ch == CH_SOCKETPAIR)
		return opts_apply(&o->addr->half->opts, PH_CONNECTED, &t, err);
	return 0;
}

/* Is what is written a command, and is the program there? */
static enum step_result check_program(struct opening *o, struct err *err)
{
	const struct conf *c = o->addr->conf;
	struct command cmd = { 0 };
	struct child_setup s;
	int rc = check_options(o, err);

	if (rc == 0 && c->prog.nofork)
		rc = check_nofork(o, err);
	if (rc == 0)
		rc = build_command(o, &cmd, err);
	/* another user or root directory may find another one */
	if (rc == 0 && !ident_has(&c->ident, ID_EARLY)) {
		describe(o, &cmd, NULL, &s);
		rc = child_check(&s, err);
	}
	command_done(&cmd);
	return rc == -1 ? STEP_FAIL : STEP_DONE;
}

static enum step_result step_program(struct opening *o, struct err *err)
{
	struct channel_ends prog = { -1, -1 };
	int rc = check_options(o, err);

	if (rc == 0 && o->addr->conf->prog.nofork)
		return without_fork(o, err);
	if (rc == 0) {
		switch (channel_of(o)) {
		case CH_PTY:
			rc = make_pty(o, &prog, err);
			break;
		case CH_PIPES:
			rc = make_pipes(o, &prog, err);
			break;
		case CH_SOCKETPAIR:
			rc = make_socketpair(o, &prog, err);
			break;
		}
	}
	if (rc == 0)
		rc = apply_options(o, &prog, err);
	if (rc == 0)
		rc = launch(o, &prog, false, err);
	close_ends(&prog);
	return rc == -1 ? STEP_FAIL : STEP_DONE;
}

static struct endpoint *make(struct opening *o, struct err *err)
{
	enum channel ch = channel_of(o);
	int rfd = o->target.fd, wfd = o->fd2 >= 0 ? o->fd2 : o->target.fd;
	const struct conf *c = o->addr->conf;
	struct endpoint *ep;

	if (ch == CH_SOCKETPAIR && (c->sock.type == SOCK_DGRAM || c->sock.type == SOCK_SEQPACKET))
		return dgram_make_program(o, (int)c->sock.type, err);
	if (ch == CH_PIPES && o->mode == MODE_READ)
		wfd = -1;
	if (ch == CH_PIPES && o->mode == MODE_WRITE)
		rfd = -1;
	ep = endpoint_fd_new(o->addr, rfd, wfd);
	ep->caps |= EP_QUIET_PIPE;
	switch (ch) {
	case CH_SOCKETPAIR:
		ep->half_close = SHUT_DOWN;
		ep->final = FINAL_SHUTDOWN;
		break;
	case CH_PIPES:
		ep->half_close = SHUT_CLOSE;
		break;
	case CH_PTY:
		ep->caps |= EP_HUP_IS_EOF;
		break;
	}
	return ep;
}

static const struct step steps[] = { { .run = step_program, .check = check_program }, STEP_END };

#define G_PROGRAM                                                                                  \
	(G_FD | G_FIFO | G_SOCKET | G_EXEC | G_FORK | G_TERMIOS | G_PTY | G_PARENT | G_UNIX)

static void forecast(const struct half *half, enum open_mode mode, struct forecast *f)
{
	static const enum fd_kind kind[] = {
		[CH_SOCKETPAIR] = FD_SOCKET, [CH_PIPES] = FD_PIPE, [CH_PTY] = FD_TTY
	};
	enum channel ch = channel_by(&half->conf);

	if (ch == CH_SOCKETPAIR && half->conf.sock.type >= 0)
		forecast_socket(half, mode, f);
	else
		forecast_kind(f, kind[ch]);
}

static const struct addr_type types[] = {
	{ .names = "EXEC",
	  .syntax = ":<command-line>",
	  .help = "a program, started directly; the command line is split at blanks",
	  .groups = G_PROGRAM,
	  .reads = true,
	  .writes = true,
	  .min_params = 1,
	  .max_params = 1,
	  .net = { .protocol = PROC_EXEC },
	  .flags = TYPE_PROGRAM | TYPE_TRANSPARENT,
	  .steps = steps,
	  .forecast = forecast,
	  .make = make },
	{ .names = "SYSTEM",
	  .syntax = ":<shell-command>",
	  .help = "a command line for /bin/sh",
	  .groups = G_PROGRAM,
	  .reads = true,
	  .writes = true,
	  .min_params = 1,
	  .max_params = 1,
	  .net = { .protocol = PROC_SYSTEM },
	  .flags = TYPE_PROGRAM | TYPE_TRANSPARENT,
	  .steps = steps,
	  .forecast = forecast,
	  .make = make },
	{ .names = "SHELL",
	  .syntax = "[:<shell-command>]",
	  .help = "a command line for the user's shell, or the shell itself",
	  .groups = G_PROGRAM | G_SHELL,
	  .reads = true,
	  .writes = true,
	  .max_params = 1,
	  .net = { .protocol = PROC_SHELL },
	  .flags = TYPE_PROGRAM | TYPE_TRANSPARENT,
	  .steps = steps,
	  .forecast = forecast,
	  .make = make },
};

const struct addr_family exec_family = { types, ARRAY_SIZE(types) };
