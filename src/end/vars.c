/* vars.c - variables of one session, see vars.h */
#include "end/vars.h"

#include "base/escape.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "opt/opt.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

extern char **environ;

/* Replace or append the NAME=VALUE text, which the list takes. */
static void put(struct vars *v, char *text)
{
	size_t len = (size_t)(strchr(text, '=') - text) + 1;

	for (size_t i = 0; i < v->n; i++) {
		if (strncmp(v->text[i], text, len) == 0) {
			free(v->text[i]);
			v->text[i] = text;
			return;
		}
	}
	v->text = xrealloc(v->text, (v->n + 1) * sizeof(char *));
	v->text[v->n++] = text;
}

/* NAME=@value, as it is: our user's own text. */
static void put_own(struct vars *v, const char *name, const char *value)
{
	put(v, xasprintf("%s=%s", name, value));
}

void vars_set(struct vars *v, const char *name, const char *fmt, ...)
{
	struct str text = { 0 }, value = { 0 };
	va_list ap;

	va_start(ap, fmt);
	str_addv(&value, fmt, ap);
	va_end(ap);
	str_addf(&text, "%s=", name);
	escape_add(&text, value.data ? value.data : "", value.len);
	str_done(&value);
	put(v, str_take(&text));
}

void vars_set_peer(struct vars *v, const struct ucred *peer)
{
	vars_set(v, "PEERPID", "%d", (int)peer->pid);
	vars_set(v, "PEERUID", "%u", (unsigned)peer->uid);
	vars_set(v, "PEERGID", "%u", (unsigned)peer->gid);
}

void vars_copy(struct vars *to, const struct vars *from)
{
	if (!to->n && from->n) { /* for every session: nothing can be there twice */
		to->text = xrealloc(to->text, from->n * sizeof(char *));
		while (to->n < from->n) {
			to->text[to->n] = xstrdup(from->text[to->n]);
			to->n++;
		}
		return;
	}
	for (size_t i = 0; i < from->n; i++)
		put(to, xstrdup(from->text[i]));
}

void vars_done(struct vars *v)
{
	for (size_t i = 0; i < v->n; i++)
		free(v->text[i]);
	free(v->text);
	*v = (struct vars){ 0 };
}

/* Add "PREFIX_" + @text to @env. */
static void add_prefixed(struct vars *env, const char *prefix, const char *text)
{
	struct str s = { 0 };

	for (const char *p = prefix; *p; p++)
		str_addc(&s, (char)toupper((unsigned char)*p));
	str_addc(&s, '_');
	str_adds(&s, text);
	put(env, str_take(&s));
}

char **vars_environ(const struct vars *v, const struct conf *conf)
{
	const char *prefix[2] = { log_name(), "socat" };
	size_t nprefix = strcmp(log_name(), "socast") == 0 ? 2 : 1;
	const struct ident_user *user = ident_user(&conf->ident);
	struct vars env = { 0 }, own = { 0 };

	for (char **e = environ; *e; e++) {
		if (strchr(*e, '='))
			put(&env, xstrdup(*e));
	}
	vars_set(&own, "VERSION", "%s", COMPAT_VERSION);
	vars_set(&own, "PID", "%d", (int)getpid());
	vars_set(&own, "PPID", "%d", (int)getpid());
	vars_copy(&own, v);
	for (size_t i = 0; i < nprefix; i++) {
		for (size_t k = 0; k < own.n; k++)
			add_prefixed(&env, prefix[i], own.text[k]);
	}
	vars_done(&own);
	if (user) {
		put_own(&env, "USER", user->name);
		put_own(&env, "LOGNAME", user->name);
		put_own(&env, "HOME", user->home);
		put_own(&env, "SHELL", user->shell);
	}
	if (conf->prog.path)
		put_own(&env, "PATH", conf->prog.path);
	if (conf->prog.shell)
		put_own(&env, "SHELL", conf->prog.shell);
	env.text = xrealloc(env.text, (env.n + 1) * sizeof(char *));
	env.text[env.n] = NULL;
	return env.text;
}

void vars_free_environ(char **env)
{
	for (char **e = env; e && *e; e++)
		free(*e);
	free(env);
}
