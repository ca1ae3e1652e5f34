/* open.h - opening a path without blocking the loop; shared by the file and pipe families */
#ifndef ADDR_LOCAL_OPEN_H
#define ADDR_LOCAL_OPEN_H

#include "open/opening.h"

/* open(2) the target's path with the mode of the opening, @flags, and the user's o-* options. A
 * FIFO whose partner is missing makes the step wait (STEP_WAIT or STEP_AGAIN); step_opened must
 * follow. Fails with 'open("f", 0101, 0666): ...'. */
enum step_result open_path(struct opening *o, int flags, struct err *err);

/* What --check does in its place: would the entry be found, and may it be opened? Or, with O_CREAT,
 * is the folder there in which it will be made? */
enum step_result open_check(struct opening *o, int flags, struct err *err);

/* The same for a path and the flags of open(2). 0, or -1 with errno. */
int open_may(const char *path, int how);

/* What follows open_path(): end the wait, put blocking flags right, remember terminal settings. */
enum step_result step_opened(struct opening *o, struct err *err);

/* Option unlink: remove an existing entry. 0, or -1 with @err. */
int unlink_first(const struct opening *o, struct err *err);

#endif
