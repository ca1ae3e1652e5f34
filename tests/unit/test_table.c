/* test_table.c - what must hold for every row of the option tables */
#include "opt/setters.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int check_row(const struct opt_row *row, void *arg)
{
	const uint64_t known = (G_FRAMES << 1) - 1;
	char name[128];

	(void)arg;
	for (size_t i = 0; opt_name(row, i, name, sizeof(name)); i++) {
		assert_true(name[0] != '\0');
		for (const char *c = name; *c; c++)
			if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) &&
			    *c != '-' && *c != '_')
				fail_msg("%s: bad character", name);
		/* a name that is there twice finds the first row only, or itself twice */
		if (opt_find(name) != row)
			fail_msg("%s stands in two rows", name);
		for (size_t j = 0; j < i; j++) {
			char other[128];

			opt_name(row, j, other, sizeof(other));
			assert_string_not_equal(name, other);
		}
	}
	opt_name(row, 0, name, sizeof(name));
	if (row->groups == 0 || (row->groups & ~known))
		fail_msg("%s: groups", name);
	if (row->help == NULL || row->help[0] == '\0' || row->help[strlen(row->help) - 1] == '.')
		fail_msg("%s: help", name);
	if (row->conf == NULL && row->set == NULL)
		fail_msg("%s has no setter", name);
	if (row->phase <= PH_NONE || row->phase >= PH_COUNT)
		fail_msg("%s: phase", name);
	assert_true(row->type < V_COUNT);
	return 0;
}

static void test_rows(void **state)
{
	(void)state;
	assert_int_equal(opt_each(check_row, NULL), 0);
}

/* Which types of value a setter can work with; setters not listed take several kinds. */
struct fit {
	opt_setter *setter;
	uint64_t types;
	size_t size; /* of the member of struct conf, for the bounds check */
};

#define T(t) (1ULL << (t))
#define T_INTS                                                                                     \
	(T(V_BOOL) | T(V_INT) | T(V_UINT) | T(V_USHORT) | T(V_LONG) | T(V_SIZE) | T(V_MODE) |      \
	 T(V_UID) | T(V_GID) | T(V_BYTE))
#define T_TEXT (T(V_STRING) | T(V_FILENAME))

static const struct fit fits[] = {
	{ conf_bool, T(V_BOOL) | T(V_CONST), sizeof(bool) },
	{ conf_num, T_INTS, sizeof(int64_t) },
	{ conf_size, T(V_SIZE), sizeof(int64_t) },
	{ conf_int, T_INTS, sizeof(int) },
	{ conf_ns, T(V_TIMEVAL) | T(V_TIMESPEC), sizeof(int64_t) },
	{ conf_text, T_TEXT, sizeof(char *) },
	{ conf_regex, T(V_STRING), sizeof(char *) },
	{ conf_text_null, T(V_STRING_NULL), sizeof(char *) },
	{ conf_const, T(V_CONST), sizeof(int) },
	{ conf_wrap, T_TEXT | T(V_STRING_NULL), sizeof(char *) },
	{ conf_open_flag, T(V_BOOL), 0 },
	{ conf_open_access, T(V_BOOL), 0 },
	{ conf_iff, T(V_BOOL), 0 },
	{ conf_pf, T(V_STRING), 0 },
	{ conf_ai_flag, T(V_BOOL), 0 },
	{ conf_res_flag, T(V_BOOL), 0 },
	{ conf_res_nsaddr, T(V_IP4SOCK), 0 },
	{ conf_ident_text, T_TEXT, 0 },
	{ conf_ident_num, T(V_UID) | T(V_GID) | T(V_INT), 0 },
	{ conf_ident_bool, T(V_BOOL), 0 },
	{ conf_ident_user, T(V_UID), 0 },
	{ conf_proxy_auth_file, T(V_FILENAME), 0 },
	{ conf_proxy_to, T(V_STRING), 0 },
	{ conf_ctty, T(V_BOOL), 0 },
	{ set_sockopt, T(V_INT) | T(V_INT_NULL) | T(V_BYTE) | T(V_BOOL), 0 },
	{ set_sockopt_linger, T(V_LINGER), 0 },
	{ set_sockopt_timeval, T(V_TIMEVAL), 0 },
	{ set_sockopt_text, T(V_STRING), 0 },
	{ set_sockopt_append, T(V_BIN), 0 },
	{ set_multicast_if, T(V_IP4NAME), 0 },
	{ set_sockopt_ifindex, T(V_STRING), 0 },
	{ set_sockopt_any, T(V_INT_INT_INT) | T(V_INT_INT_BIN) | T(V_INT_INT_STRING), 0 },
	{ set_ip_membership, T(V_MREQN), 0 },
	{ set_ip_source_membership, T(V_MREQ_SOURCE), 0 },
	{ set_ip6_group, T(V_MREQN), 0 },
	{ set_ip6_source_group, T(V_GROUP_SOURCE), 0 },
	{ set_sock_ioctl, T(V_INT), 0 },
	{ set_setfl, T(V_BOOL), 0 },
	{ set_perm, T(V_MODE), 0 },
	{ set_owner, T(V_UID) | T(V_GID), 0 },
	{ set_lock, T(V_BOOL), 0 },
	{ set_flock, T(V_BOOL), 0 },
	{ set_seek, T(V_OFF32) | T(V_OFF64), 0 },
	{ set_truncate, T(V_OFF32) | T(V_OFF64), 0 },
	{ set_fs_flag, T(V_BOOL), 0 },
	{ set_ioctl, T(V_INT) | T(V_INT_INT) | T(V_INT_INTP) | T(V_INT_BIN) | T(V_INT_STRING), 0 },
	{ set_tty_flag, T(V_BOOL), 0 },
	{ set_tty_field, T(V_CONST), 0 },
	{ set_tty_index, T(V_UINT), 0 },
	{ set_tty_cc, T(V_BYTE), 0 },
	{ set_tty_speed, T(V_CONST), 0 },
	{ set_tty_word, T(V_INT_ULONG), 0 },
	{ set_tty_winsize, T(V_INT_INT), 0 },
};

static int check_fit(const struct opt_row *row, void *arg)
{
	(void)arg;
	for (size_t i = 0; i < sizeof(fits) / sizeof(fits[0]); i++) {
		const struct fit *f = &fits[i];

		if (row->conf != f->setter && row->set != f->setter)
			continue;
		if (!(f->types & T(row->type)))
			fail_msg("%s: type %s does not go with its setter", row->names,
				 value_type_name(row->type));
		if (f->size && (row->arg.field.offset % f->size ||
				row->arg.field.offset + f->size > sizeof(struct conf)))
			fail_msg("%s: member", row->names);
	}
	return 0;
}

static void test_setters_fit(void **state)
{
	(void)state;
	opt_each(check_fit, NULL);
}

static void test_lookup(void **state)
{
	char buf[8];

	(void)state;
	assert_ptr_equal(opt_find("reuseaddr"), opt_find("SO-ReuseAddr"));
	assert_null(opt_find("reuse"));
	assert_null(opt_find(""));
	assert_null(opt_find("reuseaddr so-reuseaddr"));
	assert_string_equal(opt_name(opt_find("reuseaddr"), 0, buf, sizeof(buf)), "so-reus");
	assert_null(opt_name(opt_find("reuseaddr"), 2, buf, sizeof(buf)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_setters_fit),
		cmocka_unit_test(test_lookup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
