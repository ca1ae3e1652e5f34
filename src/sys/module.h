/* module.h - parts of the program that are loaded when needed
 *
 * A module is a shared object of ours that links a library which most command lines never use. It
 * is looked for beside the program and in the module directory given at build time, while planning:
 * later there may be another root directory, and what is found there must not be run. */
#ifndef SYS_MODULE_H
#define SYS_MODULE_H

#include "base/err.h"

/* The function @symbol of module @name ("socast_wrap"), loading it if that has not happened; NULL
 * with @err when it is missing: 'feature module socast_wrap.so not found in …: …'. */
void *module_symbol(const char *name, const char *symbol, struct err *err);

#endif
