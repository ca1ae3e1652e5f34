/* finding.h - what an examination has found */
#ifndef DOCTOR_FINDING_H
#define DOCTOR_FINDING_H

#include <stdbool.h>
#include <stddef.h>

enum finding_level {
	FIND_OK, /* looked at and healthy */
	FIND_NOTE, /* healthy, but good to know */
	FIND_UNKNOWN, /* cannot tell: a right or a program is missing */
	FIND_PROBLEM,
};

/* One result. Texts are owned; all are there, "" when there is nothing to say. */
struct finding {
	enum finding_level level;
	const char *check; /* row of the table of checks; static */
	char *what; /* one sentence without full stop */
	char *evidence; /* what was seen, and where */
	char *cure; /* what mends it */
	bool command; /* the cure is a command for the shell; else it is advice in words */
};

struct findings {
	struct finding *find; /* owned */
	size_t n;
};

#endif
