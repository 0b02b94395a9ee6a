// SPDX-License-Identifier: GPL-3.0-or-later
// The scheduler: tasks that are ready run from one idle source of the loop, never inside the callback that woke them, so a
// callback's own state cannot change under it. The first reason to run again wins; later ones are dropped.
#include "common/task-private.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <glib.h>
#include "common/loop-private.h"

static void scheduler_free(struct task_scheduler *scheduler);
static void task_free(struct task *task);

static struct task_scheduler *scheduler_of(struct loop *loop)
{
	if (loop->tasks)
		return loop->tasks;
	struct task_scheduler *scheduler = calloc(1, sizeof(*scheduler));
	if (!scheduler)
		return NULL;
	scheduler->loop = loop;
	loop->tasks = scheduler;
	loop->tasks_free = scheduler_free;
	return scheduler;
}

static void scheduler_free(struct task_scheduler *scheduler)
{
	if (scheduler->workers)
		g_thread_pool_free(scheduler->workers, FALSE, TRUE);
	while (scheduler->all)
		task_free(scheduler->all);
	task_stack_drain(scheduler);
	free(scheduler);
}

static void task_free(struct task *task)
{
	*task->link = task->next;
	if (task->next)
		task->next->link = task->link;
	task_stack_put(task->scheduler, task->stack);
	free(task);
}

// Runs those that are ready now; what becomes ready meanwhile has its turn after the loop's other sources.
static enum loop_verdict run_ready(void *data)
{
	struct task_scheduler *scheduler = data;
	struct task *batch = scheduler->ready_first;

	scheduler->ready_first = scheduler->ready_last = NULL;
	for (struct task *task = batch, *next; task; task = next) {
		next = task->next_ready;
		task->next_ready = NULL;
		task_enter(task);
		if (task->ended)
			task_free(task);
	}
	scheduler->kicked = scheduler->ready_first != NULL;
	return scheduler->kicked ? LOOP_CONTINUE : LOOP_STOP;
}

static void enqueue(struct task *task, enum task_reason reason)
{
	struct task_scheduler *scheduler = task->scheduler;

	task->waiting = false;
	task->reason = reason;
	if (scheduler->ready_last)
		scheduler->ready_last->next_ready = task;
	else
		scheduler->ready_first = task;
	scheduler->ready_last = task;
	if (!scheduler->kicked)
		loop_add_idle(scheduler->loop, run_ready, scheduler);
	scheduler->kicked = true;
}

void task_ready(struct task *task, enum task_reason reason)
{
	if (task->waiting)
		enqueue(task, reason);
}

struct task *task_start(struct loop *loop, const char *name, task_fn *fn, void *data, struct error *err)
{
	struct task_scheduler *scheduler = scheduler_of(loop);
	struct task *task = scheduler ? calloc(1, sizeof(*task)) : NULL;
	struct task_stack *stack = task ? task_stack_get(scheduler) : NULL;

	if (!stack) {
		free(task);
		error_set(err, ERROR_NO_SPACE, "cannot start \"%s\": no memory for its stack", name);
		return NULL;
	}
	task->scheduler = scheduler;
	task->fn = fn;
	task->data = data;
	task->stack = stack;
	snprintf(task->name, sizeof(task->name), "%s", name);
	task->next = scheduler->all;
	task->link = &scheduler->all;
	if (scheduler->all)
		scheduler->all->link = &task->next;
	scheduler->all = task;
	enqueue(task, TASK_WOKEN);
	return task;
}

const char *task_name(const struct task *task)
{
	return task->name;
}

struct loop *task_loop(void)
{
	assert(task_self());
	return task_self()->scheduler->loop;
}

void task_cancel(struct task *task)
{
	task->cancelled = true;
	task_ready(task, TASK_CANCELLED);
}

void task_uncancel(struct task *task)
{
	task->cancelled = false;
}

