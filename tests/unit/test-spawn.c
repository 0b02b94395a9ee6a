// SPDX-License-Identifier: GPL-3.0-or-later
// Running programs, real ones: the results, the deadline, the cancel, and what a detached process inherits.
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/loop.h"
#include "common/spawn.h"
#include "common/task.h"

// One run, either in a task or blocking, so that both give the same.
struct run {
	const char *const *argv;
	unsigned timeout_ms, cancel_ms;
	int result;
	struct spawn_output output;
	struct error err;
};

static enum loop_verdict cancel_cb(void *data)
{
	task_cancel(data);
	return LOOP_STOP;
}

static void run_task(void *data)
{
	struct run *run = data;

	if (run->cancel_ms)
		loop_add_timer(task_loop(), run->cancel_ms, cancel_cb, task_self());
	run->result = spawn_run(run->argv, run->timeout_ms, &run->output, &run->err);
}

static void run_in_task(struct run *run)
{
	struct loop *loop = loop_new();
	struct error err = ERROR_INIT;

	run->timeout_ms = run->timeout_ms ? run->timeout_ms : 10000;
	assert_ok(task_run(loop, "run", run_task, run, &err), err);
	loop_free(loop);
}

static void run_blocking(struct run *run)
{
	run->timeout_ms = run->timeout_ms ? run->timeout_ms : 10000;
	run->result = spawn_run_blocking(run->argv, run->timeout_ms, &run->output, &run->err);
}

static void (*const ways[])(struct run *run) = { run_in_task, run_blocking };
#define each_way(way) for (size_t way = 0; way < 2; way++)
#define SHELL(text) ((const char *const[]){ "sh", "-c", text, NULL })

static void read_all(int fd, char *text, size_t size)
{
	size_t used = 0;
	ssize_t count;

	while (used < size - 1 && (count = read(fd, text + used, size - 1 - used)) > 0)
		used += (size_t)count;
	text[used] = '\0';
}

static void wait_gone(int pidfd)
{
	struct pollfd pollfd = { .fd = pidfd, .events = POLLIN };

	assert_int_equal(poll(&pollfd, 1, 10000), 1);
}

static void no_children_are_left(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void gives_output_and_status(void **state)
{
	each_way (way) {
		struct run run = {
			.argv = SHELL(
				"echo out; echo err >&2; cat; ls /proc/self/fd | wc -l; echo $LC_ALL")
		};
		ways[way](&run);
		assert_ok(run.result, run.err);
		assert_string_equal(run.output.out, "out\n4\nC\n");
		assert_int_equal(run.output.out_bytes, strlen(run.output.out));
		assert_string_equal(run.output.err, "err\n");
		spawn_output_done(&run.output);
		no_children_are_left();
	}
}

static void bad_status_is_an_error_with_the_first_line(void **state)
{
	each_way (way) {
		struct run run = { .argv = SHELL("echo some; printf 'why\\nmore\\n' >&2; exit 3") };
		ways[way](&run);
		assert_int_equal(run.result, -1);
		assert_non_null(strstr(run.err.message, "exit status 3: why"));
		assert_null(strchr(run.err.message + strlen(run.err.message) - 4, '\n'));
		assert_string_equal(run.output.out, "some\n");
		assert_int_equal(WEXITSTATUS(run.output.status), 3);
		spawn_output_done(&run.output);

		struct run killed = { .argv = SHELL("kill -9 $$") };
		ways[way](&killed);
		assert_int_equal(killed.result, -1);
		assert_non_null(strstr(killed.err.message, "signal 9"));
		spawn_output_done(&killed.output);
		no_children_are_left();
	}
}

static void missing_program_is_told(void **state)
{
	each_way (way) {
		struct run run = { .argv = (const char *const[]){ "no-such-program-here", NULL } };
		ways[way](&run);
		assert_int_equal(run.result, -1);
		assert_int_equal(run.err.code, ERROR_NOT_FOUND);
		assert_non_null(strstr(run.err.message, "no-such-program-here"));
		spawn_output_done(&run.output);
		no_children_are_left();
	}
}

static void deadline_kills_the_whole_group(void **state)
{
	char path[] = "/tmp/holdfast-test-spawn.XXXXXX", text[32];
	int fd = mkstemp(path);
	const char *argv[] = { "sh", "-c", "sleep 1000 & echo $! >$0; exec sleep 1000", path, NULL };

	assert_true(fd >= 0);
	each_way (way) {
		struct run run = { .argv = argv, .timeout_ms = 1000 };
		double start_ms = loop_now_ms();
		ways[way](&run);
		assert_int_equal(run.result, -1);
		assert_int_equal(run.err.code, ERROR_TIMEOUT);
		assert_non_null(strstr(run.err.message, "1000 ms"));
		assert_true(loop_now_ms() - start_ms < 8000);
		spawn_output_done(&run.output);
		no_children_are_left();
		assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
		read_all(fd, text, sizeof(text));
		assert_true(atoi(text) > 1);
		cleanup_fd int pidfd = (int)syscall(SYS_pidfd_open, atoi(text), 0);
		if (pidfd >= 0) // else it is gone already
			wait_gone(pidfd);
	}
	close(fd);
	unlink(path);
}

static void left_behind_process_does_not_hold_us_up(void **state)
{
	each_way (way) {
		struct run run = { .argv = SHELL("setsid sleep 1000 & echo $!") };
		ways[way](&run);
		assert_ok(run.result, run.err);
		pid_t pid = (pid_t)atoi(run.output.out);
		assert_true(pid > 1);
		assert_int_equal(kill(pid, SIGKILL), 0);
		spawn_output_done(&run.output);
	}
}

static void long_output_is_cut_not_blocked(void **state)
{
	each_way (way) {
		struct run run = {
			.argv = SHELL(
				"head -c 1000000 /dev/zero | tr '\\0' x; head -c 50000 /dev/zero >&2")
		};
		ways[way](&run);
		assert_ok(run.result, run.err);
		assert_int_equal(run.output.out_bytes, 256 << 10);
		assert_int_equal(strlen(run.output.out), 256 << 10);
		spawn_output_done(&run.output);
	}
}

static void cancel_kills(void **state)
{
	struct run run = { .argv = SHELL("exec sleep 1000"), .cancel_ms = 50 };

	run_in_task(&run);
	assert_int_equal(run.result, -1);
	assert_int_equal(run.err.code, ERROR_CANCELLED);
	no_children_are_left();
}

// ---- detached

// Starts argv with its stdout in a pipe and returns what it wrote.
static void detached_says(struct spawn_params *params, const struct spawn_fd *fds, int pipe_fd, int close_fd,
	char *text, size_t size)
{
	struct error err = ERROR_INIT;
	cleanup_fd int pidfd = -1;
	pid_t pid;

	params->fds = fds;
	assert_ok(spawn_detached(params, &pid, &pidfd, &err), err);
	close(close_fd);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), -1); // not our child
	read_all(pipe_fd, text, size);
	wait_gone(pidfd);
	no_children_are_left();
}

