// SPDX-License-Identifier: GPL-3.0-or-later
// Tasks: straight-line code on the one loop thread. A task is a coroutine with its own stack; it runs until it waits (for a
// descriptor, a reply, a child, a worker thread, another task) and the loop goes on meanwhile. Between two waits nothing else runs, so
// state needs no locks; across a wait everything may have changed and must be looked at again. Only the functions marked "waits"
// give up the loop, and only a task may call them. Each has a deadline. Never use a task from another thread.
#ifndef COMMON_TASK_H
#define COMMON_TASK_H

#include <stdbool.h>
#include "common/error.h"
#include "common/loop.h"

#define TASK_FOREVER (~0u)	// as timeout_ms: only where nobody waits behind it (the next request, the next event)

struct task;
typedef void task_fn(void *data);

// Starts FN on the next turn of the loop. The task ends, and its stack is freed, when FN returns. DATA is FN's to own.
// Returns NULL and sets err if there is no memory.
struct task *task_start(struct loop *loop, const char *name, task_fn *fn, void *data, struct error *err);
// The same, and turns the loop until FN has returned: main() of programs of one job, and tests. Not from inside a task.
int task_run(struct loop *loop, const char *name, task_fn *fn, void *data, struct error *err) MUST_CHECK;
// Cancels every task and turns the loop until all have ended: before loop_free, which drops what is still waiting with all it holds.
void task_end_all(struct loop *loop, unsigned timeout_ms);
const char *task_name(const struct task *task);
struct task *task_self(void);			// NULL outside of any task
// What the task waits in now, and every later wait, returns -1 with ERROR_CANCELLED, until task_uncancel.
void task_cancel(struct task *task);
void task_uncancel(struct task *task);		// for undoing: a cancelled task that has to clean up in waits
bool task_cancelled(const struct task *task);
struct loop *task_loop(void);			// the loop of the running task

// A condition that one task waits for and a callback makes true. Embed it, zeroed; it must outlive the wait. Several wakes before
// a wait are one.
struct task_wait {
	struct task *waiter;
	bool woken;
};
int task_wait(struct task_wait *wait, unsigned timeout_ms, const char *what, struct error *err) MUST_CHECK;	// waits
void task_wake(struct task_wait *wait);		// from the loop thread; remembered if nobody waits yet

// 0 too on POLLHUP and POLLERR: the read or write that follows tells.
int task_wait_fd(int fd, short events, unsigned timeout_ms, const char *what, struct error *err) MUST_CHECK;	// waits
int task_pause(unsigned ms, struct error *err) MUST_CHECK;	// waits; only between bounded retries of what gives no event

// One task at a time, in order of arrival. Zeroed is unlocked.
struct task_mutex {
	struct task *owner;
	struct task_mutex_waiter *first, *last;
};
int task_lock(struct task_mutex *mutex, unsigned timeout_ms, struct error *err) MUST_CHECK;	// waits
void task_unlock(struct task_mutex *mutex);

// Runs FN(data) on a worker thread and waits for its end, however long it takes (it cannot be cancelled: give FN bounds of its
// own). For calls that block: fsync, mount, large reads. FN returns 0 or -1 with err set, and must touch nothing but DATA.
typedef int task_work_fn(void *data, struct error *err);
int task_offload(task_work_fn *fn, void *data, struct error *err) MUST_CHECK;	// waits

#endif
