// SPDX-License-Identifier: GPL-3.0-or-later
// See fault.h. The real thing cannot be made to die at an exact instruction on demand: this is the one stand-in for a crash.
#include "common/fault.h"

#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/log.h"

static void note(const char *path, const char *name)
{
	FILE *file = fopen(path, "ae");

	if (!file)
		return;
	fprintf(file, "%s\n", name);
	fclose(file);
}

// The signal that the file of orders has for this point; 0: none.
static int ordered(const char *path, const char *name)
{
	char action[8], point[128];
	FILE *file = fopen(path, "re");

	if (!file)
		return 0;
	bool ours = fscanf(file, "%7s %127s", action, point) == 2 && strcmp(point, name) == 0;
	fclose(file);
	if (!ours || unlink(path) < 0)
		return 0;
	return strcmp(action, "stop") == 0 ? SIGSTOP : SIGKILL;
}

void fault_point(const char *format, ...)
{
	const char *wanted = getenv("HOLDFAST_FAULT"), *trace = getenv("HOLDFAST_FAULT_TRACE");
	const char *orders = getenv("HOLDFAST_FAULT_FILE");
	char name[128];
	va_list args;

	if (!wanted && !trace && !orders)
		return;
	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	if (trace)
		note(trace, name);
	int signal = wanted && strcmp(name, wanted) == 0 ? SIGKILL : orders ? ordered(orders, name) : 0;
	if (!signal)
		return;
	log_warning("%s at %s, as a test wants it", signal == SIGSTOP ? "standing still" : "dying", name);
	raise(signal);
}
