/* fdinfo_socket.h - what the kernel tells about a socket: the end of its line in fdinfo.c */
#ifndef SYS_FDINFO_SOCKET_H
#define SYS_FDINFO_SOCKET_H

#include <stdio.h>

/* The end of the line of socket @fd: options, addresses. */
void fdinfo_print_socket(FILE *out, int fd);

#endif
