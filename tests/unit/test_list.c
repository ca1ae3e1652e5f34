/* test_list.c - the intrusive list */
#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void lists(void **state)
{
	struct list head, node[3];
	size_t n = 0;
	(void)state;

	list_init(&head);
	assert_true(list_empty(&head));
	for (size_t i = 0; i < ARRAY_SIZE(node); i++)
		list_add_tail(&head, &node[i]);
	list_for_each (pos, &head)
		assert_ptr_equal(pos, &node[n++]);
	list_del(&node[1]);
	list_del(&node[1]);
	assert_true(list_empty(&node[1]));
	assert_ptr_equal(node[0].next, &node[2]);
	list_for_each_safe (pos, tmp, &head)
		list_del(pos);
	assert_true(list_empty(&head));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(lists) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
