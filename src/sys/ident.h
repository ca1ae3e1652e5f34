/* ident.h - process-wide state as data
 *
 * Options that would change the whole process (user, groups, root, session, ...) never act: they
 * record an action here. The record is carried out in one place: in a program's child before exec,
 * in the program itself when it serves exactly one session, or in a session process. What holds
 * only while an address is being opened (directory, umask, network namespace) is entered before a
 * step runs and left when it returns. */
#ifndef SYS_IDENT_H
#define SYS_IDENT_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* When an action is due. EARLY: before anything is opened (…-early). LATE, LATE2: last things
 * before data flows, in this order. */
enum ident_stage { ID_EARLY, ID_LATE, ID_LATE2 };

enum ident_kind {
	ID_CHROOT, /* @text: directory; chdir("/") follows */
	ID_SETGID,
	ID_SETUID,
	ID_SETSID, /* failure is only a warning */
	ID_SETPGID, /* @id: group, 0: own; failure is only a warning */
	ID_CTTY, /* make descriptor 0 or the pty the controlling terminal; warnings only */
	ID_SUBSTUSER, /* setgroups, setgid, setuid, environment; everything looked up already */
};

/* A user looked up at planning time, so that a later chroot or exec needs no database. */
struct ident_user {
	char *name, *home, *shell;
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	int ngroups;
};

struct ident_act {
	enum ident_stage stage;
	enum ident_kind kind;
	const char *text; /* borrowed from the plan */
	long id;
	struct ident_user *user; /* ID_SUBSTUSER; owned by the ident */
};

#define IDENT_MAX 32

/* All wishes of one address, in textual order. Zero-initialise, then set umask to -1. */
struct ident {
	struct ident_act act[IDENT_MAX];
	size_t n;
	/* ambient: hold only while this address is being opened; programs inherit them */
	const char *cwd; /* or NULL */
	int umask; /* or -1 */
	const char *netns; /* name under /run/netns, or NULL */
};

void ident_init(struct ident *id);
void ident_done(struct ident *id);

/* Record an action. Fails when the table is full. */
int ident_add(struct ident *id, enum ident_stage stage, enum ident_kind kind, const char *text,
	      long num, struct err *err);

/* Record a full user switch; looks the user up now ("getpwuid(4242): no such user"). */
int ident_add_user(struct ident *id, enum ident_stage stage, uid_t uid, struct err *err);

/* True if any action of @stage or later exists that changes this process for good. */
bool ident_has(const struct ident *id, enum ident_stage stage);

/* Carry out the actions of @stage in this process. Async-signal-safe apart from composing @err, so
 * that it may run in a vfork child. ID_LATE runs chroot before the rest. USER, LOGNAME, HOME and
 * SHELL of a full switch are up to the caller, see ident_user(). What may fail with a warning only
 * fails silently here. */
int ident_apply(const struct ident *id, enum ident_stage stage, struct err *err);

/* As ident_apply(), for a process that goes on as itself and serves one session: a user switch also
 * sets USER, LOGNAME, HOME and SHELL in its environment. */
int ident_become(const struct ident *id, enum ident_stage stage, struct err *err);

/* The user whose variables a program should see after all stages, or NULL. */
const struct ident_user *ident_user(const struct ident *id);

/* Former directory, umask and namespace while an ambient state is entered. */
struct ident_saved {
	int cwd_fd, netns_fd; /* -1: untouched */
	int umask; /* -1: untouched */
};

/* Enter the ambient state / leave it again. Entering fails with one sentence ("chdir("x"): No such
 * file or directory") and then has changed nothing. */
int ident_enter(const struct ident *id, struct ident_saved *saved, struct err *err);
void ident_leave(struct ident_saved *saved);

#endif
