// SPDX-License-Identifier: GPL-3.0-or-later
// Writes the lines of labd.log to stderr, which the `lab` command points there.
#include "deploy/lab/labd/journal.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

void journal(const char *format, ...)
{
	struct timespec now;
	struct tm utc;
	char when[32], text[512];
	va_list args;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &utc);
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fprintf(stderr, "%s.%03ldZ %s\n", when, now.tv_nsec / 1000000, text);
}
