// SPDX-License-Identifier: GPL-3.0-or-later
// The event loop: descriptors, timers, signals, processes, posts from threads, and removal from inside callbacks.
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/loop.h"

struct seen {
	struct loop *loop;
	struct loop_source *source;
	int count;
	short events;
};

static enum loop_verdict count_to_three(void *data)
{
	struct seen *seen = data;

	if (++seen->count < 3)
		return LOOP_CONTINUE;
	loop_quit(seen->loop);
	return LOOP_STOP;
}

static void timer_repeats_until_stopped(void **state)
{
	struct seen seen = { .loop = loop_new() };
	double start_ms = loop_now_ms();

	loop_add_timer(seen.loop, 10, count_to_three, &seen);
	loop_run(seen.loop);
	assert_int_equal(seen.count, 3);
	assert_true(loop_now_ms() - start_ms >= 29);
	loop_free(seen.loop);
}

static void idle_repeats_until_stopped(void **state)
{
	struct seen seen = { .loop = loop_new() };

	loop_add_idle(seen.loop, count_to_three, &seen);
	loop_run(seen.loop);
	assert_int_equal(seen.count, 3);
	loop_free(seen.loop);
}

static enum loop_verdict fd_event(int fd, short events, void *data)
{
	struct seen *seen = data;
	char byte;

	seen->count++;
	seen->events |= events;
	if (events & POLLIN)
		assert_int_equal(read(fd, &byte, 1), 1);
	else if (events & POLLHUP)
		loop_quit(seen->loop);
	return LOOP_CONTINUE;
}

static void fd_tells_input_and_hangup(void **state)
{
	struct seen seen = { .loop = loop_new() };
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "ab", 2), 2);
	close(ends[1]);
	loop_add_fd(seen.loop, ends[0], POLLIN, fd_event, &seen);
	loop_run(seen.loop);
	assert_int_equal(seen.count, 3);
	assert_int_equal(seen.events, POLLIN | POLLHUP);
	loop_free(seen.loop);
	close(ends[0]);
}

static void fd_events_can_be_changed(void **state)
{
	struct seen seen = { .loop = loop_new() };
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "a", 1), 1);
	struct loop_source *source = loop_add_fd(seen.loop, ends[0], POLLIN, fd_event, &seen);
	loop_fd_set_events(source, 0);
	loop_add_timer(seen.loop, 10, count_to_three, &(struct seen){ .loop = seen.loop, .count = 2 });
	loop_run(seen.loop);
	assert_int_equal(seen.count, 0);
	loop_fd_set_events(source, POLLIN);
	loop_turn(seen.loop);
	assert_int_equal(seen.count, 1);
	loop_free(seen.loop);
	close(ends[0]);
	close(ends[1]);
}

static enum loop_verdict remove_self(void *data)
{
	struct seen *seen = data;

	loop_source_remove(seen->source);
	seen->count++;
	loop_quit(seen->loop);
	return seen->count % 2 ? LOOP_CONTINUE : LOOP_STOP;
}

static void callback_may_remove_its_own_source(void **state)
{
	struct seen seen = { .loop = loop_new() };

	for (int i = 0; i < 2; i++) {
		seen.source = loop_add_idle(seen.loop, remove_self, &seen);
		loop_run(seen.loop);
	}
	seen.source = loop_add_timer(seen.loop, 0, count_to_three, &seen);
	loop_run(seen.loop);
	assert_int_equal(seen.count, 3);
	loop_free(seen.loop);
}

static enum loop_verdict remove_other(void *data)
{
	struct seen *seen = data;

	loop_source_remove(seen->source);
	seen->source = NULL;
	return LOOP_STOP;
}

static void removed_source_is_not_called_in_the_same_turn(void **state)
{
	struct seen victim = { .loop = loop_new() };
	struct seen killer = { .loop = victim.loop };

	loop_add_idle(victim.loop, remove_other, &killer);
	killer.source = loop_add_idle(victim.loop, count_to_three, &victim);
	loop_turn(victim.loop);
	assert_null(killer.source);
	assert_int_equal(victim.count, 0);
	loop_free(victim.loop);
}

static void on_signal(int signum, void *data)
{
	struct seen *seen = data;

	seen->count = signum;
	loop_quit(seen->loop);
}

static int open_fds(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void signal_comes_through_the_loop(void **state)
{
	int open_before = open_fds();
	struct seen seen = { .loop = loop_new() };

	assert_non_null(loop_add_signal(seen.loop, SIGUSR2, on_signal, &seen));
	assert_int_equal(kill(getpid(), SIGUSR2), 0);
	loop_run(seen.loop);
	assert_int_equal(seen.count, SIGUSR2);
	loop_free(seen.loop);
	assert_int_equal(open_fds(), open_before);
}

static void on_exit_of(pid_t pid, void *data)
{
	struct seen *seen = data;

	seen->count = (int)pid;
	loop_quit(seen->loop);
}

static void pidfd_tells_the_end_of_a_process(void **state)
{
	struct seen seen = { .loop = loop_new() };
	int status, ends[2];

	assert_int_equal(pipe(ends), 0);
	pid_t pid = fork();
	if (pid == 0) {
		char byte;
		close(ends[1]);
		_exit(read(ends[0], &byte, 1) == 0 ? 7 : 1);
	}
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	assert_true(pidfd >= 0);
	loop_add_pidfd(seen.loop, pidfd, pid, on_exit_of, &seen);
	close(ends[0]);
	close(ends[1]);
	loop_run(seen.loop);
	assert_int_equal(seen.count, pid);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 7);
	close(pidfd);
	loop_free(seen.loop);
}

static void *post_from_thread(void *data)
{
	struct seen *seen = data;

	for (int i = 0; i < 3; i++)
		loop_post(seen->loop, count_to_three, seen);
	return NULL;
}

static void posts_from_a_thread_run_on_the_loop(void **state)
{
	struct seen seen = { .loop = loop_new() };
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, post_from_thread, &seen), 0);
	loop_run(seen.loop);
	assert_int_equal(seen.count, 3);
	pthread_join(thread, NULL);
	loop_post(seen.loop, count_to_three, &seen); // dropped by loop_free
	loop_free(seen.loop);
}

static void quit_before_run_counts(void **state)
{
	struct loop *loop = loop_new();

	loop_quit(loop);
	loop_run(loop);
	loop_free(loop);
	loop_free(NULL);
	loop_source_remove(NULL);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(timer_repeats_until_stopped),
	cmocka_unit_test(idle_repeats_until_stopped),
	cmocka_unit_test(fd_tells_input_and_hangup),
	cmocka_unit_test(fd_events_can_be_changed),
	cmocka_unit_test(callback_may_remove_its_own_source),
	cmocka_unit_test(removed_source_is_not_called_in_the_same_turn),
	cmocka_unit_test(signal_comes_through_the_loop),
	cmocka_unit_test(pidfd_tells_the_end_of_a_process),
	cmocka_unit_test(posts_from_a_thread_run_on_the_loop),
	cmocka_unit_test(quit_before_run_counts),
};

UNIT_MAIN(tests)
