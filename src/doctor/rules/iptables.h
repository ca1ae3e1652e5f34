/* iptables.h - rules as iptables-save prints them */
#ifndef DOCTOR_RULES_IPTABLES_H
#define DOCTOR_RULES_IPTABLES_H

#include "base/str.h"
#include "doctor/rules/rules.h"

/* Read the output of iptables-save into @r, judged for @p; @text is cut up. 0, or -1: it is none.
 */
int iptables_read(struct rules *r, struct str *text, const struct packet *p);

#endif
