// SPDX-License-Identifier: GPL-3.0-or-later
// See fault.h. The real thing cannot be made to die at an exact instruction on demand: this is the one stand-in for a crash.
#include "common/fault.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/log.h"

static void note(const char *path, const char *name)
{
	FILE *file = fopen(path, "ae");

	if (!file)
		return;
	fprintf(file, "%s\n", name);
	fclose(file);
}

void fault_point(const char *format, ...)
{
	const char *wanted = getenv("HOLDFAST_FAULT"), *trace = getenv("HOLDFAST_FAULT_TRACE");
	char name[128];
	va_list args;

	if (!wanted && !trace)
		return;
	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	if (trace)
		note(trace, name);
	if (!wanted || strcmp(name, wanted) != 0)
		return;
	log_warning("dying at %s, as HOLDFAST_FAULT says", name);
	raise(SIGKILL);
}
