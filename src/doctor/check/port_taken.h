/* port_taken.h - who else has the port */
#ifndef DOCTOR_CHECK_PORT_TAKEN_H
#define DOCTOR_CHECK_PORT_TAKEN_H

#include "doctor/exam.h"
#include "sys/port.h"

/* Sockets of this host that receive what is sent to x->port; @out has room for PORT_HOLDERS_MAX.
 * How many. */
size_t exam_holders(const struct exam *x, struct port_holder *out);

#endif
