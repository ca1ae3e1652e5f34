/* netlink.h - questions to the kernel about routes, bridges and nftables */
#ifndef DOCTOR_HOST_NETLINK_H
#define DOCTOR_HOST_NETLINK_H

#include "doctor/exam.h"

/* Which of x->link are bridges, or ports of one. */
void bridges_read(struct exam *x);

/* Which way goes @to? @from and @oif narrow the question (NULL, 0). 0, or errno. */
int route_ask(struct route_answer *r, const struct netaddr *to, const struct netaddr *from,
	      int oif);
/* Number of nftables tables, or -1. */
int nftables_count(void);

#endif
