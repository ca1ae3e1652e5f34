/* way_out.h - which way packets leave */
#ifndef DOCTOR_CHECK_WAY_OUT_H
#define DOCTOR_CHECK_WAY_OUT_H

#include "doctor/exam.h"

/* Which way do packets leave? Fills x->way and what follows it. */
void route_find(struct exam *x);

#endif