static void detached_inherits_only_what_is_named(void **state)
{
	struct spawn_params params = { .argv = SHELL(
					       "ls /proc/self/fd | tr '\\n' ' '; pwd; env | grep -c FOO; "
					       "grep SigIgn /proc/self/status; cat <&5") };
	int out[2], in[2];
	char text[4096];

	assert_int_equal(pipe(out), 0);
	assert_int_equal(pipe(in), 0);
	assert_int_equal(write(in[1], "passed", 6), 6);
	close(in[1]);
	setenv("FOO", "1", 1);
	signal(SIGPIPE, SIG_IGN);
	// targets that are in each other's way: in becomes 5, out becomes 1
	const struct spawn_fd fds[] = { { out[1], 1 }, { in[0], 5 }, { out[1], in[0] }, { .fd = -1 } };
	detached_says(&params, fds, out[0], out[1], text, sizeof(text));
	signal(SIGPIPE, SIG_DFL);
	close(out[0]);
	close(in[0]);
	char expected[200];
	snprintf(expected, sizeof(expected), "0 1 2 %d 5 6 /\n0\nSigIgn:\t0000000000000000\npassed", in[0]);
	if (in[0] > 5) // ls itself opens the lowest free one
		snprintf(expected, sizeof(expected), "0 1 2 3 5 %d /\n0\nSigIgn:\t0000000000000000\npassed",
			in[0]);
	assert_string_equal(text, expected);
}

// Whatever number a descriptor becomes, it may be one that we use ourselves on the way.
static void detached_takes_any_target_number(void **state)
{
	for (int target = 3; target < 20; target++) {
		char command[64], text[64];
		int out[2], in[2];

		snprintf(command, sizeof(command), "cat /proc/self/fd/%d", target);
		struct spawn_params params = { .argv = SHELL(command) };
		assert_int_equal(pipe(out), 0);
		assert_int_equal(pipe(in), 0);
		assert_int_equal(write(in[1], "passed", 6), 6);
		close(in[1]);
		const struct spawn_fd fds[] = { { in[0], target }, { out[1], 1 }, { .fd = -1 } };
		detached_says(&params, fds, out[0], out[1], text, sizeof(text));
		assert_string_equal(text, "passed");
		close(in[0]);
		close(out[0]);
	}
}

static void detached_has_no_privileges(void **state)
{
	struct spawn_params params = {
		.argv = SHELL("id -u; id -g; id -G; grep -E 'Cap|NoNewPrivs' /proc/self/status"),
		.uid = 65534,
		.gid = 65534
	};
	int out[2];
	char text[4096];

	if (geteuid() != 0)
		skip();
	assert_int_equal(pipe(out), 0);
	const struct spawn_fd fds[] = { { out[1], 1 }, { .fd = -1 } };
	detached_says(&params, fds, out[0], out[1], text, sizeof(text));
	close(out[0]);
	assert_string_equal(text,
		"65534\n65534\n65534\n"
		"CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\n"
		"CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\n"
		"CapAmb:\t0000000000000000\nNoNewPrivs:\t1\n");
}

