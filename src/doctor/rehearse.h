/* rehearse.h - the opening of an address, looked at */
#ifndef DOCTOR_REHEARSE_H
#define DOCTOR_REHEARSE_H

#include "doctor/exam.h"

/* Open the socket of x->half; every refusal is a finding. close: give it back. */
void rehearse(struct exam *x);
void rehearse_close(struct exam *x);

#endif
