// SPDX-License-Identifier: GPL-3.0-or-later
// What task.c, task-switch.c and task-sync.c share. Nobody else includes this.
#ifndef COMMON_TASK_PRIVATE_H
#define COMMON_TASK_PRIVATE_H

#include <setjmp.h>
#include <stddef.h>
#include "common/task.h"

// Why a task runs again.
enum task_reason { TASK_WOKEN, TASK_TIMED_OUT, TASK_CANCELLED };

struct task_stack {
	struct task_stack *next; // in the pool
	char *base; // lowest usable byte; a page without access lies below
	size_t bytes;
};

struct task {
	struct task_scheduler *scheduler;
	char name[48];
	task_fn *fn;
	void *data;
	struct task_stack *stack;
	jmp_buf env;
	void *fake_stack; // of the address sanitizer
	bool started, ended, cancelled, waiting;
	enum task_reason reason;
	struct task *next_ready;
	struct task *next, **link; // all tasks of the scheduler
};

// One per loop.
struct task_scheduler {
	struct loop *loop;
	struct task *all;
	struct task *ready_first, *ready_last;
	bool kicked; // an idle source will run the ready ones
	jmp_buf env; // of the loop, while a task runs
	void *fake_stack;
	const void *loop_stack;
	size_t loop_stack_bytes;
	struct task_stack *pool;
	unsigned pooled;
	struct _GThreadPool *workers; // made by the first task_offload
};

// task-switch.c: the only code that knows how stacks are switched.
struct task_stack *task_stack_get(struct task_scheduler *scheduler);
void task_stack_put(struct task_scheduler *scheduler, struct task_stack *stack);
void task_stack_drain(struct task_scheduler *scheduler);
void task_enter(struct task *task); // from the loop; back when the task waits or has ended
void task_leave(struct task *task); // from the task to the loop

// task.c
enum task_reason task_suspend(struct task *task, unsigned timeout_ms);
void task_ready(struct task *task, enum task_reason reason); // if it waits
int task_check_cancelled(const struct task *task, const char *what, struct error *err);
int task_set_reason(enum task_reason reason, unsigned timeout_ms, const char *what, struct error *err);

#endif
