// SPDX-License-Identifier: GPL-3.0-or-later
// Logging over libqb: to stderr or a file, and to a black box of the last megabyte that also keeps debug messages and is
// dumped on a crash (SIGSEGV, SIGABRT, SIGBUS, ...) and on demand (SIGUSR1). Never logs guest data.
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stdbool.h>
#include <syslog.h>

struct log_options {
	const char *program;
	const char *file;	// NULL: stderr
	const char *blackbox;	// path that a dump is written to; NULL: no black box
	bool debug;		// debug messages to the log too
};

void log_open(const struct log_options *options);
void log_close(void);
void log_dump_blackbox(void);
void log_message(int priority, const char *file, const char *function, unsigned line, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

#define log_at(priority, ...) log_message(priority, __FILE__, __func__, __LINE__, __VA_ARGS__)
#define log_error(...) log_at(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_at(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)

#endif
