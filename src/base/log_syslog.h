/* log_syslog.h - records for the system's log
 *
 * As syslog(3), which waits when nobody reads /dev/log; this does not (out.h). */
#ifndef BASE_LOG_SYSLOG_H
#define BASE_LOG_SYSLOG_H

#include "base/out.h"

#define SYSLOG_LINE_MAX 4608 /* bytes: a record, and what stands before it */

/* Connect to /dev/log, so that it works when there is another root directory; tried again with
 * every record while there is nobody. */
void log_syslog_open(struct out *out);

/* Send @text with @priority (facility and severity), as @name and its process id. */
void log_syslog_put(struct out *out, int priority, const char *name, const char *text);

#endif
