/* links.h - the interfaces */
#ifndef DOCTOR_HOST_LINKS_H
#define DOCTOR_HOST_LINKS_H

#include "doctor/exam.h"

/* Fill x->link. */
void links_read(struct exam *x);

#endif
