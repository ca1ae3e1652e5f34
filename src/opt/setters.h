/* setters.h - functions that rows of the option table may name
 *
 * Private to opt/. conf_* record a wish while planning: they write into t->conf. set_* act on the
 * descriptor or path of the target; those that need a descriptor do nothing when there is none.
 * Beside each stands the member of row->arg it reads. */
#ifndef OPT_SETTERS_H
#define OPT_SETTERS_H

#include "opt/opt.h"

/* set_conf.c: into the member of struct conf at arg.field.offset, whose C type is in brackets */
opt_setter conf_bool; /* [bool] BOOL and CONST */
opt_setter conf_num; /* [int64_t] */
opt_setter conf_size; /* [int64_t] what exceeds it becomes the maximum */
opt_setter conf_int; /* [int] */
opt_setter conf_ns; /* [int64_t] TIMEVAL, TIMESPEC */
opt_setter conf_ns_or_second; /* [int64_t] TIMEVAL-NULL; without a value: one second */
opt_setter conf_text; /* [const char *] */
opt_setter conf_text_null; /* [const char *] as conf_text, no value becomes "" */
opt_setter conf_const; /* [int or enum] arg.field.value */
opt_setter conf_regex; /* [const char *] an extended regular expression that compiles */
opt_setter conf_wrap; /* [const char *] and switches tcpwrap on */

/* set_conf.c: special ones */
opt_setter conf_open_flag; /* arg.n.a: O_* flag */
opt_setter conf_open_access; /* arg.n.a: O_RDONLY, O_WRONLY, O_RDWR */
opt_setter conf_pf;
opt_setter conf_any_port;
opt_setter conf_answers;
opt_setter conf_role;
opt_setter conf_ai_flag; /* arg.n.a: AI_* flag */
opt_setter conf_res_flag; /* arg.n.a: RES_* bit */
opt_setter conf_res_nsaddr;
opt_setter conf_reuseaddr;
opt_setter conf_rcvbuf;
opt_setter conf_pktinfo;
opt_setter conf_dst; /* and switches packet information on */
opt_setter conf_pipesz;
opt_setter conf_joins; /* a group is joined */
opt_setter conf_iff; /* arg.n.a: IFF_* flag */
opt_setter conf_proxy_auth_file;
opt_setter conf_proxy_to;
opt_setter conf_peercred; /* always fails */

/* set_proc.c: into struct ident */
opt_setter conf_ident_text; /* arg.ident; STRING */
opt_setter conf_ident_num; /* arg.ident; UID, GID, INT */
opt_setter conf_ident_bool; /* arg.ident; nothing for 0 */
opt_setter conf_ident_user; /* arg.ident.stage; UID */
opt_setter conf_ctty; /* arg.ident */

/* set_sock.c */
opt_setter set_sockopt; /* arg.so; an int, or one byte for BYTE and BOOL; null: no call */
opt_setter set_sockopt_linger; /* arg.so */
opt_setter set_sockopt_timeval; /* arg.so */
opt_setter set_sockopt_text; /* arg.so; passed with its NUL */
opt_setter set_sockopt_append; /* arg.so; behind the data that are set already */
opt_setter set_sockopt_any; /* level:name:int, :data, :text */
opt_setter conf_device;
opt_setter set_device;
opt_setter set_sock_ioctl; /* arg.n.a: request that takes a pointer to int */

/* set_group.c */
opt_setter set_sockopt_ifindex; /* arg.so; interface by name or number as int */
opt_setter set_multicast_if;
opt_setter set_ip_membership;
opt_setter set_ip_source_membership;
opt_setter set_ip6_group;
opt_setter set_ip6_source_group;

/* set_file.c */
opt_setter set_setfl; /* arg.n.a: O_* flag */
opt_setter set_cloexec;
opt_setter set_perm; /* a pure descriptor only */
opt_setter set_perm_path;
opt_setter set_perm_fd;
opt_setter set_owner; /* arg.field.value: 0 user, 1 group; path, else descriptor */
opt_setter set_owner_path; /* arg.field.value */
opt_setter set_owner_fd; /* arg.field.value */
opt_setter set_unlink;
opt_setter set_lock; /* arg.n: command and type for fcntl(2) */
opt_setter set_flock; /* arg.n.a: operation */
opt_setter set_seek; /* arg.n.a: whence */
opt_setter set_truncate;
opt_setter set_pipe_size;
opt_setter set_fs_flag; /* arg.n.a: FS_*_FL bit */
opt_setter set_ioctl; /* all forms, by the type of the value */

/* set_tty.c */
opt_setter set_tty_flag; /* arg.tty: word and mask */
opt_setter set_tty_field; /* arg.tty: word, mask and value */
opt_setter set_tty_index; /* arg.tty: word and mask; the value counts within the field */
opt_setter set_tty_cc; /* arg.tty.value: index of c_cc */
opt_setter set_tty_speed; /* arg.tty.value: B* code */
opt_setter set_tty_ispeed;
opt_setter set_tty_ospeed;
opt_setter set_tty_word;
opt_setter set_tty_raw;
opt_setter set_tty_rawer;
opt_setter set_tty_cfmakeraw;
opt_setter set_tty_sane;
opt_setter set_tty_winsize; /* at once */

#endif
