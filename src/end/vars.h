/* vars.h - variables of one session for the programs it starts
 *
 * A list per session, handed to exec; nothing is ever put into our own environment, because one
 * process serves many sessions. */
#ifndef END_VARS_H
#define END_VARS_H

#include <stddef.h>

struct conf;
struct ucred;

/* NAME=VALUE texts without the prefix. Zero-initialise; owned by the session. */
struct vars {
	char **text;
	size_t n;
};

/* Set a variable ("PEERADDR"); a second value replaces the first. Values come from strangers: they
 * are escaped (base/escape.h). */
void vars_set(struct vars *v, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* PEERPID, PEERUID, PEERGID of a process behind a UNIX socket. */
void vars_set_peer(struct vars *v, const struct ucred *peer);
void vars_copy(struct vars *to, const struct vars *from);
void vars_done(struct vars *v);

/* The environment of a program: ours, VERSION, PID, PPID and @v under the prefix of the program
 * name (and under SOCAT_ as well when we run under our own name), and what @conf changes (PATH,
 * SHELL, user). The caller frees with vars_free_environ(). */
char **vars_environ(const struct vars *v, const struct conf *conf);
void vars_free_environ(char **env);

/* Version of classic whose behaviour we follow; value of SOCAT_VERSION. */
#define COMPAT_VERSION "1.8.1.3"

#endif
