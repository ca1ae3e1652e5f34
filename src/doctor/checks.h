/* checks.h - the checks, each in a file of its own; in the order of the table in doctor.c */
#ifndef DOCTOR_CHECKS_H
#define DOCTOR_CHECKS_H

struct exam;

/* Look at @x, and add what is found (exam_add()). */
typedef void exam_check(struct exam *x);

exam_check check_links, check_route, check_membership, check_port, check_source, check_igmp,
	check_bridge, check_firewall, check_buffer, check_send, check_probe, check_unix,
	check_stack;

#endif
