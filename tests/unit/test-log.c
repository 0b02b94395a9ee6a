// SPDX-License-Identifier: GPL-3.0-or-later
// The log: what reaches the file, what only the black box, and that a crash leaves one. Each case logs in a child process, since
// a process has one log.
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <qb/qblog.h>
#include "common/file.h"
#include "common/log.h"
#include "common/task.h"

static int enter_scratch(void **state)
{
	char *directory = strdup("/tmp/holdfast-test-log.XXXXXX");

	*state = directory;
	return mkdtemp(directory) ? chdir(directory) : -1;
}

static int leave_scratch(void **state)
{
	static const char *const paths[] = { "log", "box", "box.old", "text" };

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		(void)remove(paths[i]);
	int result = rmdir(*state);
	free(*state);
	return result;
}

// Runs SAY in a child with a log of these options; returns its wait status.
static int in_child(const struct log_options *options, void (*say)(void))
{
	int status;

	pid_t pid = fork();
	if (pid == 0) {
		log_open(options);
		say();
		log_close();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static char *text_of(const char *path)
{
	struct error err = ERROR_INIT;
	char *text = NULL;

	assert_ok(file_read(path, 4 << 20, &text, NULL, &err), err);
	return text;
}

// libqb prints a dump on stdout: in a child whose stdout is a file.
static char *text_of_box(const char *path)
{
	pid_t pid = fork();

	if (pid == 0) {
		int fd = open("text", O_WRONLY | O_CREAT | O_TRUNC, 0600);
		dup2(fd, 1);
		int result = qb_log_blackbox_print_from_file(path);
		fflush(stdout);
		_exit(result < 0 ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	return text_of("text");
}

static void say_all(void)
{
	log_error("an error %d", 1);
	log_warning("a warning %s", "two");
	log_info("an information");
	log_debug("a detail");
	qb_log_from_external_source("f", "cib_client.c", "library chat", LOG_INFO, 1, 0);
	qb_log_from_external_source("f", "cib_client.c", "library warning", LOG_WARNING, 1, 0);
	qb_log_from_external_source("f", "unpack.c", "library refrain", LOG_WARNING, 1, 0);
}

static void file_has_all_but_details(void **state)
{
	assert_int_equal(
		in_child(&(struct log_options){ .program = "holdfast-test-log", .file = "log" }, say_all), 0);
	char *text = text_of("log");
	assert_non_null(strstr(text, "holdfast-test-log["));
	assert_non_null(strstr(text, "error: an error 1\n"));
	assert_non_null(strstr(text, "warning: a warning two\n"));
	assert_non_null(strstr(text, "info: an information\n"));
	assert_null(strstr(text, "a detail"));
	assert_null(strstr(text, "library chat"));
	assert_non_null(strstr(text, "library warning"));
	assert_null(strstr(text, "library refrain"));
	free(text);
}

static void debug_adds_details_with_their_place(void **state)
{
	assert_int_equal(
		in_child(
			&(struct log_options){ .program = "holdfast-test-log", .file = "log", .debug = true },
			say_all),
		0);
	char *text = text_of("log");
	assert_non_null(strstr(text, "debug: a detail (say_all tests/unit/test-log.c:"));
	free(text);
}

static void say_and_dump(void)
{
	log_debug("a detail");
	log_dump_blackbox();
	log_debug("a later detail");
	log_dump_blackbox();
}

static void blackbox_has_details_and_the_one_before_is_kept(void **state)
{
	struct log_options options = { .program = "holdfast-test-log", .file = "log", .blackbox = "box" };

	assert_int_equal(in_child(&options, say_and_dump), 0);
	char *text = text_of_box("box");
	assert_non_null(strstr(text, "a detail"));
	assert_non_null(strstr(text, "a later detail"));
	free(text);
	text = text_of_box("box.old");
	assert_non_null(strstr(text, "a detail"));
	assert_null(strstr(text, "a later detail"));
	free(text);
}

static void say_and_abort(void)
{
	log_debug("the last words");
	abort();
}

static void abort_dumps_the_blackbox(void **state)
{
	int status = in_child(
		&(struct log_options){ .program = "holdfast-test-log", .file = "log", .blackbox = "box" },
		say_and_abort);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	char *text = text_of_box("box");
	assert_non_null(strstr(text, "the last words"));
	assert_non_null(strstr(text, "crashed with signal 6"));
	free(text);
	glob_t left; // libqb's ring files
	assert_int_equal(glob("/dev/shm/qb-holdfast-test-log-*", 0, NULL, &left), GLOB_NOMATCH);
}

#if !defined(__SANITIZE_ADDRESS__)
// Deeper than any task's stack. Not inlined away: each frame's bytes are read after the call.
static int dig(int depth)
{
	volatile char frame[4096];

	frame[0] = (char)depth;
	return depth > 1000 ? frame[0] : dig(depth + 1) + frame[0];
}

static void overrun(void *data)
{
	log_debug("about to overrun");
	*(int *)data = dig(0);
}

static void say_and_overrun(void)
{
	struct loop *loop = loop_new();
	int result;

	(void)!task_run(loop, "overrun", overrun, &result, NULL);
}

static void stack_overrun_of_a_task_is_caught_and_dumped(void **state)
{
	int status = in_child(
		&(struct log_options){ .program = "holdfast-test-log", .file = "log", .blackbox = "box" },
		say_and_overrun);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	char *text = text_of_box("box");
	assert_non_null(strstr(text, "about to overrun"));
	assert_non_null(strstr(text, "crashed with signal 11"));
	free(text);
}
#endif

static void *say_many(void *name)
{
	for (int i = 0; i < 500; i++)
		log_info("%s says %d", (const char *)name, i);
	return NULL;
}

static void say_from_threads(void)
{
	pthread_t threads[2];

	pthread_create(&threads[0], NULL, say_many, (void *)"left");
	pthread_create(&threads[1], NULL, say_many, (void *)"right");
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
}

static void nothing_is_lost_between_threads(void **state)
{
	size_t lines = 0;

	assert_int_equal(in_child(&(struct log_options){ .program = "holdfast-test-log", .file = "log" },
				 say_from_threads),
		0);
	char *text = text_of("log");
	for (const char *at = text; (at = strstr(at, " says ")); at++)
		lines++;
	assert_int_equal(lines, 1000);
	free(text);
}

static void without_a_log_nothing_happens(void **state)
{
	log_error("nobody hears this");
	log_dump_blackbox();
	log_close();
}

#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, enter_scratch, leave_scratch)

static const struct CMUnitTest tests[] = {
	LOG_TEST(file_has_all_but_details),
	LOG_TEST(debug_adds_details_with_their_place),
	LOG_TEST(blackbox_has_details_and_the_one_before_is_kept),
	LOG_TEST(abort_dumps_the_blackbox),
#if !defined(__SANITIZE_ADDRESS__)
	LOG_TEST(stack_overrun_of_a_task_is_caught_and_dumped),
#endif
	LOG_TEST(nothing_is_lost_between_threads),
	LOG_TEST(without_a_log_nothing_happens),
};

UNIT_MAIN(tests)
