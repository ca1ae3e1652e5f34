/* fdinfo_brief.h - what a descriptor or file system entry is, in a few words */
#ifndef SYS_FDINFO_BRIEF_H
#define SYS_FDINFO_BRIEF_H

#include "base/err.h"

#include <stdbool.h>
#include <stdio.h>

/* Print type and name or addresses of the open descriptor @fd: "file /var/log/x", "tcp 127.0.0.1:80
 * 127.0.0.1:4711", with @types "tcp 127.0.0.1:80-127.0.0.1:4711 (stream) ". */
void fdinfo_brief(FILE *out, int fd, bool types);

/* Type and name of the entry @path; a symbolic link is one itself unless @follow. Returns 0, or -1
 * with @err ('stat("x"): No such file or directory'). */
int fdinfo_brief_path(FILE *out, const char *path, bool follow, struct err *err);

#endif
