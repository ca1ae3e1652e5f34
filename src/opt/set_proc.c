/* set_proc.c - setters that record changes of the whole process
 *
 * Nothing happens here: root, user, group, session are written into the address's struct ident and
 * carried out by whoever runs the address (see sys/ident.h). Users are looked up now, so that a
 * later chroot needs no user database. */
#include "opt/setters.h"

static int add(struct target *t, const struct opt *o, const char *text, int64_t num,
	       struct err *err)
{
	const union opt_arg *arg = &o->row->arg;

	return ident_add(&t->conf->ident, (enum ident_stage)arg->ident.stage,
			 (enum ident_kind)arg->ident.kind, text, (long)num, err);
}

int conf_ident_text(struct target *t, const struct opt *o, struct err *err)
{
	return add(t, o, o->val.str, 0, err);
}

int conf_ident_num(struct target *t, const struct opt *o, struct err *err)
{
	return add(t, o, NULL, o->val.n[0], err);
}

int conf_ident_bool(struct target *t, const struct opt *o, struct err *err)
{
	return o->val.n[0] ? add(t, o, NULL, 0, err) : 0;
}

int conf_ident_user(struct target *t, const struct opt *o, struct err *err)
{
	return ident_add_user(&t->conf->ident, (enum ident_stage)o->row->arg.ident.stage,
			      (uid_t)o->val.n[0], err);
}

int conf_ctty(struct target *t, const struct opt *o, struct err *err)
{
	t->conf->prog.ctty = o->val.n[0] != 0;
	return conf_ident_bool(t, o, err);
}
