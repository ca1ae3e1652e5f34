/* leftovers.c - what has to be removed again when an address is closed, see leftovers.h */
#include "end/leftovers.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_TEXT 32 /* bytes: a number and a newline */

/* The directory in force now (option chdir) is not the one in force at the end. */
static char *absolute(const char *path)
{
	char cwd[PATH_MAX];

	if (*path == '/' || !getcwd(cwd, sizeof(cwd)))
		return xstrdup(path);
	return xasprintf("%s/%s", cwd, path);
}

/* ---- what stands behind a name; contents because inode numbers are used again ---- */

static char *link_target(const char *path)
{
	char to[PATH_MAX];
	ssize_t n = readlink(path, to, sizeof(to));

	return n == -1 ? NULL : xstrndup(to, (size_t)n);
}

static char *lock_text(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	char text[LOCK_TEXT];
	ssize_t n;

	if (fd == -1)
		return NULL;
	n = read(fd, text, sizeof(text));
	close(fd);
	return n == -1 ? NULL : xstrndup(text, (size_t)n);
}

static void clear(struct leftover *x)
{
	free(x->name);
	free(x->content);
	*x = (struct leftover){ 0 };
}

/* Takes @name and @content. */
static void note(struct leftovers *l, struct leftover *x, char *name, const struct stat *st,
		 char *content)
{
	clear(x);
	*x = (struct leftover){ name, st->st_dev, st->st_ino, content };
	l->owner = getpid();
}

static bool is_same(const struct leftover *x, const struct stat *st, char *content)
{
	bool same = x->dev == st->st_dev && x->ino == st->st_ino &&
		    (!x->content || (content && strcmp(x->content, content) == 0));

	free(content);
	return same;
}

/* ---- noting ---- */

/*
 * Between the making and the noting another process may already have put its own in our place:
 * noted is only what is as we have made it.
 */

void leftovers_add_entry(struct leftovers *l, const char *path, mode_t type)
{
	struct stat st;

	if (lstat(path, &st) == 0 && (st.st_mode & S_IFMT) == type)
		note(l, &l->entry, absolute(path), &st, NULL);
}

void leftovers_add_opened(struct leftovers *l, const char *path, int fd)
{
	struct stat st, opened;

	if (lstat(path, &st) == -1 || fstat(fd, &opened) == -1)
		return;
	/* a link that leads to the file goes itself */
	if (S_ISLNK(st.st_mode) || (st.st_dev == opened.st_dev && st.st_ino == opened.st_ino))
		note(l, &l->entry, absolute(path), &st, NULL);
}

/* Takes @now, what stands behind the name; @made is what we have put there. */
static void note_content(struct leftovers *l, struct leftover *x, const char *path,
			 const char *made, char *now)
{
	struct stat st;

	if (now && strcmp(now, made) == 0 && lstat(path, &st) == 0)
		note(l, x, absolute(path), &st, now);
	else
		free(now);
}

void leftovers_add_link(struct leftovers *l, const char *path, const char *target)
{
	note_content(l, &l->link, path, target, link_target(path));
}

void leftovers_add_lock(struct leftovers *l, const char *path)
{
	char text[LOCK_TEXT];

	snprintf(text, sizeof(text), "%d\n", (int)getpid());
	note_content(l, &l->lock, path, text, lock_text(path));
}

void leftovers_add_queue(struct leftovers *l, const char *name, int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0)
		note(l, &l->queue, xstrdup(name), &st, NULL);
}

/* ---- removing ---- */

static void remove_path(const struct leftover *x, char *content)
{
	struct stat st;

	if (lstat(x->name, &st) == -1) {
		free(content);
		return;
	}
	if (!is_same(x, &st, content))
		return;
	if (unlink(x->name) == -1 && errno != ENOENT)
		log_warn("unlink(\"%s\"): %m", x->name);
}

static void remove_queue(const struct leftover *x)
{
	mqd_t mqd = mq_open(x->name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	bool ours;

	if (mqd == -1 && errno == ENOENT)
		return;
	/* one that we may not even read: as before, the kernel decides */
	ours = mqd == -1 || fstat(mqd, &st) == -1 || is_same(x, &st, NULL);
	if (mqd != -1)
		mq_close(mqd);
	if (ours && mq_unlink(x->name) == -1 && errno != ENOENT)
		log_warn("mq_unlink(\"%s\"): %m", x->name);
}

void leftovers_drop_entry(struct leftovers *l)
{
	if (l->entry.name)
		unlink(l->entry.name);
	clear(&l->entry);
}

void leftovers_remove(struct leftovers *l)
{
	if (!l->owner)
		return;
	if (l->owner == getpid()) {
		if (l->entry.name)
			remove_path(&l->entry, NULL);
		if (l->link.name)
			remove_path(&l->link, link_target(l->link.name));
		if (l->lock.name)
			remove_path(&l->lock, lock_text(l->lock.name));
		if (l->queue.name)
			remove_queue(&l->queue);
	}
	clear(&l->entry);
	clear(&l->link);
	clear(&l->lock);
	clear(&l->queue);
	l->owner = 0;
}
