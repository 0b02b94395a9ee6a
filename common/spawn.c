// SPDX-License-Identifier: GPL-3.0-or-later
// Runs a program and waits for its end: in a task with the loop going on, or blocking with poll. The end is the end of the process
// and not of its pipes, which something that it left behind may hold open.
#include "common/spawn-private.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/task.h"

#define KILL_TIMEOUT_MS 2000 // from SIGKILL to the end; longer only in uninterruptible sleep

static int set_timeout(const struct spawn_child *child, unsigned timeout_ms, struct error *err)
{
	char command[160];

	spawn_command_text(child->argv, command, sizeof(command));
	return error_set(
		err, ERROR_TIMEOUT, "%s did not end within %u ms and was killed", command, timeout_ms);
}

// ---- in a task

struct watch {
	struct spawn_child *child;
	struct task_wait ended;
	struct loop_source *out, *err, *exit;
};

static enum loop_verdict read_stream(struct spawn_stream *stream, struct loop_source **source)
{
	if (spawn_stream_read(stream) || stream->fd >= 0)
		return LOOP_CONTINUE;
	*source = NULL;
	return LOOP_STOP;
}

static enum loop_verdict out_ready(int fd, short events, void *data)
{
	struct watch *watch = data;

	return read_stream(&watch->child->out, &watch->out);
}

static enum loop_verdict err_ready(int fd, short events, void *data)
{
	struct watch *watch = data;

	return read_stream(&watch->child->err, &watch->err);
}

static void child_ended(pid_t pid, void *data)
{
	struct watch *watch = data;

	watch->exit = NULL;
	task_wake(&watch->ended);
}

static void reap_later(pid_t pid, void *data)
{
	int *pidfd = data;

	waitpid(pid, NULL, 0);
	close(*pidfd);
	free(pidfd);
}

// It did not die of SIGKILL yet: the loop takes its status whenever it does.
static void hand_over(struct loop *loop, struct spawn_child *child)
{
	int *pidfd = malloc(sizeof(*pidfd));

	if (!pidfd)
		return;
	*pidfd = steal_fd(&child->pidfd);
	loop_add_pidfd(loop, *pidfd, child->pid, reap_later, pidfd);
}

// Kills it and waits for its end, in a cancelled task too: what follows must not meet it alive.
static void end_by_force(struct watch *watch, const struct error *why)
{
	spawn_child_kill(watch->child);
	task_uncancel(task_self());
	if (task_wait(&watch->ended, KILL_TIMEOUT_MS, "killed process", NULL) == 0)
		spawn_child_reap(watch->child);
	else
		hand_over(task_loop(), watch->child);
	if (why->code == ERROR_CANCELLED)
		task_cancel(task_self());
}

static int run_with(const char *const argv[], int in, unsigned timeout_ms, struct spawn_output *output,
	struct error *err)
{
	struct spawn_child child;
	struct error why = ERROR_INIT;

	if (output)
		*output = (struct spawn_output){ 0 };
	if (task_cancelled(task_self()))
		return error_set(err, ERROR_CANCELLED, "%s: cancelled", argv[0]);
	if (spawn_child_start(&child, argv, in, err) < 0)
		return -1;
	struct watch watch = { .child = &child };
	watch.out = loop_add_fd(task_loop(), child.out.fd, POLLIN, out_ready, &watch);
	watch.err = loop_add_fd(task_loop(), child.err.fd, POLLIN, err_ready, &watch);
	watch.exit = loop_add_pidfd(task_loop(), child.pidfd, child.pid, child_ended, &watch);
	int result = task_wait(&watch.ended, timeout_ms, argv[0], &why);
	if (result < 0)
		end_by_force(&watch, &why);
	loop_source_remove(watch.out);
	loop_source_remove(watch.err);
	loop_source_remove(watch.exit);
	if (result == 0) {
		spawn_child_reap(&child);
		return spawn_child_finish(&child, output, err);
	}
	if (why.code == ERROR_TIMEOUT)
		set_timeout(&child, timeout_ms, err);
	else
		error_copy(err, &why);
	spawn_child_abandon(&child);
	return -1;
}

int spawn_run(const char *const argv[], unsigned timeout_ms, struct spawn_output *output, struct error *err)
{
	return run_with(argv, -1, timeout_ms, output, err);
}

// In memory and not in a pipe: the child may read it when it likes, or not at all.
int spawn_run_input(const char *const argv[], const char *input, unsigned timeout_ms,
	struct spawn_output *output, struct error *err)
{
	size_t bytes = strlen(input);
	cleanup_fd int in = memfd_create("input", MFD_CLOEXEC);

	if (in < 0 || write(in, input, bytes) != (ssize_t)bytes || lseek(in, 0, SEEK_SET) < 0)
		return error_set_errno(err, errno, "cannot run %s", argv[0]);
	return run_with(argv, in, timeout_ms, output, err);
}

// ---- without a loop

// 1 when it has ended, 0 at the deadline.
static int poll_until_end(struct spawn_child *child, unsigned timeout_ms)
{
	int64_t deadline_us = loop_now_us() + (int64_t)timeout_ms * 1000;

	for (;;) {
		struct pollfd fds[] = {
			{ .fd = child->pidfd, .events = POLLIN },
			{ .fd = child->out.fd, .events = POLLIN },
			{ .fd = child->err.fd, .events = POLLIN },
		};
		int64_t left_ms = (deadline_us - loop_now_us() + 999) / 1000;
		if (left_ms < 0)
			left_ms = 0;
		int wait_ms = timeout_ms == TASK_FOREVER ? -1 : left_ms > INT_MAX ? INT_MAX : (int)left_ms;
		if (poll(fds, 3, wait_ms) > 0 && fds[0].revents)
			return 1;
		if (wait_ms == 0)
			return 0;
		spawn_stream_read(&child->out);
		spawn_stream_read(&child->err);
	}
}

int spawn_run_blocking(
	const char *const argv[], unsigned timeout_ms, struct spawn_output *output, struct error *err)
{
	struct spawn_child child;

	if (output)
		*output = (struct spawn_output){ 0 };
	if (spawn_child_start(&child, argv, -1, err) < 0)
		return -1;
	if (poll_until_end(&child, timeout_ms)) {
		spawn_child_reap(&child);
		return spawn_child_finish(&child, output, err);
	}
	spawn_child_kill(&child);
	if (poll_until_end(&child, KILL_TIMEOUT_MS))
		spawn_child_reap(&child);
	set_timeout(&child, timeout_ms, err);
	spawn_child_abandon(&child);
	return -1;
}
