/* notify.h - tell the service manager how we are */
#ifndef SYS_NOTIFY_H
#define SYS_NOTIFY_H

#include "base/err.h"

#include <stdbool.h>

/* Connect to the manager's datagram socket, named by NOTIFY_SOCKET (a path, or "@" and an abstract
 * name), if the manager has started this process (SYSTEMD_EXEC_PID) or @asked says so: any other
 * one is a helper of a service and must not speak for it. Where we do, the variable is taken out of
 * the environment: programs that we start are not the service. A connected descriptor,
 * close-on-exec, still works after chroot and a change of user. Returns it; or -1, with @err if a
 * manager was named but cannot be reached, else with an empty @err. Protocol: sd_notify(3),
 * "Notes". */
int notify_open(bool asked, struct err *err);

/* Send assignments, one a line ("READY=1"); nothing if @fd is -1. A manager that does not listen
 * is none of our trouble: errors are ignored, and nothing blocks. */
void notify_send(int fd, const char *state);

#endif
