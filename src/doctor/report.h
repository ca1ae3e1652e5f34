/* report.h - the findings, printed */
#ifndef DOCTOR_REPORT_H
#define DOCTOR_REPORT_H

#include "doctor/finding.h"

#include <stdio.h>

/* Print all of it, as text or as one JSON object. */
void doctor_report(FILE *out, const struct findings *f, bool json);

/* Exit status: 1 if there is a problem, else 2 if something could not be told, else 0. */
int doctor_status(const struct findings *f);

#endif
