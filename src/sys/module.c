/* module.c - parts of the program that are loaded when needed, see module.h */
#include "sys/module.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef MODULE_DIR
#define MODULE_DIR "/usr/local/lib/socast"
#endif

/* Directory of the running program; "." when /proc does not tell. */
static void own_dir(char *buf, size_t cap)
{
	ssize_t n = readlink("/proc/self/exe", buf, cap - 1);
	char *slash;

	if (n <= 0) {
		snprintf(buf, cap, ".");
		return;
	}
	buf[n] = '\0';
	slash = strrchr(buf, '/');
	if (slash)
		*slash = '\0';
}

void *module_symbol(const char *name, const char *symbol, struct err *err)
{
	char dir[PATH_MAX], path[PATH_MAX + 64];
	void *lib, *sym;

	own_dir(dir, sizeof(dir));
	snprintf(path, sizeof(path), "%s/%s.so", dir, name);
	lib = dlopen(path, RTLD_NOW);
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
