/* kernel.h - what the kernel tells in files, and what programs print */
#ifndef DOCTOR_HOST_KERNEL_H
#define DOCTOR_HOST_KERNEL_H

#include "base/str.h"

#include <stdbool.h>

/* Number in /proc/sys/@name, or @absent. Printf formats. */
long sysctl_read(long absent, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Whole file or output of a command, up to 4 MiB; false: it cannot be read. @out is owned. */
bool file_read(struct str *out, const char *path);
/* Standard output of @command, which sh runs with the system's folders in PATH; its exit status, or
 * -1. 127 means that there is no such program. */
int command_read(struct str *out, const char *command);
/* Counter @name of group @group ("Udp:", "TcpExt:") in the two-line tables of /proc/net/snmp and
 * netstat, or -1. */
long counter_read(const char *path, const char *group, const char *name);

/* The next line of @text (cut at its end by a NUL) or NULL at the end; @text is moved on. */
char *next_line(char **text);

#endif
