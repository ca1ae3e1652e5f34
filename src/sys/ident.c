/* ident.c - process-wide state as data, see ident.h
 *
 * Recording happens while planning and may look things up; applying makes system calls only, as it
 * may run between vfork and exec. */
#include "sys/ident.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define NETNS_DIR "/run/netns/"

void ident_init(struct ident *id)
{
	*id = (struct ident){ .umask = -1 };
}

static void user_free(struct ident_user *user)
{
	if (user == NULL)
		return;
	free(user->name);
	free(user->home);
	free(user->shell);
	free(user->groups);
	free(user);
}

void ident_done(struct ident *id)
{
	for (size_t i = 0; i < id->n; i++)
		user_free(id->act[i].user);
	ident_init(id);
}

int ident_add(struct ident *id, enum ident_stage stage, enum ident_kind kind, const char *text,
	      long num, struct err *err)
{
	if (id->n == IDENT_MAX)
		return err_set(err, 0, "more than %d changes of the process in one address",
			       IDENT_MAX);
	id->act[id->n++] =
		(struct ident_act){ .stage = stage, .kind = kind, .text = text, .id = num };
	return 0;
}

/* All groups of the user in the database, the primary one included. */
static void load_groups(struct ident_user *user)
{
	int n = 16;

	do {
		user->ngroups = n;
		user->groups = xrealloc(user->groups, (size_t)n * sizeof(*user->groups));
		n *= 2;
	} while (getgrouplist(user->name, user->gid, user->groups, &user->ngroups) == -1);
}

int ident_add_user(struct ident *id, enum ident_stage stage, uid_t uid, struct err *err)
{
	const struct passwd *pw = getpwuid(uid);
	struct ident_user *user;

	if (pw == NULL)
		return err_set(err, 0, "getpwuid(%u): no such user", uid);
	if (ident_add(id, stage, ID_SUBSTUSER, NULL, (long)uid, err) == -1)
		return -1;
	user = xcalloc(1, sizeof(*user));
	user->name = xstrdup(pw->pw_name);
	user->home = xstrdup(pw->pw_dir);
	user->shell = xstrdup(pw->pw_shell);
	user->uid = pw->pw_uid;
	user->gid = pw->pw_gid;
	load_groups(user);
	id->act[id->n - 1].user = user;
	return 0;
}

bool ident_has(const struct ident *id, enum ident_stage stage)
{
	for (size_t i = 0; i < id->n; i++)
		if (id->act[i].stage >= stage)
			return true;
	return false;
}

static int change_root(const char *dir, struct err *err)
{
	if (chroot(dir) == -1)
		return err_set(err, errno, "chroot(\"%s\")", dir);
	if (chdir("/") == -1)
		return err_set(err, errno, "chdir(\"/\")");
	return 0;
}

static int change_gid(gid_t gid, struct err *err)
{
	return setgid(gid) == -1 ? err_set(err, errno, "setgid(%u)", gid) : 0;
}

static int change_uid(uid_t uid, struct err *err)
{
	return setuid(uid) == -1 ? err_set(err, errno, "setuid(%u)", uid) : 0;
}

static int become(const struct ident_user *user, struct err *err)
{
	if (setgroups((size_t)user->ngroups, user->groups) == -1)
		return err_set(err, errno, "setgroups(%d, %p)", user->ngroups,
			       (void *)user->groups);
	return change_gid(user->gid, err) == -1 ? -1 : change_uid(user->uid, err);
}

/* A group leader cannot make a session; leaving the group first may help when our parent is in
 * the same session. If not we stay in the old session, as documented. */
static void new_session(void)
{
	if (setsid() == -1 && errno == EPERM && setpgid(0, getppid()) == 0)
		(void)setsid();
}

static void take_terminal(void)
{
	(void)ioctl(STDIN_FILENO, TIOCSCTTY, 0);
	(void)tcsetpgrp(STDIN_FILENO, getpgrp());
}

static int act(const struct ident_act *a, struct err *err)
{
	switch (a->kind) {
	case ID_CHROOT:
		return change_root(a->text, err);
	case ID_SETGID:
		return change_gid((gid_t)a->id, err);
	case ID_SETUID:
		return change_uid((uid_t)a->id, err);
	case ID_SETSID:
		new_session();
		break;
	case ID_SETPGID:
		(void)setpgid(0, (pid_t)a->id);
		break;
	case ID_CTTY:
		take_terminal();
		break;
	case ID_SUBSTUSER:
		return become(a->user, err);
	}
	return 0;
}

