/* loop_check_none.c - nothing is checked without AddressSanitizer, see loop_check.c */
#include "ev/internal.h"

void loop_check_stopped(struct loop *loop, struct watch *w)
{
	(void)loop;
	(void)w;
}

void loop_check_turn(struct loop *loop)
{
	(void)loop;
}
