/* about.c - the version, for -V of every program */
#include "about.h"

#include "end/vars.h"

#include <sys/utsname.h>

void about_print(FILE *out, const char *program)
{
	struct utsname u = { 0 };

	uname(&u);
	fprintf(out, "%s version %s on %s\n", program, COMPAT_VERSION, BUILD_DATE);
	fprintf(out, "   running on %s version %s, release %s, machine %s\n", u.sysname, u.version,
		u.release, u.machine);
}