/* Carry out the actions of @stage that change the root (@root), or the others. */
static int apply_some(const struct ident *id, enum ident_stage stage, bool root, struct err *err)
{
	for (size_t i = 0; i < id->n; i++)
		if (id->act[i].stage == stage && (id->act[i].kind == ID_CHROOT) == root &&
		    act(&id->act[i], err) == -1)
			return -1;
	return 0;
}

int ident_apply(const struct ident *id, enum ident_stage stage, struct err *err)
{
	if (stage == ID_LATE)
		return apply_some(id, stage, true, err) == -1 ? -1
							      : apply_some(id, stage, false, err);
	for (size_t i = 0; i < id->n; i++)
		if (id->act[i].stage == stage && act(&id->act[i], err) == -1)
			return -1;
	return 0;
}

const struct ident_user *ident_user(const struct ident *id)
{
	const struct ident_act *last = NULL;

	for (size_t i = 0; i < id->n; i++)
		if (id->act[i].user && (last == NULL || id->act[i].stage >= last->stage))
			last = &id->act[i];
	return last ? last->user : NULL;
}

/* Enter the namespace @name and return a descriptor of the former one. */
static int enter_netns(const char *name, struct err *err)
{
	const int flags = O_RDONLY | O_CLOEXEC;
	const char *own = "/proc/self/ns/net";
	char *path = xasprintf(NETNS_DIR "%s", name);
	int old = -1, fd = -1;

	log_info("switching to net namespace \"%s\"", name);
	old = open(own, flags);
	if (old == -1) {
		err_set(err, errno, "open(%s, O_RDONLY|O_CLOEXEC)", own);
		goto out;
	}
	fd = open(path, flags);
	if (fd == -1) {
		err_set(err, errno, "open(%s, O_RDONLY|O_CLOEXEC)", path);
	} else if (setns(fd, CLONE_NEWNET) == -1) {
		err_set(err, errno, "setns(%d, CLONE_NEWNET)", fd);
	} else {
		goto out;
	}
	close(old);
	old = -1;
out:
	if (fd != -1)
		close(fd);
	free(path);
	return old;
}

/* Change to @dir and return a descriptor of the former directory. */
static int enter_dir(const char *dir, struct err *err)
{
	/* O_PATH: no right to read the directory we stand in is needed */
	int old = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (old == -1)
		return err_set(err, errno, "open(\".\", O_PATH|O_DIRECTORY|O_CLOEXEC)");
	if (chdir(dir) == 0)
		return old;
	err_set(err, errno, "chdir(\"%s\")", dir);
	close(old);
	return -1;
}

int ident_enter(const struct ident *id, struct ident_saved *saved, struct err *err)
{
	*saved = (struct ident_saved){ .cwd_fd = -1, .netns_fd = -1, .umask = -1 };
	if (id->netns && (saved->netns_fd = enter_netns(id->netns, err)) == -1)
		return -1;
	if (id->cwd && (saved->cwd_fd = enter_dir(id->cwd, err)) == -1) {
		ident_leave(saved);
		return -1;
	}
	if (id->umask != -1)
		saved->umask = (int)umask((mode_t)id->umask);
	return 0;
}

void ident_leave(struct ident_saved *saved)
{
	struct err err;

	if (saved->umask != -1)
		umask((mode_t)saved->umask);
	if (saved->cwd_fd != -1) {
		if (fchdir(saved->cwd_fd) == -1) {
			err_set(&err, errno, "fchdir(%d)", saved->cwd_fd);
			log_err(LV_WARN, &err);
		}
		close(saved->cwd_fd);
	}
	if (saved->netns_fd != -1) {
		if (setns(saved->netns_fd, CLONE_NEWNET) == -1) {
			err_set(&err, errno, "setns(%d, CLONE_NEWNET)", saved->netns_fd);
			log_err(LV_WARN, &err);
		}
		close(saved->netns_fd);
	}
	*saved = (struct ident_saved){ .cwd_fd = -1, .netns_fd = -1, .umask = -1 };
}

int ident_become(const struct ident *id, enum ident_stage stage, struct err *err)
{
	const struct ident_user *u = ident_user(id);

	if (ident_apply(id, stage, err) == -1)
		return -1;
	if (u) {
		setenv("USER", u->name, 1);
		setenv("LOGNAME", u->name, 1);
		setenv("HOME", u->home, 1);
		setenv("SHELL", u->shell, 1);
	}
	return 0;
}
