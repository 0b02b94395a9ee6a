// SPDX-License-Identifier: GPL-3.0-or-later
// Tasks: order, deadlines, cancel, mutexes, worker threads. Each test runs a task that drives the others.
#include "tests/unit/unit.h"

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/task.h"

// Runs NAME_task as a task on a loop of its own.
#define TASK_TEST(name)                                                             \
	static void name(void **state)                                              \
	{                                                                           \
		struct error err = ERROR_INIT;                                      \
		struct loop *loop = loop_new();                                     \
		struct failure failure = { 0 };                                     \
		assert_non_null(loop);                                              \
		assert_ok(task_run(loop, #name, name##_task, &failure, &err), err); \
		task_end_all(loop, 5000);                                           \
		loop_free(loop);                                                    \
		if (failure.line)                                                   \
			fail_msg("line %d: %s", failure.line, failure.what);        \
	}

// cmocka's assertions jump out of the test function, which must not happen from a task's stack: note it and return.
struct failure {
	int line;
	const char *what;
};

#define CHECK(condition)                                                                    \
	do {                                                                                \
		if (!(condition)) {                                                         \
			*(struct failure *)data = (struct failure){ __LINE__, #condition }; \
			return;                                                             \
		}                                                                           \
	} while (0)

static enum loop_verdict wake_cb(void *data)
{
	task_wake(data);
	return LOOP_STOP;
}

static void wait_is_woken_task(void *data)
{
	struct task_wait wait = { 0 };
	struct error err = ERROR_INIT;

	loop_add_timer(task_loop(), 5, wake_cb, &wait);
	CHECK(task_wait(&wait, 5000, "a wake", &err) == 0);
	task_wake(&wait); // remembered
	task_wake(&wait); // and not counted
	CHECK(task_wait(&wait, 5000, "an earlier wake", &err) == 0);
	CHECK(task_wait(&wait, 5, "no wake", &err) == -1 && err.code == ERROR_TIMEOUT);
	CHECK(strstr(err.message, "no wake"));
	CHECK(task_wait(&wait, 0, "no wake", &err) == -1 && err.code == ERROR_TIMEOUT);
}
TASK_TEST(wait_is_woken)

static void pause_keeps_its_time_task(void *data)
{
	struct error err = ERROR_INIT;
	int64_t start_us = loop_now_us();

	CHECK(task_pause(20, &err) == 0);
	CHECK(loop_now_us() - start_us >= 20000);
}
TASK_TEST(pause_keeps_its_time)

static void fd_wait_task(void *data)
{
	struct error err = ERROR_INIT;
	int ends[2];

	CHECK(pipe(ends) == 0);
	CHECK(task_wait_fd(ends[0], POLLIN, 5, "input", &err) == -1 && err.code == ERROR_TIMEOUT);
	CHECK(task_wait_fd(ends[1], POLLOUT, 5000, "room", &err) == 0);
	CHECK(write(ends[1], "x", 1) == 1);
	CHECK(task_wait_fd(ends[0], POLLIN, 0, "input", &err) == 0);
	CHECK(task_wait_fd(ends[0], POLLIN, TASK_FOREVER, "input", &err) == 0);
	close(ends[1]);
	char byte;
	CHECK(read(ends[0], &byte, 1) == 1);
	CHECK(task_wait_fd(ends[0], POLLIN, 5000, "hang-up", &err) == 0);
	CHECK(read(ends[0], &byte, 1) == 0);
	close(ends[0]);
	CHECK(task_wait_fd(ends[0], POLLIN, 5000, "a closed one", &err) == -1 && err.code == ERROR_FAILED);
}
TASK_TEST(fd_wait)

struct late {
	struct loop *loop;
	int fd;
};

static enum loop_verdict write_now(void *data)
{
	(void)!write(((struct late *)data)->fd, "x", 1);
	return LOOP_STOP;
}

// Lets 20 ms go by within one turn, so that the next one has both the waiter's deadline and the write behind it.
static enum loop_verdict hold_up_then_write(void *data)
{
	struct late *late = data;

	(void)poll(NULL, 0, 20);
	loop_add_timer(late->loop, 0, write_now, late);
	return LOOP_STOP;
}

static void input_together_with_the_deadline_counts_task(void *data)
{
	struct error err = ERROR_INIT;
	int ends[2];

	CHECK(pipe(ends) == 0);
	struct late late = { task_loop(), ends[1] };
	loop_add_timer(task_loop(), 0, hold_up_then_write, &late);
	CHECK(task_wait_fd(ends[0], POLLIN, 10, "input", &err) == 0);
	close(ends[0]);
	close(ends[1]);
}
TASK_TEST(input_together_with_the_deadline_counts)

struct worker {
	struct task *task;
	struct task_wait go, ended;
	struct task_mutex *mutex;
	unsigned lock_ms, pause_ms;
	int result, again, cleanup;
	char id, *log;
	struct error err;
};

static void log_char(char *log, char c)
{
	size_t used = strlen(log);

	log[used] = c;
	log[used + 1] = '\0';
}

static void worker_waits(void *data)
{
	struct worker *worker = data;

	worker->result = task_wait(&worker->go, TASK_FOREVER, "to go", &worker->err);
	worker->again = task_pause(1, NULL);
	task_uncancel(task_self());
	worker->cleanup = task_pause(1, NULL);
	task_wake(&worker->ended);
}

static void cancel_ends_every_wait_task(void *data)
{
	struct worker worker = { 0 };
	struct error err = ERROR_INIT;

	worker.task = task_start(task_loop(), "worker", worker_waits, &worker, &err);
	CHECK(worker.task);
	CHECK(strcmp(task_name(worker.task), "worker") == 0);
	CHECK(task_pause(5, &err) == 0);
	task_cancel(worker.task);
	CHECK(task_wait(&worker.ended, 5000, "worker", &err) == 0);
	CHECK(worker.result == -1 && worker.err.code == ERROR_CANCELLED);
	CHECK(worker.again == -1 && worker.cleanup == 0);

	worker = (struct worker){ .task = task_start(task_loop(), "worker", worker_waits, &worker, &err) };
	task_cancel(worker.task); // before its first turn
	CHECK(task_wait(&worker.ended, 5000, "worker", &err) == 0);
	CHECK(worker.result == -1 && worker.err.code == ERROR_CANCELLED);
}
TASK_TEST(cancel_ends_every_wait)

static void locker(void *data)
{
	struct worker *worker = data;

	worker->result = task_lock(worker->mutex, worker->lock_ms, &worker->err);
	if (worker->result == 0) {
		log_char(worker->log, worker->id);
		(void)!task_pause(worker->pause_ms, NULL);
		log_char(worker->log, worker->id);
		task_unlock(worker->mutex);
	}
	task_wake(&worker->ended);
}

static void start_lockers(struct worker *workers, size_t count, struct task_mutex *mutex, char *log)
{
	for (size_t i = 0; i < count; i++) {
		workers[i].mutex = mutex;
		workers[i].lock_ms = workers[i].lock_ms ? workers[i].lock_ms : 5000;
		workers[i].pause_ms = workers[i].pause_ms ? workers[i].pause_ms : 2;
		workers[i].id = (char)('a' + i);
		workers[i].log = log;
		workers[i].task = task_start(task_loop(), "locker", locker, &workers[i], NULL);
	}
}

static void mutex_goes_in_order_task(void *data)
{
	struct worker workers[4] = { 0 };
	struct task_mutex mutex = { 0 };
	char log[64] = "";

	start_lockers(workers, 4, &mutex, log);
	for (int i = 0; i < 4; i++)
		CHECK(task_wait(&workers[i].ended, 5000, "locker", NULL) == 0);
	CHECK(strcmp(log, "aabbccdd") == 0);
	CHECK(!mutex.owner && !mutex.first && !mutex.last);
}
TASK_TEST(mutex_goes_in_order)

static void mutex_survives_those_who_give_up_task(void *data)
{
	struct worker workers[5] = { { 0 }, { .lock_ms = 5 }, { 0 }, { .lock_ms = 5 }, { 0 } };
	struct task_mutex mutex = { 0 };
	char log[64] = "";

	CHECK(task_lock(&mutex, 0, NULL) == 0);
	start_lockers(workers, 5, &mutex, log);
	CHECK(task_wait(&workers[1].ended, 5000, "locker", NULL) == 0); // the middle of the queue
	CHECK(task_wait(&workers[3].ended, 5000, "locker", NULL) == 0);
	task_cancel(workers[4].task); // its end
	CHECK(task_wait(&workers[4].ended, 5000, "locker", NULL) == 0);
	CHECK(workers[1].err.code == ERROR_TIMEOUT && workers[3].err.code == ERROR_TIMEOUT);
	CHECK(workers[4].err.code == ERROR_CANCELLED);
	task_unlock(&mutex);
	CHECK(task_wait(&workers[0].ended, 5000, "locker", NULL) == 0);
	CHECK(task_wait(&workers[2].ended, 5000, "locker", NULL) == 0);
	CHECK(strcmp(log, "aacc") == 0);
	CHECK(!mutex.owner && !mutex.first && !mutex.last);
}
TASK_TEST(mutex_survives_those_who_give_up)

static void mutex_is_handed_on_by_a_cancelled_heir_task(void *data)
{
	struct worker workers[2] = { 0 };
	struct task_mutex mutex = { 0 };
	char log[64] = "";

	CHECK(task_lock(&mutex, 0, NULL) == 0);
	start_lockers(workers, 2, &mutex, log);
	CHECK(task_pause(5, NULL) == 0);
	task_cancel(workers[0].task); // it gives up first and becomes the heir then, in one turn
	task_unlock(&mutex);
	for (int i = 0; i < 2; i++)
		CHECK(task_wait(&workers[i].ended, 5000, "locker", NULL) == 0);
	CHECK(strcmp(log, "bb") == 0);
	CHECK(!mutex.owner && !mutex.first && !mutex.last);
}
TASK_TEST(mutex_is_handed_on_by_a_cancelled_heir)

struct job {
	int ends[2];
	char byte;
	struct task *task;
};

static int read_blocking(void *data, struct error *err)
{
	struct job *job = data;

	if (read(job->ends[0], &job->byte, 1) != 1)
		return error_set(err, ERROR_UNREACHABLE, "nobody writes");
	return 0;
}

static void job_writer(void *data)
{
	struct job *job = data;

	task_cancel(job->task); // does not disturb the thread
	(void)!task_pause(10, NULL);
	(void)!write(job->ends[1], "y", 1);
}

static void offload_lets_the_loop_go_on_task(void *data)
{
	struct job job = { .task = task_self() };
	struct error err = ERROR_INIT;

	CHECK(pipe(job.ends) == 0);
	CHECK(task_start(task_loop(), "writer", job_writer, &job, &err));
	CHECK(task_offload(read_blocking, &job, &err) == 0);
	CHECK(job.byte == 'y');
	CHECK(task_offload(read_blocking, &job, &err) == -1 && err.code == ERROR_CANCELLED);
	task_uncancel(task_self());
	close(job.ends[1]);
	CHECK(task_offload(read_blocking, &job, &err) == -1 && err.code == ERROR_UNREACHABLE);
	CHECK(strcmp(err.message, "nobody writes") == 0);
	close(job.ends[0]);
}
TASK_TEST(offload_lets_the_loop_go_on)

static int burn(char *filled, int depth)
{
	char frame[1000];

	memset(frame, depth, sizeof(frame));
	filled[0] = frame[depth % 1000];
	return depth == 0 ? 0 : burn(frame, depth - 1) + frame[0];
}

static void crowd_member(void *data)
{
	char top[1];

	(void)burn(top, 100); // 100 KiB of stack
	(void)!task_pause(1, NULL);
	(void)burn(top, 100);
	++*(int *)data;
}

static void thousand_tasks_task(void *data)
{
	int ended = 0;

	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 200; i++)
			CHECK(task_start(task_loop(), "member", crowd_member, &ended, NULL));
		while (ended < (round + 1) * 200)
			CHECK(task_pause(1, NULL) == 0);
	}
}
TASK_TEST(thousand_tasks)

static void sleeper(void *data)
{
	int *ended = data;

	(void)!task_pause(TASK_FOREVER, NULL);
	++*ended;
}

static void end_all_ends_all(void **state)
{
	struct loop *loop = loop_new();
	int ended = 0;

	for (int i = 0; i < 3; i++)
		assert_non_null(task_start(loop, "sleeper", sleeper, &ended, NULL));
	loop_turn(loop);
	task_end_all(loop, 5000);
	assert_int_equal(ended, 3);
	assert_null(task_self());
	assert_non_null(task_start(loop, "never runs", sleeper, &ended, NULL));
	loop_free(loop);
	assert_int_equal(ended, 3);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(wait_is_woken),
	cmocka_unit_test(pause_keeps_its_time),
	cmocka_unit_test(fd_wait),
	cmocka_unit_test(input_together_with_the_deadline_counts),
	cmocka_unit_test(cancel_ends_every_wait),
	cmocka_unit_test(mutex_goes_in_order),
	cmocka_unit_test(mutex_survives_those_who_give_up),
	cmocka_unit_test(mutex_is_handed_on_by_a_cancelled_heir),
	cmocka_unit_test(offload_lets_the_loop_go_on),
	cmocka_unit_test(thousand_tasks),
	cmocka_unit_test(end_all_ends_all),
};

UNIT_MAIN(tests)
