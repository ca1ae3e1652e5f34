/* set_file.c - setters for descriptors, files and file-system entries
 *
 * Status flags, locks, owners and modes, removal, position and length, attributes, ioctl. Whether
 * an owner or mode goes to the entry or to the descriptor depends on the target: address code puts
 * a path there exactly when the address has an entry of its own. */
#include "opt/setters.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/fs.h>
#include <mqueue.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

int set_setfl(struct target *t, const struct opt *o, struct err *err)
{
	const int flag = (int)o->row->arg.n.a;
	int now, want;

	if (t->fd == -1)
		return 0;
	now = fcntl(t->fd, F_GETFL);
	if (now == -1)
		return err_set(err, errno, "fcntl(%d, %d, 0)", t->fd, F_GETFL);
	want = o->val.n[0] ? now | flag : now & ~flag;
	/* opened with it already, as the same option also is a flag of open(2) */
	if (want == now)
		return 0;
	if (fcntl(t->fd, F_SETFL, want) == -1)
		return err_set(err, errno, "fcntl(%d, %d, 0x%x)", t->fd, F_SETFL, (unsigned)want);
	return 0;
}

/* 0 changes nothing: all our descriptors are close-on-exec. */
int set_cloexec(struct target *t, const struct opt *o, struct err *err)
{
	if (t->fd == -1 || !o->val.n[0])
		return 0;
	if (fcntl(t->fd, F_SETFD, FD_CLOEXEC) == -1)
		return err_set(err, errno, "fcntl(%d, F_SETFD, FD_CLOEXEC)", t->fd);
	return 0;
}

int set_perm_fd(struct target *t, const struct opt *o, struct err *err)
{
	if (t->fd == -1)
		return 0;
	if (fchmod(t->fd, (mode_t)o->val.n[0]) == -1)
		return err_set(err, errno, "fchmod(%d, 0%03" PRIo64 ")", t->fd, o->val.n[0]);
	return 0;
}

int set_perm(struct target *t, const struct opt *o, struct err *err)
{
	return t->path || t->queue || t->binds ? 0 : set_perm_fd(t, o, err);
}

/* An entry that does not exist yet is left alone. */
int set_perm_path(struct target *t, const struct opt *o, struct err *err)
{
	if (t->path == NULL || chmod(t->path, (mode_t)o->val.n[0]) == 0 || errno == ENOENT)
		return 0;
	return err_set(err, errno, "chmod(\"%s\", 0%03" PRIo64 ")", t->path, o->val.n[0]);
}

/* User and group for chown(2): one of both is -1, that is, kept. */
struct owner {
	uid_t user;
	gid_t group;
};

static struct owner owner_of(const struct opt *o)
{
	struct owner w = { (uid_t)-1, (gid_t)-1 };

	if (o->row->arg.field.value == 0)
		w.user = (uid_t)o->val.n[0];
	else
		w.group = (gid_t)o->val.n[0];
	return w;
}

static int change_owner(const char *path, const struct opt *o, struct err *err)
{
	const struct owner w = owner_of(o);

	if (chown(path, w.user, w.group) == -1)
		return err_set(err, errno, "chown(\"%s\", %d, %d)", path, (int)w.user,
			       (int)w.group);
	return 0;
}

int set_owner_fd(struct target *t, const struct opt *o, struct err *err)
{
	const struct owner w = owner_of(o);

	if (t->fd == -1)
		return 0;
	if (fchown(t->fd, w.user, w.group) == -1)
		return err_set(err, errno, "fchown(%d, %d, %d)", t->fd, (int)w.user, (int)w.group);
	return 0;
}

int set_owner(struct target *t, const struct opt *o, struct err *err)
{
	if (t->binds)
		return 0;
	return t->path ? change_owner(t->path, o, err) : set_owner_fd(t, o, err);
}

int set_owner_path(struct target *t, const struct opt *o, struct err *err)
{
	if (t->path == NULL || (access(t->path, F_OK) == -1 && errno == ENOENT))
		return 0;
	return change_owner(t->path, o, err);
}

int set_unlink(struct target *t, const struct opt *o, struct err *err)
{
	if (t->queue && o->val.n[0] && mq_unlink(t->queue) == -1 && errno != ENOENT)
		return err_set(err, errno, "mq_unlink(\"%s\")", t->queue);
	if (t->path == NULL || !o->val.n[0] || unlink(t->path) == 0 || errno == ENOENT)
		return 0;
	return err_set(err, errno, "unlink(\"%s\")", t->path);
}

