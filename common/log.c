// SPDX-License-Identifier: GPL-3.0-or-later
// Logging over libqb, which has one log per process: so has this file, and that is why it keeps state. Messages may come from any
// thread. After a crash signal the black box is written as well as it can be, and the signal takes its course.
#include "common/log.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <qb/qblog.h>

#define BLACKBOX_BYTES (1 << 20)
#define ALTSTACK_BYTES (64 << 10)
#define CRASH_DUMP_SECONDS 5 // it may hang on a lock that the crashed code held

static struct {
	bool open;
	char blackbox[PATH_MAX];
	char blackbox_old[PATH_MAX + 4];
	pthread_mutex_t mutex; // libqb drops what comes while it is busy with another message
	char *altstack; // a task that overran its stack has no room for a handler
} log_state = { .mutex = PTHREAD_MUTEX_INITIALIZER };

// The sanitizer's own report on these is worth more.
#if defined(__SANITIZE_ADDRESS__)
static const int crash_signals[] = { SIGABRT };
#else
static const int crash_signals[] = { SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSYS };
#endif

// Paths as from the top of the tree, wherever the build directory is.
static const char *from_top(const char *file)
{
	while (strncmp(file, "../", 3) == 0)
		file += 3;
	return file;
}

void log_message(int priority, const char *file, const char *function, unsigned line, const char *format, ...)
{
	va_list args;

	if (!log_state.open)
		return;
	va_start(args, format);
	pthread_mutex_lock(&log_state.mutex);
	qb_log_from_external_source_va(function, from_top(file), format, (uint8_t)priority, line, 0, args);
	pthread_mutex_unlock(&log_state.mutex);
	va_end(args);
}

// The dump before this one is kept beside it.
static void write_blackbox(void)
{
	(void)rename(log_state.blackbox, log_state.blackbox_old);
	(void)qb_log_blackbox_write_to_file(log_state.blackbox);
}

void log_dump_blackbox(void)
{
	if (!log_state.open || !log_state.blackbox[0])
		return;
	log_info("black box written to %s", log_state.blackbox);
	pthread_mutex_lock(&log_state.mutex);
	write_blackbox();
	pthread_mutex_unlock(&log_state.mutex);
}

static void crash_handler(int signum)
{
	alarm(CRASH_DUMP_SECONDS);
	// past the mutex: its owner may be who crashed
	qb_log_from_external_source(
		__func__, "common/log.c", "crashed with signal %d", LOG_CRIT, __LINE__, 0, signum);
	write_blackbox();
	raise(signum); // the default action is in place again; it follows when this handler returns
}

static void catch_crashes(void)
{
	struct sigaction action = { .sa_handler = crash_handler,
		.sa_flags = (int)(SA_ONSTACK | SA_RESETHAND) };

	log_state.altstack = malloc(ALTSTACK_BYTES);
	if (log_state.altstack) {
		stack_t stack = { .ss_sp = log_state.altstack, .ss_size = ALTSTACK_BYTES };
		(void)sigaltstack(&stack, NULL);
	}
	for (size_t i = 0; i < sizeof(crash_signals) / sizeof(crash_signals[0]); i++)
		(void)sigaction(crash_signals[i], &action, NULL);
}

static void let_crash(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	stack_t none = { .ss_flags = SS_DISABLE };

	for (size_t i = 0; i < sizeof(crash_signals) / sizeof(crash_signals[0]); i++)
		(void)sigaction(crash_signals[i], &action, NULL);
	if (log_state.altstack)
		(void)sigaltstack(&none, NULL);
	free(log_state.altstack);
	log_state.altstack = NULL;
}

// All files but unpack.c and status.c: what Pacemaker's status library complains about each time the status is worked out is in our own status, in
// plain words. (libqb keeps no filters that take away.)
#define OTHERS "^\\([^us]\\|u[^n]\\|s[^t]\\|st[^a]\\)" // libqb takes basic expressions

// Ours have a directory in their file's name; Pacemaker's and corosync's libraries log here too, of them only warnings.
static void choose_messages(int target, int priority)
{
	qb_log_filter_ctl(target, QB_LOG_FILTER_ADD, QB_LOG_FILTER_FILE_REGEX, OTHERS, LOG_WARNING);
	qb_log_filter_ctl(target, QB_LOG_FILTER_ADD, QB_LOG_FILTER_FILE_REGEX, "/", priority);
}

static int open_target(const struct log_options *options)
{
	if (!options->file)
		return QB_LOG_STDERR;
	int target = qb_log_file_open(options->file);
	if (target >= 0)
		return target;
	fprintf(stderr, "%s: cannot log to %s, so to here: %s\n", options->program, options->file,
		strerror(-target));
	return QB_LOG_STDERR;
}

// libqb's ring is two files that a killed process would leave behind; it needs only their mapping.
static void unlink_ring(const char *program)
{
	static const char *const kinds[] = { "header", "data" };
	char path[PATH_MAX];

	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/dev/shm/qb-%s-%d-blackbox-%s", program, (int)getpid(),
			kinds[i]);
		(void)unlink(path);
	}
}

static void open_blackbox(const char *program, const char *path)
{
	snprintf(log_state.blackbox, sizeof(log_state.blackbox), "%s", path);
	snprintf(log_state.blackbox_old, sizeof(log_state.blackbox_old), "%s.old", path);
	qb_log_filter_ctl(QB_LOG_BLACKBOX, QB_LOG_FILTER_ADD, QB_LOG_FILTER_FILE, "*", LOG_INFO);
	qb_log_filter_ctl(QB_LOG_BLACKBOX, QB_LOG_FILTER_ADD, QB_LOG_FILTER_FILE_REGEX, "/", LOG_DEBUG);
	qb_log_ctl(QB_LOG_BLACKBOX, QB_LOG_CONF_SIZE, BLACKBOX_BYTES);
	qb_log_ctl(QB_LOG_BLACKBOX, QB_LOG_CONF_THREADED, QB_FALSE);
	if (qb_log_ctl(QB_LOG_BLACKBOX, QB_LOG_CONF_ENABLED, QB_TRUE) < 0) {
		log_state.blackbox[0] = '\0';
		log_warning("no black box: /dev/shm has no room for %d bytes", BLACKBOX_BYTES);
		return;
	}
	unlink_ring(program);
	catch_crashes();
}

void log_open(const struct log_options *options)
{
	qb_log_init(options->program, LOG_DAEMON, LOG_INFO);
	qb_log_ctl(QB_LOG_SYSLOG, QB_LOG_CONF_ENABLED, QB_FALSE);
	int target = open_target(options);
	choose_messages(target, options->debug ? LOG_DEBUG : LOG_INFO);
	qb_log_format_set(target, options->debug ? "%T %N[%P] %p: %b (%n %f:%l)" : "%T %N[%P] %p: %b");
	qb_log_ctl(target, QB_LOG_CONF_MAX_LINE_LEN, 1024);
	qb_log_ctl(target, QB_LOG_CONF_ENABLED, QB_TRUE);
	log_state.open = true;
	if (options->blackbox)
		open_blackbox(options->program, options->blackbox);
}

void log_close(void)
{
	if (!log_state.open)
		return;
	if (log_state.blackbox[0])
		let_crash();
	log_state.open = false;
	log_state.blackbox[0] = '\0';
	qb_log_fini();
}
