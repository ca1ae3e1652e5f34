/* err.h - one failure with its sentence
 *
 * The lowest place that knows the object writes the whole sentence; everybody above returns. The
 * session or main.c decides what it means: log it, retry, end. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>

#define ERR_TEXT_LEN 1024

struct err {
	int code; /* errno, or 0 when no system call failed */
	int status; /* exit status wanted when this ends the program; 0 means the usual 1 */
	bool over; /* no failure: it ended as it was asked to and has said so; status 0 */
	char text[ERR_TEXT_LEN]; /* the sentence, without level and without newline */
	char hint[ERR_TEXT_LEN]; /* what would mend it, or "": logged as a warning behind it */
};

/* Fill @err with the formatted sentence; if @code is not 0, ": " and strerror(@code) follow.
 * Clears hint and status. Always returns -1, so that "return err_set(...)" is the usual use. */
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* What was begun ends by itself, without failing: the caller has logged why. Returns -1, because
 * whoever waits for a result gets none. */
int err_over(struct err *err);

/* Set the hint of a failure that already has its sentence. Returns -1. */
int err_hint(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