int set_lock(struct target *t, const struct opt *o, struct err *err)
{
	const int cmd = (int)o->row->arg.n.a;
	const struct flock whole = {
		.l_type = (short)o->row->arg.n.b,
		.l_whence = SEEK_SET,
		.l_len = LONG_MAX,
	};

	if (t->fd == -1 || !o->val.n[0])
		return 0;
	if (fcntl(t->fd, cmd, &whole) == -1)
		return err_set(
			err, errno,
			"fcntl(%d, %d, {type=%s,whence=SEEK_SET,start=0,len=LONG_MAX,pid=0})",
			t->fd, cmd, whole.l_type == F_WRLCK ? "F_WRLCK" : "F_RDLCK");
	return 0;
}

int set_flock(struct target *t, const struct opt *o, struct err *err)
{
	const int op = (int)o->row->arg.n.a;

	if (t->fd == -1 || !o->val.n[0])
		return 0;
	if (flock(t->fd, op) == -1)
		return err_set(err, errno, "flock(%d, %d)", t->fd, op);
	return 0;
}

/* The 32 bit forms are the same here, but show up under their own name. */
static const char *width(const struct opt *o)
{
	return o->row->type == V_OFF64 ? "64" : "";
}

int set_seek(struct target *t, const struct opt *o, struct err *err)
{
	const int whence = (int)o->row->arg.n.a;

	if (t->fd == -1)
		return 0;
	if (lseek(t->fd, (off_t)o->val.n[0], whence) == -1)
		return err_set(err, errno, "lseek%s(%d, %" PRId64 ", %d)", width(o), t->fd,
			       o->val.n[0], whence);
	return 0;
}

int set_truncate(struct target *t, const struct opt *o, struct err *err)
{
	if (t->fd == -1)
		return 0;
	if (ftruncate(t->fd, (off_t)o->val.n[0]) == -1)
		return err_set(err, errno, "ftruncate%s(%d, %" PRId64 ")", width(o), t->fd,
			       o->val.n[0]);
	return 0;
}

int set_pipe_size(struct target *t, const struct opt *o, struct err *err)
{
	const int size = (int)o->val.n[0];

	if (t->fd == -1)
		return 0;
	if (fcntl(t->fd, F_SETPIPE_SZ, size) == -1)
		return err_set(err, errno, "fcntl(%d, %d, 0x%x)", t->fd, F_SETPIPE_SZ,
			       (unsigned)size);
	return 0;
}

int set_fs_flag(struct target *t, const struct opt *o, struct err *err)
{
	const unsigned long get = FS_IOC_GETFLAGS, set = FS_IOC_SETFLAGS;
	const int flag = (int)o->row->arg.n.a;
	int word = 0; /* the request numbers say long, but the kernel moves an int */

	if (t->fd == -1)
		return 0;
	if (ioctl(t->fd, get, &word) == -1)
		return err_set(err, errno, "ioctl(%d, 0x%lx, %p)", t->fd, get, (void *)&word);
	word = o->val.n[0] ? word | flag : word & ~flag;
	if (ioctl(t->fd, set, &word) == -1)
		return err_set(err, errno, "ioctl(%d, 0x%lx, %p)", t->fd, set, (void *)&word);
	return 0;
}

int set_ioctl(struct target *t, const struct opt *o, struct err *err)
{
	const unsigned long request = (unsigned)o->val.n[0];
	int n = (int)o->val.n[1];
	int rc;

	if (t->fd == -1)
		return 0;
	switch (o->row->type) {
	case V_INT_INT:
		if (ioctl(t->fd, request, (long)n) == -1)
			return err_set(err, errno, "ioctl(%d, 0x%lx, 0x%x)", t->fd, request,
				       (unsigned)n);
		return 0;
	case V_INT_INTP:
		if (ioctl(t->fd, request, &n) == -1)
			return err_set(err, errno, "ioctl(%d, 0x%lx, %p)", t->fd, request,
				       (void *)&n);
		return 0;
	case V_INT_BIN:
	case V_INT_STRING: {
		/* the kernel may write: give it a copy, with room for what the request implies */
		const bool text = o->row->type == V_INT_STRING;
		char buf[1 << _IOC_SIZEBITS] = { 0 };
		const char *src = text ? o->val.str : (const char *)o->val.bin;
		size_t len = text ? strlen(src) + 1 : o->val.bin_len;

		if (len > sizeof(buf))
			return err_set(err, 0, "ioctl(%d, 0x%lx, ...): %zu bytes are too many",
				       t->fd, request, len);
		if (len)
			memcpy(buf, src, len);
		rc = ioctl(t->fd, request, buf);
		if (rc == -1)
			return err_set(err, errno, "ioctl(%d, 0x%lx, %p)", t->fd, request,
				       (void *)buf);
		return 0;
	}
	default:
		if (ioctl(t->fd, request, NULL) == -1)
			return err_set(err, errno, "ioctl(%d, 0x%lx, NULL)", t->fd, request);
		return 0;
	}
}
