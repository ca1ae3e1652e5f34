/* module.c - parts of the program that are loaded when needed, see module.h */
#include "sys/module.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef MODULE_DIR
#define MODULE_DIR "/usr/local/lib/socast"
#endif

/* Path of module @name beside the running program; false when /proc does not tell where that is. A
 * relative path is never tried: what lies there is somebody else's. */
static bool beside_program(char *buf, size_t cap, const char *name)
{
	char dir[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);
	char *slash;

	if (n <= 0 || *dir != '/')
		return false;
	dir[n] = '\0';
	slash = strrchr(dir, '/');
	*slash = '\0';
	snprintf(buf, cap, "%s/%s.so", dir, name);
	return true;
}

void *module_symbol(const char *name, const char *symbol, struct err *err)
{
	char path[PATH_MAX + 64];
	void *lib = NULL, *sym;

	if (beside_program(path, sizeof(path), name))
		lib = dlopen(path, RTLD_NOW);
	else
		*path = '\0';
	if (!lib && access(path, F_OK) == -1) {
		snprintf(path, sizeof(path), "%s/%s.so", MODULE_DIR, name);
		lib = dlopen(path, RTLD_NOW);
	}
	if (!lib) {
		const char *why = dlerror();

		err_set(err, 0, "feature module %s.so cannot be loaded: %s", name,
			why ? why : path);
		return NULL;
	}
	sym = dlsym(lib, symbol);
	if (!sym)
		err_set(err, 0, "feature module %s has no function %s: it belongs to another build",
			path, symbol);
	return sym;
}