static void detached_failures_are_told(void **state)
{
	struct error err = ERROR_INIT;
	pid_t pid;
	int pidfd = -1;
	struct spawn_params missing = { .argv = (const char *const[]){ "/no/such/program", NULL } };
	struct spawn_params directory = { .argv = SHELL("true"), .directory = "/no/such/directory" };
	struct spawn_params cgroup = { .argv = SHELL("true"), .cgroup = "/no/such/cgroup.procs" };
	struct spawn_params fd = { .argv = SHELL("true"),
		.fds = (const struct spawn_fd[]){ { 1000, 3 }, { .fd = -1 } } };

	assert_fails(spawn_detached(&missing, &pid, &pidfd, &err), err, ERROR_NOT_FOUND);
	assert_non_null(strstr(err.message, "/no/such/program"));
	assert_fails(spawn_detached(&directory, &pid, &pidfd, &err), err, ERROR_NOT_FOUND);
	assert_non_null(strstr(err.message, "directory"));
	assert_fails(spawn_detached(&cgroup, &pid, &pidfd, &err), err, ERROR_NOT_FOUND);
	assert_non_null(strstr(err.message, "cgroup"));
	assert_fails(spawn_detached(&fd, &pid, &pidfd, &err), err, ERROR_FAILED);
	assert_non_null(strstr(err.message, "descriptors"));
	assert_int_equal(pidfd, -1);
	no_children_are_left();
}

static void detached_joins_its_cgroup(void **state)
{
	char path[] = "/tmp/holdfast-test-cgroup.XXXXXX", text[16];
	struct error err = ERROR_INIT;
	int fd = mkstemp(path), pidfd;
	pid_t pid;
	struct spawn_params params = { .argv = SHELL("true"), .cgroup = path };

	assert_true(fd >= 0);
	assert_ok(spawn_detached(&params, &pid, &pidfd, &err), err);
	read_all(fd, text, sizeof(text));
	assert_string_equal(text, "0"); // what the kernel reads as "the writer"
	wait_gone(pidfd);
	close(pidfd);
	close(fd);
	unlink(path);
}

// An attached child is ours to reap, and the kernel ends it with us: the parent here is a process that is killed.
static void attached_dies_with_its_parent(void **state)
{
	struct spawn_params params = { .argv = SHELL("sleep 1000"), .uid = 65534, .gid = 65534 };
	struct error err = ERROR_INIT;
	int ends[2], pidfd = -1;
	pid_t pid = 0;

	if (geteuid() != 0)
		skip();
	assert_int_equal(pipe(ends), 0);
	pid_t parent = fork();
	assert_true(parent >= 0);
	if (parent == 0) {
		if (spawn_attached(&params, &pid, &pidfd, &err) < 0 ||
			write(ends[1], &pid, sizeof(pid)) != (ssize_t)sizeof(pid))
			_exit(1);
		for (;;)
			pause();
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &pid, sizeof(pid)), (ssize_t)sizeof(pid));
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	assert_true(pidfd >= 0);
	assert_int_equal(kill(pid, 0), 0);
	kill(parent, SIGKILL);
	assert_int_equal(waitpid(parent, NULL, 0), parent);
	wait_gone(pidfd);
	close(pidfd);
	close(ends[0]);
}

static void attached_failures_are_told(void **state)
{
	struct error err = ERROR_INIT;
	pid_t pid;
	int pidfd = -1;
	struct spawn_params missing = { .argv = (const char *const[]){ "/no/such/program", NULL } };

	assert_fails(spawn_attached(&missing, &pid, &pidfd, &err), err, ERROR_NOT_FOUND);
	assert_int_equal(pidfd, -1);
	no_children_are_left();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(gives_output_and_status),
	cmocka_unit_test(bad_status_is_an_error_with_the_first_line),
	cmocka_unit_test(missing_program_is_told),
	cmocka_unit_test(deadline_kills_the_whole_group),
	cmocka_unit_test(left_behind_process_does_not_hold_us_up),
	cmocka_unit_test(long_output_is_cut_not_blocked),
	cmocka_unit_test(cancel_kills),
	cmocka_unit_test(detached_inherits_only_what_is_named),
	cmocka_unit_test(detached_takes_any_target_number),
	cmocka_unit_test(detached_has_no_privileges),
	cmocka_unit_test(detached_failures_are_told),
	cmocka_unit_test(detached_joins_its_cgroup),
	cmocka_unit_test(attached_dies_with_its_parent),
	cmocka_unit_test(attached_failures_are_told),
};

UNIT_MAIN(tests)