bool task_cancelled(const struct task *task)
{
	return task->cancelled;
}

static enum loop_verdict suspend_timeout(void *data)
{
	task_ready(data, TASK_TIMED_OUT);
	return LOOP_CONTINUE; // removed by the task itself
}

enum task_reason task_suspend(struct task *task, unsigned timeout_ms)
{
	struct loop_source *timer = NULL;

	if (timeout_ms != TASK_FOREVER)
		timer = loop_add_timer(task->scheduler->loop, timeout_ms, suspend_timeout, task);
	task->waiting = true;
	task_leave(task);
	loop_source_remove(timer);
	return task->reason;
}

int task_check_cancelled(const struct task *task, const char *what, struct error *err)
{
	assert(task); // a wait outside of any task
	return task->cancelled ? error_set(err, ERROR_CANCELLED, "%s: cancelled", what) : 0;
}

int task_set_reason(enum task_reason reason, unsigned timeout_ms, const char *what, struct error *err)
{
	switch (reason) {
	case TASK_WOKEN:
		return 0;
	case TASK_TIMED_OUT:
		return error_set(err, ERROR_TIMEOUT, "%s: nothing within %u ms", what, timeout_ms);
	case TASK_CANCELLED:
		break;
	}
	return error_set(err, ERROR_CANCELLED, "%s: cancelled", what);
}

int task_pause(unsigned ms, struct error *err)
{
	struct task *self = task_self();

	if (task_check_cancelled(self, "pause", err) < 0)
		return -1;
	return task_suspend(self, ms) == TASK_CANCELLED ? error_set(err, ERROR_CANCELLED, "pause: cancelled")
							: 0;
}

static enum loop_verdict fd_is_ready(int fd, short events, void *data)
{
	task_ready(data, TASK_WOKEN);
	return LOOP_CONTINUE; // removed by the task itself
}

int task_wait_fd(int fd, short events, unsigned timeout_ms, const char *what, struct error *err)
{
	struct task *self = task_self();

	if (task_check_cancelled(self, what, err) < 0)
		return -1;
	struct loop_source *source = loop_add_fd(self->scheduler->loop, fd, events, fd_is_ready, self);
	enum task_reason reason = task_suspend(self, timeout_ms);
	loop_source_remove(source);
	struct pollfd pollfd = { .fd = fd, .events = events };
	int ready = poll(&pollfd, 1, 0);
	if (ready > 0 && pollfd.revents & POLLNVAL)
		return error_set(err, ERROR_FAILED, "%s: descriptor %d is not open", what, fd);
	// what became ready together with the deadline counts as in time
	if (reason == TASK_TIMED_OUT && ready > 0)
		reason = TASK_WOKEN;
	return task_set_reason(reason, timeout_ms, what, err);
}

static enum loop_verdict end_tick(void *data)
{
	return LOOP_CONTINUE;
}

void task_end_all(struct loop *loop, unsigned timeout_ms)
{
	int64_t deadline_us = loop_now_us() + (int64_t)timeout_ms * 1000;

	if (!loop->tasks)
		return;
	for (struct task *task = loop->tasks->all; task; task = task->next)
		task_cancel(task);
	// each turn ends by itself: a timer that ticks until then
	struct loop_source *tick = loop_add_timer(loop, 20, end_tick, NULL);
	while (loop->tasks->all && loop_now_us() < deadline_us)
		loop_turn(loop);
	loop_source_remove(tick);
}

struct task_run {
	task_fn *fn;
	void *data;
	bool ended;
};

static void run_main(void *data)
{
	struct task_run *run = data;

	run->fn(run->data);
	run->ended = true;
}

int task_run(struct loop *loop, const char *name, task_fn *fn, void *data, struct error *err)
{
	struct task_run run = { .fn = fn, .data = data };

	if (!task_start(loop, name, run_main, &run, err))
		return -1;
	while (!run.ended)
		loop_turn(loop);
	return 0;
}
