/* keygen.h - a new key for sealed datagrams (--keygen) */
#ifndef KEYGEN_H
#define KEYGEN_H

#include "base/err.h"

/* Write a new key, of the kind @kind (NULL: a group key, "sign"), to standard output. A file there
 * becomes readable for its owner only. Returns 0, or -1 with @err. */
int keygen(const char *kind, struct err *err);

#endif
